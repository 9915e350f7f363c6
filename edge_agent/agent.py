"""The agent: reads its assets on a fixed grid of time, and does what ``control.SiteControl`` decides.

Two tasks. One, on every tick, reads all drivers side by side and puts a frame, and what changed in their faults, into
the outbox; ticks that were missed are skipped, not made up for. The other takes in one thing after the other (a
command, a cancel, a change of the link, a deadline), asks the control, carries out the writes side by side and hands
back how they went. So the control never sees two things at once, and a driver that hangs delays the next command by
its time limit at most.

Before a driver is told what somebody commands, the spool knows of it; what makes an asset safe does not wait for that.
That a command was acknowledged is told together with what came of it if the drivers answer within ``AT_ONCE_S``, else
by itself.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID, uuid4

from der_core.assets import Asset, Site
from der_core.dispatch import Command, DispatchReport
from der_core.events import Event, EventKind, Severity
from der_core.lifecycle import State
from der_core.registration import AgentMode, RegisteredAsset, Registration
from der_core.signals import CATALOGUE
from der_runtime.clock import Clock, wait_until
from der_runtime.logs import get_logger
from der_runtime.split_log import log_split
from der_wire.codec import encode_frame, state_signals
from der_wire.fields import micros
from der_wire.registration import PROTOCOL_VERSION
from edge_agent.control import SiteControl
from edge_agent.decisions import Alarm, Decision, Now
from edge_agent.frames import columns, fault_events
from edge_agent.guarded import GuardedDriver
from edge_agent.outbox import Outbox
from edge_agent.ports import Fault, Reading

INBOX_LIMIT = 256
AT_ONCE_S = 0.02
"""How long the word that a command was acknowledged waits for the drivers, to be one report with their answer."""
STOP_RETRY_S = 0.5
"""How long after an asset did not go to its safe power when the agent stops it is told again."""

_STATE_SIGNALS = state_signals(CATALOGUE)
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who the agent is. ``assets`` in ascending order of id."""

    agent_id: str
    mode: AgentMode
    site: Site
    assets: tuple[Asset, ...]
    software: str
    heartbeat_s: float


@dataclass(frozen=True, slots=True)
class _Commanded:
    command: Command
    arrived_s: float


@dataclass(frozen=True, slots=True)
class _Cancelled:
    dispatch_id: UUID
    asset_ids: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class _Registered:
    pass


@dataclass(frozen=True, slots=True)
class _LinkLost:
    last_heard_s: float


_Incident = _Commanded | _Cancelled | _Registered | _LinkLost


