"""A large fleet's partitions: hot while they are written, indexed once they have closed, read rightly all the while."""

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from der_headend.ports import Batch, HistoryQuery
from der_headend.store.postgres import PostgresStore
from der_headend.store.postgres.layout import SMALL_FLEET, telemetry_table
from der_runtime.clock import ManualClock
from kit.postgres_store import database, new_store
from kit.records import rows

START = datetime(2026, 1, 1, tzinfo=UTC)
START_US = 1_767_225_600_000_000
MINUTE_US = 60_000_000
INDEXES = """
select i.relname || case when x.indisvalid then '' else ' broken off' end as name
from pg_index as x
join pg_class as i on i.oid = x.indexrelid
join pg_inherits as h on h.inhrelid = x.indrelid
where h.inhparent = 'telemetry'::regclass
order by 1
"""
BREAK_OFF = (
    "update pg_index set indisvalid = false where indexrelid = 'telemetry_2026010100_of_asset'::regclass"
)


@pytest.fixture
def url() -> Iterator[str]:
    with database() as made:
        yield made


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any fleet is so large that a partition is a minute."""
    monkeypatch.setattr("der_headend.store.postgres.layout.ROWS_WHILE_HOT", 0)


@pytest.fixture
async def store(url: str, clock: ManualClock, large: None) -> AsyncIterator[PostgresStore]:
    opened = new_store(url, clock=clock, small_fleet=0)
    await opened.open()
    await ask(url, "update rollup_frontier set through = $1", START)
    yield opened
    await opened.close()


async def ask(url: str, sql: str, *arguments: Any) -> list[str]:
    """The first column of what a query gives."""
    connection = await asyncpg.connect(url)
    found = await connection.fetch(sql, *arguments)
    await connection.close()
    return [record[0] for record in found]


async def test_partitions_are_counted_for_the_metrics(store: PostgresStore) -> None:
    await put(store, 0, 1.0)
    before = store.partitions()
    assert before.keys() == {"telemetry", "rollup_1m", "rollup_5m", "heartbeats"}
    await put(store, 500, 1.0)
    assert store.partitions()["telemetry"] == before["telemetry"] + 1


async def put(store: PostgresStore, minute: float, mw: float) -> None:
    at_us = START_US + int(minute * MINUTE_US)
    await store.commit(Batch(rows=[rows(at_us, [0, 1], {"current_mw": [mw, -mw]})]))


async def read(store: PostgresStore, *, bucket_us: int | None = None, limit: int = 1000) -> list[float]:
    end_us = START_US + 600 * MINUTE_US
    query = HistoryQuery(slot=0, start_us=START_US, end_us=end_us, limit=limit, bucket_us=bucket_us)
    values: list[float] = (await store.telemetry.history(query)).columns["current_mw"]["last"].tolist()
    return values


@pytest.mark.parametrize(
    ("assets", "minutes"), [(1, 60), (SMALL_FLEET, 60), (250_000, 5), (500_000, 2), (1_000_000, 1)]
)
def test_the_larger_the_fleet_the_shorter_a_partition(assets: int, minutes: int) -> None:
    table = telemetry_table(assets=assets, keep=None)
    assert table.width == timedelta(minutes=minutes)
    assert (table.hot is None) == (assets <= SMALL_FLEET)


async def test_small_fleet_is_indexed_from_the_beginning(url: str, clock: ManualClock) -> None:
    store = new_store(url, clock=clock)
    await store.open()
    assert await ask(url, INDEXES) == [f"telemetry_20260101{hour:02}_of_asset" for hour in range(3)]
    await store.close()


async def test_a_partition_is_indexed_when_it_has_closed(
    url: str, store: PostgresStore, clock: ManualClock
) -> None:
    hot = ["telemetry_2026010100_hot", "telemetry_202601010001_hot", "telemetry_202601010002_hot"]
    await put(store, 0.5, 1.0)
    clock.advance(70.0)  # it has ended, but samples may still be on their way
    await store.index_closed()
    assert await ask(url, INDEXES) == sorted(hot)
    clock.advance(10.0)
    await store.index_closed()
    assert await ask(url, INDEXES) == sorted([*hot, "telemetry_2026010100_of_asset"])
    await put(store, 0.6, 2.0)  # late
    await put(store, 1.1, 3.0)
    await store.summarise()
    assert await read(store) == [1.0, 2.0, 3.0]


async def test_an_index_that_was_broken_off_is_built_anew(
    url: str, store: PostgresStore, clock: ManualClock
) -> None:
    await put(store, 0.5, 1.0)
    clock.advance(80.0)
    await store.index_closed()
    await ask(url, BREAK_OFF)
    again = new_store(url, clock=clock, small_fleet=0)
    await again.open()
    assert "telemetry_2026010100_of_asset broken off" in await ask(url, INDEXES)
    await again.index_closed()
    assert "telemetry_2026010100_of_asset" in await ask(url, INDEXES)
    await again.close()


async def test_a_fleet_that_grows_and_shrinks_fills_the_gaps(
    url: str, clock: ManualClock, large: None
) -> None:
    small = new_store(url, clock=clock)
    await small.open()  # three hours
    clock.advance(178 * 60.0)
    grown = new_store(url, clock=clock, small_fleet=0)
    await grown.open()  # a minute after these three hours
    await put(grown, 179.5, 1.0)
    await put(grown, 180.5, 2.0)
    clock.advance(60.0)
    await small.keep_up()
    await put(small, 181.5, 3.0)
    found = await ask(
        url, "select inhrelid::regclass::text from pg_inherits where inhparent = 'telemetry'::regclass"
    )
    assert sorted(found) == [
        *(f"telemetry_20260101{hour:02}" for hour in range(4)),
        "telemetry_202601010301",
        "telemetry_2026010104",
    ]
    assert await read(small) == [1.0, 2.0, 3.0]
    await grown.close()
    await small.close()


async def test_buckets_wait_for_the_index_of_their_samples(
    url: str, store: PostgresStore, clock: ManualClock
) -> None:
    for minute in range(5):
        await put(store, minute + 0.5, float(minute))
    clock.advance(7 * 60.0)
    await store.keep_up()
    assert await ask(url, "select begins::text from rollup_windows") == ["2026-01-01 00:00:00+00"]
    assert await read(store, bucket_us=MINUTE_US) == [0.0, 1.0, 2.0, 3.0, 4.0]
    await store.index_closed()
    await store.keep_up()
    assert await ask(url, "select begins from rollup_windows") == []
    await put(store, 2.75, 9.0)
    await store.keep_up()
    assert await read(store, bucket_us=MINUTE_US) == [0.0, 1.0, 9.0, 3.0, 4.0]


async def test_history_goes_back_over_more_partitions_than_one_query_asks(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("der_headend.store.postgres.partitions.PARTITIONS_AT_ONCE", 2)
    for minute in (0, 1, 2, 5, 6, 9):
        await put(store, minute, float(minute))
    assert await read(store) == [0.0, 1.0, 2.0, 5.0, 6.0, 9.0]
    assert await read(store, limit=4) == [2.0, 5.0, 6.0, 9.0]


async def test_partitions_of_the_first_schema_are_indexed_again(url: str, clock: ManualClock) -> None:
    store = new_store(url, clock=clock)
    await store.open()
    await put(store, 0.5, 1.0)
    await store.close()
    await ask(url, "drop index telemetry_2026010100_of_asset")
    again = new_store(url, clock=clock)
    await again.open()
    await again.index_closed()
    assert "telemetry_2026010100_of_asset" in await ask(url, INDEXES)
    assert await read(again) == [1.0]
    await again.close()
