"""``/stream``: what changes, as it changes."""

from typing import Annotated

from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse

from der_headend.rest.feed import Watch, feed
from der_headend.rest.parameters import OfAsset, OfSite
from der_headend.rest.problems import documented
from der_headend.rest.services import Provided
from der_headend.rest.strict import StrictRoute

router = APIRouter(tags=["stream"], route_class=StrictRoute)

_DESCRIPTION = """\
Server-sent events, each with JSON as its data: `telemetry` (an array of the samples that are newer than the ones sent
before), `dispatch` (a record that has changed), `event`, `link` (a session that has been opened or closed) and
`lost` (`count` of the announcements that the listener missed, `null` if that is not known: read what matters anew).
Sent back as `Last-Event-ID`, the last `id` makes a new stream go on where the old one ended."""


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses=documented(404, 422)
    | {200: {"description": _DESCRIPTION, "content": {"text/event-stream": {"schema": {"type": "string"}}}}},
)
async def stream(
    services: Provided,
    telemetry_s: Annotated[
        float,
        Query(
            ge=0.2, le=60, allow_inf_nan=False, description="seconds between two rounds of telemetry events"
        ),
    ] = 1.0,
    site_id: OfSite = None,
    asset_id: OfAsset = None,
    last_event_id: Annotated[
        str | None, Header(alias="Last-Event-ID", description="the last `id` of the stream that was cut off")
    ] = None,
) -> StreamingResponse:
    """Everything that changes, until the listener goes; a comment at least every 15 s shows that the link lives."""
    watch = Watch(telemetry_s=telemetry_s, site_id=site_id, asset_id=asset_id)
    return StreamingResponse(
        feed(services, watch, after=last_event_id),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )
