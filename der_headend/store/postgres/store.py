"""The PostgreSQL store: its parts, one per port, and what it does by itself to stay in order."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg

from der_core.assets import Inventory
from der_core.errors import Defect, Unavailable
from der_headend.ports import Batch
from der_headend.store.postgres import migrations, queries
from der_headend.store.postgres.catalogue import Catalogue
from der_headend.store.postgres.connection import SESSION_SETTINGS, Connection, Database, wrapped
from der_headend.store.postgres.dispatches import PostgresDispatches
from der_headend.store.postgres.events import PostgresEvents
from der_headend.store.postgres.heartbeats import PostgresHeartbeats
from der_headend.store.postgres.journal import HEARTBEATS, PostgresJournal
from der_headend.store.postgres.layout import SMALL_FLEET, telemetry_table
from der_headend.store.postgres.marks import PostgresMarks
from der_headend.store.postgres.opening import PATIENCE_S, first_connection
from der_headend.store.postgres.partitions import Partitions, Table
from der_headend.store.postgres.rollups import FIVE_MINUTES_US, ONE_MINUTE_US, TABLES, Rollups
from der_headend.store.postgres.sessions import PostgresSessions
from der_headend.store.postgres.telemetry import PostgresTelemetry
from der_headend.store.postgres.url import check_url, is_local, shown
from der_runtime.clock import Clock
from der_runtime.failure import StartFailed
from der_runtime.logs import get_logger
from der_runtime.right_of_way import RightOfWay

READ_S = 5.0
COMMIT_SMALL_S = 5.0
COMMIT_BULK_S = 30.0
UPKEEP_S = 120.0
PROBE_S = 2.0

_PROBE_EVERY_S = 1.0
_UPKEEP_EVERY_S = 5.0
_TEND_EVERY_S = 1.0
_WRITE_EVERY_S = 0.2

_LEFT_BEHIND_S, _LOOK_AGAIN_S = 5.0, 0.1
"""So long a reset waits for the connections of a program that has just ended."""

_DROPPED_AT_ONCE = 20
"""So many partitions a reset drops in a transaction, of some six locks each: the server may not have room for all."""

_SQL = queries.load("store.sql")
_log = get_logger("der_headend.store")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long things are kept; ``None``: for ever."""

    samples: timedelta | None = timedelta(days=14)
    one_minute: timedelta | None = timedelta(days=90)
    five_minutes: timedelta | None = None
    heartbeats: timedelta | None = timedelta(days=7)


