"""When an agent tells what it has done with a command, and what is on its disk by then."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from der_core.assets import Site
from der_core.dispatch import Command, DispatchReport
from der_core.lifecycle import State
from der_core.registration import AgentMode
from der_runtime.clock import ManualClock
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import report_from_wire
from edge_agent import agent as agent_module
from edge_agent.agent import Agent, Identity
from edge_agent.control import SiteControl
from edge_agent.guarded import GuardedDriver
from edge_agent.ledger import Ledger
from edge_agent.outbox import Outbox
from edge_agent.ports import Reading
from edge_agent.spool.memory import MemorySpool
from kit.control_bench import SITE, A, battery

WAIT_S = 10.0
DISPATCH = UUID(int=1)


class SlowSpool(MemorySpool):
    """Numbers at once; the disk answers when it is let."""

    def __init__(self) -> None:
        super().__init__(max_bytes=100_000)
        self.disk = asyncio.Event()
        self.disk.set()
        self.noted: list[str] = []

    async def append(self, bodies: Sequence[bytes], notes: Mapping[str, bytes | None] | None = None) -> int:
        last = await super().append(bodies, notes)
        await self.disk.wait()
        self.noted += notes or {}
        return last


class Plant:
    """Answers when it is let; remembers what was noted on the disk when it was told."""

    def __init__(self, spool: SlowSpool) -> None:
        self.spool = spool
        self.answers = asyncio.Event()
        self.told = asyncio.Event()
        self.noted_before: list[str] = []

    async def read(self) -> Reading:
        return Reading({})

    async def write(self, setpoint_mw: float | None) -> float:
        if setpoint_mw is not None:
            self.noted_before = self.spool.noted.copy()
            self.told.set()
            await self.answers.wait()
        return setpoint_mw or 0.0

    def online(self) -> bool:
        return True

    async def close(self) -> None: ...


@asynccontextmanager
async def commanded(plant: Plant) -> AsyncIterator[Outbox]:
    """The outbox of a running agent of one asset, which has just been given a command."""
    asset, clock, ledger = battery(A), ManualClock(), Ledger()
    box = Outbox(spool=plant.spool, site_id=SITE, places={A: 0}, clock=clock, ledger=ledger)
    agent = Agent(
        identity=Identity(
            agent_id="agent",
            mode=AgentMode.SINGLE_ASSET,
            site=Site(SITE, "site", "here"),
            assets=(asset,),
            software="software",
            heartbeat_s=10,
        ),
        drivers=[GuardedDriver(asset=asset, driver=plant, read_limit_s=WAIT_S, write_limit_s=WAIT_S)],
        control=SiteControl([asset], failsafe_after_s=60, ledger=ledger),
        outbox=box,
        clock=clock,
        tick_s=4,
    )
    await agent.start()
    running = asyncio.create_task(agent.run_control())
    await agent.command(Command(dispatch_id=DISPATCH, mw=5.0, site_wide=False, asset_ids=(A,)))
    try:
        async with asyncio.timeout(WAIT_S):
            yield box
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def reports(box: Outbox, count: int) -> list[DispatchReport]:
    """What the spool has to tell of dispatches, once there are so many."""
    while True:
        told = [pb.Record.FromString(record.body) for record in await box.spool.read(0, 100)]
        found = [report_from_wire(record.report) for record in told if record.HasField("report")]
        if len(found) >= count:
            return found
        await asyncio.sleep(0)


async def live_reports(box: Outbox) -> list[DispatchReport]:
    """What would go ahead of a backlog, once there is something."""
    while not (found := _live_reports(box)):  # noqa: ASYNC110 - there is no event for it
        await asyncio.sleep(0)
    return found


def _live_reports(box: Outbox) -> list[DispatchReport]:
    live = [pb.Record.FromString(record.body) for record in box.reports(0)]
    return [report_from_wire(record.report) for record in live if record.HasField("report")]


async def test_a_driver_that_answers_at_once_makes_one_report_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent_module, "AT_ONCE_S", WAIT_S)
    plant = Plant(SlowSpool())
    plant.answers.set()
    async with commanded(plant) as box:
        (report,) = await reports(box, 1)
    assert [part.state for part in report.allocations] == [State.ACTIVE]
    assert report.acknowledged_at is not None
    assert report.acknowledged_at <= report.at
    assert report.unserved_mw == 0.0


async def test_a_slow_driver_does_not_hold_up_that_the_command_was_acknowledged() -> None:
    plant = Plant(SlowSpool())
    async with commanded(plant) as box:
        (acknowledged,) = await reports(box, 1)
        plant.answers.set()
        _, active = await reports(box, 2)
    assert [part.state for part in acknowledged.allocations] == [State.ACKNOWLEDGED]
    assert [part.state for part in active.allocations] == [State.ACTIVE]
    assert active.acknowledged_at is None


async def test_a_dispatch_is_on_the_disk_before_its_asset_is_told() -> None:
    plant = Plant(SlowSpool())
    plant.answers.set()
    async with commanded(plant) as box:
        await reports(box, 1)
    assert f"dispatch/{DISPATCH}" in plant.noted_before


async def test_what_a_driver_has_taken_leaves_while_the_disk_still_writes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agent_module, "AT_ONCE_S", WAIT_S)
    plant = Plant(SlowSpool())
    async with commanded(plant) as box:
        await plant.told.wait()
        plant.spool.disk.clear()
        plant.answers.set()
        assert await live_reports(box) == await reports(box, 1)


async def test_that_a_command_was_acknowledged_is_told_only_once_it_is_on_the_disk() -> None:
    plant = Plant(SlowSpool())
    async with commanded(plant) as box:
        await plant.told.wait()
        plant.spool.disk.clear()
        await reports(box, 1)
        assert _live_reports(box) == []
        plant.spool.disk.set()
        assert await live_reports(box) == await reports(box, 1)
