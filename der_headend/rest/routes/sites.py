"""``/sites``: sites with their assets and what they are together."""

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from der_headend.rest.models.assets import Site
from der_headend.rest.paging import page
from der_headend.rest.parameters import MAX_LIMIT, Cursor, Limit, SiteId
from der_headend.rest.problems import documented
from der_headend.rest.replies import LISTED, streamed
from der_headend.rest.services import Provided
from der_headend.rest.strict import StrictRoute

router = APIRouter(tags=["sites"], route_class=StrictRoute)

WithAssets = Annotated[bool, Query(description="whether to list the assets; if not, `assets` is empty")]


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
    live = services.live
    return streamed(live.site(live.known_site(site_id)))
