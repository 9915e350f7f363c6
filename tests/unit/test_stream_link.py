"""The way down to an agent: in order, bounded, without a task while there is nothing to say, and with a goodbye."""

import asyncio
from uuid import uuid4

import pytest

from der_core.dispatch import Command
from der_headend.grpc.link import ROOM, StreamLink
from der_headend.ports import Cancellation
from der_headend.sessions import REPLACED
from der_runtime.clock import ManualClock
from der_wire._gen import agent_link_pb2 as pb
from kit.headend import A
from kit.scripted_headend import until


class Agent:
    """The other end: notes what it is sent, and reads nothing while ``reads`` is not set."""

    def __init__(self) -> None:
        self.heard: list[pb.Downlink] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.gone = False
        self.waits = False
        self.writes = 0

    async def write(self, message: pb.Downlink) -> None:
        self.writes += 1
        self.waits = not self.reads.is_set()
        await self.reads.wait()
        if self.gone:
            raise ConnectionError("the stream is gone")
        self.heard.append(message)

    def kinds(self) -> list[str | None]:
        return [message.WhichOneof("message") for message in self.heard]


def link_to(agent: Agent, clock: ManualClock | None = None) -> StreamLink:
    return StreamLink(clock=clock or ManualClock(), write=agent.write, commanded=lambda: None)


def setpoint() -> Command:
    return Command(dispatch_id=uuid4(), mw=1.0, site_wide=False, asset_ids=(A,))


async def written(agent: Agent, count: int) -> None:
    """Until the agent has heard so much and no task but the test's is left."""
    await until(lambda: len(agent.heard) == count and len(asyncio.all_tasks()) == 1)


async def test_an_idle_link_has_no_task_of_its_own() -> None:
    agent = Agent()
    async with link_to(agent) as link:
        link.registered(pb.Registered(window=7))
        link.acknowledge(3)
        await written(agent, 2)
        link.acknowledge(4)
        await written(agent, 3)
    assert agent.kinds() == ["registered", "acknowledgement", "acknowledgement"]


async def test_without_being_asked_the_agent_is_told_once_most_of_its_window_is_stored() -> None:
    agent = Agent()
    async with link_to(agent) as link:
        link.registered(pb.Registered(acknowledged_seq=100, window=8))
        await written(agent, 1)
        for stored_seq in range(101, 113):
            if link.worth_telling(stored_seq):
                link.acknowledge(stored_seq)
            await written(agent, 1 + (stored_seq >= 106) + (stored_seq >= 112))
    assert [message.acknowledgement.through_seq for message in agent.heard[1:]] == [106, 112]


async def test_an_agent_that_asked_is_told_of_the_next_that_is_stored() -> None:
    agent = Agent()
    async with link_to(agent) as link:
        link.registered(pb.Registered(window=256))
        assert not link.worth_telling(1)
        link.asked = True
        assert link.worth_telling(1)
        link.acknowledge(1)
        assert not link.worth_telling(2)


