"""The way into the database: a batch in one transaction, stored once whatever becomes of the connection.

When the connection is lost during COMMIT, nobody can say on the spot whether the transaction went through. So a batch
with samples (the object, not what is in it) bears an id that is written with it: an attempt whose outcome is unknown is
repeated under the same id, and the database, which waits for the first attempt if that is still under way, tells that
it is there already. Events, heartbeats, sessions, dispatches and marks are known by ids of their own and may be written
again.

Samples have connections of their own, so that a dispatch need not wait behind them.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, cycle
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import numpy as np

from der_core.errors import Defect, Unavailable
from der_headend.ports import Batch, Rows
from der_headend.store.postgres import dispatches, events, heartbeats, queries, samples, sessions
from der_headend.store.postgres.binary_copy import chunks
from der_headend.store.postgres.catalogue import Catalogue
from der_headend.store.postgres.connection import REFUSES, RETRY_AFTER_S, Connection, Database
from der_headend.store.postgres.moments import EPOCH, microseconds, moment
from der_headend.store.postgres.partitions import Partitions
from der_headend.store.postgres.rollups import ONE_MINUTE_US, Rollups
from der_runtime.aside import made_aside
from der_runtime.breather import Breather
from der_runtime.clock import Clock
from der_runtime.logs import get_logger
from der_runtime.right_of_way import RightOfWay

HEARTBEATS = "heartbeats"
_BIGINT_MAX = 2**63 - 1

_SQL = queries.load("journal.sql")
_log = get_logger("der_headend.store")


class PostgresJournal:
    """A ``Journal``. ``bulk`` is the database for batches with samples, ``small`` the one for all others.

    The deadline of ``bulk`` is for ``ROWS_AT_ONCE`` samples: after an outage a batch may have many more, and time for
    each. But the server has to take some of them again and again within the deadline itself.
    ``writer_id``: by which its commits are known.
    """

    def __init__(
        self,
        *,
        bulk: Database,
        small: Database,
        catalogue: Catalogue,
        partitions: Partitions,
        rollups: Rollups,
        right_of_way: RightOfWay,
        clock: Clock,
        writer_id: UUID,
    ) -> None:
        self._bulk = bulk
        self._small = small
        self._catalogue = catalogue
        self._partitions = partitions
        self._rollups = rollups
        self._right_of_way = right_of_way
        self._clock = clock
        self._writer_id = writer_id
        self._tried: dict[int, tuple[Batch, UUID]] = {}
        # Rows are written in order of asset, up and then down: so a page where the one begins and the other ends holds
        # neighbours too, and not the first asset with the last, between which an index by pages would see all others.
        self._directions = cycle((slice(None), slice(None, None, -1)))
        self._newest = EPOCH
        self.samples_too_old = 0
        """Samples of committed batches that were not stored, for they were older than what is kept."""
        self._troubles: dict[Database, str] = {}

    @property
    def trouble(self) -> str | None:
        """Why the last commit with samples failed, or the last of all; ``None`` if neither did."""
        return next(iter(self._troubles.values()), None)

    async def open(self, connection: Connection) -> None:
        """Clear up after writers that are long gone."""
        await connection.execute(_SQL["forget_writers"])

    async def commit(self, batch: Batch) -> None:
        """Store a batch in one transaction.

        Raises:
            Unavailable: nothing of it was stored, or nobody can tell. Committing the same object again stores it once.
            Defect: the database can't store such data; nothing of it was stored.
        """
        database = self._bulk if batch.rows else self._small
        try:
            await (self._commit_samples(batch) if batch.rows else self._commit_small(batch))
        except Unavailable as error:
            if error.code == REFUSES and error.detail != self._troubles.get(database):
                _log.exception("the database refuses what it is to store", reason=error.detail)
            self._troubles[database] = error.detail
            raise
        if batch.rows:
            self._troubles.clear()
        else:  # a dispatch that was stored says nothing of samples
            self._troubles.pop(database, None)

    async def _commit_small(self, batch: Batch) -> None:
        if batch == Batch(dispatches=batch.dispatches):
            # One statement is a transaction by itself; somebody waits for it with a setpoint to send.
            async with self._small.connection() as connection:
                await dispatches.put(connection, list(batch.dispatches.values()))
            return
        await self._make_room(batch, ())
        with self._partitions_noticed():
            async with self._small.transaction() as connection:
                await _put_records(connection, batch)

    async def _commit_samples(self, batch: Batch) -> None:
        # The batch is held on to until its outcome is known, so no other can have its identity meanwhile.
        _, batch_id = self._tried.setdefault(id(batch), (batch, uuid4()))
        kept: list[Rows] = []
        minutes: set[int] = set()
        breather = Breather(self._right_of_way)
        async for gathered in made_aside(samples.gathered(batch.rows, self._catalogue.keys)):
            breather.begin()  # all else went on while it was made
            for rows in self._kept(gathered):
                kept.append(rows)
                minutes |= _minutes(rows)
            await breather.pause()
        await self._catalogue.learn(self._bulk, {name for rows in batch.rows for name in rows.columns})
        await self._make_room(batch, minutes)
        claimed = False
        count = sum(rows.size for rows in kept)
        limit_s = self._bulk.limit_s * max(1.0, count / samples.ROWS_AT_ONCE)
        try:
            with self._partitions_noticed():
                async with (
                    self._rollups.storing(batch_id, kept),
                    self._bulk.transaction(limit_s=limit_s) as connection,
                ):
                    if claimed := await self._claim(connection, batch_id, kept):
                        await self._put_samples(connection, kept)
                        await _put_records(connection, batch)
        except Defect:
            if claimed:  # so no earlier attempt was stored either
                self._rollups.refused(batch_id)
                del self._tried[id(batch)]
            raise
        del self._tried[id(batch)]
        self._count_too_old(sum(rows.size for rows in batch.rows) - count)

    @contextmanager
    def _partitions_noticed(self) -> Iterator[None]:
        """A partition that somebody else has dropped is made again at the next attempt."""
        try:
            yield
        except Defect as error:
            if not isinstance(error.__cause__, asyncpg.CheckViolationError):
                raise
            self._partitions.forget()
            raise Unavailable("partition_gone", error.detail, retry_after_s=RETRY_AFTER_S) from error

    async def _claim(self, connection: Connection, batch_id: UUID, kept: Iterable[Rows]) -> bool:
        """Enter the batch; ``False`` if it is there already."""
        newest_us = max((int(rows.timestamps_us.max()) for rows in kept), default=0)
        self._newest = max(self._newest, moment(newest_us))
        if await connection.fetchval(_SQL["claim_batch"], batch_id, self._writer_id, self._newest) is None:
            _log.info("batch had been stored, though its answer was lost", batch_id=str(batch_id))
            return False
        in_doubt = [id for _, id in self._tried.values()]
        await connection.execute(_SQL["forget_batches"], self._writer_id, in_doubt)
        return True

    async def _put_samples(self, connection: Connection, kept: list[Rows]) -> None:
        encoded = [samples.encode(rows.part(next(self._directions)), self._catalogue) for rows in kept]
        async with asyncio.timeout(self._bulk.limit_s) as deadline:
            await connection.copy_to_table(
                samples.TABLE,
                source=self._while_taken(chunks(chain.from_iterable(encoded), self._right_of_way), deadline),
                columns=samples.COLUMNS,
                format="binary",
            )
        await self._rollups.note_late(connection, kept)

    async def _while_taken(self, pieces: AsyncIterator[Any], deadline: asyncio.Timeout) -> AsyncIterator[Any]:
        """The same pieces; the deadline is put off whenever the server has taken one, and is none after the last."""
        async for piece in pieces:
            deadline.reschedule(asyncio.get_running_loop().time() + self._bulk.limit_s)
            yield piece
        deadline.reschedule(None)

    async def _make_room(self, batch: Batch, minutes: Iterable[int]) -> None:
        """``minutes``: of its samples, since 1970."""
        database = self._bulk if batch.rows else self._small
        moments = [moment(minute * ONE_MINUTE_US) for minute in minutes]
        await self._partitions.provide(database, samples.TABLE, moments)
        await self._partitions.provide(database, HEARTBEATS, [h.received_at for h in batch.heartbeats])

    def _kept(self, given: Rows) -> list[Rows]:
        """The samples that are not so old that they would be dropped at once."""
        kept = given.only(given.timestamps_us >= microseconds(self._partitions.horizon(samples.TABLE)))
        return [kept] if kept.size else []

    def _count_too_old(self, count: int) -> None:
        if count and not self.samples_too_old:
            _log.warning("samples older than what is kept are not stored; further ones are counted")
        self.samples_too_old += count


def _minutes(rows: Rows) -> set[int]:
    """When samples were taken, in minutes since 1970: a partition begins with one."""
    each = rows.timestamps_us // ONE_MINUTE_US
    return set(each[np.diff(each, prepend=-1) != 0].tolist())  # most are of the minute of the one before


async def _put_records(connection: Connection, batch: Batch) -> None:
    if batch.events:
        await events.put(connection, batch.events)
    if batch.heartbeats:
        await heartbeats.put(connection, batch.heartbeats)
    if batch.sessions:
        await sessions.put(connection, list(batch.sessions.values()))
    if batch.dispatches:
        await dispatches.put(connection, list(batch.dispatches.values()))
    if batch.marks:
        marks = [min(seq, _BIGINT_MAX) for seq in batch.marks.values()]
        await connection.execute(_SQL["put_marks"], list(batch.marks), marks)