class Agent:
    """Serves the assets of one identity; the link talks to it through ``ports.LinkedAgent``."""

    def __init__(
        self,
        *,
        identity: Identity,
        drivers: Sequence[GuardedDriver],
        control: SiteControl,
        outbox: Outbox,
        clock: Clock,
        tick_s: float,
    ) -> None:
        self._identity = identity
        self._drivers: Mapping[UUID, GuardedDriver] = {driver.asset.id: driver for driver in drivers}
        self._control = control
        self._outbox = outbox
        self._clock = clock
        self._tick_s = tick_s
        self._names = {asset.id: asset.name for asset in identity.assets}
        self._faults: dict[UUID, Mapping[str, Fault]] = {asset.id: {} for asset in identity.assets}
        self._inbox: asyncio.Queue[_Incident] = asyncio.Queue(INBOX_LIMIT)
        self._arrived = asyncio.Event()
        self._stopping = False
        self._safe = False
        self._stopped = asyncio.Event()
        self._one_tick = asyncio.Lock()
        self.ticks_missed = 0

    @property
    def drivers(self) -> Collection[GuardedDriver]:
        """The drivers of its assets."""
        return self._drivers.values()

    @property
    def faults(self) -> int:
        """How many faults its assets have now."""
        return sum(len(faults) for faults in self._faults.values())

    # -------------------------------------------------------------------------------------- the link's side

    def registration(self) -> Registration:
        """Who the agent is and what is in force at this moment."""
        identity, spool = self._identity, self._outbox.spool
        return Registration(
            protocol=PROTOCOL_VERSION,
            agent_id=identity.agent_id,
            mode=identity.mode,
            site_id=identity.site.id,
            site_name=identity.site.name,
            software=identity.software,
            assets=tuple(RegisteredAsset.of(asset) for asset in identity.assets),
            signals=CATALOGUE,
            heartbeat_s=identity.heartbeat_s,
            spool_id=spool.spool_id,
            first_seq=spool.status().first_seq,
            in_force=self._control.in_force(self._now()),
        )

    async def registered(self) -> None:
        """The link is up."""
        await self._take_in(_Registered())

    async def link_lost(self, last_heard_s: float) -> None:
        """The link is down; the headend was last heard at this monotonic time."""
        await self._take_in(_LinkLost(last_heard_s))

    async def command(self, command: Command) -> None:
        """A setpoint came."""
        await self._take_in(_Commanded(command, self._clock.monotonic()))

    async def cancel(self, dispatch_id: UUID, asset_ids: Sequence[UUID]) -> None:
        """A dispatch is taken back."""
        await self._take_in(_Cancelled(dispatch_id, tuple(asset_ids)))

    # -------------------------------------------------------------------------------------------- the tasks

    async def start(self) -> None:
        """Take over from an earlier run, release every asset and read it once, before anything else happens."""
        await self._outbox.begin()
        await self._carry_out(self._control.start(self._now()))
        await self._tick()

    async def run_ticks(self) -> None:
        """Report the assets every ``tick_s`` until they have been left safe."""
        due_s = self._clock.monotonic()
        while True:
            missed = max(self._clock.monotonic() - due_s, 0.0) // self._tick_s
            due_s += (missed + 1) * self._tick_s
            self.ticks_missed += int(missed)
            await self._clock.sleep_until(due_s)
            if not self._safe:  # else the last has been said
                await self._tick()

    async def run_control(self) -> None:
        """Take in what comes and do what falls due until ``stop`` is called; then leave and report all assets safe."""
        while not self._stopping:
            await wait_until(self._arrived, clock=self._clock, deadline_s=self._control.next_deadline_s())
            await self._carry_out(self._control.advance(self._now()))
            if self._inbox.empty():
                self._arrived.clear()
            else:
                await self._handle(self._inbox.get_nowait())
        await self._carry_out(self._control.stop(self._now()))
        while self._control.next_deadline_s() is not None:  # some asset did not take it
            await self._clock.sleep_until(self._clock.monotonic() + STOP_RETRY_S)
            await self._carry_out(self._control.stop(self._now()))
        self._safe = True
        await self._tick()
        self._stopped.set()

    async def stop(self, *, deadline_s: float) -> bool:
        """Have the assets left safe by then (monotonic seconds) and reported so; whether they are safe."""
        self._stopping = True
        self._arrived.set()
        await wait_until(self._stopped, clock=self._clock, deadline_s=deadline_s)
        return self._safe

    async def close(self) -> None:
        """Close the drivers."""
        await asyncio.gather(*(driver.close() for driver in self._drivers.values()))

    async def _take_in(self, incident: _Incident) -> None:
        await self._inbox.put(incident)
        self._arrived.set()

    async def _handle(self, incident: _Incident) -> None:
        match incident:
            case _Commanded(command, arrived_s):
                conditions = {
                    asset_id: driver.condition()
                    for asset_id in command.asset_ids
                    if (driver := self._drivers.get(asset_id)) is not None
                }
                decision = self._control.command(command, conditions, arrived_s=arrived_s, now=self._now())
                if decision.split is not None and command.site_wide:
                    log_split(command.dispatch_id, decision.split, self._names)
                await self._carry_out(decision)
            case _Cancelled(dispatch_id, asset_ids):
                await self._carry_out(self._control.cancel(dispatch_id, asset_ids, self._now()))
            case _Registered():
                await self._carry_out(self._control.registered(self._now()))
            case _LinkLost(last_heard_s):
                self._control.link_lost(last_heard_s)

    async def _carry_out(self, decision: Decision) -> None:
        if not decision.writes:
            await self._report(decision)
            return
        held_back = _only_acknowledges(decision)
        makes_safe = all(each.order is None for each in decision.writes)
        if held_back:
            await self._outbox.note_dispatches()
        elif not makes_safe:
            await self._report(decision)
        writing = [asyncio.create_task(self._drivers[each.asset_id].write(each)) for each in decision.writes]
        try:
            if makes_safe:  # which must not wait for a slow disk
                await self._report(decision)
            if held_back and (await asyncio.wait(writing, timeout=AT_ONCE_S))[1]:
                held_back = False
                await self._report(decision)
            settled = self._control.settle([await each for each in writing], self._now())
        finally:
            for each in writing:
                each.cancel()
        await self._report(_told_together(decision, settled) if held_back else settled)

    async def _report(self, decision: Decision) -> None:
        for report in decision.reports:
            _log_report(report, self._names)
        for alarm in decision.alarms:
            _log_alarm(alarm, self._names)
        await self._outbox.put_reports(decision.reports)
        await self._outbox.put_events([self._event(alarm) for alarm in decision.alarms])

    async def _tick(self) -> None:
        drivers = [self._drivers[asset.id] for asset in self._identity.assets]
        async with self._one_tick:
            at = self._clock.now()
            readings = await asyncio.gather(*(driver.read() for driver in drivers))
            frame = encode_frame(micros(at), columns(readings, CATALOGUE), _STATE_SIGNALS, None)
            await self._outbox.put_frame(frame)
            for driver, reading in zip(drivers, readings, strict=True):
                await self._watch_faults(driver, reading)

    async def _watch_faults(self, driver: GuardedDriver, reading: Reading | None) -> None:
        asset_id = driver.asset.id
        before = self._faults[asset_id]
        if reading is not None:
            after = {fault.code: fault for fault in reading.faults}
        else:
            # Its other faults are unknown now, which is not the same as over.
            silent = Fault("asset_not_answering", Severity.WARNING, driver.trouble or "it cannot be read")
            after = {**before, silent.code: silent}
        if before.keys() == after.keys():
            return
        self._faults[asset_id] = after
        site_id = self._identity.site.id
        changes = fault_events(before, after, at=self._clock.now(), site_id=site_id, asset_id=asset_id)
        for event in changes:
            _log.info(
                "fault", asset=driver.asset.name, kind=event.kind.value, code=event.code, text=event.message
            )
        await self._outbox.put_events(changes)

    def _event(self, alarm: Alarm) -> Event:
        return Event(
            id=uuid4(),
            at=self._clock.now(),
            site_id=self._identity.site.id,
            asset_id=alarm.asset_id,
            severity=alarm.severity,
            kind=alarm.kind,
            code=alarm.code,
            message=alarm.message,
        )

    def _now(self) -> Now:
        return Now(self._clock.monotonic(), self._clock.now())


