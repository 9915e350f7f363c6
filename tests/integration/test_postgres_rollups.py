"""History over roll-ups is what a computation on the raw rows gives, whatever came late, twice or far back."""

import math
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from der_headend.ports import Batch, History, HistoryQuery, Rows
from der_headend.store.memory.telemetry import MemoryTelemetry
from der_headend.store.postgres import PostgresStore
from der_runtime.clock import ManualClock
from kit.postgres_store import database, new_store
from kit.records import rows
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
    yield Told(store, clock, MemoryTelemetry(assets=ASSETS, history_samples=ASSETS * 5000))
    await store.close()


async def set_frontier(store: PostgresStore, at: datetime) -> None:
    async with store._upkeep.connection() as connection:
        await connection.execute("update rollup_frontier set through = $1", at)


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
        st.just("keep up"),
        st.integers(1, 90).map(lambda m: m * 60.0),
    ),
    max_size=8,
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
async def test_history_equals_brute_force(url: str, steps: list[list[Rows] | str | float]) -> None:
    clock = ManualClock(START)
    store = new_store(url, clock=clock)
    await store.open(reset="1")
    await set_frontier(store, START)
    told = Told(store, clock, MemoryTelemetry(assets=ASSETS, history_samples=ASSETS * 5000))
    try:
        for step in steps:
            if isinstance(step, list):
                await told.put(*without_repeats(step, told))
            elif isinstance(step, float):
                clock.advance(step)
            else:
                await store.keep_up()
        await told.agree(moment(0), moment(240))
        clock.advance(4 * 3600.0)
        await store.keep_up()
        await told.agree(moment(0), moment(240))
        await told.agree(moment(60), moment(65))
    finally:
        await store.close()


def without_repeats(frames: list[Rows], told: Told) -> list[Rows]:
    """An asset has one sample at a moment: which of two different ones counts is nowhere promised."""
    fresh: list[Rows] = []
    for frame in frames:
        known = told.twin._timestamps_us == frame.timestamp_us
        free = [s for s in frame.slots.tolist() if not known[:, s].any()]
        taken = {(f.timestamp_us, s) for f in fresh for s in f.slots.tolist()}
        free = [s for s in free if (frame.timestamp_us, s) not in taken]
        if free:
            columns = {name: values[: len(free)].tolist() for name, values in frame.columns.items()}
            fresh.append(rows(frame.timestamp_us, free, columns))
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


async def test_late_samples_show_at_once_and_after_upkeep(told: Told) -> None:
    await told.put(*(rows(moment(m), [0], {"current_mw": [1.0]}) for m in range(20)))
    told.clock.advance(30 * 60.0)
    await told.store.keep_up()
    await told.put(rows(moment(7.5), [0, 2], {"current_mw": [9.0, 3.0], "voltage_v": [400.0, 401.0]}))
    await told.agree(moment(0), moment(30))
    await told.store.keep_up()
    await told.agree(moment(0), moment(30))
    async with told.store._upkeep.connection() as connection:
        assert await connection.fetchval("select count(*) from rollup_late") == 0


async def test_samples_days_late_find_room(told: Told) -> None:
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
