"""What a commit costs the database, as a number of statements: the same for one row and for thousands."""

import asyncio
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
import pytest
from asyncpg.pool import PoolConnectionProxy

from der_headend.ports import Batch, Rows
from der_headend.store.postgres.connection import Database
from der_runtime.clock import ManualClock
from der_runtime.right_of_way import RightOfWay
from kit import records
from kit.postgres_store import database, new_store

START_US = 1_767_225_600_000_000
FLEET = 100
DEADLINE_S = 30.0


@pytest.fixture
def url() -> Iterator[str]:
    with database() as made:
        yield made


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list that tells each statement and COPY."""
    told: list[str] = []
    for method in ("execute", "fetch", "fetchval", "fetchrow", "copy_to_table"):
        _note(monkeypatch, method, told)
    return told


def _note(monkeypatch: pytest.MonkeyPatch, method: str, told: list[str]) -> None:
    done = getattr(PoolConnectionProxy, method)

    async def noted(connection: Any, what: str, *arguments: Any, **options: Any) -> Any:
        told.append(what)
        return await done(connection, what, *arguments, **options)

    monkeypatch.setattr(PoolConnectionProxy, method, noted)


def batch(agents: int, ticks: int) -> Batch:
    """Of each agent a heartbeat, a mark and, of its one asset, some samples."""
    slots = np.tile(np.arange(agents), ticks)
    return Batch(
        rows=[
            Rows(
                timestamps_us=START_US + np.arange(slots.shape[0]),
                slots=slots,
                columns={name: np.ones(slots.shape) for name in ("current_mw", "soc_pct")},
            )
        ],
        heartbeats=[records.heartbeat(0, agent_id=f"agent-{agent}") for agent in range(agents)],
        marks={UUID(int=agent): ticks for agent in range(agents)},
    )


async def test_a_commit_takes_the_same_few_statements_whatever_is_in_it(
    url: str, statements: list[str]
) -> None:
    store = new_store(url, assets=FLEET)
    await store.open()
    await store.commit(batch(FLEET, 1))  # signals and partitions are made
    statements.clear()
    await store.commit(batch(1, 1))
    few = statements.copy()
    statements.clear()
    await store.commit(batch(FLEET, 50))
    await store.close()
    assert statements == few
    assert len(few) <= 7
    assert few.count("telemetry") == 1


async def test_a_dispatch_on_its_way_to_its_agent_waits_for_one_statement(
    url: str, statements: list[str]
) -> None:
    store = new_store(url, assets=FLEET)
    await store.open()
    record = records.dispatch(0)
    statements.clear()
    await store.commit(Batch(dispatches={record.id: record}))
    assert len(statements) == 1
    assert await store.dispatches.get(record.id) == record
    await store.close()


async def test_samples_wait_while_a_command_is_under_way_and_its_record_does_not(url: str) -> None:
    class Watched(RightOfWay):
        waited_for = asyncio.Event()

        async def free(self) -> None:
            if self.taken():
                self.waited_for.set()
            await super().free()

    clock = ManualClock()
    right_of_way = Watched(clock)
    store = new_store(url, assets=FLEET, right_of_way=right_of_way)
    await store.open()
    right_of_way.begin("a command")
    committing = asyncio.create_task(store.commit(batch(FLEET, 1)))
    async with asyncio.timeout(DEADLINE_S):
        await right_of_way.waited_for.wait()
        record = records.dispatch(0)
        await store.commit(Batch(dispatches={record.id: record}))
        assert not committing.done()
        right_of_way.end("a command")
        clock.advance(1.0)
        await committing
    await store.close()


async def test_rows_lie_in_order_of_asset_up_and_then_down(url: str) -> None:
    store = new_store(url, assets=FLEET)
    await store.open()
    await store.commit(batch(FLEET, 1))
    await store.commit(batch(FLEET, 1))
    await store.close()
    connection = await asyncpg.connect(url)
    assets = [r["asset"] for r in await connection.fetch("select asset from telemetry order by ctid")]
    await connection.close()
    assert assets == [*range(1, FLEET + 1), *range(FLEET, 0, -1)]


@pytest.mark.parametrize(("brief", "turns_taken"), [(True, False), (False, True)])
async def test_who_stores_a_few_rows_does_not_wait_for_the_pool_to_take_the_connection_back(
    url: str, *, brief: bool, turns_taken: bool
) -> None:
    pool = Database(url, size=1, limit_s=5.0, brief=brief)
    await pool.open()
    turns: list[None] = []
    for _ in range(3):  # there is one connection, so it does go back
        async with pool.connection() as connection:
            assert await connection.fetchval("select 1") == 1
            turns.clear()
            asyncio.get_running_loop().call_soon(turns.append, None)
        assert bool(turns) == turns_taken
    await pool.close()


async def test_a_connection_that_is_lost_as_it_goes_back_troubles_nobody(url: str) -> None:
    pool = Database(url, size=1, limit_s=5.0, brief=True)
    await pool.open()
    async with pool.connection() as connection:
        await connection.fetchval("select 1")
        connection.terminate()
    async with pool.connection() as connection:
        assert await connection.fetchval("select 2") == 2
    await pool.close()
