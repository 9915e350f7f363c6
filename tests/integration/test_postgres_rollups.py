"""History over roll-ups is what a computation on the raw rows gives, whatever came late, twice or far back."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from der_core.errors import Defect
from der_headend.ports import Batch, History, HistoryQuery, Rows
from der_headend.store.memory.telemetry import MemoryTelemetry
from der_headend.store.postgres import PostgresStore
from der_headend.store.postgres.connection import Connection
from der_runtime.clock import ManualClock
from kit.postgres_store import database, new_store
from kit.records import rows
from kit.site_sums import assert_sum_of_assets, site_query
from kit.stores import ASSETS

MINUTE_US = 60_000_000
WIDTHS_US = (MINUTE_US, 5 * MINUTE_US, 60 * MINUTE_US)
START = datetime(2026, 1, 1, tzinfo=UTC)
START_US = 1_767_225_600_000_000


@pytest.fixture
def url() -> Iterator[str]:
    with database() as made:
        yield made


@dataclass
class Told:
    """A store and a plain list of what it was told."""

    store: PostgresStore
    clock: ManualClock
    twin: MemoryTelemetry

    async def put(self, *frames: Rows) -> None:
        await self.store.commit(Batch(rows=list(frames)))
        for frame in frames:
            self.twin.add(frame)

    async def agree(self, start_us: int, end_us: int) -> None:
        """Every question about this span gets the same answer from both."""
        for slot in range(ASSETS):
            for width_us in (None, *WIDTHS_US):
                for limit in (3, 5000):
                    query = HistoryQuery(
                        slot=slot, start_us=start_us, end_us=end_us, limit=limit, bucket_us=width_us
                    )
                    same(await self.store.telemetry.history(query), await self.twin.history(query), query)
        for width_us in WIDTHS_US:
            for limit in (3, 5000):
                of_site = site_query(
                    range(ASSETS), start_us=start_us, end_us=end_us, bucket_us=width_us, limit=limit
                )
                await assert_sum_of_assets(self.store.telemetry, of_site)


def same(found: History, expected: History, query: HistoryQuery) -> None:
    assert found.timestamps_us.tolist() == expected.timestamps_us.tolist(), query
    assert found.earlier_us == expected.earlier_us, query
    for signal, statistics in expected.columns.items():
        for name in statistics.keys() & ({"last"} if signal == "status" else statistics.keys()):
            got = found.columns[signal][name]
            np.testing.assert_allclose(
                got, statistics[name], rtol=1e-9, atol=1e-9, err_msg=f"{signal} {name} {query}"
            )
    assert found.columns.keys() == expected.columns.keys()


@pytest.fixture
async def told(url: str) -> AsyncIterator[Told]:
    clock = ManualClock(START)
    store = new_store(url, clock=clock)
    await store.open()
    await set_frontier(store, START)
    told = Told(store, clock, MemoryTelemetry(assets=ASSETS, history_samples=ASSETS * 5000))
    yield told
    await told.store.close()


async def set_frontier(store: PostgresStore, at: datetime) -> None:
    async with store._upkeep.connection() as connection:
        await connection.execute("update rollup_frontier set through = $1", at)
    await store._rollups.open()


def moment(minute: float) -> int:
    return START_US + int(minute * MINUTE_US)


NUMBERS = st.one_of(st.just(math.nan), st.floats(-100, 100).map(lambda x: round(x, 3)))
FRAMES = st.builds(
    lambda at_s, slots, power, volts, status: rows(
        START_US + at_s * 1_000_000,
        sorted(slots),
        {
            "current_mw": [power] * len(slots),
            "status": [status] * len(slots),
            **({} if volts is None else {"voltage_v": [volts] * len(slots)}),
        },
    ),
    at_s=st.integers(0, 3600 * 3),
    slots=st.sets(st.integers(0, ASSETS - 1), min_size=1),
    power=NUMBERS,
    volts=st.none() | NUMBERS,
    status=st.sampled_from([math.nan, 0.0, 1.0, 2.0]),
)
STEPS = st.lists(
    st.one_of(
        st.lists(FRAMES, min_size=1, max_size=5),
        st.sampled_from(["keep up", "index", "restart"]),
        st.sampled_from(["stream"]),
        st.integers(1, 90).map(lambda m: m * 60.0),
    ),
    max_size=8,
)


@pytest.mark.timeout(300)  # an example takes a second, and several on a machine that is busy
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, small_fleet=st.sampled_from([0, ASSETS]), few=st.sampled_from([0.05, 0.6]))
async def test_history_equals_brute_force(
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    steps: list[list[Rows] | str | float],
    small_fleet: int,
    few: float,
) -> None:
    monkeypatch.setattr("der_headend.store.postgres.rollups._FEW", few)
    clock = ManualClock(START)
    store = new_store(url, clock=clock, small_fleet=small_fleet)
    await store.open(reset="1")
    await set_frontier(store, START)
    told = Told(store, clock, MemoryTelemetry(assets=ASSETS, history_samples=ASSETS * 5000))
    try:
        for step in steps:
            if isinstance(step, list):
                await told.put(*without_repeats(step, told))
            elif isinstance(step, float):
                clock.advance(step)
            elif step == "index":
                await store.index_closed()
            elif step == "stream":
                await stream(told, minutes=6)
            elif step == "restart":
                await store.close()
                store = told.store = new_store(url, clock=clock, small_fleet=small_fleet)
                await store.open()
            else:
                await store.keep_up()
        await told.agree(moment(0), moment(240))
        clock.advance(5 * 3600.0)
        await store.index_closed()
        await store.keep_up()
        await told.agree(moment(0), moment(240))
        await told.agree(moment(60), moment(65))
    finally:
        await store.close()


async def stream(told: Told, *, minutes: float, tick_s: float = 20.0, slots: int = ASSETS) -> None:
    """Some assets report every tick while the store is looked after."""
    for tick in range(int(minutes * 60 / tick_s)):
        now_us = START_US + (told.clock.now() - START) // timedelta(microseconds=1)
        values = [0.5 * slot - tick for slot in range(slots)]
        frame = rows(now_us, list(range(slots)), {"current_mw": values, "status": [tick % 3] * slots})
        await told.put(*without_repeats([frame], told))
        told.clock.advance(tick_s)
        await told.store.write_buckets()
        if tick % 3 == 0:
            await told.store.keep_up()


def made_from_samples(told: Told, monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[int], int]]:
    """A list that will tell of which assets buckets were made from samples, and in which minute they begin."""
    made: list[tuple[list[int], int]] = []
    make = told.store._rollups._make

    async def noted(connection: Connection, keys: list[int], begins: datetime) -> None:
        made.append((keys, (begins - START) // timedelta(minutes=1)))
        await make(connection, keys, begins)

    monkeypatch.setattr(told.store._rollups, "_make", noted)
    return made


def without_repeats(frames: list[Rows], told: Told) -> list[Rows]:
    """An asset has one sample at a moment: which of two different ones counts is nowhere promised."""
    fresh: list[Rows] = []
    for frame in frames:
        at_us = int(frame.timestamps_us[0])
        known = told.twin._timestamps_us == at_us
        free = [s for s in frame.slots.tolist() if not known[:, s].any()]
        taken = {(int(f.timestamps_us[0]), s) for f in fresh for s in f.slots.tolist()}
        free = [s for s in free if (at_us, s) not in taken]
        if free:
            columns = {name: values[: len(free)].tolist() for name, values in frame.columns.items()}
            fresh.append(rows(at_us, free, columns))
    return fresh


async def test_buckets_are_really_made(told: Told) -> None:
    await told.put(*(rows(moment(m / 4), [0, 1], {"current_mw": [m, -m]}) for m in range(80)))
    told.clock.advance(21 * 60.0)
    await told.store.keep_up()
    async with told.store._upkeep.connection() as connection:
        assert await connection.fetchval("select count(*) from rollup_1m") == 40
        assert await connection.fetchval("select count(*) from rollup_5m") == 8
        assert await connection.fetchval("select count(*) from rollup_windows") == 0
        await connection.execute("truncate telemetry")  # so that the answer can't come from samples
    query = HistoryQuery(slot=1, start_us=moment(0), end_us=moment(20), limit=100, bucket_us=5 * MINUTE_US)
    found = await told.store.telemetry.history(query)
    assert found.columns["current_mw"]["min"].tolist() == [-19.0, -39.0, -59.0, -79.0]


async def test_late_samples_show_at_once_and_after_upkeep(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("der_headend.store.postgres.rollups._FEW", 0.6)
    await told.put(*(rows(moment(m), [0], {"current_mw": [1.0]}) for m in range(20)))
    told.clock.advance(30 * 60.0)
    await told.store.keep_up()
    await told.put(rows(moment(7.5), [0, 2], {"current_mw": [9.0, 3.0], "voltage_v": [400.0, 401.0]}))
    await told.agree(moment(0), moment(30))
    await told.store.keep_up()
    await told.agree(moment(0), moment(30))
    async with told.store._upkeep.connection() as connection:
        assert await connection.fetchval("select count(*) from rollup_late") == 0


async def lagging(told: Told, minutes: int) -> None:
    """All assets report once in a while, far behind the frontier, with a commit for each."""
    for minute in range(minutes):
        for slot in range(ASSETS):
            await told.put(rows(moment(minute + 0.5), [slot], {"current_mw": [minute + slot / 8]}))


LATE = "select count(*) from rollup_late"
WINDOWS = "select count(*) from rollup_windows"
WAITING = "select count(*) from pg_locks where not granted"


async def counted(told: Told, query: str) -> int:
    async with told.store._upkeep.connection() as connection:
        return int(await connection.fetchval(query))


@pytest.fixture
async def upkept(told: Told) -> Told:
    """Its frontier has passed some windows, in which there are a few samples."""
    await told.put(*(rows(moment(m), [0], {"current_mw": [1.0]}) for m in range(20)))
    told.clock.advance(30 * 60.0)
    await told.store.keep_up()
    return told


async def test_a_window_many_are_late_in_is_noted_once_and_made_when_no_more_come(
    upkept: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("der_headend.store.postgres.rollups._FEW", 0.6)
    made = made_from_samples(upkept, monkeypatch)
    await lagging(upkept, minutes=20)
    assert await counted(upkept, LATE) == 4 * 2  # two assets in each window are still few
    assert await counted(upkept, WINDOWS) == 4
    await upkept.store.keep_up()
    assert made == []
    await upkept.agree(moment(0), moment(30))
    upkept.clock.advance(61.0)
    await upkept.store.keep_up()
    assert [minute for _, minute in made] == [0, 5, 10, 15]
    assert await counted(upkept, LATE) == await counted(upkept, WINDOWS) == 0
    await upkept.agree(moment(0), moment(30))


async def test_a_window_that_is_half_made_is_begun_anew(
    upkept: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("der_headend.store.postgres.rollups._ASSETS_AT_ONCE", 2)
    await lagging(upkept, minutes=2)
    upkept.clock.advance(61.0)
    await upkept.store._rollups._next_window(upkept.clock.now())
    await upkept.put(rows(moment(1), list(range(1, ASSETS)), {"current_mw": [9.0] * (ASSETS - 1)}))
    upkept.clock.advance(61.0)
    await upkept.store.keep_up()
    assert await counted(upkept, WINDOWS) == 0
    await upkept.agree(moment(0), moment(30))


async def test_samples_that_come_while_a_window_is_made_are_not_forgotten(
    upkept: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    await lagging(upkept, minutes=2)
    upkept.clock.advance(61.0)
    make = upkept.store._rollups._make
    commits: list[asyncio.Task[None]] = []

    async def made(connection: Connection, keys: list[int], begins: datetime) -> None:
        await make(connection, keys, begins)
        frame = rows(moment(1), [1, 2], {"current_mw": [9.0, 8.0]})
        commits.append(asyncio.create_task(upkept.put(frame)))
        async with asyncio.timeout(10.0):
            while not commits[0].done() and not await counted(upkept, WAITING):
                pass

    monkeypatch.setattr(upkept.store._rollups, "_make", made)
    await upkept.store._rollups._next_window(upkept.clock.now())
    await commits[0]
    monkeypatch.undo()
    upkept.clock.advance(61.0)
    await upkept.store.keep_up()
    await upkept.agree(moment(0), moment(30))


async def test_a_backlog_that_the_frontier_did_not_wait_for_is_made_from_samples_alone(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("der_headend.store.postgres.rollups._FEW", 0.6)
    told.clock.advance(30 * 60.0)
    await told.store.keep_up()  # as after a headend was down, before its agents are back
    for minute in (6.2, 7.2):
        await told.put(rows(moment(minute), [0], {"current_mw": [minute]}))
        await told.store.write_buckets()
        await told.store.keep_up()
    await told.agree(moment(0), moment(30))


async def test_samples_days_late_find_room(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    days_in_one_page_s = 10**7
    monkeypatch.setattr("der_headend.store.postgres.site_history.SAMPLED_S_PER_ANSWER", days_in_one_page_s)
    await told.put(rows(moment(0), [0], {"current_mw": [1.0]}))
    await told.put(
        rows(moment(-3 * 1440), [0], {"current_mw": [2.0]}), rows(moment(2880), [0], {"current_mw": [3.0]})
    )
    await told.store.keep_up()
    await told.agree(moment(-4 * 1440), moment(4 * 1440))


async def test_upkeep_that_was_away_for_days_catches_up(told: Told) -> None:
    await told.put(*(rows(moment(m), [0], {"current_mw": [float(m)]}) for m in range(30)))
    told.clock.advance(timedelta(days=9).total_seconds())
    await told.store.keep_up()
    async with told.store._upkeep.connection() as connection:
        assert await connection.fetchval("select count(*) from rollup_5m") == 6
    await told.agree(moment(0), moment(60))


async def test_answer_from_many_samples_comes_in_pages(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("der_headend.store.postgres.telemetry.SAMPLES_PER_ANSWER", 25)
    await told.put(*(rows(moment(m / 10), [0], {"current_mw": [float(m)]}) for m in range(100)))
    seen: list[int] = []
    end_us: int | None = moment(30)
    while end_us is not None:
        query = HistoryQuery(slot=0, start_us=moment(0), end_us=end_us, limit=100, bucket_us=MINUTE_US)
        page = await told.store.telemetry.history(query)
        seen = page.timestamps_us.tolist() + seen
        end_us = page.earlier_us
    assert seen == [moment(m) for m in range(10)]


async def test_a_steady_stream_is_never_read_back(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    made = made_from_samples(told, monkeypatch)
    await stream(told, minutes=12)
    await told.store.keep_up()
    async with told.store._upkeep.connection() as connection:
        assert await connection.fetchval("select through from rollup_frontier") == START + timedelta(
            minutes=10
        )
        assert await connection.fetchval("select count(*) from rollup_5m") == 2 * ASSETS
    assert made == []
    await told.agree(moment(0), moment(12))


async def test_samples_that_lag_more_and_more_are_never_read_back(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = made_from_samples(told, monkeypatch)
    for tick in range(36):  # 20 s of data in 29 s, in two commits
        frames = [
            rows(moment(tick / 3) + slot, [slot], {"current_mw": [tick - slot]}) for slot in range(ASSETS)
        ]
        await told.put(*frames[: tick % ASSETS])
        await told.put(*frames[tick % ASSETS :])
        told.clock.advance(29.0)
        if tick % 3 == 0:
            await told.store.keep_up()
    assert await counted(told, LATE) == await counted(told, WINDOWS) == 0
    assert await counted(told, "select count(*) from rollup_5m") == 2 * ASSETS
    told.clock.advance(300.0)
    await told.store.keep_up()
    assert made == []
    await told.agree(moment(0), moment(24))


async def test_only_who_was_late_is_made_again(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    made = made_from_samples(told, monkeypatch)
    await stream(told, minutes=4)
    await told.put(rows(moment(1.01), [2], {"current_mw": [77.0]}))
    monkeypatch.setattr("der_headend.store.postgres.rollups._FEW", 0.3)
    await stream(told, minutes=3)
    await told.store.keep_up()
    await told.agree(moment(0), moment(7))
    assert made == [([int(told.store._catalogue.keys[2])], 0)]


async def test_a_batch_that_is_refused_in_the_end_leaves_no_doubt(told: Told) -> None:
    await stream(told, minutes=1)
    store, refused, its_id = told.store, Batch(rows=[rows(moment(1), [0], {"current_mw": [5.0]})]), uuid4()
    store.journal._tried[id(refused)] = (refused, its_id)
    store._rollups._in_doubt.add(its_id)
    async with store._upkeep.connection() as connection:
        await connection.execute(
            "create function refuse() returns trigger language plpgsql as "
            "$$begin raise 'out of range' using errcode = '22003'; end$$;"
            "create trigger refuse before insert on telemetry execute function refuse()"
        )
        with pytest.raises(Defect):
            await store.commit(refused)
    assert not store._rollups._in_doubt
    assert not store.journal._tried


@pytest.mark.parametrize("happens", ["restart", "new signal", "in doubt", "another writer", "write fails"])
async def test_what_memory_can_not_vouch_for_is_made_from_samples(
    told: Told, url: str, happens: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stream(told, minutes=2)
    store = told.store
    if happens == "restart":
        await store.close()
        told.store = new_store(url, clock=told.clock)
        await told.store.open()
    elif happens == "new signal":
        await told.put(rows(moment(2.01), [0], {"voltage_v": [400.0]}))
    elif happens == "in doubt":
        store._rollups._in_doubt.add(uuid4())
    elif happens == "another writer":
        other = new_store(url, clock=told.clock)
        await other.open()
        await other.commit(Batch(rows=[frame := rows(moment(2.01), [0], {"current_mw": [5.0]})]))
        told.twin.add(frame)
        await other.close()
    else:
        async with store._upkeep.connection() as connection:
            await connection.execute("alter table rollup_1m rename to elsewhere")
        await told.put(rows(moment(2.01), [0], {"current_mw": [5.0]}))
        with pytest.raises(Defect):
            await store.write_buckets()
        async with store._upkeep.connection() as connection:
            await connection.execute("alter table elsewhere rename to rollup_1m")
    made = made_from_samples(told, monkeypatch)
    await stream(told, minutes=5)
    await told.store.keep_up()
    await told.agree(moment(0), moment(8))
    assert {minute for _, minute in made} == {0}
