"""An agent that stops leaves its assets safe: it insists while it may, and says whether it got its way."""

import asyncio
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from der_core.allocation import Weighting
from der_core.assets import Site
from der_core.dispatch import Command
from der_core.registration import AgentMode
from der_core.signals import CATALOGUE, SETPOINT_MW
from der_runtime.clock import ManualClock
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import state_signals
from der_wire.frames import decode_frame
from edge_agent.agent import Agent, Identity
from edge_agent.control import SiteControl
from edge_agent.guarded import GuardedDriver
from edge_agent.ledger import Ledger
from edge_agent.outbox import Outbox
from edge_agent.ports import DriverFailed, Reading
from edge_agent.spool.memory import MemorySpool
from kit.control_bench import SITE, A, B, battery

FAILSAFE_MW = -2.0


class HungSpool(MemorySpool):
    """Keeps nothing any more once its disk hangs: whoever asks for that waits."""

    def __init__(self) -> None:
        super().__init__(max_bytes=100_000)
        self.works = asyncio.Event()
        self.works.set()

    async def append(self, bodies: Sequence[bytes], notes: Mapping[str, bytes | None] | None = None) -> int:
        await self.works.wait()
        return await super().append(bodies, notes)


class Plant:
    """Takes every setpoint but the next ``refusals``."""

    def __init__(self) -> None:
        self.setpoint_mw: float | None = None
        self.refusals = 0

    async def read(self) -> Reading:
        return Reading({SETPOINT_MW.name: math.nan if self.setpoint_mw is None else self.setpoint_mw})

    async def write(self, setpoint_mw: float | None) -> float:
        if self.refusals:
            self.refusals -= 1
            raise DriverFailed("busy")
        self.setpoint_mw = setpoint_mw
        return setpoint_mw or 0.0

    def online(self) -> bool:
        return True

    async def close(self) -> None: ...


@pytest.fixture
def plants() -> dict[UUID, Plant]:
    return {A: Plant(), B: Plant()}


@asynccontextmanager
async def commanded(
    plants: dict[UUID, Plant], clock: ManualClock, *, spool: MemorySpool | None = None
) -> AsyncIterator[Agent]:
    """A running agent with an open-ended 5 MW in force at each of its plants."""
    assets = tuple(battery(asset_id, failsafe_mw=FAILSAFE_MW) for asset_id in plants)
    ledger = Ledger()
    spool = spool or MemorySpool(max_bytes=100_000)
    agent = Agent(
        identity=Identity(
            agent_id="agent",
            mode=AgentMode.GATEWAY,
            site=Site(SITE, "site", "here"),
            assets=assets,
            software="software",
            heartbeat_s=10,
        ),
        drivers=[
            GuardedDriver(asset=asset, driver=plants[asset.id], read_limit_s=1, write_limit_s=1)
            for asset in assets
        ],
        control=SiteControl(assets, failsafe_after_s=60, ledger=ledger),
        outbox=Outbox(
            spool=spool,
            site_id=SITE,
            places={asset.id: place for place, asset in enumerate(assets)},
            clock=clock,
            ledger=ledger,
        ),
        clock=clock,
        tick_s=4,
    )
    await agent.start()
    running = asyncio.create_task(agent.run_control())
    for number, asset_id in enumerate(plants, 1):
        await agent.command(
            Command(
                dispatch_id=UUID(int=number),
                mw=5.0,
                site_wide=False,
                asset_ids=(asset_id,),
                weighting=Weighting.CAPACITY,
                duration_s=None,
                expires_in_s=60,
            )
        )
    await clock.run_for(0.1)
    assert [plant.setpoint_mw for plant in plants.values()] == [5.0, 5.0]
    try:
        yield agent
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def stop(agent: Agent, clock: ManualClock, *, within_s: float) -> bool:
    stopping = asyncio.create_task(agent.stop(deadline_s=clock.monotonic() + within_s))
    await clock.run_for(within_s)
    return await stopping


async def test_refused_stop_is_tried_again_until_it_is_taken(plants: dict[UUID, Plant]) -> None:
    clock = ManualClock()
    async with commanded(plants, clock) as agent:
        plants[A].refusals = 3
        assert await stop(agent, clock, within_s=3.0)
    assert [plant.setpoint_mw for plant in plants.values()] == [FAILSAFE_MW, FAILSAFE_MW]


async def test_stop_that_is_not_taken_in_time_is_said(plants: dict[UUID, Plant]) -> None:
    clock = ManualClock()
    async with commanded(plants, clock) as agent:
        plants[A].refusals = 10**6
        assert not await stop(agent, clock, within_s=3.0)
    assert [plant.setpoint_mw for plant in plants.values()] == [5.0, FAILSAFE_MW]


async def test_assets_are_reported_as_they_are_left(plants: dict[UUID, Plant]) -> None:
    clock, spool = ManualClock(), MemorySpool(max_bytes=100_000)
    async with commanded(plants, clock, spool=spool) as agent:
        before_seq = spool.status().next_seq - 1
        assert await stop(agent, clock, within_s=3.0)
    last = pb.Record.FromString((await spool.read(before_seq, 100))[-1].body)
    frame = decode_frame(last.frame, len(plants), state_signals(CATALOGUE))
    assert frame.columns[CATALOGUE.index(SETPOINT_MW)].tolist() == [FAILSAFE_MW, FAILSAFE_MW]


async def test_assets_are_made_safe_while_the_disk_hangs(plants: dict[UUID, Plant]) -> None:
    clock, spool = ManualClock(), HungSpool()
    async with commanded(plants, clock, spool=spool) as agent:
        spool.works.clear()
        stopping = asyncio.create_task(agent.stop(deadline_s=clock.monotonic() + 3.0))
        await clock.run_for(0.1)
        assert [plant.setpoint_mw for plant in plants.values()] == [FAILSAFE_MW, FAILSAFE_MW]
        spool.works.set()
        await clock.run_for(3.0)
        assert await stopping
