"""How the headend itself is doing: for orchestrators, monitoring and people who open it in a browser."""

from fastapi import APIRouter
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from der_headend.rest.home import page
from der_headend.rest.models.operations import Health, Readiness
from der_headend.rest.replies import reply
from der_headend.rest.services import Provided

router = APIRouter(tags=["operations"])


@router.get("/", include_in_schema=False)
async def home(services: Provided) -> HTMLResponse:
    """Where to go from here."""
    return HTMLResponse(page(services.version))


@router.get("/healthz", response_model=Health)
async def health(services: Provided) -> JSONResponse:
    """Whether the headend is alive: it answers."""
    return reply({"status": "ok", "version": services.version})


@router.get(
    "/readyz",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "A part that is needed is away"}},
)
async def readiness(services: Provided) -> JSONResponse:
    """Whether the headend can do its work, and if not, what is in its way."""
    checks = services.readiness()
    ready = all(check.ok for check in checks)
    results = [{"name": check.name, "ok": check.ok, "detail": check.detail} for check in checks]
    return reply({"ready": ready, "checks": results}, 200 if ready else 503)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(services: Provided) -> PlainTextResponse:
    """Metrics in the Prometheus text format."""
    return PlainTextResponse(generate_latest(services.registry), media_type=CONTENT_TYPE_LATEST)
