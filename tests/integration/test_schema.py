"""Requests made up from the API's own OpenAPI document: none makes it fail, and every answer is as documented."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from der_core.lifecycle import State
from der_core.request import DispatchRequest
from der_core.signals import CATALOGUE
from der_headend.ports import Batch
from der_headend.rest.app import create_app
from kit import records
from kit.headend import SITE, A, B, C, World, frame, gateway, says
from kit.rest import services_of

EXAMPLES = 50
EXAMPLE_DISPATCH = UUID("0b1a7c0e-6d58-4f2c-8d2f-0c8a8c1b7d11")
EXAMPLE_EVENT = UUID("5f0c6a56-8f3e-4a0f-9a53-0d6a3a8f2b11")


async def _lived_in() -> FastAPI:
    """The API of a headend with an agent, telemetry, a dispatch and events: those of the document's examples."""
    world = World()
    session = await world.connect(replace(gateway(), signals=CATALOGUE))
    for seq in range(1, 20):
        world.ingest.frame(session, seq, frame(world, [1.0, 2.0, 3.0]))
        world.clock.advance(30)
    await world.dispatcher.submit(DispatchRequest(site_id=SITE, mw=12.0, id=EXAMPLE_DISPATCH))
    shares = {A: 7.2, B: 2.4, C: 2.4}
    world.dispatcher.reported(session, says(world, EXAMPLE_DISPATCH, State.ACTIVE, shares, unserved_mw=0.0))
    happened = replace(records.event(0), id=EXAMPLE_EVENT)
    await world.store.commit(Batch(events=[happened, records.event(1)], heartbeats=[records.heartbeat(0)]))
    world.sessions.beat(session, records.heartbeat(0))
    await world.ingest.flush()
    services = services_of(world)
    services.stopping.set()  # so that /stream ends
    return create_app(services)


# Not a fixture: the tests, one per operation, are made when this module is collected.
schema = schemathesis.openapi.from_asgi("/openapi.json", asyncio.run(_lived_in()))


def hurry(case: schemathesis.Case[Any]) -> None:
    """Let it wait, but not for long."""
    if "wait" in case.query or case.method == "DELETE":
        try:
            timeout_s = float(str(case.query.get("timeout_s", "2")))
        except ValueError:
            return
        if 0 < timeout_s <= 30:
            case.query["timeout_s"] = 0.01


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_as_documented(case: schemathesis.Case[Any]) -> None:
    hurry(case)
    case.call_and_validate(
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            negative_data_rejection,
            response_headers_conformance,
            response_schema_conformance,
        ]
    )
