"""``/telemetry``: the latest sample of an asset, and its history."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from der_headend.history import HistoryRequest, Resolution
from der_headend.rest.models.telemetry import Bucket, Sample
from der_headend.rest.parameters import MAX_LIMIT, AssetId, Cursor, End, Limit, Start
from der_headend.rest.problems import documented
from der_headend.rest.replies import LISTED, ready
from der_headend.rest.services import Provided
from der_headend.rest.strict import StrictRoute
from der_headend.rest.views.past import history

router = APIRouter(prefix="/telemetry", tags=["telemetry"], route_class=StrictRoute)


@router.get("/{asset_id}", response_model=Sample, responses=documented(404, 422))
async def latest_sample(services: Provided, asset_id: AssetId) -> Response:
    """The latest sample of an asset; 404 `no_telemetry_yet` if none has come."""
    return ready(services.live.latest(asset_id))


@router.get(
    "/{asset_id}/history", response_model=list[Sample] | list[Bucket], responses=LISTED | documented(404, 422)
)
async def telemetry_history(
    services: Provided,
    *,
    asset_id: AssetId,
    start: Start = None,
    end: End = None,
    resolution: Annotated[
        Resolution, Query(description="the samples themselves, or buckets of this width")
    ] = Resolution.RAW,
    limit: Limit = MAX_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Samples, or buckets of them, newest first; of the last hour unless `start` or `end` says otherwise.

    Buckets are whole: `start` goes back and `end` on to the edge of theirs.
    """
    found = await services.history.read(
        HistoryRequest(
            asset_id=asset_id, start=start, end=end, resolution=resolution, limit=limit, cursor=cursor
        )
    )
    return ready(history(found), found.next_cursor)
