"""Whom the headend need not miss: an agent that was told to stop and has left its assets safe says goodbye."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest

from der_headend.grpc.server import GrpcServer
from der_headend.sessions import CLOSED_BY_AGENT, HEADEND_STOPPING, LINK_LOST
from der_runtime.addresses import HostPort
from der_wire._gen import agent_link_pb2 as pb
from der_wire._gen.agent_link_pb2_grpc import AgentLinkStub
from edge_agent import factory, main
from edge_agent.agent import Agent
from edge_agent.settings import AgentSettings
from edge_agent.uplink.stream import LinkEnded, Stream
from kit.headend import SITE, A, World
from kit.processes import SHIPPED_INVENTORY
from kit.raw_agent import registration
from kit.scripted_headend import until


@asynccontextmanager
async def served(world: World) -> AsyncIterator[str]:
    """Where agents reach the headend of a world."""
    server = GrpcServer(address=HostPort("127.0.0.1", 0), agent_link=world.link, room=10)
    storing = asyncio.create_task(world.ingest.run())
    yield str(await server.start())
    await server.stop()
    storing.cancel()


@pytest.mark.parametrize(
    ("ends", "exit_code", "reason"),
    [("on purpose", 0, CLOSED_BY_AGENT), ("crashed", 1, LINK_LOST), ("unsafe", 0, LINK_LOST)],
)
async def test_only_an_agent_that_goes_on_purpose_says_goodbye(
    ends: str, exit_code: int, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash, stop = asyncio.Event(), asyncio.Event()

    async def ticks_that_crash(_agent: Agent) -> None:
        await crash.wait()
        raise RuntimeError("this was not on purpose")

    async def unsafe(_agent: Agent, **_deadline: float) -> bool:
        return False

    monkeypatch.setattr(Agent, "run_ticks", ticks_that_crash)
    if ends == "unsafe":
        monkeypatch.setattr(Agent, "stop", unsafe)
    world = World()
    async with served(world) as address:
        chosen: dict[str, Any] = {
            "HEADEND_GRPC": address,
            "SITE_ID": str(SITE),
            "ASSETS_PATH": str(SHIPPED_INVENTORY),
        }
        settings = AgentSettings(**chosen)
        serving = asyncio.create_task(main._serve(settings, factory.identify(settings), stop))
        await until(lambda: len(world.sessions.live) == 1)
        (crash if ends == "crashed" else stop).set()
        assert await serving == exit_code
        await until(lambda: not world.sessions.live)
        assert dict(world.sessions.counts.closed) == {reason: 1}


async def test_a_heartbeat_that_is_due_after_the_goodbye_does_not_spoil_it() -> None:
    world = World()
    async with served(world) as address, Stream(target=address, heartbeat_s=10.0) as stream:
        await stream.send(pb.Uplink(register=registration(str(SITE), [str(A)])))
        await stream.receive()
        await stream.finish()
        late = asyncio.create_task(stream.send(pb.Uplink(heartbeat=pb.Heartbeat(at_us=1))))
        with pytest.raises(LinkEnded, match="the headend closed the stream"):
            await stream.receive()
        assert not late.done()
        late.cancel()
        assert dict(world.sessions.counts.closed) == {CLOSED_BY_AGENT: 1}


async def test_a_stream_that_breaks_is_no_goodbye() -> None:
    world = World()
    async with served(world) as address:
        for _ in range(5):
            async with grpc.aio.insecure_channel(address) as channel:
                call = AgentLinkStub(channel).Connect()
                await call.write(pb.Uplink(register=registration(str(SITE), [str(A)])))
                await call.read()
                call.cancel()
            await until(lambda: not world.sessions.live)
        assert dict(world.sessions.counts.closed) == {LINK_LOST: 5}


async def test_a_headend_that_stops_has_lost_no_link() -> None:
    world = World()
    async with served(world) as address, grpc.aio.insecure_channel(address) as channel:
        call = AgentLinkStub(channel).Connect()
        await call.write(pb.Uplink(register=registration(str(SITE), [str(A)])))
        await call.read()
        world.sessions.stop(reconnect_after_s=0.5)
        assert (await call.read()).drain.reason == HEADEND_STOPPING
        call.cancel()
        await until(lambda: not world.sessions.live)
    assert dict(world.sessions.counts.closed) == {HEADEND_STOPPING: 1}
    assert world.session_changes[-1].reason == HEADEND_STOPPING
