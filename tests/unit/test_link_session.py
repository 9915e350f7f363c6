"""The sender of a session waits when it has nothing to send, whatever the headend and the spool know of each other."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from itertools import pairwise
from uuid import UUID

import pytest

from der_core.dispatch import AllocationReport, Command, DispatchReport
from der_core.lifecycle import State
from der_core.registration import AgentMode, Registration
from der_runtime.clock import SystemClock
from der_wire._gen import agent_link_pb2 as pb
from der_wire.fields import micros
from der_wire.rules import shown_every_s, to_show
from edge_agent.ledger import Ledger
from edge_agent.outbox import Outbox
from edge_agent.ports import Spooled
from edge_agent.spool.memory import MemorySpool
from edge_agent.uplink import session
from edge_agent.uplink.session import Session
from edge_agent.uplink.stream import Stream
from kit.control_bench import SITE, A
from kit.scripted_headend import until

SPOOL_BYTES = 65_536
HEARTBEAT_S = 3600
BEAT_US = HEARTBEAT_S * 1_000_000
SPINNING = 100
"""A sender that reads the spool so often in one of these tests does not wait."""


class WatchedSpool(MemorySpool):
    reads = 0
    spool_id = UUID(int=0)

    async def read(self, after_seq: int, limit: int) -> Sequence[Spooled]:
        self.reads += 1
        assert self.reads < SPINNING, "the sender spins"
        return await super().read(after_seq, limit)


class FakeStream(Stream):
    """Says what a test puts into ``says``, keeps what was sent."""

    def __init__(self) -> None:
        self.says: asyncio.Queue[pb.Downlink] = asyncio.Queue()
        self.sent: list[pb.Uplink] = []
        self.reported = asyncio.Event()

    async def send(self, message: pb.Uplink) -> None:
        self.sent.append(message)
        if message.record.HasField("report"):
            self.reported.set()

    async def receive(self) -> pb.Downlink:
        return await self.says.get()


class FakeAgent:
    """Reports every command as rejected."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    def registration(self) -> Registration:
        return Registration(
            protocol=1,
            agent_id="agent",
            mode=AgentMode.GATEWAY,
            site_id=SITE,
            site_name="site",
            software="software",
            assets=(),
            signals=(),
            heartbeat_s=HEARTBEAT_S,
            spool_id=self._outbox.spool.spool_id,
            first_seq=1,
            in_force=(),
        )

    async def registered(self) -> None: ...

    async def link_lost(self, last_heard_s: float) -> None: ...

    async def command(self, command: Command) -> None:
        part = AllocationReport(asset_id=A, state=State.REJECTED)
        at = datetime(2026, 1, 1, tzinfo=UTC)
        await self._outbox.put_reports(
            [DispatchReport(dispatch_id=command.dispatch_id, at=at, allocations=(part,))]
        )

    async def cancel(self, dispatch_id: UUID, asset_ids: Sequence[UUID]) -> None: ...


@asynccontextmanager
async def session_of(
    outbox: Outbox,
    clock: SystemClock,
    *,
    window: int = 256,
    bundle: int = 0,
    beats: bool = False,
    heartbeat_s: float = HEARTBEAT_S,
) -> AsyncIterator[FakeStream]:
    """A running session with a headend that has stored nothing."""
    stream = FakeStream()
    session = Session(
        stream=stream,
        agent=FakeAgent(outbox),
        outbox=outbox,
        clock=clock,
        heartbeat_s=heartbeat_s,
        answer_within_s=5,
    )
    registered = pb.Registered(window=window, bundle=bundle, beats=beats, clock_s=clock.monotonic())
    await stream.says.put(pb.Downlink(registered=registered))
    await session.register()
    running = asyncio.create_task(session.run())
    try:
        yield stream
    finally:
        running.cancel()
        (end,) = await asyncio.gather(running, return_exceptions=True)
    assert isinstance(end, asyncio.CancelledError), end