async def test_an_agent_that_rarely_asks_is_told_all_the_same() -> None:
    agent, clock = Agent(), ManualClock()
    async with link_to(agent, clock) as link:
        link.registered(pb.Registered(window=256))
        await written(agent, 1)
        for stored_seq in range(1, 5):
            clock.advance(10.0)
            if link.worth_telling(stored_seq):
                link.acknowledge(stored_seq)
            await written(agent, 1 + stored_seq // 2)
    assert [message.acknowledgement.through_seq for message in agent.heard[1:]] == [2, 4]


async def test_a_window_is_told_when_it_changes_whatever_is_told_over_it() -> None:
    agent = Agent()
    agent.reads.clear()
    async with link_to(agent) as link:
        link.registered(pb.Registered(window=2))
        await until(lambda: agent.waits)
        link.acknowledge(1, window=8)
        link.acknowledge(2)
        agent.reads.set()
        await written(agent, 2)
        link.acknowledge(3)
        await written(agent, 3)
        link.acknowledge(4, window=2)
        await written(agent, 4)
    told = [message.acknowledgement for message in agent.heard[1:]]
    assert [(each.through_seq, each.window) for each in told] == [(2, 8), (3, 0), (4, 2)]


async def test_it_says_when_what_it_was_told_has_gone_out() -> None:
    agent = Agent()
    agent.reads.clear()
    out: list[int] = []
    async with link_to(agent) as link:
        link.registered(pb.Registered(window=2))
        await until(lambda: agent.waits)
        link.acknowledge(1, then=lambda: out.append(1))
        link.acknowledge(2)
        agent.reads.set()
        await written(agent, 2)
        assert out == [1]
        link.acknowledge(3)
        await written(agent, 3)
    assert out == [1]


async def test_a_first_window_of_one_is_told_of_at_once_and_a_larger_one_when_most_of_it_is_stored() -> None:
    agent = Agent()
    async with link_to(agent) as link:
        link.registered(pb.Registered(window=1))
        assert link.worth_telling(1)
        link.acknowledge(1, window=8)
        assert not link.worth_telling(6)
        assert link.worth_telling(7)


async def test_messages_go_in_order_and_of_acknowledgements_only_the_newest() -> None:
    agent = Agent()
    agent.reads.clear()
    async with link_to(agent) as link:
        link.registered(pb.Registered(window=7))
        for through_seq in range(1, 50):
            link.acknowledge(through_seq)
        assert link.command(setpoint())
        agent.reads.set()
        await written(agent, 3)
    assert agent.kinds() == ["registered", "setpoint", "acknowledgement"]
    assert agent.heard[-1].acknowledgement.through_seq == 49


async def test_what_comes_while_the_last_message_is_written_goes_too() -> None:
    agent = Agent()
    agent.reads.clear()
    async with link_to(agent) as link:
        link.acknowledge(1)
        await until(lambda: agent.waits)
        assert link.command(setpoint())
        agent.reads.set()
        await written(agent, 2)
    assert agent.kinds() == ["acknowledgement", "setpoint"]


async def test_a_slow_agent_is_refused_further_setpoints_but_not_a_cancel() -> None:
    agent = Agent()
    agent.reads.clear()
    async with link_to(agent) as link:
        assert all(link.command(setpoint()) for _ in range(ROOM))
        assert not link.command(setpoint())
        taken_back = Cancellation(uuid4(), (A,))
        link.cancel(taken_back)
        link.cancel(taken_back)
        agent.reads.set()
        await written(agent, ROOM + 1)
    assert agent.kinds() == ["setpoint"] * ROOM + ["cancel"]


async def test_closing_it_ends_the_reading_and_tells_the_agent_why() -> None:
    agent = Agent()
    link = link_to(agent)

    async def serve() -> str:
        async with link:
            await asyncio.Event().wait()
        return "went on"

    serving = asyncio.create_task(serve())
    await asyncio.sleep(0)
    link.command(setpoint())
    link.close(REPLACED)
    link.close("another reason")
    assert await serving == "went on"
    assert agent.heard[-1].drain.reason == REPLACED
    assert agent.heard[-1].drain.reconnect_after_s > 0
    assert not link.command(setpoint())


@pytest.mark.parametrize("reads_again", [True, False])
async def test_the_goodbye_never_overtakes_what_is_being_written(reads_again: bool) -> None:
    agent = Agent()
    agent.reads.clear()
    link = link_to(agent)

    async def serve() -> None:
        async with link:
            await asyncio.Event().wait()

    serving = asyncio.create_task(serve())
    await asyncio.sleep(0)
    link.acknowledge(1)
    await until(lambda: agent.waits)
    assert link.command(setpoint())
    link.close("heartbeat missed")
    if reads_again:
        await asyncio.sleep(0)
        agent.reads.set()
    await serving
    assert agent.kinds() == (["acknowledgement", "drain"] if reads_again else [])
    assert agent.writes == (2 if reads_again else 1), "grpc takes one message at a time"


async def test_an_agent_that_goes_is_told_nothing() -> None:
    agent = Agent()
    link = link_to(agent)

    async def serve() -> None:
        async with link:
            await asyncio.Event().wait()

    serving = asyncio.create_task(serve())
    await asyncio.sleep(0)
    serving.cancel()
    link.close("closed at the same moment")
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert agent.heard == []


async def test_a_link_that_can_not_be_written_to_is_closed() -> None:
    agent = Agent()
    agent.gone = True
    async with asyncio.timeout(5):
        async with link_to(agent) as link:
            link.acknowledge(1)
            await asyncio.Event().wait()
    assert link.reason == "link lost"
