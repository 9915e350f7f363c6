"""A site's history in PostgreSQL: however little is read for one answer, all of it comes page by page."""

import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import cast

import pytest

from der_headend.ports import Batch, SiteHistory, SiteHistoryQuery
from der_headend.store.postgres import PostgresStore, site_history
from der_headend.store.postgres.connection import Connection
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
MANY, WINDOWS = range(300), 60
MANY_END_US = START_US + WINDOWS * 5 * MINUTE_US


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
    pages = await _pages(store, site_query(SLOTS, **asked))
    assert len(pages) > 1 or width == 60
    if bound == "BUCKETS_PER_ANSWER" and width < 60:
        longest = max(page.timestamps_us.shape[0] for page in pages)
        assert (longest + 1) * ASSETS <= least  # one more is read than is shown
    times = [at for page in reversed(pages) for at in page.timestamps_us.tolist()]
    assert times == whole.timestamps_us.tolist()
    for name in ("current_mw", "setpoint_mw", "assets"):
        got = [value for page in reversed(pages) for value in getattr(page, name).tolist()]
        assert got == pytest.approx(getattr(whole, name).tolist()), name


async def test_late_buckets_without_samples_do_not_hide_older_ones(
    store: PostgresStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with store._upkeep.connection() as connection:
        await connection.execute(
            "insert into rollup_late (begins, asset) select $1::timestamptz + n * interval '5 minutes', key "
            "from generate_series(1, 10) as n, assets",
            START.replace(day=9),
        )
    asked = site_query(
        SLOTS, start_us=START_US, end_us=START_US + 10 * 1440 * MINUTE_US, bucket_us=5 * MINUTE_US
    )
    whole = await assert_sum_of_assets(store.telemetry, asked)
    monkeypatch.setattr("der_headend.store.postgres.site_history.SPANS_PER_ANSWER", 4)
    pages = await _pages(store, asked)
    assert [value for page in reversed(pages) for value in page.assets.tolist()] == whole.assets.tolist()
    powers = [value for page in reversed(pages) for value in page.current_mw.tolist()]
    assert powers == pytest.approx(whole.current_mw.tolist())


async def _pages(store: PostgresStore, asked: SiteHistoryQuery) -> Sequence[SiteHistory]:
    """All there is, the newest page first."""
    pages = [await store.telemetry.site_history(asked)]
    while (end_us := pages[-1].earlier_us) is not None:
        assert end_us < asked.end_us
        asked = replace(asked, end_us=end_us)
        pages.append(await store.telemetry.site_history(asked))
    return pages


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


async def test_late_buckets_of_many_assets_stay_in_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock(START)
    with database() as url:
        store = new_store(url, clock=clock, assets=len(MANY))
        await store.open()
        await _make_many_late(store, clock)
        asked = site_query(MANY, start_us=START_US, end_us=MANY_END_US, bucket_us=5 * MINUTE_US)
        keys = store._catalogue.keys[asked.slots]
        pages = []
        async with store._upkeep.transaction(snapshot=True) as connection:
            watched = _Watched(connection)
            end_us: int | None = MANY_END_US
            while end_us is not None:
                watched.most = 0
                query = replace(asked, end_us=end_us)
                pages.append(
                    await site_history.sums(cast("Connection", watched), keys, query, store._partitions)
                )
                assert 0 < watched.most <= len(MANY)
                end_us = pages[-1].earlier_us
        assert len(pages) > 2
        for bound in ("SAMPLED_S_PER_ANSWER", "SPANS_PER_ANSWER"):
            monkeypatch.setattr(f"der_headend.store.postgres.site_history.{bound}", 10**9)
        whole = await assert_sum_of_assets(store.telemetry, asked)
        await store.close()
    assert len(whole.timestamps_us) == WINDOWS
    for name in ("timestamps_us", "current_mw"):
        got = [value for page in reversed(pages) for value in getattr(page, name).tolist()]
        assert got == pytest.approx(getattr(whole, name).tolist()), name


async def _make_many_late(store: PostgresStore, clock: ManualClock) -> None:
    """Two thirds of many assets are noted late, twice, in each of some windows, and all have samples that came late."""
    async with store._upkeep.connection() as connection:
        await connection.execute("update rollup_frontier set through = $1", START)
    await store._rollups.open()
    begins_us = range(START_US, MANY_END_US, 5 * MINUTE_US)
    values = [float(slot) for slot in MANY]
    for begin_us in begins_us:
        await store.commit(Batch(rows=[rows(begin_us, MANY, {"current_mw": values})]))
        clock.advance(300)
    clock.advance(300)
    await store.keep_up()
    late = [rows(begin_us + 1, MANY, {"current_mw": [-7.0] * len(MANY)}) for begin_us in begins_us]
    await store.commit(Batch(rows=late))
    async with store._upkeep.connection() as connection:
        noted = await connection.execute(
            "insert into rollup_late (begins, asset) select w.begins, a.key from rollup_windows as w, assets as a, "
            "generate_series(1, 2) where (a.key + date_part('minute', w.begins)::int / 5) % 3 <> 0"
        )
        assert noted == f"INSERT 0 {len(MANY) * WINDOWS * 4 // 3}"
        await connection.execute("truncate rollup_windows")


class _Watched:
    """A connection that notes how long the longest list was that a statement took or gave."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.most = 0

    async def fetch(self, statement: str, *arguments: object) -> Sequence[object]:
        found = await self._connection.fetch(statement, *arguments)
        lists = [argument for argument in arguments if isinstance(argument, list)]
        self.most = max(self.most, len(found), *map(len, lists), 0)
        return found

    async def fetchval(self, statement: str) -> object:
        return await self._connection.fetchval(statement)
