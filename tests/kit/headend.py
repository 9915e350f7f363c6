"""A headend's inner parts in virtual time: all real but the links, which note what they are told."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

import numpy as np

from der_core.assets import Asset, Inventory, Site
from der_core.dispatch import AllocationReport, Command, Dispatch, DispatchReport, InForce
from der_core.lifecycle import State
from der_core.registration import AgentMode, RegisteredAsset, Registration
from der_core.signals import CORE_SIGNALS
from der_headend.absences import Absences
from der_headend.admissions import Admissions
from der_headend.agents import Session
from der_headend.alarms import Alarms
from der_headend.announcements import Announcements
from der_headend.dispatcher import Dispatcher
from der_headend.fleet import Fleet
from der_headend.grpc.servicer import AgentLink
from der_headend.ingest import Ingest
from der_headend.ports import Cancellation, Journal, Rows, SessionRecord
from der_headend.sessions import Sessions
from der_headend.store.memory import MemoryStore
from der_headend.turns import Turns
from der_runtime.clock import ManualClock
from der_runtime.gate import Gate
from der_runtime.right_of_way import RightOfWay
from der_wire._gen import agent_link_pb2 as pb

SITE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
A = UUID("7ba7b810-9dad-11d1-80b4-00c04fd430c8")
B = UUID("8ba7b810-9dad-11d1-80b4-00c04fd430c8")
C = UUID("9ba7b810-9dad-11d1-80b4-00c04fd430c8")
OTHER_SITE = UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")
D = UUID("7ba7b812-9dad-11d1-80b4-00c04fd430c8")


def battery(asset_id: UUID, name: str, site_id: UUID, capacity_mwhr: float, mw: float) -> Asset:
    return Asset(
        id=asset_id,
        name=name,
        site_id=site_id,
        capacity_mwhr=capacity_mwhr,
        max_mw=mw,
        min_mw=-mw,
        efficiency=0.92,
        ramp_rate_mw_per_min=1000.0,
        min_soc_pct=10.0,
        max_soc_pct=90.0,
    )


INVENTORY = Inventory(
    [Site(SITE, "Gateway-Test", "Local"), Site(OTHER_SITE, "Campus-Test", "Local")],
    [
        battery(A, "GT-BESS-A", SITE, 120.0, 60.0),
        battery(B, "GT-BESS-B", SITE, 40.0, 20.0),
        battery(C, "GT-BESS-C", SITE, 40.0, 20.0),
        battery(D, "CT-BESS-A", OTHER_SITE, 100.0, 50.0),
    ],
)


@dataclass(eq=False)
class NotingLink:
    """A link that keeps what it is told."""

    room: int = 1000
    commands: list[Command] = field(default_factory=list)
    cancellations: list[Cancellation] = field(default_factory=list)
    acknowledged: list[int] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    window: int | None = None
    asked: bool = False
    quiet_s: float = 0.0
    gone_out: Callable[[], None] = field(default=lambda: None)

    def command(self, command: Command) -> bool:
        if len(self.commands) >= self.room:
            return False
        self.commands.append(command)
        return True

    def cancel(self, cancellation: Cancellation) -> None:
        self.cancellations.append(cancellation)

    @property
    def told_seq(self) -> int:
        return self.acknowledged[-1] if self.acknowledged else 0

    def worth_telling(self, through_seq: int) -> bool:
        return through_seq > self.told_seq

    def acknowledge(
        self, through_seq: int, *, window: int | None = None, then: Callable[[], None] | None = None
    ) -> None:
        self.acknowledged.append(through_seq)
        self.asked = False
        self.window = window or self.window
        self.gone_out = then or self.gone_out

    def drain(self, reason: str, reconnect_after_s: float) -> None:
        self.closed.append(f"drain: {reason}")

    def close(self, reason: str) -> None:
        self.closed.append(reason)


class World:
    """The parts, wired as the factory wires them."""

    def __init__(
        self,
        *,
        journal: Journal | None = None,
        store: MemoryStore | None = None,
        room_rows: int = 500_000,
        inventory: Inventory = INVENTORY,
    ) -> None:
        self.clock = ManualClock(datetime(2026, 6, 1, 12, tzinfo=UTC))
        self.fleet = Fleet(inventory)
        self.alarms = Alarms()
        self.announcements = Announcements()
        self.store = store or MemoryStore(assets=len(self.fleet.assets), history_samples=10_000)
        self.journal = journal or self.store
        self.asked_again: list[UUID] = []
        self.session_changes: list[SessionRecord] = []
        self.right_of_way = RightOfWay(self.clock)
        self.ingest = Ingest(
            fleet=self.fleet,
            alarms=self.alarms,
            announcements=self.announcements,
            journal=self.journal,
            right_of_way=self.right_of_way,
            clock=self.clock,
            tell_stored=self._tell_stored,
            ask_again=self.asked_again.append,
            room_rows=room_rows,
        )
        self.turns = Turns(ingest=self.ingest, right_of_way=self.right_of_way, clock=self.clock)
        self.sessions = Sessions(
            fleet=self.fleet,
            clock=self.clock,
            changed=self.session_changes.append,
            closed=self._closed,
        )
        self.absences = Absences(
            sessions=self.sessions,
            inventory=inventory,
            alarms=self.alarms,
            events=self.ingest,
            clock=self.clock,
        )
        self.admissions = Admissions(
            fleet=self.fleet,
            sessions=self.sessions,
            alarms=self.alarms,
            events=self.ingest,
            clock=self.clock,
        )
        self.dispatcher = Dispatcher(
            fleet=self.fleet,
            sessions=self.sessions,
            announcements=self.announcements,
            journal=self.journal,
            store=self.store.dispatches,
            later=self.ingest,
            right_of_way=self.right_of_way,
            clock=self.clock,
        )
        self.gate = Gate(self.right_of_way)
        self.link = AgentLink(
            sessions=self.sessions,
            admissions=self.admissions,
            dispatcher=self.dispatcher,
            ingest=self.ingest,
            turns=self.turns,
            alarms=self.alarms,
            clock=self.clock,
            version="",
            room=10_000,
            gate=self.gate,
        )

    def _closed(self, session: Session) -> None:
        self.dispatcher.disconnected(session)

    def _tell_stored(self, spool_id: UUID, through_seq: int) -> None:
        if (session := self.sessions.of_spool(spool_id)) is not None:
            self.turns.stored(session, through_seq)

    async def connect(self, registration: Registration, link: NotingLink | None = None) -> Session:
        """What the servicer does when an agent registers."""
        stored_seq = await self.ingest.resume(registration.spool_id, first_seq=registration.first_seq)
        self.admissions.check(registration)
        session = self.sessions.open(registration, peer="127.0.0.1:1", link=link or NotingLink())
        session.largest_window = self.ingest.window_of(registration.spool_id)
        await self.dispatcher.connected(session, stored_seq=stored_seq)
        return session

    def show(self, mw_by_asset: dict[UUID, float], soc_pct: float = 50.0) -> None:
        """Live telemetry of some assets, stamped now."""
        slots = np.array([self.fleet.slot_of[a] for a in mw_by_asset], np.int64)
        rows = Rows(
            timestamps_us=np.full(len(slots), int(self.clock.now().timestamp() * 1e6)),
            slots=slots,
            columns={
                "current_mw": np.array(list(mw_by_asset.values())),
                "soc_pct": np.full(len(slots), soc_pct),
            },
        )
        self.fleet.apply([rows], [np.zeros(len(slots), np.int64)])


@asynccontextmanager
async def ticking(world: World) -> AsyncIterator[asyncio.Task[None]]:
    """The dispatcher's deadlines run."""
    task = asyncio.create_task(world.dispatcher.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def restarted(world: World) -> World:
    """Another headend on the same store, after what was changed has been stored."""
    await world.ingest.flush()
    return await killed(world)


async def killed(world: World) -> World:
    """Another headend on the same store, which has only what was stored by now."""
    after = World(store=world.store)
    after.clock.advance(world.clock.monotonic() - after.clock.monotonic())
    after.sessions.restore(session.record for session in world.sessions.live.values())
    after.dispatcher.restore(await world.store.dispatches.unfinished())
    return after


def link_of(session: Session) -> NotingLink:
    assert isinstance(session.link, NotingLink)
    return session.link


def gateway(
    *asset_ids: UUID,
    agent_id: str = str(SITE),
    site_id: UUID = SITE,
    spool_id: UUID | None = None,
    first_seq: int = 1,
    in_force: Sequence[InForce] = (),
    inventory: Inventory = INVENTORY,
) -> Registration:
    """A gateway's introduction; by default of all of Gateway-Test with a new spool."""
    chosen = sorted(asset_ids or (A, B, C))
    return Registration(
        protocol=1,
        agent_id=agent_id,
        mode=AgentMode.GATEWAY,
        site_id=site_id,
        site_name=inventory.sites[site_id].name,
        software="test",
        assets=tuple(RegisteredAsset.of(inventory.assets[a]) for a in chosen),
        signals=CORE_SIGNALS,
        heartbeat_s=10.0,
        spool_id=spool_id or uuid4(),
        first_seq=first_seq,
        in_force=tuple(in_force),
    )


def holds(
    dispatch: Dispatch, asset_id: UUID, mw: float, since: datetime, remaining_s: float | None = None
) -> InForce:
    """What an agent says that it has in force."""
    return InForce(
        dispatch_id=dispatch.id,
        asset_id=asset_id,
        mw=mw,
        active_since=since,
        remaining_s=remaining_s,
        requested_mw=dispatch.requested_mw,
        site_wide=dispatch.asset_id is None,
        duration_s=dispatch.duration_s,
    )


def says(
    world: World,
    dispatch_id: UUID,
    state: State,
    mw_by_asset: dict[UUID, float],
    *,
    reason: str | None = None,
    unserved_mw: float | None = None,
) -> DispatchReport:
    """A report of an agent, stamped now."""
    return DispatchReport(
        dispatch_id=dispatch_id,
        at=world.clock.now(),
        unserved_mw=unserved_mw,
        allocations=tuple(
            AllocationReport(
                asset_id=a,
                state=state,
                reason=reason,
                mw=mw,
                applied_mw=mw if state is State.ACTIVE else None,
            )
            for a, mw in mw_by_asset.items()
        ),
    )


def frame(world: World, mw: Sequence[float], *, ago_s: float = 0.0) -> bytes:
    """A serialised frame of all assets of a session, with ``current_mw`` only."""
    timestamp_us = int((world.clock.now().timestamp() - ago_s) * 1e6)
    return pb.Frame(timestamp_us=timestamp_us, columns=[pb.Column(signal=0, values=mw)]).SerializeToString()
