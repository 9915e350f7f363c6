"""A headend for other people's tests: it has no sockets and no fleet, but answers as the real one does."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from threading import RLock
from typing import Any
from uuid import UUID, uuid4

import httpx

from der_client import models
from der_client.fake import routes, views
from der_client.fake.announcements import Announcement, Listener, Watch
from der_client.fake.dispatches import Dispatches
from der_client.fake.example import EXAMPLE
from der_client.fake.plant import Plant
from der_client.fake.transport import AsyncTransport, Transport
from der_core.assets import Inventory
from der_core.events import Event, EventKind, Severity


def _utc_now() -> datetime:
    return datetime.now(UTC)


class FakeHeadend:
    """A headend in memory; ``transport`` and ``async_transport`` go into the clients.

    It begins with one connected agent per site and batteries that are half full and idle. Agents obey at once: a
    dispatch is active as soon as it is looked at again. ``now`` is its clock (aware UTC); what is due by it happens
    when something looks. Power in MW: **positive = discharge / export, negative = charge / import**.

    Attributes:
        requests: all that was asked, oldest first.
        reachable: while false, no connection can be made.
        ready: what ``/readyz`` says.
    """

    def __init__(self, inventory: Inventory = EXAMPLE, *, now: Callable[[], datetime] = _utc_now) -> None:
        self.requests: list[httpx.Request] = []
        self.reachable = True
        self.ready = True
        self.inventory = inventory
        self._ahead = timedelta()
        self._outer_now = now
        self._lock = RLock()
        self._refusals: list[httpx.Response] = []
        self.plant = Plant(inventory, self.now)
        self.dispatches = Dispatches(self.plant, self.now)
        self.events: list[models.Event] = []
        self.transport: httpx.BaseTransport = Transport(self)
        self.async_transport: httpx.AsyncBaseTransport = AsyncTransport(self)
        for site_id in inventory.sites:
            self.plant.connect(site_id)
        for asset in inventory.assets.values():
            values: dict[str, Any] = {"current_mw": 0.0, "setpoint_mw": 0.0, "status": "idle"}
            self.plant.measure(asset, values | ({"soc_pct": 50.0} if asset.asset_type.stores_energy else {}))

    def now(self) -> datetime:
        """The present, by its clock."""
        return self._outer_now() + self._ahead

    def advance(self, seconds: float) -> None:
        """Set its clock forward, and let happen what is due then."""
        with self._lock:
            self._ahead += timedelta(seconds=seconds)
            self.dispatches.settle()

    def measure(self, asset_id: str, **values: Any) -> None:
        """A new sample of an asset: ``current_mw``, ``setpoint_mw``, ``soc_pct``, ``status``, ``signals``."""
        with self._lock:
            self.plant.measure(self.plant.asset_of(asset_id), values)

    def disconnect(self, site_id: str, reason: str = "link lost") -> None:
        """The agent of a site goes: its assets are offline, dispatches wait."""
        with self._lock:
            self.dispatches.settle()
            self.plant.disconnect(UUID(site_id), reason)

    def connect(self, site_id: str) -> None:
        """The agent of a site comes (again) and gets what waits."""
        with self._lock:
            self.plant.connect(UUID(site_id))
            self.dispatches.settle()

    def beat(
        self, site_id: str, *, spooled_records: int = 0, spooled_bytes: int = 0, dropped_records: int = 0
    ) -> None:
        """A heartbeat of the agent of a site."""
        with self._lock:
            self.plant.beat(
                UUID(site_id),
                spooled_records=spooled_records,
                spooled_bytes=spooled_bytes,
                dropped_records=dropped_records,
            )

    def raise_event(
        self,
        code: str,
        message: str = "",
        *,
        asset_id: str,
        severity: Severity = Severity.WARNING,
        kind: EventKind = EventKind.RAISED,
    ) -> models.Event:
        """An event of an asset: an alarm begins (or, by ``kind``, ends), or something happened once."""
        with self._lock:
            asset = self.plant.asset_of(asset_id)
            happened = views.event(
                Event(
                    id=uuid4(),
                    at=self.now(),
                    site_id=asset.site_id,
                    asset_id=asset.id,
                    severity=severity,
                    kind=kind,
                    code=code,
                    message=message,
                )
            )
            self.events.insert(0, happened)
            concerned = frozenset({str(asset.id)})
            self.plant.announcements.announce(
                Announcement("event", dict(happened), happened["site_id"], concerned)
            )
            return happened

    def refuse(
        self, status: int, code: str, *, times: int = 1, detail: str = "", retry_after_s: int | None = None
    ) -> None:
        """Answer the next ``times`` requests with a problem."""
        self._refusals += [
            routes.problem(status, code, detail, retry_after_s=retry_after_s) for _ in range(times)
        ]

    def interrupt(self, *, forget: bool = False) -> None:
        """End the open streams; with ``forget`` as a restart would: nobody can be told what was missed."""
        with self._lock:
            self.plant.announcements.interrupt(forget=forget)

    def answer(self, request: httpx.Request) -> httpx.Response | Watch:
        """What the transports call: an answer, or what of the stream is wanted.

        Raises:
            httpx.ConnectError: it is not ``reachable``.
        """
        with self._lock:
            self.requests.append(request)
            if not self.reachable:
                raise httpx.ConnectError("connection refused", request=request)
            if self._refusals:
                return self._refusals.pop(0)
            self.dispatches.settle()
            return routes.answer(self, request)

    def listen(self, watch: Watch, after: str | None, wake: Callable[[], None]) -> Listener:
        """What the transports call for a stream."""
        with self._lock:
            return self.plant.announcements.listen(watch, after, wake)

    def take(self, listener: Listener) -> bytes:
        """What the transports call for the next piece of a stream."""
        with self._lock:
            self.dispatches.settle()
            return listener.take()
