"""Thousands of agents that register at once must not become thousands of queries."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from der_core.errors import Unavailable
from der_headend.ports import Batch
from der_headend.store.postgres.connection import RETRY_AFTER_S, Connection, Database
from der_headend.store.postgres.marks import PostgresMarks
from kit.postgres_store import database, new_store

SPOOLS = [UUID(int=n + 1) for n in range(1000)]


class CountingDatabase(Database):
    """Notes how often it is asked, and can be away."""

    units = 0
    away = False

    @asynccontextmanager
    async def connection(self, *, limit_s: float | None = None) -> AsyncIterator[Connection]:
        self.units += 1
        if self.away:
            raise Unavailable("database_unavailable", "away", retry_after_s=RETRY_AFTER_S)
        async with super().connection(limit_s=limit_s) as connection:
            yield connection


@pytest.fixture
async def asked() -> AsyncIterator[CountingDatabase]:
    """A database in which the mark of spool *n* is *n*, for every second spool."""
    with database() as url:
        store = new_store(url)
        await store.open()
        await store.commit(Batch(marks={spool_id: spool_id.int for spool_id in SPOOLS[::2]}))
        await store.close()
        counting = CountingDatabase(url, size=2, limit_s=5.0)
        await counting.open()
        yield counting
        await counting.close()


async def test_a_thousand_registrations_at_once_take_two_queries_at_most(asked: CountingDatabase) -> None:
    marks = PostgresMarks(asked)
    found = await asyncio.gather(*(marks.mark(spool_id) for spool_id in SPOOLS))
    assert found == [spool_id.int if spool_id in SPOOLS[::2] else 0 for spool_id in SPOOLS]
    assert asked.units <= 2


async def test_who_asks_while_a_query_is_under_way_gets_the_answer_of_the_next(
    asked: CountingDatabase,
) -> None:
    marks = PostgresMarks(asked)
    first = asyncio.create_task(marks.mark(SPOOLS[0]))
    while asked.units == 0:  # noqa: ASYNC110 - the query begins in another task
        await asyncio.sleep(0)
    others = asyncio.gather(*(marks.mark(spool_id) for spool_id in SPOOLS))
    assert await first == 1
    assert (await others)[2] == 3
    assert asked.units == 2


async def test_while_the_database_is_away_all_are_told_and_later_all_are_answered(
    asked: CountingDatabase,
) -> None:
    marks = PostgresMarks(asked)
    asked.away = True
    refused = await asyncio.gather(*(marks.mark(spool_id) for spool_id in SPOOLS), return_exceptions=True)
    assert {type(each) for each in refused} == {Unavailable}
    assert asked.units <= 2
    asked.away = False
    assert await marks.mark(SPOOLS[2]) == 3


async def test_one_who_no_longer_wants_the_answer_does_not_take_it_from_others(
    asked: CountingDatabase,
) -> None:
    marks = PostgresMarks(asked)
    gone, other = (asyncio.create_task(marks.mark(spool_id)) for spool_id in (SPOOLS[0], SPOOLS[2]))
    await asyncio.sleep(0)
    gone.cancel()
    assert await other == 3
