"""The REST API over the parts of ``kit.headend``, spoken to in memory or over a real socket."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI
from prometheus_client import CollectorRegistry, Gauge

from der_headend.history import TelemetryHistory
from der_headend.rest.app import create_app
from der_headend.rest.http_server import HttpServer
from der_headend.rest.services import Check, Services
from der_runtime.addresses import HostPort
from kit.headend import World

READY = (Check("store", ok=True, detail="in memory"),)


def services_of(world: World, checks: Sequence[Check] = READY) -> Services:
    """The services of a world, as the factory puts them together."""
    registry = CollectorRegistry()
    Gauge("der_test", "a metric", registry=registry).set(1)
    return Services(
        fleet=world.fleet,
        sessions=world.sessions,
        alarms=world.alarms,
        dispatcher=world.dispatcher,
        history=TelemetryHistory(fleet=world.fleet, store=world.store.telemetry, clock=world.clock),
        events=world.store.events,
        unstored=world.ingest.holds_event,
        heartbeats=world.store.heartbeats,
        announcements=world.announcements,
        right_of_way=world.right_of_way,
        clock=world.clock,
        readiness=lambda: checks,
        version="1.2.3",
        registry=registry,
        stopping=asyncio.Event(),
    )


def client_of(app: FastAPI) -> httpx.AsyncClient:
    """A client that calls the application in memory."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://headend")


@asynccontextmanager
async def served(services: Services) -> AsyncIterator[HostPort]:
    """The API on a free port of this machine."""
    server = HttpServer(address=HostPort("127.0.0.1", 0), app=create_app(services))
    address = server.bind()
    running = asyncio.create_task(server.run(), name="http")
    try:
        yield address
    finally:
        services.stopping.set()
        await server.stop()
        await running
