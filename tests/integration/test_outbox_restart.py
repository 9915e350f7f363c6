"""What an outbox on a spool on disk takes over from the run before."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast
from uuid import UUID, uuid4

from der_core.dispatch import AllocationReport, DispatchReport
from der_core.events import Event, EventKind, Severity
from der_core.lifecycle import State
from der_runtime.clock import ManualClock
from der_wire._gen import agent_link_pb2 as pb
from edge_agent.ledger import Ledger
from edge_agent.outbox import Outbox
from edge_agent.ports import LinkedAgent
from edge_agent.recollection import recollect
from edge_agent.spool.sqlite import SqliteSpool
from edge_agent.uplink.session import Session
from edge_agent.uplink.stream import Stream
from kit.control_bench import SITE, A, B, C
from kit.disks import fill, small_disk
from kit.spools import spool_at

CLOCK = ManualClock()


async def begun(spool: SqliteSpool, *assets: UUID) -> Outbox:
    recalled = recollect(spool.recalled)
    ledger = Ledger()
    ledger.restore(recalled.dispatches)
    box = Outbox(
        spool=spool,
        site_id=SITE,
        places={asset_id: place for place, asset_id in enumerate(assets)},
        clock=CLOCK,
        ledger=ledger,
        recalled=recalled,
    )
    await box.begin()
    return box


def alarm(kind: EventKind, asset_id: UUID | None, code: str) -> Event:
    return Event(
        id=uuid4(),
        at=CLOCK.now(),
        site_id=SITE,
        asset_id=asset_id,
        severity=Severity.WARNING,
        kind=kind,
        code=code,
        message="it happened",
    )


async def messages(box: Outbox, after_seq: int = 0) -> Sequence[pb.Record | None]:
    return [box.message(record) for record in await box.spool.read(after_seq, 1000)]


async def test_alarms_that_stood_are_ended(tmp_path: Path) -> None:
    async with spool_at(tmp_path / "spool.db") as spool:
        box = await begun(spool, A, B)
        await box.put_events([alarm(EventKind.RAISED, A, "trip"), alarm(EventKind.RAISED, B, "trip")])
        await box.put_events(
            [alarm(EventKind.CLEARED, A, "trip"), alarm(EventKind.RAISED, None, "spool_full")]
        )
        await box.put_events([alarm(EventKind.NOTICE, A, "door")])
    for expected in ([("trip", 1), ("spool_full", None)], []):
        async with spool_at(tmp_path / "spool.db") as spool:
            before = spool.status().next_seq - 1
            box = await begun(spool, A, B)
            cleared = [record.event for record in await messages(box, before) if record is not None]
            assert all(event.kind == pb.Event.KIND_CLEARED for event in cleared)
            assert [(e.code, e.asset if e.HasField("asset") else None) for e in cleared] == expected


async def test_handled_dispatches_are_known_again(tmp_path: Path) -> None:
    part = AllocationReport(asset_id=A, state=State.ACTIVE, mw=5.0, applied_mw=5.0, weight=1.0, note="fine")
    async with spool_at(tmp_path / "spool.db") as spool:
        box = await begun(spool, A)
        box._ledger.note(UUID(int=1), part)
        box._ledger.note_unserved(UUID(int=1), 2.0)
        await box.put_reports([DispatchReport(dispatch_id=UUID(int=1), at=CLOCK.now(), allocations=(part,))])
    async with spool_at(tmp_path / "spool.db") as spool:
        box = await begun(spool, A)
        assert box._ledger.parts(UUID(int=1)) == (part,)
        assert box._ledger.unserved_mw(UUID(int=1)) == 2.0


async def test_records_of_another_inventory_are_renumbered(tmp_path: Path) -> None:
    column = pb.Column(signal=0, values=[1.0, 2.0])
    path = tmp_path / "spool.db"
    for assets in ((A, B), (B, C), (C, B)):
        async with spool_at(path) as spool:
            box = await begun(spool, *assets)
            await box.put_frame(pb.Frame(timestamp_us=1, columns=[column]))
    async with spool_at(path) as spool:
        box = await begun(spool, C, B)
        frames = [record.frame for record in await messages(box) if record is not None]
        assert [list(frame.assets) for frame in frames] == [[1], [1, 0], []]
        assert [list(frame.columns[0].values) for frame in frames] == [[2.0], [1.0, 2.0], [1.0, 2.0]]
        await box.acknowledge(2)
    async with spool_at(path) as spool:
        await begun(spool, C, B)
    async with spool_at(path) as spool:
        assert list(recollect(spool.recalled).layouts) == [3]
        box = await begun(spool, A)
        assert await messages(box) == [None]


async def test_notes_that_make_no_sense_are_passed_over(tmp_path: Path) -> None:
    async with spool_at(tmp_path / "spool.db") as spool:
        await spool.append([], {"dispatch/x": b"\xff", "alarm/x/y": b"", "layout/x": b"", "later/1": b"x"})
    async with spool_at(tmp_path / "spool.db") as spool:
        recalled = recollect(spool.recalled)
        assert (recalled.dispatches, recalled.alarms, recalled.layouts) == ((), (), {})


class Wire:
    """What was handed to the transport."""

    def __init__(self) -> None:
        self.sent: list[pb.Uplink] = []

    async def send(self, message: pb.Uplink) -> None:
        self.sent.append(message)


async def test_link_rests_while_there_is_nothing_it_may_send(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", mib=8) as disk:
        async with spool_at(disk / "spool.db") as spool:
            box = await begun(spool, A)
            wire = Wire()
            session = Session(
                stream=cast("Stream", wire),
                agent=cast("LinkedAgent", None),
                outbox=box,
                clock=CLOCK,
                heartbeat_s=1.0,
                answer_within_s=1.0,
            )
            session._window = 10
            filler = fill(disk)
            await box.put_frame(
                pb.Frame(
                    timestamp_us=int(CLOCK.now().timestamp() * 1e6),
                    columns=[pb.Column(signal=0, values=[1.0] * 9999)],
                )
            )
            assert not await session._send_records()
            assert [message.record.seq for message in wire.sent] == [0]
            assert not await session._send_records()
            assert len(wire.sent) == 1
            filler.unlink()
            await box.put_frame(pb.Frame(timestamp_us=2))
            assert not await session._send_records()
            frame, event = (message.record for message in wire.sent if message.record.seq)
            assert frame.frame.timestamp_us == 2
            assert event.event.code == "spool_not_written"
