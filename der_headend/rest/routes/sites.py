"""``/sites``: sites with their assets, and what they are, and were, together."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from der_headend.history import Resolution, SiteHistoryRequest
from der_headend.rest.models.assets import Site
from der_headend.rest.models.telemetry import SiteBucket
from der_headend.rest.paging import page
from der_headend.rest.parameters import MAX_LIMIT, Cursor, End, Limit, SiteId, Start
from der_headend.rest.problems import documented
from der_headend.rest.replies import LISTED, ready, streamed
from der_headend.rest.services import Provided
from der_headend.rest.strict import StrictRoute
from der_headend.rest.views.past import site_history

router = APIRouter(tags=["sites"], route_class=StrictRoute)

WithAssets = Annotated[bool, Query(description="whether to list the assets; if not, `assets` is empty")]

Width = Literal[Resolution.ONE_MINUTE, Resolution.FIVE_MINUTES, Resolution.ONE_HOUR]


@router.get("/sites", response_model=list[Site], responses=LISTED | documented(422))
async def list_sites(
    services: Provided, *, with_assets: WithAssets = True, limit: Limit = MAX_LIMIT, cursor: Cursor = None
) -> StreamingResponse:
    """All sites of the inventory, in order of id."""
    sites = tuple(services.fleet.inventory.sites.values())
    shown, next_cursor = page(sites, lambda site: site.id.hex, limit=limit, cursor=cursor)
    return streamed(services.live.sites(shown, with_assets=with_assets), next_cursor)


@router.get("/sites/{site_id}", response_model=Site, responses=documented(404, 422))
async def get_site(services: Provided, site_id: SiteId) -> StreamingResponse:
    """One site."""
    return streamed(services.live.site(services.fleet.inventory.known_site(site_id)))


@router.get(
    "/sites/{site_id}/history", response_model=list[SiteBucket], responses=LISTED | documented(404, 422, 503)
)
async def history_of_site(
    services: Provided,
    *,
    site_id: SiteId,
    start: Start = None,
    end: End = None,
    resolution: Annotated[Width, Query(description="the width of a bucket")] = Resolution.ONE_MINUTE,
    limit: Limit = MAX_LIMIT,
    cursor: Cursor = None,
) -> Response:
    """Buckets summed over the assets of a site, newest first; of the last hour unless `start` or `end` says otherwise.

    Buckets are whole: `start` goes back and `end` on to the edge of theirs. Of many assets a page may have fewer
    entries than `limit`: go on while there is an `X-Next-Cursor`. 422 `site_too_large` for more than 10,000 assets.
    """
    found = await services.history.read_site(
        SiteHistoryRequest(
            site_id=site_id, start=start, end=end, resolution=resolution, limit=limit, cursor=cursor
        )
    )
    return ready(site_history(found), found.next_cursor)