def _only_acknowledges(decision: Decision) -> bool:
    """Whether all that there is to tell is that some parts are open now, which is told again when they are settled."""
    states = {part.state for report in decision.reports for part in report.allocations}
    return states == {State.ACKNOWLEDGED} and not decision.alarms


def _told_together(acknowledged: Decision, settled: Decision) -> Decision:
    """What came of a command, with what was held back of it."""
    first = {report.dispatch_id: report for report in acknowledged.reports}
    return replace(
        settled,
        reports=tuple(
            replace(report, unserved_mw=before.unserved_mw, acknowledged_at=before.at)
            if (before := first.get(report.dispatch_id))
            else report
            for report in settled.reports
        ),
    )


def _log_report(report: DispatchReport, names: Mapping[UUID, str]) -> None:
    for part in report.allocations:
        said = {"reason": part.reason, "mw": part.mw, "applied_mw": part.applied_mw}
        _log.info(
            "dispatch",
            dispatch_id=str(report.dispatch_id),
            asset=names.get(part.asset_id, str(part.asset_id)),
            state=part.state.value,
            **{name: _rounded(value) for name, value in said.items() if value is not None},
        )


def _log_alarm(alarm: Alarm, names: Mapping[UUID, str]) -> None:
    log = _log.warning if alarm.kind is EventKind.RAISED else _log.info
    log("alarm", asset=names[alarm.asset_id], kind=alarm.kind.value, code=alarm.code, text=alarm.message)


def _rounded(value: float | str) -> float | str:
    return round(value, 6) + 0.0 if isinstance(value, float) else value
