"""Ingest: live at once, stored once, acknowledged after, bounded, and not held up by a slow or absent store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from der_core.errors import Defect, Rejected, Unavailable
from der_core.events import Event, EventKind, Severity
from der_headend import ingest
from der_headend.ports import Batch, HistoryQuery
from der_runtime.breather import Breather
from kit.headend import SITE, A, World, frame, gateway, link_of


class Gate:
    """A journal that can be closed; keeps what was committed."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failures = 0
        self.away = False

    @property
    def samples(self) -> int:
        return sum(rows.size for batch in self.batches for rows in batch.rows)

    async def commit(self, batch: Batch) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("store_unavailable", "away", retry_after_s=1.0)
        await self.open.wait()
        self.batches.append(batch)

    async def mark(self, spool_id: UUID) -> int:
        if self.away:
            raise Unavailable("store_unavailable", "away", retry_after_s=1.0)
        return max((b.marks.get(spool_id, 0) for b in self.batches), default=0)


class HangsThenFails(Gate):
    """Answers its first commit with a failure, once ``fails`` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.fails = asyncio.Event(), asyncio.Event()

    async def commit(self, batch: Batch) -> None:
        if not self.asked.is_set():
            self.asked.set()
            await self.fails.wait()
            raise Unavailable("store_unavailable", "away", retry_after_s=1.0)
        await super().commit(batch)


@asynccontextmanager
async def running(world: World) -> AsyncIterator[None]:
    task = asyncio.create_task(world.ingest.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def alarm(world: World, kind: EventKind) -> Event:
    return Event(
        id=uuid4(),
        at=world.clock.now(),
        site_id=SITE,
        asset_id=A,
        severity=Severity.CRITICAL,
        kind=kind,
        code="inverter_trip",
        message="tripped",
    )


async def test_a_frame_is_live_at_once_and_acknowledged_only_after_the_commit() -> None:
    gate = Gate()
    world = World(journal=gate)
    session = await world.connect(gateway())
    gate.open.clear()
    world.ingest.frame(session, 1, frame(world, [1.0, 2.0, 3.0]))
    flushing = asyncio.create_task(world.ingest.flush())
    await asyncio.sleep(0)
    assert world.fleet.number("current_mw", world.fleet.slot_of[A]) == 1.0
    assert link_of(session).acknowledged == []
    gate.open.set()
    await flushing
    assert link_of(session).acknowledged == [1]
    assert gate.batches[0].marks == {session.registration.spool_id: 1}
    assert gate.samples == 3


async def test_no_mark_passes_what_a_crashed_commit_was_to_store(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    world = World(journal=gate)
    session = await world.connect(gateway())
    with monkeypatch.context() as broken:
        broken.setattr(gate, "commit", None)
        world.ingest.frame(session, 1, frame(world, [1.0, 2.0, 3.0]))
        with pytest.raises(TypeError):
            await world.ingest.flush()
    world.ingest.frame(session, 2, frame(world, [1.0, 2.0, 3.0]))
    await world.ingest.flush()
    assert gate.batches == []
    assert link_of(session).acknowledged == []


async def test_a_replay_at_or_below_what_was_taken_is_dropped() -> None:
    gate = Gate()
    world = World(journal=gate)
    spool = uuid4()
    session = await world.connect(gateway(spool_id=spool))
    for seq in (1, 2, 2, 1):
        world.ingest.frame(session, seq, frame(world, [1.0, 2.0, 3.0]))
    world.sessions.close(session.id, "link lost")
    world.ingest.forget(session)
    back = await world.connect(gateway(spool_id=spool))
    for seq in (1, 2, 3):
        world.ingest.frame(back, seq, frame(world, [1.0, 2.0, 3.0]))
    await world.ingest.flush()
    assert gate.samples == 3 * 3
    again = await world.connect(gateway(spool_id=spool))
    world.ingest.frame(again, 3, frame(world, [1.0, 2.0, 3.0]))
    await world.ingest.flush()
    assert gate.samples == 3 * 3


async def test_a_live_copy_is_shown_and_not_stored() -> None:
    gate = Gate()
    world = World(journal=gate)
    session = await world.connect(gateway())
    world.ingest.frame(session, 0, frame(world, [9.0, 0.0, 0.0]))
    await world.ingest.flush()
    assert world.fleet.number("current_mw", world.fleet.slot_of[A]) == 9.0
    assert all(not b.rows and not b.marks for b in gate.batches)


async def test_hazard_backfilled_telemetry_is_stored_and_leaves_the_live_value() -> None:
    world = World()
    session = await world.connect(gateway())
    world.ingest.frame(session, 0, frame(world, [9.0, 9.0, 9.0]))
    world.ingest.frame(session, 1, frame(world, [1.0, 1.0, 1.0], ago_s=600.0))
    await world.ingest.flush()
    slot = world.fleet.slot_of[A]
    assert world.fleet.number("current_mw", slot) == 9.0
    stored = await world.store.telemetry.history(HistoryQuery(slot=slot, start_us=0, end_us=2**62, limit=10))
    assert stored.columns["current_mw"]["last"].tolist() == [1.0]


async def test_hazard_a_store_that_is_away_holds_up_nothing_and_everything_is_stored_later() -> None:
    gate = Gate()
    world = World(journal=gate)
    session = await world.connect(gateway())
    gate.failures = 3
    async with running(world):
        for seq in range(1, 6):
            world.ingest.frame(session, seq, frame(world, [float(seq)] * 3))
        world.ingest.read_in()
        assert world.fleet.number("current_mw", world.fleet.slot_of[A]) == 5.0
        async with asyncio.timeout(5):
            while not link_of(session).acknowledged:
                await world.clock.run_for(1.0)
                await asyncio.sleep(0.01)
    assert link_of(session).acknowledged[-1] == 5
    assert gate.samples == 5 * 3


async def test_an_agent_that_ignores_its_window_is_refused_and_the_room_stays_bounded() -> None:
    gate = Gate()
    world = World(journal=gate, room_rows=16)
    session = await world.connect(gateway())
    assert world.ingest.window == 4
    for seq in range(1, 5):
        world.ingest.frame(session, seq, frame(world, [float(seq)] * 3))
    with pytest.raises(Rejected, match="more than 4 records"):
        world.ingest.frame(session, 5, frame(world, [5.0, 5.0, 5.0]))
    for seq in (0, 1):  # a live copy, and one that comes again
        world.ingest.frame(session, seq, frame(world, [6.0, 6.0, 6.0]))
    assert world.ingest.rows_waiting == 12 + 6
    await world.ingest.flush()
    world.ingest.frame(session, 5, frame(world, [6.0, 6.0, 6.0]))
    await world.ingest.flush()
    assert link_of(session).acknowledged == [4, 5]


async def test_a_full_spool_that_comes_back_while_its_window_waits_is_shown_and_asked_again() -> None:
    gate = Gate()
    world = World(journal=gate, room_rows=16)
    spool = uuid4()
    assert await world.ingest.resume(spool, first_seq=1) == 0
    session = await world.connect(gateway(spool_id=spool))
    for seq in range(1, 5):
        world.ingest.frame(session, seq, frame(world, [float(seq)] * 3))
    world.sessions.close(session.id, "link lost")
    assert await world.ingest.resume(spool, first_seq=100) == 99
    session = await world.connect(gateway(spool_id=spool, first_seq=100))
    for seq in range(100, 104):
        world.ingest.frame(session, seq, frame(world, [float(seq)] * 3))
    world.ingest.read_in()
    assert world.fleet.number("current_mw", 0) == 103.0
    await world.ingest.flush()
    assert gate.samples == 12
    assert world.asked_again == [spool]
    assert await world.ingest.resume(spool, first_seq=100) == 4
    session = await world.connect(gateway(spool_id=spool, first_seq=100))
    world.ingest.frame(session, 100, frame(world, [1.0, 1.0, 1.0]))
    await world.ingest.flush()
    assert link_of(session).acknowledged == [100]


async def test_a_spool_whose_mark_is_unknown_is_shown_not_stored_and_asked_again_when_the_store_is_back() -> (
    None
):
    gate = Gate()
    world = World(journal=gate)
    spool = uuid4()
    gate.away = True
    stored_seq = await world.ingest.resume(spool, first_seq=7)
    assert stored_seq == 6
    session = await world.connect(gateway(spool_id=spool, first_seq=7))
    world.ingest.frame(session, 7, frame(world, [5.0, 5.0, 5.0]))
    world.ingest.read_in()
    assert world.fleet.number("current_mw", world.fleet.slot_of[A]) == 5.0
    gate.away = False
    await world.ingest.flush()
    assert world.asked_again == [spool]
    assert all(not b.rows and not b.marks for b in gate.batches)
    again = await world.connect(gateway(spool_id=spool, first_seq=7))
    world.ingest.frame(again, 7, frame(world, [5.0, 5.0, 5.0]))
    await world.ingest.flush()
    assert gate.samples == 3


async def test_an_agent_that_is_known_reconnects_at_its_mark_while_the_store_is_away() -> None:
    gate = Gate()
    world = World(journal=gate)
    spool = uuid4()
    session = await world.connect(gateway(spool_id=spool))
    world.ingest.frame(session, 1, frame(world, [5.0, 5.0, 5.0]))
    await world.ingest.flush()
    gate.away = True
    assert await world.ingest.resume(spool, first_seq=1) == 1


async def test_a_frame_that_can_not_be_used_is_counted_told_once_and_passed_by_the_mark() -> None:
    gate = Gate()
    world = World(journal=gate)
    session = await world.connect(gateway())
    for seq in (1, 2):
        world.ingest.frame(session, seq, frame(world, [1.0, 2.0, 3.0], ago_s=-3600.0))
    world.ingest.frame(session, 3, frame(world, [1.0, 2.0, 3.0]))
    await world.ingest.flush()
    assert world.ingest.set_aside_counts == {"timestamp_in_future": 2}
    (batch,) = gate.batches
    assert [e.code for e in batch.events] == ["record_set_aside"]
    assert (gate.samples, batch.marks[session.registration.spool_id]) == (3, 3)


async def test_agents_that_come_and_go_while_the_store_is_away_take_bounded_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ingest, "EVENTS_WAITING", 2)
    monkeypatch.setattr(ingest, "SESSIONS_WAITING", 3)
    world = World()
    visits = [await world.connect(gateway()) for _ in range(5)]
    for session in visits:
        world.ingest.set_aside(session, 0, "bad")
        world.ingest.session(session.record)
    assert world.ingest.set_aside_counts == {"bad": 5}
    assert (world.ingest.waiting["events"], world.ingest.waiting["sessions"]) == (2, 3)
    assert [*world.ingest._batch.sessions] == [session.id for session in visits[2:]]


async def test_the_end_of_a_session_is_newer_than_sessions_that_began_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ingest, "SESSIONS_WAITING", 2)
    world = World()
    first, second, third = [(await world.connect(gateway())).record for _ in range(3)]
    ended = replace(first, disconnected_at=world.clock.now(), reason="gone")
    for record in (first, second, ended, third):
        world.ingest.session(record)
    assert [*world.ingest._batch.sessions.values()] == [ended, third]


async def test_alarms_are_raised_and_cleared_by_events() -> None:
    world = World()
    session = await world.connect(gateway())
    world.ingest.event(session, 1, alarm(world, EventKind.RAISED))
    assert [alarm.event.code for alarm in world.alarms.active()] == ["inverter_trip"]
    world.ingest.event(session, 2, alarm(world, EventKind.CLEARED))
    assert list(world.alarms.active()) == []


async def test_two_flushes_at_once_store_everything_in_order() -> None:
    gate = Gate()
    world = World(journal=gate)
    session = await world.connect(gateway())
    gate.open.clear()
    world.ingest.frame(session, 1, frame(world, [1.0, 1.0, 1.0]))
    first = asyncio.create_task(world.ingest.flush())
    await asyncio.sleep(0)
    world.ingest.frame(session, 2, frame(world, [2.0, 2.0, 2.0]))
    second = asyncio.create_task(world.ingest.flush())
    await asyncio.sleep(0)
    gate.open.set()
    await asyncio.gather(first, second)
    assert [b.marks[session.registration.spool_id] for b in gate.batches] == [1, 2]
    assert link_of(session).acknowledged == [1, 2]


async def test_an_event_from_a_clock_that_is_ahead_is_stamped_now() -> None:
    gate = Gate()
    world = World(journal=gate)
    session = await world.connect(gateway())
    late = replace(alarm(world, EventKind.RAISED), at=world.clock.now() + timedelta(days=365))
    world.ingest.event(session, 1, late)
    await world.ingest.flush()
    assert [e.at for e in gate.batches[0].events] == [world.clock.now()]


async def test_an_event_is_announced_when_it_can_be_acknowledged() -> None:
    world = World()
    session = await world.connect(gateway())
    with world.announcements.listen() as listener:
        world.ingest.event(session, 1, alarm(world, EventKind.RAISED))
        assert [a for a in listener.take() if isinstance(a, Event)] == []
        await world.ingest.flush()
        assert [a.code for a in listener.take() if isinstance(a, Event)] == ["inverter_trip"]


async def test_events_of_a_store_that_hangs_and_then_fails_are_announced_once_and_in_order() -> None:
    gate = HangsThenFails()
    world = World(journal=gate)
    events = [replace(alarm(world, EventKind.NOTICE), code=str(n)) for n in range(4)]
    with world.announcements.listen() as listener:
        world.ingest.note(events[0])
        async with running(world):
            await gate.asked.wait()
            world.ingest.note(events[1])
            assert list(listener.take()) == []
            gate.fails.set()
            await asyncio.sleep(0)
            world.ingest.note(events[2])
            assert list(listener.take()) == events[:3]
            await world.clock.run_for(2.0)
            await world.ingest.flush()
            assert list(listener.take()) == []
            world.ingest.note(events[3])
            await world.ingest.flush()
            assert list(listener.take()) == events[3:]


async def test_events_are_announced_in_order_also_if_somebody_else_finds_the_store_away() -> None:
    gate = Gate()
    gate.open.clear()
    world = World(journal=gate)
    events = [replace(alarm(world, EventKind.NOTICE), code=str(n)) for n in range(3)]
    with world.announcements.listen() as listener:
        world.ingest.note(events[0])
        flushing = asyncio.create_task(world.ingest.flush())
        await asyncio.sleep(0)
        world.ingest.note(events[1])
        world.ingest.missed()
        world.ingest.note(events[2])
        assert list(listener.take()) == events
        gate.open.set()
        await flushing
        await world.ingest.flush()
        assert list(listener.take()) == []


async def test_what_the_store_refuses_does_not_take_the_rest_with_it() -> None:
    class Picky(Gate):
        async def commit(self, batch: Batch) -> None:
            if any(13.0 in rows.columns["current_mw"] for rows in batch.rows):
                raise Defect("database_defect", "refused")
            await super().commit(batch)

    gate = Picky()
    world = World(journal=gate)
    session = await world.connect(gateway())
    for seq, mw in enumerate((12.0, 13.0, 14.0), start=1):
        world.ingest.frame(session, seq, frame(world, [mw, 0.0, 0.0]))
    await world.ingest.flush()
    stored = [mw for b in gate.batches for rows in b.rows for mw in rows.columns["current_mw"].tolist() if mw]
    assert stored == [12.0, 14.0]
    assert gate.samples == 3 * 3 - 1
    assert world.ingest.set_aside_counts == {"refused_by_store": 1}
    assert link_of(session).acknowledged == [3]


async def test_while_a_command_is_under_way_frames_are_read_later_but_not_too_many_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ingest, "ARRIVED_ROWS_AT_ONCE", 6)
    monkeypatch.setattr(ingest, "ARRIVED_ROWS_AT_MOST", 12)
    world = World()
    session = await world.connect(gateway())

    def shown_after(seq: int) -> float | None:
        world.ingest.frame(session, seq, frame(world, [float(seq)] * 3))
        return world.fleet.number("current_mw", world.fleet.slot_of[A])

    world.right_of_way.begin("command")
    assert [shown_after(seq) for seq in (1, 2, 3, 4, 5)] == [None, None, None, 2.0, 2.0]
    world.right_of_way.end("command")
    assert shown_after(6) == 4.0


async def test_frames_are_shown_once_a_command_is_not_under_way_any_more() -> None:
    world = World()
    session = await world.connect(gateway())

    def shown() -> float | None:
        return world.fleet.number("current_mw", world.fleet.slot_of[A])

    async with running(world):
        world.right_of_way.begin("command")
        world.ingest.frame(session, 1, frame(world, [1.0] * 3))
        await asyncio.sleep(2 * ingest.READ_IN_S)
        assert shown() is None
        world.right_of_way.end("command")
        await world.clock.run_for(0.005)
        assert shown() == 1.0


async def test_a_frame_is_shown_soon_while_the_store_is_away() -> None:
    gate = Gate()
    world = World(journal=gate)
    session = await world.connect(gateway())
    gate.open.clear()
    async with running(world):
        for mw in (1.0, 2.0):
            world.ingest.frame(session, int(mw), frame(world, [mw] * 3))
            async with asyncio.timeout(5):
                while world.fleet.number("current_mw", world.fleet.slot_of[A]) != mw:  # noqa: ASYNC110 - it is not told
                    await asyncio.sleep(0.001)
    assert gate.samples == 0


async def test_agents_learn_of_what_was_stored_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(journal=Gate())
    session = await world.connect(gateway())
    told: list[UUID] = []
    told_by_then: list[int] = []

    class Noting(Breather):
        async def pause(self) -> None:
            told_by_then.append(len(told))

    monkeypatch.setattr(ingest, "TOLD_AT_ONCE", 2)
    monkeypatch.setattr(ingest, "Breather", Noting)
    monkeypatch.setattr(world.ingest, "_tell_stored", lambda spool_id, _seq: told.append(spool_id))
    spools = [uuid4() for _ in range(5)]
    for spool_id in spools:
        await world.ingest.resume(spool_id, first_seq=1)
        other = replace(session, registration=replace(session.registration, spool_id=spool_id))
        world.ingest.frame(other, 1, frame(world, [1.0] * 3))
    await world.ingest.flush()
    assert told == spools
    assert told_by_then == [2, 4]


async def test_a_backlog_of_frames_is_read_in_pieces_between_which_all_else_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ingest, "ARRIVED_ROWS_AT_ONCE", 6)
    gate = Gate()
    world = World(journal=gate)
    session = await world.connect(gateway())
    world.right_of_way.begin("command")
    for seq in range(1, 8):
        world.ingest.frame(session, seq, frame(world, [float(seq)] * 3))
    world.right_of_way.end("command")
    shown: list[float | None] = []
    async with running(world):
        async with asyncio.timeout(5):
            while not gate.samples:
                shown.append(world.fleet.number("current_mw", world.fleet.slot_of[A]))
                await asyncio.sleep(0)
    assert list(dict.fromkeys(shown)) == [None, 2.0, 4.0, 6.0, 7.0]
    assert gate.samples == 7 * 3
    assert world.ingest.rows_waiting == 0


async def test_frames_whose_reading_fails_are_still_there(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    world = World(journal=gate)
    session = await world.connect(gateway())
    world.ingest.frame(session, 1, frame(world, [1.0] * 3))
    with monkeypatch.context() as broken:
        broken.setattr(world.fleet, "apply", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.ingest.read_in()
    assert world.ingest.rows_waiting == 3
    await world.ingest.flush()
    assert gate.samples == 3
