"""``/heartbeat``: signs of life of the agent that serves an asset."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse, StreamingResponse

from der_core.errors import NotFound
from der_headend.rest.models.agents import Heartbeat
from der_headend.rest.parameters import AssetId, Limit
from der_headend.rest.problems import documented
from der_headend.rest.replies import listing, reply
from der_headend.rest.services import Provided
from der_headend.rest.strict import StrictRoute
from der_headend.rest.views import records

router = APIRouter(prefix="/heartbeat", tags=["heartbeat"], route_class=StrictRoute)


@router.get("/{asset_id}", response_model=Heartbeat, responses=documented(404, 422))
async def last_heartbeat(services: Provided, asset_id: AssetId) -> JSONResponse:
    """The last heartbeat of the agent that serves an asset, or served it last; 404 `no_heartbeat_yet` if none came."""
    services.live.slot(asset_id)
    agent = services.sessions.last_agent_of(asset_id)
    if agent is None or agent.heartbeat is None:
        raise NotFound(
            "no_heartbeat_yet",
            f"no agent that serves asset {asset_id} has sent a heartbeat yet; GET /agents shows who is connected",
            field="asset_id",
        )
    return reply(records.heartbeat(agent.heartbeat, asset_id))


@router.get("/{asset_id}/history", response_model=list[Heartbeat], responses=documented(404, 422, 503))
async def heartbeat_history(services: Provided, asset_id: AssetId, limit: Limit = 100) -> StreamingResponse:
    """The last heartbeats of the agent that serves an asset, or served it last, newest first."""
    services.live.slot(asset_id)
    agent = services.sessions.last_agent_of(asset_id)
    beats = () if agent is None else await services.heartbeats.latest(agent.agent_id, limit)
    return listing(records.heartbeat(beat, asset_id) for beat in beats)
