"""The pages, and at which paths they are."""

from fastapi import Response
from nicegui import app, ui

from der_console.console import Console
from der_console.pages import agent, agents, asset, dispatch, dispatch_record, events, fleet, site
from der_console.pages.missing import no_page


def register(console: Console) -> None:
    """Serve the pages of a console, and the rows of its long tables."""
    _register_fleet(console)

    @app.get("/ui/data/{table}")
    async def _rows(table: str) -> Response:
        if table not in console.tables:
            return Response(status_code=404)
        headers = {"Content-Encoding": "gzip", "Cache-Control": "no-store"}
        return Response(await console.tables[table].whole(), media_type="application/json", headers=headers)

    _register_operations(console)


def _register_fleet(console: Console) -> None:
    @ui.page("/")
    async def _fleet() -> None:
        await fleet.show(console)

    @ui.page("/ui/site/{site_id}")
    async def _site(site_id: str) -> None:
        await site.show(console, site_id)

    @ui.page("/ui/asset/{asset_id}")
    async def _asset(asset_id: str) -> None:
        await asset.show(console, asset_id)


def _register_operations(console: Console) -> None:
    @ui.page("/ui/dispatch")
    async def _dispatch(asset: str | None = None, site: str | None = None) -> None:
        await dispatch.show(console, asset_id=asset, site_id=site)

    @ui.page("/ui/dispatch/{dispatch_id}")
    async def _record(dispatch_id: str) -> None:
        await dispatch_record.show(console, dispatch_id)

    @ui.page("/ui/events")
    async def _events() -> None:
        await events.show(console)

    @ui.page("/ui/agents")
    async def _agents() -> None:
        await agents.show(console)

    @ui.page("/ui/agents/{agent_id:path}")
    async def _agent(agent_id: str) -> None:
        await agent.show(console, agent_id)

    @ui.page("/ui/{rest:path}")
    async def _nowhere(rest: str) -> None:
        await no_page(console, f"/ui/{rest}")
