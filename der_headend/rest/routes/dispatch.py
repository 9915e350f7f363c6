"""``/dispatch``: order power, see what became of it, take it back. Positive MW = discharge / export."""

from typing import Annotated

from fastapi import APIRouter, Body, Header, Query, Request
from fastapi.openapi.models import Example
from fastapi.responses import JSONResponse, StreamingResponse

from der_core.dispatch import Dispatch as DispatchRecord
from der_core.lifecycle import State
from der_headend.ports import DispatchQuery, Page
from der_headend.rest import idempotency
from der_headend.rest.guards import taken_over
from der_headend.rest.models.dispatch import Dispatch, Order, Preview
from der_headend.rest.parameters import Cursor, DispatchId, End, Limit, OfAsset, OfSite, Start, TimeoutS
from der_headend.rest.problems import documented
from der_headend.rest.replies import LISTED, listing, reply
from der_headend.rest.services import Provided, Services
from der_headend.rest.strict import StrictRoute
from der_headend.rest.views import records

router = APIRouter(prefix="/dispatch", tags=["dispatch"], route_class=StrictRoute)

_EXAMPLES: dict[str, Example] = {
    "asset": {
        "summary": "5 MW from one asset, until further notice",
        "value": {"asset_id": "7ba7b810-9dad-11d1-80b4-00c04fd430c8", "mw": 5},
    },
    "site": {
        "summary": "12 MW from a site, for a quarter of an hour",
        "value": {"site_id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "mw": 12, "duration_s": 900},
    },
}
Ordered = Annotated[Order, Body(openapi_examples=_EXAMPLES)]


@router.post("", status_code=202, response_model=Dispatch, responses=documented(400, 404, 409, 413, 422, 503))
async def submit_dispatch(
    request: Request,
    services: Provided,
    order: Ordered,
    *,
    wait: Annotated[
        State | None, Query(description="answer when this state, or a final one, is reached")
    ] = None,
    timeout_s: TimeoutS = 2.0,
    idempotency_key: Annotated[
        str | None,
        Header(
            alias=idempotency.HEADER,
            min_length=1,
            max_length=idempotency.MAX_LENGTH,
            description="another way to give the id: a UUID, or any text of which one is made",
        ),
    ] = None,
) -> JSONResponse:
    """Order power of an asset or a site; with both ids, the asset alone is meant.

    What is outside the asset's limits is clamped, and the record says so. The newest dispatch of an asset takes the
    place of older ones. For an agent that is not connected it waits up to `ttl_s`.
    """
    record = await services.dispatcher.submit(order.request(idempotency_key))
    taken_over(request)
    if wait is not None:
        record = await services.dispatcher.wait(record.id, wait, timeout_s)
    return reply(
        records.dispatch(record, services.fleet.inventory),
        202,
        headers={"Location": f"/dispatch/{record.id}"},
    )


@router.post("/preview", response_model=Preview, responses=documented(400, 404, 409, 413, 422))
async def preview_dispatch(services: Provided, order: Ordered) -> JSONResponse:
    """The split that would be made now; nothing is sent or recorded."""
    made = services.dispatcher.preview(order.request())
    return reply(records.preview(made, services.fleet.inventory))


@router.get("/history", response_model=list[Dispatch], responses=LISTED | documented(422, 503))
async def dispatch_history(
    services: Provided,
    *,
    asset_id: OfAsset = None,
    site_id: OfSite = None,
    state: Annotated[State | None, Query(description="only in this state")] = None,
    start: Start = None,
    end: End = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> StreamingResponse:
    """Dispatches, newest first; `start` and `end` bound when they were submitted."""
    found = await services.dispatcher.page(
        DispatchQuery(
            limit=limit, cursor=cursor, asset_id=asset_id, site_id=site_id, state=state, start=start, end=end
        )
    )
    return _listed(services, found)


@router.get("/open", response_model=list[Dispatch], responses=LISTED | documented(422))
async def open_dispatches(
    services: Provided,
    *,
    asset_id: OfAsset = None,
    site_id: OfSite = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> StreamingResponse:
    """Dispatches that have not ended, newest first: all that is in force, on its way or waiting.

    Answered from memory, also while the database is away.
    """
    found = services.dispatcher.open_page(
        DispatchQuery(limit=limit, cursor=cursor, asset_id=asset_id, site_id=site_id)
    )
    return _listed(services, found)


@router.get("/{dispatch_id}", response_model=Dispatch, responses=documented(404, 422, 503))
async def get_dispatch(services: Provided, dispatch_id: DispatchId) -> JSONResponse:
    """The record of a dispatch with every transition."""
    return reply(records.dispatch(await services.dispatcher.get(dispatch_id), services.fleet.inventory))


@router.delete(
    "/{dispatch_id}",
    response_model=Dispatch,
    responses=documented(404, 422, 503)
    | {202: {"model": Dispatch, "description": "The agent has yet to confirm"}},
)
async def cancel_dispatch(
    request: Request, services: Provided, dispatch_id: DispatchId, timeout_s: TimeoutS = 2.0
) -> JSONResponse:
    """Take a dispatch back: its assets return to 0 MW (PV and wind: uncurtailed).

    200 once it has ended; 202 if its agent has not confirmed within `timeout_s`, be it because it is away.
    """
    await services.dispatcher.cancel(dispatch_id)
    taken_over(request)
    record = await services.dispatcher.wait(dispatch_id, State.CANCELLED, timeout_s)
    return reply(records.dispatch(record, services.fleet.inventory), 200 if record.state.final else 202)


def _listed(services: Services, found: Page[DispatchRecord]) -> StreamingResponse:
    inventory = services.fleet.inventory
    return listing((records.dispatch(record, inventory) for record in found.items), found.next_cursor)
