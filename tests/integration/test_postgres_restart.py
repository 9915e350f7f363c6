"""What a headend finds in the database when it starts again."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from uuid import UUID, uuid4

import asyncpg
import pytest

from der_core.dispatch import Allocation, Target
from der_core.errors import Unavailable
from der_core.lifecycle import State, Transition
from der_core.packed import Ids
from der_headend.ports import Batch, HistoryQuery, SessionRecord
from der_headend.store.postgres import PostgresStore, dispatches
from der_headend.store.postgres import store as store_module
from der_runtime.clock import ManualClock
from der_runtime.right_of_way import RightOfWay
from kit import records
from kit.postgres_store import FOR_EVER, database, inventory, new_store
from kit.records import A, B, rows

START_US = 1_767_225_600_000_000


@pytest.fixture
def url() -> Iterator[str]:
    with database() as made:
        yield made


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresStore]:
    opened = new_store(url)
    await opened.open()
    yield opened
    await opened.close()


def session(at_s: float, *, agent_id: str = "gateway", id: UUID | None = None) -> SessionRecord:
    return SessionRecord(
        session_id=id or uuid4(),
        agent_id=agent_id,
        mode="gateway",
        site_id=records.SITE,
        peer="127.0.0.1:5",
        connected_at=records.at(at_s),
        last_seen_at=records.at(at_s),
        asset_ids=Ids.of((A, B)),
        spool_id=UUID(int=2),
    )


async def put(store: PostgresStore, *sessions: SessionRecord) -> None:
    await store.commit(Batch(sessions={s.session_id: s for s in sessions}))


async def test_sessions_found_open_are_closed_when_their_agent_was_last_heard(store: PostgresStore) -> None:
    silent, beating = session(0, agent_id="silent"), session(0, id=UUID(int=1))
    over = replace(session(0, agent_id="over"), disconnected_at=records.at(5), reason="stopped")
    await put(store, silent, beating, over)
    await store.commit(Batch(heartbeats=[records.heartbeat(n) for n in (10, 30, 20)]))
    closed = {s.agent_id: s for s in await store.sessions.close_open("headend restarted")}
    assert closed.keys() == {"silent", "gateway"}
    assert closed["gateway"].disconnected_at == closed["gateway"].last_seen_at == records.at(30)
    assert closed["silent"].disconnected_at == records.at(0)
    assert closed["silent"].reason == "headend restarted"
    assert await store.sessions.close_open("again") == []


async def test_recent_sessions_are_newest_first_and_some_of_each_agent(store: PostgresStore) -> None:
    mine = [session(n) for n in range(4)]
    await put(store, *(replace(s, disconnected_at=s.connected_at, reason="over") for s in mine[:3]), mine[3])
    other = session(1.5, agent_id="other")
    await put(store, other)
    found = await store.sessions.recent(2)
    assert [s.session_id for s in found] == [mine[3].session_id, mine[2].session_id, other.session_id]
    assert found[0] == mine[3]


async def test_agent_has_one_open_session_whatever_is_written(store: PostgresStore) -> None:
    older, newer = session(0), session(10)
    await put(store, older)
    await put(store, newer)
    found = await store.sessions.recent(5)
    assert [(s.session_id, s.disconnected_at) for s in found] == [
        (newer.session_id, None),
        (older.session_id, records.at(10)),
    ]


async def test_closed_session_stays_closed(store: PostgresStore) -> None:
    once = session(0)
    await put(store, replace(once, disconnected_at=records.at(5), reason="stopped"))
    await put(store, once)
    (found,) = await store.sessions.recent(1)
    assert (found.disconnected_at, found.reason) == (records.at(5), "stopped")


async def test_older_record_of_a_dispatch_does_not_replace_a_newer(store: PostgresStore) -> None:
    queued = records.dispatch(0)
    await store.commit(Batch(dispatches={queued.id: records.ended(queued)}))
    await store.commit(Batch(dispatches={queued.id: queued}))
    assert await store.dispatches.get(queued.id) == records.ended(queued)
    assert await store.dispatches.unfinished() == []


async def test_cancel_that_was_stored_ahead_outlasts_a_record_from_before_it(store: PostgresStore) -> None:
    before = records.dispatch(0)
    asked = replace(before, cancel_requested_at=records.at(3))
    await store.commit(Batch(dispatches={asked.id: asked}))
    await store.commit(Batch(dispatches={before.id: before}))
    assert await store.dispatches.get(before.id) == asked


async def test_what_is_read_at_start_has_more_time_than_what_somebody_waits_for(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "READ_S", 0.2)
    store = new_store(url)
    await store.open()
    record = records.dispatch(0)
    await store.commit(Batch(dispatches={record.id: record}))
    direct = await asyncpg.connect(url)
    async with direct.transaction():
        await direct.execute("lock table sessions, events, dispatches")
        reading = asyncio.gather(
            store.sessions.close_open("headend restarted"),
            store.sessions.recent(5),
            store.events.open_alarms(),
            store.dispatches.unfinished(),
            store.dispatches.newest(10),
        )
        with pytest.raises(Unavailable):
            await store.dispatches.get(record.id)
        await asyncio.sleep(0.3)
        assert not reading.done()
    assert list(await reading) == [[], [], [], [record], [record]]
    await direct.close()
    await store.close()


async def test_dispatches_of_many_assets_are_decoded_while_all_else_goes_on(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = records.dispatch(0, assets=[UUID(int=n) for n in range(50)], target=Target.SITE)
    await store.commit(Batch(dispatches={record.id: record}))
    monkeypatch.setattr(dispatches, "_DECODED_AT_ONCE", 10)
    decode, turns, when = dispatches._allocation, 0, set[int]()

    async def all_else() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    def noted(part: asyncpg.Record) -> Allocation:
        when.add(turns)
        return decode(part)

    monkeypatch.setattr(dispatches, "_allocation", noted)
    beside = asyncio.create_task(all_else())
    assert await store.dispatches.get(record.id) == record
    beside.cancel()
    assert len(when) == 5


async def test_dispatch_comes_back_to_the_last_bit(store: PostgresStore) -> None:
    queued = records.dispatch(0, assets=(A, B))
    sent = Transition(State.SENT, records.at(1.000001), "headend")
    acted = queued.moved(sent, agents={A: "gateway", B: "gateway"}).moved(
        Transition(State.FAILED, records.at(2), "agent gateway", "link_lost_failsafe"), [A]
    )
    whole = replace(
        acted,
        requested_mw=0.1 + 0.2,
        warnings=("both ids given", "ünïcode, 'quotes'"),
        cancel_requested_at=records.at(3),
        allocations=tuple(replace(a, mw=1 / 3, measured_mw=-0.0, note="clamped") for a in acted.allocations),
    )
    await store.commit(Batch(dispatches={whole.id: whole}))
    assert await store.dispatches.get(whole.id) == whole
    assert await store.dispatches.unfinished() == [whole]


async def test_text_that_postgres_cannot_hold_does_not_stop_the_batch(store: PostgresStore) -> None:
    happened = replace(records.event(0), message="a\0b", code="c\0")
    cancelled = records.ended(records.dispatch(0))
    moved = replace(cancelled, warnings=("w\0",))
    await store.commit(
        Batch(events=[happened], dispatches={moved.id: moved}, marks={records.SITE: 2**64 - 1})
    )
    assert await store.mark(records.SITE) == 2**63 - 1
    found = await store.dispatches.get(moved.id)
    assert found is not None
    assert found.warnings == ("w\N{REPLACEMENT CHARACTER}",)


async def test_codes_of_states_mean_the_same_after_a_restart_with_another_vocabulary(url: str) -> None:
    def opened(names: list[str]) -> PostgresStore:
        clock = ManualClock()
        return PostgresStore(
            url,
            inventory=inventory(),
            states={"status": names},
            right_of_way=RightOfWay(clock),
            clock=clock,
            retention=FOR_EVER,
        )

    first = opened(["idle", "fault"])
    await first.open()
    await first.commit(Batch(rows=[rows(START_US + 1, [0, 1], {"status": [0.0, 1.0]})]))
    await first.close()
    names = ["curtailed", "fault"]
    second = opened(names)
    await second.open()
    await second.commit(Batch(rows=[rows(START_US + 2, [0, 1], {"status": [0.0, 1.0]})]))
    seen = []
    for slot in (0, 1):
        query = HistoryQuery(slot=slot, start_us=START_US, end_us=START_US + 10, limit=10)
        found = (await second.telemetry.history(query)).columns["status"]["last"]
        seen.append([names[int(code)] for code in found])
    assert seen == [["idle", "curtailed"], ["fault", "fault"]]
    await second.close()


async def test_samples_are_kept_with_their_asset_when_the_inventory_changes(url: str) -> None:
    small, large = new_store(url, assets=2), new_store(url, assets=6)
    await small.open()
    await small.commit(Batch(rows=[rows(START_US, [0, 1], {"current_mw": [1.0, 2.0]})]))
    await small.close()
    await large.open()
    await large.commit(Batch(rows=[rows(START_US + 1, [1, 5], {"current_mw": [3.0, 4.0]})]))
    found = []
    for slot in (1, 5):
        query = HistoryQuery(slot=slot, start_us=START_US, end_us=START_US + 10, limit=10)
        found.append((await large.telemetry.history(query)).columns["current_mw"]["last"].tolist())
    assert found == [[2.0, 3.0], [4.0]]
    await large.close()