async def answers_a_command(stream: FakeStream, clock: SystemClock) -> None:
    setpoint = pb.Setpoint(
        dispatch_id=str(UUID(int=1)), mw=1.0, asset_ids=[str(A)], expires_at_s=clock.monotonic() + 60
    )
    await stream.says.put(pb.Downlink(setpoint=setpoint))
    async with asyncio.timeout(1):
        await stream.reported.wait()
    stream.reported.clear()


def together(stream: FakeStream) -> list[list[int]]:
    """The numbers of the records in each message."""
    sent = ([up.record] if up.HasField("record") else list(up.records.records) for up in stream.sent)
    return [[record.seq for record in records] for records in sent if records]


def parts() -> tuple[SystemClock, WatchedSpool, Outbox]:
    clock, spool = SystemClock(), WatchedSpool(max_bytes=SPOOL_BYTES)
    return clock, spool, Outbox(spool=spool, site_id=SITE, places={A: 0}, clock=clock, ledger=Ledger())


async def test_headend_that_has_forgotten_what_it_acknowledged_is_served() -> None:
    clock, spool, outbox = parts()
    await outbox.put_frame(pb.Frame(timestamp_us=1))
    await outbox.acknowledge(1)
    async with session_of(outbox, clock) as stream:
        await answers_a_command(stream, clock)
        await asyncio.sleep(0)
    assert spool.reads < SPINNING / 10


async def test_record_larger_than_the_spool_is_sent_live_once() -> None:
    clock, spool, outbox = parts()
    column = pb.Column(signal=0, values=[1.0] * SPOOL_BYTES)
    async with session_of(outbox, clock) as stream:
        await outbox.put_frame(pb.Frame(timestamp_us=BEAT_US, columns=[column]))
        await answers_a_command(stream, clock)
        await outbox.put_frame(pb.Frame(timestamp_us=2 * BEAT_US, columns=[column]))
        await until(lambda: stream.sent[-1].record.frame.timestamp_us == 2 * BEAT_US)
        await answers_a_command(stream, clock)
        frames = [up.record.seq for up in stream.sent if up.record.HasField("frame")]
    assert frames == [0]
    assert spool.reads < SPINNING / 5


