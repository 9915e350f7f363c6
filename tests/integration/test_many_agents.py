"""A few hundred agents of one asset each, over real streams, on a headend that is killed and started again."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias
from uuid import UUID

import asyncpg
import grpc

from der_runtime.backoff import Backoff
from der_wire._gen import agent_link_pb2 as pb
from der_wire._gen.agent_link_pb2_grpc import AgentLinkStub
from kit.postgres_store import database
from kit.scripted_headend import until
from kit.system import System, kill

AGENTS = 300
WITHIN_S = 60.0
ASK_EVERY_S = 0.5
SITE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")


def asset_id(n: int) -> str:
    return str(UUID(int=SITE.int + 1 + n))


def inventory(folder: Path) -> Path:
    assets = (
        f"  - {{id: {asset_id(n)}, name: asset-{n}, site_id: {SITE}, capacity_mwhr: 40, max_mw: 20, min_mw: -20, "
        "efficiency: 0.9, ramp_rate_mw_per_min: 1000}"
        for n in range(AGENTS)
    )
    path = folder / "assets.yaml"
    path.write_text("\n".join([f"sites: [{{id: {SITE}, name: Site, location: Local}}]", "assets:", *assets]))
    return path


class SmallAgent:
    """Keeps what it has recorded until it is acknowledged, and comes back whenever its stream ends."""

    def __init__(self, n: int, address: str) -> None:
        self._n = n
        self._address = address
        self._spool: list[pb.Record] = []
        self._recorded = 0
        self._sent = 0
        self._news = asyncio.Event()
        self.sessions = 0
        self.connected = False

    @property
    def done(self) -> bool:
        """Whether everything it recorded is acknowledged."""
        return not self._spool

    def record(self) -> None:
        """Note one more sample."""
        self._recorded += 1
        column = pb.Column(signal=0, values=[float(self._recorded)])
        frame = pb.Frame(timestamp_us=time.time_ns() // 1000, columns=[column])
        self._spool.append(pb.Record(seq=self._recorded, frame=frame))
        self._news.set()

    async def run(self) -> None:
        """Keep the link until cancelled."""
        backoff = Backoff(first_s=0.05, cap_s=1.0)
        while True:
            await asyncio.sleep(backoff.next_s())
            options = [("grpc.use_local_subchannel_pool", 1)]
            async with grpc.aio.insecure_channel(self._address, options=options) as channel:
                try:
                    await self._session(AgentLinkStub(channel).Connect())
                except (grpc.aio.AioRpcError, EOFError, asyncio.InvalidStateError, grpc.aio.UsageError):
                    if self.connected:
                        backoff.reset()
                    self.connected = False

    async def _session(self, call: grpc.aio.StreamStreamCall[pb.Uplink, pb.Downlink]) -> None:
        await call.write(pb.Uplink(register=self._registration()))
        answer = await self._read(call)
        assert answer.HasField("registered"), answer
        self._acknowledged(answer.registered.acknowledged_seq)
        self._sent = answer.registered.acknowledged_seq
        self.connected = True
        self.sessions += 1
        self._news.set()
        sending = asyncio.create_task(self._send(call))
        try:
            while True:
                self._acknowledged((await self._read(call)).acknowledgement.through_seq)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send(self, call: grpc.aio.StreamStreamCall[pb.Uplink, pb.Downlink]) -> None:
        while True:
            try:
                async with asyncio.timeout(ASK_EVERY_S):
                    await self._news.wait()
            except TimeoutError:
                if self._spool:
                    await call.write(pb.Uplink(heartbeat=pb.Heartbeat()))
            self._news.clear()
            for record in [record for record in self._spool if record.seq > self._sent]:
                await call.write(pb.Uplink(record=record))
                self._sent = record.seq

    async def _read(self, call: grpc.aio.StreamStreamCall[pb.Uplink, pb.Downlink]) -> pb.Downlink:
        message = await call.read()
        if isinstance(message, pb.Downlink) and not message.HasField("drain"):
            return message
        raise EOFError

    def _acknowledged(self, through_seq: int) -> None:
        self._spool = [record for record in self._spool if record.seq > through_seq]

    def _registration(self) -> pb.Register:
        return pb.Register(
            protocol=1,
            agent_id=asset_id(self._n),
            mode=pb.MODE_SINGLE_ASSET,
            site_id=str(SITE),
            site_name="Site",
            software="test",
            assets=[pb.Asset(id=asset_id(self._n), name="a", capacity_mwhr=40, max_mw=20, min_mw=-20)],
            signals=[pb.Signal(name="current_mw", unit="MW")],
            heartbeat_s=30.0,
            spool_id=str(UUID(int=self._n + 1)),
            first_seq=self._spool[0].seq if self._spool else self._recorded + 1,
        )


Reached: TypeAlias = Callable[[Callable[[SmallAgent], bool]], Awaitable[None]]


@asynccontextmanager
async def running(agents: Sequence[SmallAgent]) -> AsyncIterator[Reached]:
    """Let them run; yields how to wait until something is true of each of them."""
    tasks = [asyncio.create_task(agent.run()) for agent in agents]

    async def reached(condition: Callable[[SmallAgent], bool]) -> None:
        await until(lambda: any(t.done() for t in tasks) or all(map(condition, agents)), within_s=WITHIN_S)
        assert not [task.exception() for task in tasks if task.done()]

    try:
        yield reached
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def marks(url: str) -> dict[UUID, int]:
    connection = await asyncpg.connect(url)
    try:
        return {row["spool_id"]: row["mark"] for row in await connection.fetch("select * from spools")}
    finally:
        await connection.close()


async def test_all_register_at_once_come_back_after_a_kill_and_nothing_is_lost(tmp_path: Path) -> None:
    with database() as url, System(ASSETS_PATH=str(inventory(tmp_path)), DATABASE_URL=url) as system:
        agents = [SmallAgent(n, system.grpc_address) for n in range(AGENTS)]

        def sample() -> None:
            for agent in agents:
                agent.record()

        async with running(agents) as all_are:
            await all_are(lambda agent: agent.connected)
            assert all(agent.sessions == 1 for agent in agents), "some were turned away"
            sample()
            await all_are(lambda agent: agent.done)
            sample()
            kill(system.headend)
            sample()
            await all_are(lambda agent: not agent.connected)
            await asyncio.to_thread(system.start_headend)
            sample()
            await all_are(lambda agent: agent.connected and agent.done)
        assert await marks(url) == {UUID(int=n + 1): 4 for n in range(AGENTS)}
        for n in (0, AGENTS - 1):
            stored = system.get(f"/telemetry/{asset_id(n)}/history", limit=10)
            assert [sample["current_mw"] for sample in stored] == [4.0, 3.0, 2.0, 1.0]
        listed = system.get("/agents", limit=1000)
        assert len(listed) == AGENTS
        assert all(
            len([s for s in agent["sessions"] if s["disconnected_at"] is None]) <= 1 for agent in listed
        )
