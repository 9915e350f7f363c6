"""The REST API as an ASGI application."""

from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp, Receive, Scope, Send

from der_headend.rest import examples, problems
from der_headend.rest.guards import BodyLimit, CommandsFirst, LastResort
from der_headend.rest.routes import (
    agents,
    assets,
    dispatch,
    events,
    heartbeat,
    operations,
    sites,
    stream,
    telemetry,
)
from der_headend.rest.services import Services

MAX_BODY_BYTES = 64 * 1024

_DESCRIPTION = """\
Assets, sites, agents, telemetry and dispatch of a fleet of distributed energy resources.

Power in MW: **positive = discharge / export, negative = charge / import**. Energy in MWh, state of charge in %, times
in UTC. Unknown is `null`, never 0. Errors are `application/problem+json` with a stable `code`. A list that was cut by
`limit` has the header `X-Next-Cursor`: hand it back as `cursor`.
"""


def create_app(services: Services) -> FastAPI:
    """The application; what it needs comes in, nothing is opened or started."""
    app = FastAPIOffline(
        generate_unique_id_function=lambda route: route.name,
        title="DER Fleet headend",
        version=services.version,
        description=_DESCRIPTION,
        responses=problems.documented_for_all(),
    )
    app.state.services = services
    for resource in (assets, sites, agents, telemetry, dispatch, events, heartbeat, stream, operations):
        app.include_router(resource.router)
    problems.handle_in(app)
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES)
    app.add_middleware(LastResort)
    app.add_middleware(CommandsFirst, path=dispatch.router.prefix, right_of_way=services.right_of_way)
    _complete_document(app)
    return app


def beside(api: ASGIApp, console: ASGIApp | None) -> ASGIApp:
    """The API, and the console at the paths that are its own: ``/``, ``/ui/…`` and what its pages load."""
    if console is None:
        return api

    async def both(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        is_console = path in {"/", "/favicon.ico"} or path.startswith(("/ui/", "/_nicegui"))
        await (console if is_console else api)(scope, receive, send)

    return both


def _complete_document(app: FastAPI) -> None:
    document = app.openapi

    def completed() -> dict[str, Any]:
        return examples.complete(problems.complete(document()))

    app.openapi = completed  # type: ignore[method-assign]  # FastAPI's own way to extend its document
