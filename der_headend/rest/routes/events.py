"""``/events``: what happened at assets and agents."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, StreamingResponse

from der_core.errors import NotFound, Unavailable
from der_core.events import Severity
from der_headend.ports import EventQuery
from der_headend.rest.models.events import Event
from der_headend.rest.parameters import AssetId, Cursor, End, EventId, Limit, OfAsset, OfSite, Start
from der_headend.rest.problems import documented
from der_headend.rest.replies import LISTED, listing, reply
from der_headend.rest.services import Provided
from der_headend.rest.strict import StrictRoute
from der_headend.rest.views import records

router = APIRouter(prefix="/events", tags=["events"], route_class=StrictRoute)

OfSeverity = Annotated[Severity | None, Query(description="only of this severity")]
Active = Annotated[bool, Query(description="only alarms that are raised now: raised and not cleared since")]
Acknowledged = Annotated[
    bool | None, Query(description="only those that an operator has acknowledged, or has not")
]


@router.get("", response_model=list[Event], responses=LISTED | documented(422, 503))
async def list_events(
    services: Provided,
    *,
    asset_id: OfAsset = None,
    site_id: OfSite = None,
    severity: OfSeverity = None,
    active: Active = False,
    acknowledged: Acknowledged = None,
    start: Start = None,
    end: End = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> StreamingResponse:
    """Events, newest first. Those with `active` are answered from memory, also while the database is away."""
    query = EventQuery(
        limit=limit,
        cursor=cursor,
        asset_id=asset_id,
        site_id=site_id,
        severity=severity,
        acknowledged=acknowledged,
        start=start,
        end=end,
    )
    found = services.alarms.page(query) if active else await services.events.page(query)
    return listing((records.stored_event(record) for record in found.items), found.next_cursor)


@router.get("/{asset_id}/history", response_model=list[Event], responses=LISTED | documented(404, 422, 503))
async def asset_events(
    services: Provided,
    *,
    asset_id: AssetId,
    severity: OfSeverity = None,
    start: Start = None,
    end: End = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> StreamingResponse:
    """Events of one asset, newest first."""
    services.live.slot(asset_id)
    found = await services.events.page(
        EventQuery(limit=limit, cursor=cursor, asset_id=asset_id, severity=severity, start=start, end=end)
    )
    return listing((records.stored_event(record) for record in found.items), found.next_cursor)


@router.post("/{event_id}/ack", response_model=Event, responses=documented(404, 422, 503))
async def acknowledge_event(services: Provided, event_id: EventId) -> JSONResponse:
    """Note that an operator has seen an event; a second time changes nothing."""
    if services.unstored(event_id):
        raise Unavailable(
            "event_not_stored_yet", "this event is not stored yet; try again", retry_after_s=1.0
        )
    now = services.clock.now()
    record = await services.events.acknowledge(event_id, now) or services.alarms.acknowledge(event_id, now)
    if record is None:
        raise NotFound("unknown_event", f"no event {event_id}; GET /events lists them", field="event_id")
    services.alarms.acknowledged(record)
    return reply(records.stored_event(record))
