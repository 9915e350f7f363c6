"""``/agents``: who is, or was, connected."""

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from der_headend.rest.models.agents import Agent
from der_headend.rest.paging import page
from der_headend.rest.parameters import MAX_LIMIT, Cursor, Limit
from der_headend.rest.problems import documented
from der_headend.rest.replies import LISTED, listing
from der_headend.rest.services import Provided
from der_headend.rest.strict import StrictRoute
from der_headend.rest.views import records

router = APIRouter(tags=["agents"], route_class=StrictRoute)


@router.get("/agents", response_model=list[Agent], responses=LISTED | documented(422))
async def list_agents(
    services: Provided, limit: Limit = MAX_LIMIT, cursor: Cursor = None
) -> StreamingResponse:
    """One entry per agent that has ever connected, in order of id; empty until one does."""
    sessions, inventory = services.sessions, services.fleet.inventory
    shown, next_cursor = page(sessions.agents(), lambda entry: entry.agent_id, limit=limit, cursor=cursor)
    return listing(
        (records.agent(entry, sessions=sessions, inventory=inventory) for entry in shown), next_cursor
    )
