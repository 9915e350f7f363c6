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
    fleet = services.fleet
    assets = fleet.assets if site_id is None else services.live.assets_of(site_id)
    shown, next_cursor = page(assets, lambda asset: asset.id.hex, limit=limit, cursor=cursor)
    slots = np.array([fleet.slot_of[asset.id] for asset in shown], np.int64)
    return ready(texts.array(services.live.assets(slots)), next_cursor)


@router.get("/assets/{asset_id}", response_model=Asset, responses=documented(404, 422))
async def get_asset(services: Provided, asset_id: AssetId) -> Response:
    """One asset."""
    slot = services.live.slot(asset_id)
    return ready(services.live.assets(np.array([slot]))[0])
