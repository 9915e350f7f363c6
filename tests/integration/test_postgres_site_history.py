"""A site's history in PostgreSQL: however little is read for one answer, all of it comes page by page."""

import math
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from der_headend.ports import Batch
from der_headend.store.postgres import PostgresStore
from der_runtime.clock import ManualClock
from kit.postgres_store import database, new_store
from kit.records import rows
from kit.site_sums import assert_sum_of_assets, site_query
from kit.stores import ASSETS

MINUTE_US = 60_000_000
START = datetime(2026, 1, 1, tzinfo=UTC)
START_US = 1_767_225_600_000_000
SLOTS = range(ASSETS)
END_US = START_US + 180 * MINUTE_US


@pytest.fixture
async def store() -> AsyncIterator[PostgresStore]:
    """Two hours of samples, made into buckets but for the newest, of one window, and of one asset of another."""
    clock = ManualClock(START)
    with database() as url:
        store = new_store(url, clock=clock)
        await store.open()
        async with store._upkeep.connection() as connection:
            await connection.execute("update rollup_frontier set through = $1", START)
        await store._rollups.open()
        for minute in range(120):
            at_us = START_US + minute * MINUTE_US
            values = [math.sin(minute) * slot for slot in SLOTS]
            await store.commit(
                Batch(rows=[rows(at_us, SLOTS, {"current_mw": values, "setpoint_mw": values})])
            )
            clock.advance(60)
            await store.write_buckets()
        await store.keep_up()
        late = [
            rows(START_US + 31 * MINUTE_US + 1, [1], {"current_mw": [5.0]}),
            rows(START_US + 61 * MINUTE_US + 1, [0, 2], {"current_mw": [7.0, 8.0]}),
        ]
        await store.commit(Batch(rows=late))
        async with store._upkeep.connection() as connection:
            windows = await connection.fetchval("select count(*) from rollup_windows")
            assert windows == 2  # of four assets one is many
            await connection.execute("delete from rollup_windows where begins = $1", START.replace(minute=30))
            key = int(store._catalogue.keys[1])
            await connection.execute("insert into rollup_late values ($1, $2)", START.replace(minute=30), key)
        yield store
        await store.close()


@pytest.mark.parametrize(
    ("bound", "least"),
    [
        ("BUCKETS_PER_ANSWER", 16),
        ("SAMPLED_S_PER_ANSWER", 200),
        ("SPANS_PER_ANSWER", 1),
        ("SPANS_PER_ANSWER", 0),
    ],
)
@pytest.mark.parametrize("width", [1, 5, 60])
async def test_pages_that_end_early_are_whole_together(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch, bound: str, least: int, width: int
) -> None:
    asked = {"start_us": START_US, "end_us": END_US, "bucket_us": width * MINUTE_US}
    whole = await assert_sum_of_assets(store.telemetry, site_query(SLOTS, **asked))
    monkeypatch.setattr(f"der_headend.store.postgres.site_history.{bound}", least)
    pages, end_us = [], END_US
    while True:
        asked["end_us"] = end_us
        page = await store.telemetry.site_history(site_query(SLOTS, **asked))
        pages.append(page)
        if page.earlier_us is None:
            break
        assert page.earlier_us < end_us
        end_us = page.earlier_us
    assert len(pages) > 1 or width == 60
    times = [at for page in reversed(pages) for at in page.timestamps_us.tolist()]
    assert times == whole.timestamps_us.tolist()
    for name in ("current_mw", "setpoint_mw", "assets"):
        got = [value for page in reversed(pages) for value in getattr(page, name).tolist()]
        assert got == pytest.approx(getattr(whole, name).tolist()), name


async def test_buckets_that_are_made_are_not_read_from_samples(store: PostgresStore) -> None:
    made = {"start_us": START_US, "end_us": START_US + 30 * MINUTE_US, "bucket_us": 5 * MINUTE_US}
    before = await store.telemetry.site_history(site_query(SLOTS, **made))
    async with store._upkeep.connection() as connection:
        await connection.execute("truncate telemetry")
    after = await store.telemetry.site_history(site_query(SLOTS, **made))
    assert after.current_mw.tolist() == before.current_mw.tolist() != []


async def test_buckets_beyond_the_frontier_do_not_count_yet(store: PostgresStore) -> None:
    async with store._upkeep.connection() as connection:
        await connection.execute("update rollup_frontier set through = $1", START.replace(hour=1))
    await store.commit(Batch(rows=[rows(START_US + 90 * MINUTE_US + 1, [3], {"current_mw": [50.0]})]))
    for width in (1, 5, 60):
        query = site_query(SLOTS, start_us=START_US, end_us=END_US, bucket_us=width * MINUTE_US)
        await assert_sum_of_assets(store.telemetry, query)
