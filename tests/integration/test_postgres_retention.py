"""Room is made ahead and given back: what is older than what is kept goes, and nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from der_core.errors import Unavailable
from der_headend.ports import Batch, HistoryQuery
from der_headend.store.postgres import PostgresStore, Retention
from der_runtime.clock import ManualClock
from kit.postgres_store import database, new_store
from kit.records import rows

START = datetime(2026, 1, 1, tzinfo=UTC)
START_US = 1_767_225_600_000_000
HOUR_US = 3_600_000_000
KEEP = Retention(samples=timedelta(hours=3), one_minute=timedelta(days=2), heartbeats=timedelta(days=1))


@pytest.fixture
def url() -> Iterator[str]:
    with database() as made:
        yield made


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(START)


@pytest.fixture
async def store(url: str, clock: ManualClock) -> AsyncIterator[PostgresStore]:
    opened = new_store(url, clock=clock, retention=KEEP)
    await opened.open()
    yield opened
    await opened.close()


async def partitions(url: str, table: str) -> list[str]:
    connection = await asyncpg.connect(url)
    found = await connection.fetch(
        "select inhrelid::regclass::text as name from pg_inherits where inhparent = $1::text::regclass order by 1",
        table,
    )
    await connection.close()
    return [record["name"] for record in found]


async def put(store: PostgresStore, hour: float, mw: float) -> None:
    await store.commit(Batch(rows=[rows(START_US + int(hour * HOUR_US), [0], {"current_mw": [mw]})]))


async def read(store: PostgresStore, bucket_us: int | None) -> list[float]:
    query = HistoryQuery(
        slot=0,
        start_us=START_US - 48 * HOUR_US,
        end_us=START_US + 480 * HOUR_US,
        limit=1000,
        bucket_us=bucket_us,
    )
    values: list[float] = (await store.telemetry.history(query)).columns["current_mw"]["last"].tolist()
    return values


async def test_partitions_are_made_ahead(url: str, store: PostgresStore, clock: ManualClock) -> None:
    assert await partitions(url, "telemetry") == [f"telemetry_20260101{hour:02}" for hour in range(3)]
    assert await partitions(url, "rollup_1m") == [f"rollup_1m_2026010{day}00" for day in (1, 2, 3)]
    clock.advance(3600.0)
    await store.keep_up()
    assert (await partitions(url, "telemetry"))[-1] == "telemetry_2026010103"


async def test_old_samples_go_and_their_buckets_stay(
    url: str, store: PostgresStore, clock: ManualClock
) -> None:
    for hour in range(6):
        await put(store, hour + 0.5, float(hour))
        clock.advance(3600.0)
        await store.keep_up()
    assert await read(store, None) == [3.0, 4.0, 5.0]
    assert (await partitions(url, "telemetry"))[0] == "telemetry_2026010103"
    assert await read(store, 60_000_000) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    clock.advance(3 * 86_400.0)
    await put(store, 78.0, 6.0)
    await store.keep_up()
    assert await read(store, 60_000_000) == [6.0]
    assert await read(store, 300_000_000) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


@pytest.mark.parametrize("ahead", [timedelta(days=20), timedelta(days=4000)])
async def test_a_clock_that_is_far_ahead_takes_nothing_along(
    url: str, clock: ManualClock, ahead: timedelta
) -> None:
    right = new_store(url, clock=clock, retention=KEEP)
    await right.open()
    await put(right, 0.5, 1.0)
    await right.close()
    wrong = new_store(url, clock=ManualClock(START + ahead), retention=KEEP)
    await wrong.open()
    await wrong.keep_up()
    await put(wrong, 0.6, 2.0)
    await wrong.keep_up()
    assert await read(wrong, None) == [1.0, 2.0]
    assert wrong.samples_too_old == 0
    await wrong.close()


async def test_what_is_too_old_is_counted_once_however_often_it_is_tried(
    url: str, store: PostgresStore, clock: ManualClock
) -> None:
    clock.advance(10 * 3600.0)
    await put(store, 9.0, 1.0)
    await store.keep_up()
    direct = await asyncpg.connect(url)
    await direct.execute("alter table commits rename to elsewhere")
    old = Batch(rows=[rows(START_US + at * HOUR_US, [0], {"current_mw": [2.0]}) for at in (1, 9)])
    for _ in range(3):
        with pytest.raises(Unavailable):
            await store.commit(old)
    await direct.execute("alter table elsewhere rename to commits")
    await direct.close()
    await store.commit(old)
    assert store.samples_too_old == 1


async def test_sample_older_than_what_is_kept_is_counted_and_changes_nothing(
    store: PostgresStore, clock: ManualClock
) -> None:
    await put(store, 0.5, 1.0)
    clock.advance(10 * 3600.0)
    await put(store, 9.0, 3.0)
    await store.keep_up()
    await put(store, 0.51, 2.0)
    await store.keep_up()
    assert store.samples_too_old == 1
    assert await read(store, None) == [3.0]
    assert await read(store, 300_000_000) == [1.0, 3.0]


async def test_buckets_outlive_their_samples_though_they_were_to_be_made_again(
    url: str, store: PostgresStore, clock: ManualClock
) -> None:
    await put(store, 0.95, 1.0)
    clock.advance(4 * 3600.0 - 30.0)
    await put(store, 3.9, 3.0)
    await store.keep_up()
    await put(store, 0.995, 2.0)
    for _ in range(2):
        clock.advance(45.0)
        await store.keep_up()
    assert "telemetry_2026010100" not in await partitions(url, "telemetry")
    assert await read(store, 300_000_000) == [1.0, 3.0]


async def test_partition_in_use_is_dropped_a_minute_later_and_holds_up_nobody(
    url: str, store: PostgresStore, clock: ManualClock
) -> None:
    await put(store, 0.5, 1.0)
    reader = await asyncpg.connect(url)
    async with reader.transaction():
        await reader.fetch("table telemetry")
        clock.advance(10 * 3600.0)
        await put(store, 10.0, 2.0)
        upkeep = asyncio.create_task(store.keep_up())
        slowest_s = 0.0
        while not upkeep.done():
            began_s = time.monotonic()
            await put(store, 10.0, 2.0)
            slowest_s = max(slowest_s, time.monotonic() - began_s)
        assert slowest_s < 1.0
        assert "telemetry_2026010100" in await partitions(url, "telemetry")
    await reader.close()
    clock.advance(50.0)
    await store.keep_up()
    assert "telemetry_2026010100" in await partitions(url, "telemetry")
    clock.advance(20.0)
    await store.keep_up()
    assert "telemetry_2026010100" not in await partitions(url, "telemetry")
