"""The REST API as an ASGI application."""

from typing import Any

from fastapi import FastAPI
from fastapi_offline import FastAPIOffline

from der_headend.rest import problems
from der_headend.rest.guards import BodyLimit, LastResort
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
    _document_problems(app)
    return app


def _document_problems(app: FastAPI) -> None:
    document = app.openapi

    def with_problems() -> dict[str, Any]:
        return problems.complete(document())

    app.openapi = with_problems  # type: ignore[method-assign]  # FastAPI's own way to extend its document