async def test_while_it_is_behind_a_frame_goes_ahead_now_and_then() -> None:
    clock, _, outbox = parts()
    moments_s = [100, 103, 107, 108, 109, 115, 116, 50, 51]  # the clock is set back in the end
    async with session_of(outbox, clock, window=1) as stream:
        for moment_s in moments_s:
            await outbox.put_frame(pb.Frame(timestamp_us=moment_s * 1_000_000))
            await answers_a_command(stream, clock)
    records = [up.record for up in stream.sent if up.record.HasField("frame")]
    shown = [(record.seq, record.frame.timestamp_us // 1_000_000) for record in records]
    assert shown == [(1, 100), (0, 107), (0, 115), (0, 50)]


def test_agents_that_are_behind_at_the_same_time_do_not_show_what_they_have_at_the_same_time() -> None:
    shown_s = dict.fromkeys((UUID(int=place) for place in range(1_000)), 0.0)
    copies = []
    for step in range(1, 61):
        now_s = 0.75 * step
        due = [
            each
            for each, last_s in shown_s.items()
            if to_show(now_s, shown_s=last_s, heartbeat_s=10.0, spool_id=each)
        ]
        shown_s |= dict.fromkeys(due, now_s)
        copies.append(len(due))
    assert copies[-10:] == [100] * 10


@pytest.mark.parametrize(("shown_s", "shown"), [(104.0, False), (101.0, True)])
def test_a_short_wait_causes_no_copy(shown_s: float, shown: bool) -> None:
    assert to_show(106.0, shown_s=shown_s, heartbeat_s=10.0, spool_id=UUID(int=0)) == shown


def test_with_short_heartbeats_a_frame_goes_ahead_within_one() -> None:
    assert [shown_every_s(heartbeat_s) for heartbeat_s in (0.4, 10.0, 300.0)] == [
        pytest.approx(0.3),
        7.5,
        7.5,
    ]


async def test_records_go_together_up_to_a_size(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, _, outbox = parts()
    sizes = [1, 1, 1, 500, 200, 1, 1, 1, 1]
    for at_us, size in enumerate(sizes, start=1):
        await outbox.put_frame(
            pb.Frame(timestamp_us=at_us, columns=[pb.Column(signal=0, values=[1.0] * size)])
        )
    monkeypatch.setattr(session, "BUNDLE_BYTES", 3_000)
    async with session_of(outbox, clock, bundle=4) as stream:
        await until(lambda: sum(map(len, together(stream))) == len(sizes))
    assert together(stream) == [[1, 2, 3], [4], [5, 6, 7, 8], [9]]


async def test_an_agent_says_whether_it_is_behind_and_takes_a_larger_window() -> None:
    clock, _, outbox = parts()
    for at_us in range(1, 7):
        await outbox.put_frame(pb.Frame(timestamp_us=at_us))
    async with session_of(outbox, clock, window=1, bundle=4) as stream:

        def came(seq: int) -> bool:
            return any(seq in seqs for seqs in together(stream))

        for through_seq, window in ((1, 3), (4, 0)):
            await until(partial(came, through_seq))
            told = pb.Acknowledgement(through_seq=through_seq, window=window)
            await stream.says.put(pb.Downlink(acknowledgement=told))
        await until(lambda: len(together(stream)) == 3)
    assert together(stream) == [[1], [2, 3, 4], [5, 6]]
    assert [up.more for up in stream.sent if up.HasField("record") or up.HasField("records")] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("beats", [True, False])
async def test_heartbeats_go_with_records_if_the_headend_takes_that(*, beats: bool) -> None:
    clock, _, outbox = parts()
    async with session_of(outbox, clock, window=10_000, beats=beats, heartbeat_s=0.2) as stream:
        sent: list[pb.Uplink] = []

        async def one_more() -> None:
            await outbox.put_frame(pb.Frame(timestamp_us=1))
            await stream.says.put(pb.Downlink(acknowledgement=pb.Acknowledgement()))
            await asyncio.sleep(0.02)
            sent[:] = [up for up in stream.sent if up.HasField("heartbeat") or up.HasField("beat")]

        async with asyncio.timeout(10):
            while len(sent) < 4:
                await one_more()
    with_records = [up.HasField("record") for up in sent]
    assert with_records == ([False, True, True, True] if beats else [False] * 4)
    moments_us = [up.beat.at_us for up in sent[1:]]
    assert not beats or min(after - before for before, after in pairwise(moments_us)) >= 90_000


async def test_heartbeats_of_an_agent_that_is_behind_go_with_the_frames_that_go_ahead() -> None:
    clock, _, outbox = parts()
    async with session_of(outbox, clock, window=1, beats=True, heartbeat_s=0.2) as stream:

        def with_copies() -> int:
            return sum(
                up.HasField("beat") and up.record.HasField("frame") and up.record.seq == 0
                for up in stream.sent
            )

        async with asyncio.timeout(10):
            while with_copies() < 3:
                await outbox.put_frame(pb.Frame(timestamp_us=micros(clock.now())))
                await asyncio.sleep(0.02)


async def test_what_an_earlier_session_sent_may_be_acknowledged_to_the_next_one() -> None:
    clock, _, outbox = parts()
    for at_us in range(1, 6):
        await outbox.put_frame(pb.Frame(timestamp_us=at_us))
    async with session_of(outbox, clock, window=2) as stream:
        await until(lambda: together(stream) == [[1], [2]])
        await stream.says.put(pb.Downlink(acknowledgement=pb.Acknowledgement(through_seq=4)))
        await until(lambda: together(stream) == [[1], [2], [5]])


async def test_an_agent_that_stops_asks_until_the_headend_has_all_of_it() -> None:
    clock, _, outbox = parts()
    async with session_of(outbox, clock) as stream:
        await outbox.put_frame(pb.Frame(timestamp_us=1))
        emptied = asyncio.create_task(outbox.wait_until_empty(deadline_s=clock.monotonic() + 5))

        def asked() -> int:
            return sum(up.HasField("heartbeat") for up in stream.sent)

        await until(lambda: asked() >= 3)
        await stream.says.put(pb.Downlink(acknowledgement=pb.Acknowledgement(through_seq=1)))
        assert await emptied
