"""What goes through the outbox: order, live copies, and the word about an overflow."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from der_core.dispatch import AllocationReport, DispatchReport
from der_core.lifecycle import State
from der_runtime.clock import ManualClock
from der_wire._gen import agent_link_pb2 as pb
from edge_agent.ledger import Ledger
from edge_agent.outbox import Outbox
from edge_agent.ports import Spooled, SpoolStatus
from edge_agent.spool.memory import MemorySpool
from kit.control_bench import SITE, A


class SlowSpool(MemorySpool):
    """Takes a while for each append; while it is ``broken`` it says so."""

    broken = False

    async def append(self, bodies: Sequence[bytes], notes: Mapping[str, bytes | None] | None = None) -> int:
        last = await super().append(bodies, notes)
        await asyncio.sleep(0)
        return last

    def status(self) -> SpoolStatus:
        return replace(super().status(), trouble="disk full" if self.broken else None)


def outbox(max_bytes: int = 1_000_000, *, spool: MemorySpool | None = None) -> Outbox:
    return Outbox(
        spool=spool or MemorySpool(max_bytes=max_bytes),
        site_id=SITE,
        places={A: 0},
        clock=ManualClock(),
        ledger=Ledger(),
    )


def report(n: int) -> DispatchReport:
    part = AllocationReport(asset_id=A, state=State.ACTIVE)
    return DispatchReport(dispatch_id=UUID(int=n), at=datetime(2026, 1, 1, tzinfo=UTC), allocations=(part,))


async def records(box: Outbox) -> Sequence[pb.Record]:
    return [pb.Record.FromString(record.body) for record in await box.spool.read(0, 1000)]


async def test_records_keep_their_order() -> None:
    box = outbox()
    await box.put_reports([report(1), report(2)])
    await box.put_frame(pb.Frame(timestamp_us=1))
    assert [record.WhichOneof("body") for record in await records(box)] == ["report", "report", "frame"]


async def test_live_is_the_newest_frame_and_the_reports_above_a_number() -> None:
    box = outbox()
    await box.put_frame(pb.Frame(timestamp_us=1))
    await box.put_reports([report(1), report(2)])
    await box.put_frame(pb.Frame(timestamp_us=2))
    assert [record.seq for record in box.reports(0)] == [2, 3]
    assert [record.seq for record in box.reports(2)] == [3]
    assert box.newest_frame is not None
    assert (box.newest_frame.record.seq, box.newest_frame.timestamp_us) == (4, 2)


async def test_overflow_is_told_once_and_its_end_once() -> None:
    box = outbox(max_bytes=20_000)
    for n in range(300):
        await box.put_reports([report(n)])
    events = [record.event for record in await records(box) if record.HasField("event")]
    assert box.spool.status().dropped > 0
    assert len(events) <= 1  # raised once; by now it may be dropped itself
    await box.acknowledge(box.spool.status().next_seq - 10)
    for n in range(3):
        await box.put_reports([report(n)])
    events = [record.event for record in await records(box) if record.HasField("event")]
    assert [(event.code, event.kind) for event in events] == [("spool_full", pb.Event.KIND_CLEARED)]
    assert not events[0].HasField("asset")


async def test_waiting_until_empty() -> None:
    box = outbox()
    assert await box.wait_until_empty(deadline_s=0)
    await box.put_reports([report(1)])
    assert not await box.wait_until_empty(deadline_s=0)
    await box.acknowledge(1)
    assert await box.wait_until_empty(deadline_s=0)


async def test_last_word_on_a_dispatch_is_said_again_when_the_spool_has_lost_it() -> None:
    box = outbox(max_bytes=20_000)
    box._ledger.note(UUID(int=1), AllocationReport(asset_id=A, state=State.COMPLETED))
    await box.put_reports([report(1)])
    for n in range(200):
        await box.put_frame(pb.Frame(timestamp_us=n + 1))
    assert box.spool.status().dropped > 0
    (again,) = [r.report for r in await records(box) if r.HasField("report")]
    assert again.dispatch_id == str(UUID(int=1))
    assert again.allocations[0].state == pb.DispatchReport.STATE_COMPLETED


async def test_word_that_was_acknowledged_is_not_said_again() -> None:
    box = outbox(max_bytes=20_000)
    box._ledger.note(UUID(int=1), AllocationReport(asset_id=A, state=State.COMPLETED))
    await box.put_reports([report(1)])
    await box.acknowledge(box.spool.status().next_seq - 1)
    for n in range(200):
        await box.put_frame(pb.Frame(timestamp_us=n + 1))
    assert not any(record.HasField("report") for record in await records(box))


async def test_what_a_broken_spool_lost_is_said_again_once_whoever_comes_first() -> None:
    spool = SlowSpool(max_bytes=1_000_000)
    box = outbox(spool=spool)
    spool.broken = True
    for n in range(1, 4):
        box._ledger.note(UUID(int=n), AllocationReport(asset_id=A, state=State.COMPLETED))
        await box.put_reports([report(n)])
    await box.acknowledge(spool.status().next_seq - 1)
    spool.broken = False
    await asyncio.gather(*(box.put_frame(pb.Frame(timestamp_us=n)) for n in range(1, 4)))
    again = [record.report.dispatch_id for record in await records(box) if record.HasField("report")]
    assert again == [str(UUID(int=n)) for n in range(1, 4)]


async def test_a_damaged_record_is_passed_over() -> None:
    box = outbox()
    assert box.message(Spooled(7, b"\x0a\xff")) is None


async def test_of_a_spool_that_was_only_slow_nothing_is_said() -> None:
    spool = SlowSpool(max_bytes=1_000_000)
    box = outbox(spool=spool)
    spool.broken = True
    await box.put_frame(pb.Frame(timestamp_us=1))
    spool.broken = False
    await box.put_frame(pb.Frame(timestamp_us=2))
    assert [record.WhichOneof("body") for record in await records(box)] == ["frame", "frame"]
