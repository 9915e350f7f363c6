"""``/assets``: the inventory with its live state."""

import numpy as np
from fastapi import APIRouter, Response

from der_headend.rest.models.assets import Asset
from der_headend.rest.paging import page
from der_headend.rest.parameters import MAX_LIMIT, AssetId, Cursor, Limit, OfSite
from der_headend.rest.problems import documented
from der_headend.rest.replies import LISTED, ready
from der_headend.rest.services import Provided
from der_headend.rest.strict import StrictRoute
from der_headend.rest.views import texts

router = APIRouter(tags=["assets"], route_class=StrictRoute)


@router.get("/assets", response_model=list[Asset], responses=LISTED | documented(404, 422))
async def list_assets(
    services: Provided, *, site_id: OfSite = None, limit: Limit = MAX_LIMIT, cursor: Cursor = None
) -> Response:
    """The assets of the inventory, or of one of its sites, in order of id."""
    inventory = services.fleet.inventory
    ids = inventory.columns.ids
    members = inventory.in_order if site_id is None else inventory.assets_of(inventory.known_site(site_id).id)
    slots, next_cursor = page(members.places, lambda place: ids[place].hex, limit=limit, cursor=cursor)
    return ready(texts.array(services.live.assets(np.array(slots, np.int64))), next_cursor)


@router.get("/assets/{asset_id}", response_model=Asset, responses=documented(404, 422))
async def get_asset(services: Provided, asset_id: AssetId) -> Response:
    """One asset."""
    slot = services.live.slot(asset_id)
    return ready(services.live.assets(np.array([slot]))[0])
