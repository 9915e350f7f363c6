"""A real headend in memory with gateways that obey at once, served on a real socket, in a thread of its own.

It has the controls of ``der_client.fake.FakeHeadend``, so that one suite runs on both and the examples run on it.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from threading import Thread
from types import TracebackType
from typing import Any, Self, TypeVar
from uuid import UUID, uuid4

from der_client.fake import EXAMPLE, FakeHeadend
from der_core.allocation import Candidate, split
from der_core.dispatch import AllocationReport, Command, DispatchReport
from der_core.events import Event, EventKind, Severity
from der_core.lifecycle import State
from der_core.registration import AgentMode, RegisteredAsset, Registration
from der_core.signals import CATALOGUE
from der_headend.agents import Session
from der_headend.ports import Batch, Cancellation, Heartbeat, SessionRecord
from der_headend.rest.app import create_app
from der_headend.rest.http_server import HttpServer
from der_headend.rest.services import Services
from der_runtime.addresses import HostPort
from der_wire.codec import encode_frame, state_signals
from kit.headend import NotingLink, World
from kit.rest import services_of

T = TypeVar("T")

_PLACES = {signal.name: place for place, signal in enumerate(CATALOGUE)}
_STATES = state_signals(CATALOGUE)
_STATUS = next(signal for signal in CATALOGUE if signal.name == "status")
_DEADLINE_S = 20.0


@dataclass(eq=False)
class Gateway(NotingLink):
    """A gateway that does what it is told: ``in_force`` is, by asset, the dispatch and when (monotonic) it ends."""

    headend: "LiveHeadend | None" = None
    session: Session | None = None
    seq: int = 0
    in_force: dict[UUID, tuple[UUID, float | None]] = field(default_factory=dict)

    def command(self, command: Command) -> bool:
        assert self.headend is not None
        asyncio.get_running_loop().call_soon(self.headend.obey, self, command)
        return super().command(command)

    def cancel(self, cancellation: Cancellation) -> None:
        assert self.headend is not None
        asyncio.get_running_loop().call_soon(self.headend.release, self, cancellation)
        super().cancel(cancellation)


class LiveHeadend:
    """The headend; a context manager. Its clock stands still unless ``advance`` moves it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="live headend", daemon=True)
        self.gateways: dict[str, Gateway] = {}
        self.world: World
        self.services: Services
        self.url = ""

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._start())
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    # ------------------------------------------------------------------------- the controls of the fake headend

    def advance(self, seconds: float) -> None:
        self._do(self._advance(seconds))

    def measure(self, asset_id: str, **values: Any) -> None:
        self._do(self._measure({UUID(asset_id): values}))

    def disconnect(self, site_id: str, reason: str = "link lost") -> None:
        self._do(self._disconnect(site_id, reason))

    def connect(self, site_id: str) -> None:
        self._do(self._connect(UUID(site_id)))

    def beat(
        self, site_id: str, *, spooled_records: int = 0, spooled_bytes: int = 0, dropped_records: int = 0
    ) -> None:
        self._do(self._beat(site_id, spooled_records, spooled_bytes, dropped_records))

    def raise_event(
        self,
        code: str,
        message: str = "",
        *,
        asset_id: str,
        severity: Severity = Severity.WARNING,
        kind: EventKind = EventKind.RAISED,
    ) -> None:
        self._do(self._raise_event(code, message, UUID(asset_id), severity, kind))

    def interrupt(self, *, forget: bool = False) -> None:
        self._do(self._interrupt(forget=forget))

    # -------------------------------------------------------------------------------------- what gateways do

    def obey(self, gateway: Gateway, command: Command) -> None:
        limits = self.world.fleet.limits
        slots = self.world.fleet.slot_of
        assets = [EXAMPLE.assets[id] for id in command.asset_ids]
        made = split(
            command.mw,
            [
                Candidate(asset_id=a.id, capacity_mwhr=a.capacity_mwhr, limits=limits(slots[a.id]))
                for a in assets
            ],
        )
        until_s = None if command.duration_s is None else self.world.clock.monotonic() + command.duration_s
        for state in (State.ACKNOWLEDGED, State.ACTIVE):
            parts = [AllocationReport.of_share(share, state) for share in made.shares]
            self._report(gateway, command.dispatch_id, parts)
        for share in made.shares:
            before = gateway.in_force.get(share.asset_id)
            gateway.in_force[share.asset_id] = (command.dispatch_id, until_s)
            if before is not None:
                reason = f"superseded_by {command.dispatch_id}"
                self._end(gateway, before[0], [share.asset_id], State.SUPERSEDED, reason)
        self._drive({share.asset_id: share.mw for share in made.shares})

    def release(self, gateway: Gateway, cancellation: Cancellation) -> None:
        for asset_id in cancellation.asset_ids:
            gateway.in_force.pop(asset_id, None)
        self._end(gateway, cancellation.dispatch_id, cancellation.asset_ids, State.CANCELLED)
        self._drive(dict.fromkeys(cancellation.asset_ids, 0.0))

    # ------------------------------------------------------------------------------------- inside its thread

    async def _start(self) -> None:
        self.world = World(inventory=EXAMPLE)
        self.world.sessions._changed = self._session_changed
        await self._serve()
        self._running = asyncio.create_task(self.world.dispatcher.run())
        for site_id in EXAMPLE.sites:
            await self._connect(site_id)
        idle = {"current_mw": 0.0, "setpoint_mw": 0.0, "soc_pct": 50.0, "status": "idle"}
        await self._measure(dict.fromkeys(EXAMPLE.assets, idle))

    async def _serve(self, port: int = 0) -> None:
        self.services = services_of(self.world)
        self._server = HttpServer(address=HostPort("127.0.0.1", port), app=create_app(self.services))
        self.url = f"http://{self._server.bind()}"
        self._http = asyncio.create_task(self._server.run())

    async def _stop(self) -> None:
        self._running.cancel()
        await self._stop_serving()

    async def _stop_serving(self) -> None:
        self.services.stopping.set()
        await self._server.stop()
        await self._http

    async def _interrupt(self, *, forget: bool) -> None:
        await self._stop_serving()
        if forget:
            self.world.announcements._run = uuid4().hex[:8]
        await self._serve(int(self.url.rpartition(":")[2]))

    async def _advance(self, seconds: float) -> None:
        await self.world.clock.run_for(seconds)
        now_s = self.world.clock.monotonic()
        for gateway in self.gateways.values():
            for asset_id, (dispatch_id, until_s) in list(gateway.in_force.items()):
                if until_s is not None and until_s <= now_s:
                    del gateway.in_force[asset_id]
                    self._end(gateway, dispatch_id, [asset_id], State.COMPLETED)
                    self._drive({asset_id: 0.0})

    async def _connect(self, site_id: UUID) -> None:
        members = EXAMPLE.assets_of(site_id)
        gateway = self.gateways[str(site_id)] = Gateway(headend=self)
        registration = Registration(
            protocol=1,
            agent_id=str(site_id),
            mode=AgentMode.GATEWAY,
            site_id=site_id,
            site_name=EXAMPLE.sites[site_id].name,
            software="obedient gateway",
            assets=tuple(RegisteredAsset.of(asset) for asset in members),
            signals=CATALOGUE,
            heartbeat_s=10.0,
            spool_id=uuid4(),
            first_seq=1,
        )
        gateway.session = await self.world.connect(registration, gateway)

    async def _disconnect(self, site_id: str, reason: str) -> None:
        session = self.gateways[site_id].session
        assert session is not None
        self.world.sessions.close(session.id, reason)

    def _session_changed(self, record: SessionRecord) -> None:
        self.world.announcements.announce(record)

    async def _measure(self, by_asset: dict[UUID, dict[str, Any]]) -> None:
        self._send(by_asset)
        await self.world.ingest.flush()

    def _drive(self, mw_by_asset: dict[UUID, float]) -> None:
        def status(mw: float) -> str:
            return "discharging" if mw > 0 else "charging" if mw < 0 else "idle"

        self._send(
            {
                id: {"current_mw": mw, "setpoint_mw": mw, "status": status(mw)}
                for id, mw in mw_by_asset.items()
            }
        )
        self.world.ingest.read_in()

    def _send(self, by_asset: dict[UUID, dict[str, Any]]) -> None:
        """A frame for each of these assets, a moment after the one before."""
        for asset_id, values in by_asset.items():
            self.world.clock.advance(0.001)
            gateway = self.gateways[str(EXAMPLE.assets[asset_id].site_id)]
            session = gateway.session
            assert session is not None
            gateway.seq += 1
            flat = _flat(values, EXAMPLE.assets[asset_id].capacity_mwhr)
            columns = {_PLACES[name]: [_code(name, value)] for name, value in flat.items()}
            place = sorted(session.record.asset_ids).index(asset_id)
            timestamp_us = int(self.world.clock.now().timestamp() * 1e6)
            frame = encode_frame(timestamp_us, columns, _STATES, [place])
            self.world.ingest.frame(session, gateway.seq, frame.SerializeToString())

    async def _beat(self, site_id: str, records: int, octets: int, dropped: int) -> None:
        session = self.gateways[site_id].session
        assert session is not None
        now = self.world.clock.now()
        beat = Heartbeat(
            agent_id=site_id,
            session_id=session.id,
            at=now,
            received_at=now,
            spooled_records=records,
            spooled_bytes=octets,
            dropped_records=dropped,
        )
        self.world.sessions.beat(session, beat)
        await self.world.store.commit(Batch(heartbeats=[beat]))

    async def _raise_event(
        self, code: str, message: str, asset_id: UUID, severity: Severity, kind: EventKind
    ) -> None:
        self.world.clock.advance(0.001)
        site_id = EXAMPLE.assets[asset_id].site_id
        gateway = self.gateways[str(site_id)]
        assert gateway.session is not None
        gateway.seq += 1
        happened = Event(
            id=uuid4(),
            at=self.world.clock.now(),
            site_id=site_id,
            asset_id=asset_id,
            severity=severity,
            kind=kind,
            code=code,
            message=message,
        )
        self.world.ingest.event(gateway.session, gateway.seq, happened)
        await self.world.ingest.flush()

    def _end(
        self,
        gateway: Gateway,
        dispatch_id: UUID,
        asset_ids: Sequence[UUID],
        state: State,
        reason: str | None = None,
    ) -> None:
        parts = [AllocationReport(asset_id=id, state=state, reason=reason) for id in asset_ids]
        self._report(gateway, dispatch_id, parts)

    def _report(self, gateway: Gateway, dispatch_id: UUID, parts: Sequence[AllocationReport]) -> None:
        assert gateway.session is not None
        report = DispatchReport(dispatch_id=dispatch_id, at=self.world.clock.now(), allocations=tuple(parts))
        self.world.dispatcher.reported(gateway.session, report)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_DEADLINE_S)


def _flat(values: dict[str, Any], capacity_mwhr: float) -> dict[str, Any]:
    flat: dict[str, Any] = {name: value for name, value in values.items() if name != "signals"}
    flat |= values.get("signals", {})
    if "soc_pct" in flat:
        flat["soc_mwhr"] = flat["soc_pct"] / 100.0 * capacity_mwhr
    return flat


def _code(name: str, value: Any) -> Any:
    return _STATUS.states.index(value) if name == "status" else value


Headend = FakeHeadend | LiveHeadend
"""What has these controls."""
