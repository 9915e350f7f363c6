"""What the handlers need, put together by the factory."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from prometheus_client import CollectorRegistry

from der_headend.alarms import Alarms
from der_headend.announcements import Announcements
from der_headend.dispatcher import Dispatcher
from der_headend.fleet import Fleet
from der_headend.history import TelemetryHistory
from der_headend.ports import EventStore, HeartbeatStore
from der_headend.rest.views.fanout import Fanout
from der_headend.rest.views.live import Live
from der_headend.sessions import Sessions
from der_runtime.clock import Clock
from der_runtime.right_of_way import RightOfWay


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must work for the headend to be ready."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True, kw_only=True)
class Services:
    """The collaborators of the REST API.

    ``unstored`` tells whether an event waits to be stored; ``readiness`` is asked by ``/readyz`` and must not block;
    ``stopping`` ends the open streams.
    """

    fleet: Fleet
    sessions: Sessions
    alarms: Alarms
    dispatcher: Dispatcher
    history: TelemetryHistory
    events: EventStore
    unstored: Callable[[UUID], bool]
    heartbeats: HeartbeatStore
    announcements: Announcements
    right_of_way: RightOfWay
    clock: Clock
    readiness: Callable[[], Sequence[Check]]
    version: str
    registry: CollectorRegistry
    stopping: asyncio.Event

    @cached_property
    def live(self) -> Live:
        """The live state as JSON."""
        return Live(fleet=self.fleet, sessions=self.sessions, alarms=self.alarms, clock=self.clock)

    @cached_property
    def fanout(self) -> Fanout:
        """What the listeners of ``/stream`` are sent."""
        return Fanout(live=self.live, inventory=self.fleet.inventory)


async def _provided(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


Provided = Annotated[Services, Depends(_provided)]
"""As the type of a handler's parameter: the services of the app it belongs to."""
