"""A database is emptied whole, however many partitions it has, and never under a headend that runs on it."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from der_headend.ports import Batch, EventQuery
from der_headend.store.postgres import administration
from der_headend.store.postgres import store as store_module
from der_runtime.failure import StartFailed
from kit import records
from kit.postgres import TEMPLATE, PostgresServer, migrate
from kit.postgres_store import database, new_store

FEW_LOCKS = {
    "max_locks_per_transaction": "10",
    "max_connections": "20",
    "max_worker_processes": "0",
    "autovacuum_max_workers": "1",
    "max_wal_senders": "0",
    "shared_buffers": "2MB",
}
MANY_PARTITIONS = """
do $$ begin
    for n in 1..300 loop
        execute format(
            'create table telemetry_%s partition of telemetry for values from (%L) to (%L)',
            n, timestamptz '2025-01-01' + n * interval '1 hour', timestamptz '2025-01-01' + (n + 1) * interval '1 hour'
        );
        commit;
    end loop;
end $$
"""


@pytest.fixture
def url() -> Iterator[str]:
    with PostgresServer(fsync=False, options=FEW_LOCKS) as server:
        server.create_database(name=TEMPLATE)
        migrate(server.url(TEMPLATE))
        with database(server) as made:
            yield made


@pytest.fixture
async def direct(url: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def test_more_partitions_than_one_transaction_can_lock_are_emptied(
    url: str, direct: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await direct.execute(MANY_PARTITIONS)
    await direct.execute("insert into telemetry values ('2025-01-01 05:30Z', 1, 1, 1, 1, 1, 0, null)")
    with pytest.raises(asyncpg.OutOfMemoryError, match="shared memory"):
        await direct.execute("truncate telemetry")
    await administration.reset(url, force=False, patience_s=5.0)
    assert await direct.fetch("table telemetry") == []
    store = new_store(url)
    await store.open()
    await store.commit(Batch(rows=[records.rows(1_767_225_600_000_000, [0], {"current_mw": [1.0]})]))
    await store.close()
    assert await direct.fetchval("select count(*) from telemetry") == 1


async def test_a_database_that_a_headend_runs_on_is_not_emptied(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_LEFT_BEHIND_S", 0.3)
    running, starting = new_store(url), new_store(url)
    await running.open()
    await running.commit(Batch(events=[records.event(0)]))
    for force in (False, True):
        with pytest.raises(StartFailed, match=r"a headend runs on.*127\.0\.0\.1.*Stop it"):
            await administration.reset(url, force=force, patience_s=5.0)
    with pytest.raises(StartFailed, match="a headend runs on"):
        await starting.open(reset="force")
    assert len((await running.events.page(EventQuery(limit=5))).items) == 1
    await running.close()
    await administration.reset(url, force=False, patience_s=5.0)


async def test_connections_that_a_headend_left_behind_are_waited_for(url: str) -> None:
    stopped = new_store(url)
    await stopped.open()
    await stopped.commit(Batch(events=[records.event(0)]))
    resetting = asyncio.create_task(administration.reset(url, force=False, patience_s=5.0))
    await asyncio.sleep(0.3)
    assert not resetting.done()
    await stopped.close()
    await resetting


async def test_tables_of_others_in_the_same_database_are_left_alone(
    url: str, direct: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await direct.execute(
        "create schema others; create table others.kept (at int) partition by range (at);"
        "create table others.kept_1 partition of others.kept for values from (0) to (10);"
        "insert into others.kept values (1)"
    )
    await store_module.empty(direct, "here")
    assert await direct.fetchval("select count(*) from others.kept") == 1
