"""What the headend makes of an agent's messages: when it takes them in, and what of bytes that are none."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest

from der_core.lifecycle import State
from der_core.request import DispatchRequest
from der_headend.agents import Session
from der_headend.sessions import CLOSED_BY_AGENT
from der_runtime.gate import AT_ONCE
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import report_to_wire
from der_wire.registration import registration_to_wire
from der_wire.varints import varint
from kit.headend import A, B, World, frame, gateway, says
from kit.scripted_headend import until

NO_UPLINK = b"\x12\x7f"


class Stream:
    """A stream on which an agent of one asset has introduced itself."""

    def __init__(self, world: World, asset_id: UUID, *, heartbeat_s: float = 10.0) -> None:
        self.world = world
        self.heard: list[pb.Downlink] = []
        self._messages = asyncio.Queue[bytes | None]()
        self._agent_id = str(asset_id)
        registration = gateway(asset_id, agent_id=self._agent_id, spool_id=asset_id)
        registration = replace(registration, heartbeat_s=heartbeat_s)
        self.say(pb.Uplink(register=registration_to_wire(registration)).SerializeToString())
        serving: Any = world.link
        self.served: Awaitable[None] = asyncio.create_task(serving.Connect(None, self))

    def say(self, *messages: bytes) -> None:
        for message in messages:
            self._messages.put_nowait(message)

    def send(self, *records: pb.Record) -> None:
        """Send each record in a message of its own."""
        self.say(*(pb.Uplink(record=record).SerializeToString() for record in records))

    async def session(self) -> Session:
        """The session that it has, once it has one."""
        await until(lambda: self._sessions() != [])
        return self._sessions()[0]

    def _sessions(self) -> list[Session]:
        return [s for s in self.world.sessions.live.values() if s.agent_id == self._agent_id]

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    def end(self) -> None:
        """Close the stream, after what was said; it stays at its end."""
        self._messages.put_nowait(None)
        self._messages.put_nowait(None)

    async def read(self) -> bytes | None:
        return await self._messages.get()

    async def write(self, message: pb.Downlink) -> None:
        self.heard.append(message)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    keeping = asyncio.create_task(world.gate.run())
    yield world
    for session in list(world.sessions.live.values()):
        world.sessions.close(session.id, "the test is over")
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)


def numbered(world: World, seq: int, mw: float) -> pb.Record:
    return pb.Record(seq=seq, frame=pb.Frame.FromString(frame(world, [mw])))


async def test_telemetry_waits_while_a_command_is_under_way_and_the_answer_does_not(world: World) -> None:
    told, other = Stream(world, A), Stream(world, B)
    await told.session()
    spool_id = (await other.session()).registration.spool_id
    dispatch = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    other.send(numbered(world, 1, 1.0))
    await world.clock.run_for(0.05)
    report = says(world, dispatch.id, State.ACTIVE, {A: 5.0})
    before = world.ingest.taken(spool_id)
    told.send(numbered(world, 1, 1.0), pb.Record(seq=2, report=report_to_wire(report)))
    await until(lambda: world.ingest.taken(A) == 2)
    answered = await world.dispatcher.get(dispatch.id)
    assert [part.state for part in answered.allocations] == [State.ACTIVE]
    assert before == 0
    await world.clock.run_for(0.05)
    await until(lambda: world.ingest.taken(spool_id) == 1)


async def test_what_was_held_when_its_agent_is_told_to_do_something_does_not_hold_up_the_answer(
    world: World,
) -> None:
    stream = Stream(world, A)
    await stream.session()
    world.right_of_way.begin("the request, before it is read")
    stream.send(numbered(world, 1, 1.0))
    await world.clock.run_for(0.05)
    assert world.ingest.taken(A) == 0
    dispatch = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    report = says(world, dispatch.id, State.ACTIVE, {A: 5.0})
    stream.send(pb.Record(seq=2, report=report_to_wire(report)))
    await until(lambda: world.ingest.taken(A) == 2)


async def test_an_agent_counts_as_heard_and_can_leave_while_a_command_is_under_way(world: World) -> None:
    stream, other = Stream(world, A), Stream(world, B)
    session, leaving = await stream.session(), await other.session()
    before_s = session.heard_s
    world.clock.advance(1.0)
    world.right_of_way.begin("a command")
    stream.send(numbered(world, 1, 1.0))
    await until(lambda: session.heard_s > before_s)
    other.end()
    await other.served
    assert world.ingest.taken(A) == 0
    assert leaving.record.reason == CLOSED_BY_AGENT


async def test_who_beats_often_does_not_wait(world: World) -> None:
    stream = Stream(world, A, heartbeat_s=0.2)
    await stream.session()
    world.right_of_way.begin("a command")
    stream.send(numbered(world, 1, 1.0))
    await until(lambda: world.ingest.taken(A) == 1)


async def test_of_a_burst_a_few_messages_are_taken_in_at_a_time(world: World) -> None:
    stream = Stream(world, A)
    session = await stream.session()
    beat = pb.Uplink(heartbeat=pb.Heartbeat(at_us=1)).SerializeToString()
    stream.say(*[beat] * (3 * AT_ONCE))
    taken = [0]
    while taken[-1] < 3 * AT_ONCE:
        await asyncio.sleep(0)
        taken.append(world.ingest.waiting["heartbeats"])
    assert session.id in world.sessions.live
    assert max(after - before for before, after in pairwise(taken)) <= AT_ONCE + 1, "the one that waited, too"


async def test_bytes_that_are_no_message_end_the_stream_with_the_reason(world: World) -> None:
    stream = Stream(world, A)
    session = await stream.session()
    stream.say(NO_UPLINK)
    await stream.served
    assert session.record.reason == "a message that is no Uplink"


async def test_an_introduction_that_is_no_message_is_refused(world: World) -> None:
    stream = Stream(world, A)
    stream._messages.get_nowait()
    stream.say(NO_UPLINK)
    await stream.served
    assert [(m.refused.code, "no Uplink" in m.refused.reason) for m in stream.heard] == [("invalid", True)]


async def test_a_frame_that_is_none_is_set_aside_and_the_mark_passes_it(world: World) -> None:
    stream = Stream(world, A)
    await stream.session()
    wrong = b"\x08\x01\x12" + varint(len(NO_UPLINK)) + NO_UPLINK
    stream.say(b"\x12" + varint(len(wrong)) + wrong)
    stream.send(numbered(world, 2, 1.0))
    await until(lambda: world.ingest.taken(A) == 2)
    await world.ingest.flush()
    assert world.ingest.set_aside_counts == {"invalid": 1}
    assert world.ingest.stored(A) == 2
    assert world.ingest.rows_stored == 1