class PostgresStore:
    """A ``Journal`` whose parts answer the reading ports.

    ``states`` is the fleet's vocabulary of states (``Fleet.states``), which is read, and given the names that the
    database knows from earlier. Before anything else ``open``; while it is in use ``run``; at the end ``close``.
    """

    def __init__(
        self,
        url: str,
        *,
        inventory: Inventory,
        states: dict[str, list[str]],
        right_of_way: RightOfWay,
        clock: Clock,
        retention: Retention | None = None,
        patience_s: float = PATIENCE_S,
        small_fleet: int = SMALL_FLEET,
    ) -> None:
        keep = retention or Retention()
        self._url = url
        self._clock = clock
        self._patience_s = patience_s
        self._bulk = Database(url, size=1, limit_s=COMMIT_BULK_S, storing=True)
        self._small = Database(url, size=2, limit_s=COMMIT_SMALL_S, brief=True, storing=True)
        self._reads = Database(url, size=4, limit_s=READ_S)
        self._upkeep = Database(url, size=2, limit_s=UPKEEP_S)
        self._indexing = Database(url, size=2, limit_s=UPKEEP_S)
        self._probe = Database(url, size=1, limit_s=PROBE_S)
        self._databases = (self._bulk, self._small, self._reads, self._upkeep, self._indexing, self._probe)
        self._catalogue = Catalogue(inventory=inventory, states=states)
        self._partitions = Partitions(
            [
                telemetry_table(assets=len(inventory.assets), keep=keep.samples, small_fleet=small_fleet),
                Table(TABLES[ONE_MINUTE_US], timedelta(days=1), keep.one_minute),
                Table(TABLES[FIVE_MINUTES_US], timedelta(days=7), keep.five_minutes),
                Table(HEARTBEATS, timedelta(days=1), keep.heartbeats),
            ]
        )
        writer_id = uuid4()
        self._rollups = Rollups(
            database=self._upkeep,
            catalogue=self._catalogue,
            partitions=self._partitions,
            right_of_way=right_of_way,
            clock=clock,
            writer_id=writer_id,
        )
        self._unreachable: str | None = None
        self.journal = PostgresJournal(
            bulk=self._bulk,
            small=self._small,
            catalogue=self._catalogue,
            partitions=self._partitions,
            rollups=self._rollups,
            right_of_way=right_of_way,
            clock=clock,
            writer_id=writer_id,
        )
        self._marks = PostgresMarks(self._small)
        # At start nobody waits who could ask again, and to begin again would not make it faster.
        at_start = self._upkeep
        self.dispatches = PostgresDispatches(self._reads, at_start=at_start, right_of_way=right_of_way)
        self.events = PostgresEvents(self._reads, at_start=at_start)
        self.heartbeats = PostgresHeartbeats(self._reads)
        self.sessions = PostgresSessions(at_start)
        self.telemetry = PostgresTelemetry(
            database=self._reads, catalogue=self._catalogue, partitions=self._partitions
        )

    @property
    def summary(self) -> str:
        """Where it stores, for people; without the password."""
        return f"in {shown(self._url)}"

    async def open(self, *, reset: str | None = None) -> None:
        """Wait for the server, migrate the schema, enter the inventory; with ``reset`` empty the tables first.

        Raises:
            StartFailed: something that the operator must mend.
            Unavailable: the server was lost on the way; open it again after ``close``.
        """
        if reset is not None:
            refuse_distant(self._url, reset)
        connection = await first_connection(self._url, patience_s=self._patience_s)
        try:
            await migrations.upgrade(connection)
            if reset is not None:
                await empty(connection, shown(self._url))
            await self._catalogue.open(connection)
            await self.journal.open(connection)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            if connection.is_closed():
                raise wrapped(error) from error
            raise
        finally:
            await connection.close()
        for database in self._databases:
            await database.open()
        self._partitions.forget()  # those of an earlier attempt may be gone by a reset
        await self._partitions.make_ahead(self._upkeep, self._clock.now())
        await self._rollups.open()

    async def close(self) -> None:
        """Drop every connection."""
        for database in self._databases:
            await database.close()

    async def commit(self, batch: Batch) -> None:
        """Store a batch in one transaction; see ``Journal``."""
        await self.journal.commit(batch)

    async def mark(self, spool_id: UUID) -> int:
        """The highest sequence number stored of a spool; 0 if none."""
        return await self._marks.mark(spool_id)

    def health(self) -> tuple[bool, str]:
        """Whether the database answers and takes what is written, as of a second ago, and what is wrong if not."""
        trouble = self._unreachable or self.journal.trouble
        return trouble is None, trouble or self.summary

    def partitions(self) -> Mapping[str, int]:
        """By table, how many partitions it has."""
        return self._partitions.counts()

    @property
    def samples_too_old(self) -> int:
        """How many samples were committed and not stored, for they were older than what is kept."""
        return self.journal.samples_too_old

    async def run(self) -> None:
        """Look after the database for as long as the headend runs."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._repeat(self._look, _PROBE_EVERY_S), name="database-probe")
            tasks.create_task(self._repeat(self.keep_up, _UPKEEP_EVERY_S), name="database-upkeep")
            tasks.create_task(self._repeat(self.index_closed, _UPKEEP_EVERY_S), name="database-indexing")
            tasks.create_task(self._repeat(self.summarise, _TEND_EVERY_S), name="database-summaries")
            tasks.create_task(self._repeat(self.write_buckets, _WRITE_EVERY_S), name="database-buckets")

    async def keep_up(self) -> None:
        """Make and drop partitions, make the buckets that are due.

        Raises:
            Unavailable: the database is away; what is not done is done next time.
        """
        now = self._clock.now()
        await self._partitions.make_ahead(self._upkeep, now)
        await self._rollups.keep_up(now)
        await self._partitions.drop_old(
            self._upkeep, now
        )  # last: what is dropped can't be brought together any more

    async def index_closed(self) -> None:
        """Index the partitions that have closed; for a large fleet that takes some seconds of a core for each.

        Raises:
            Unavailable: the database is away; what is not done is done next time.
        """
        await self._partitions.index_closed(self._indexing, self._clock.now())

    async def summarise(self) -> None:
        """Bring the indexes of hot partitions up to date.

        Raises:
            Unavailable: the database is away.
        """
        await self._partitions.summarise(self._indexing, self._clock.now())

    async def write_buckets(self) -> None:
        """Write the buckets that are finished in memory.

        Raises:
            Unavailable: the database is away; they are made from samples later.
        """
        await self._rollups.write_finished()

    async def _look(self) -> None:
        async with self._probe.connection() as connection:
            await connection.fetchval("select 1")

    async def _repeat(self, work: Callable[[], Awaitable[None]], every_s: float) -> None:
        """Do it again and again, with pauses in between; a run that is missed is not made up for."""
        name = work.__name__.strip("_")
        failed = False
        while True:
            try:
                await work()
            except (Unavailable, Defect) as error:
                if not failed:
                    _log.warning("database trouble", during=name, reason=error.detail)
                failed = True
                if work == self._look:
                    self._unreachable = error.detail
            else:
                if failed:
                    _log.info("database in order again", during=name)
                failed = False
                if work == self._look:
                    self._unreachable = None
            await self._clock.sleep_until(self._clock.monotonic() + every_s)


def refuse_distant(url: str, reset: str) -> None:
    """Emptying a database on another machine takes ``force``.

    Raises:
        StartFailed: the URL is no good, or ``reset`` is not ``force`` and the host, which the environment names where
            the URL names none, is not local.
    """
    check_url(url)
    if reset != "force" and not is_local(url, os.environ):
        raise StartFailed(
            f"a reset would empty the database at {shown(url)}, which is not on this machine, as far as that, PGHOST "
            "and PGSERVICE tell. Set DB_RESET=force (`der db reset --force`) if that is what you want."
        )


async def _refuse_in_use(connection: Connection, where: str) -> None:
    """A headend goes on with the keys that it has read, which later belong to other assets."""
    deadline_s = time.monotonic() + _LEFT_BEHIND_S
    while found := await connection.fetch(_SQL["connected_from"], SESSION_SETTINGS["application_name"]):
        if time.monotonic() > deadline_s:
            addresses = ", ".join(record["address"] for record in found)
            raise StartFailed(
                f"a headend runs on the database at {where} (connected from {addresses}), so it is not emptied. "
                "Stop it first; connections of one that was cut off end within half a minute."
            )
        await asyncio.sleep(_LOOK_AGAIN_S)


async def empty(connection: Connection, where: str) -> None:
    """Empty every table, loudly. The inventory's keys and the names of signals go too.

    One that is broken off is to be begun again: part of what is ordered by time is gone then, and all else is there.

    Raises:
        StartFailed: a headend runs on it.
    """
    await _refuse_in_use(connection, where)
    counts = await connection.fetchrow(_SQL["counts"])
    _log.warning("DB_RESET: emptying the database", database=where, **(dict(counts) if counts else {}))
    partitions = [record["name"] for record in await connection.fetch(_SQL["partitions"])]
    for begin in range(0, len(partitions), _DROPPED_AT_ONCE):
        some = ", ".join(partitions[begin : begin + _DROPPED_AT_ONCE])
        await connection.execute(_SQL["drop_partitions"].format(partitions=some))
    async with connection.transaction():
        await connection.execute(_SQL["empty"])
    _log.warning("DB_RESET: the database is empty", database=where)
