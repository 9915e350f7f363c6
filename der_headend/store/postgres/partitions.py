"""Room for what is ordered by time: partitions made ahead, made when late data needs them, dropped when they are old.

A partition stays as it was made, whatever width is in force later, so the database is asked when each begins and ends.

Each partition of telemetry is indexed for readers. For a small fleet it is so from the beginning. For a large one the
upkeep of that index would cost more than all other writing; there a partition is made with a *hot* index that costs
next to nothing and prunes well enough for minutes of data, and the other is built in bulk when it has **closed**: one
partition at a time, while late samples may still be written to it. A build that is broken off leaves an index that is
not valid; it is dropped and built anew.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from der_core.errors import Unavailable
from der_headend.store.postgres import queries
from der_headend.store.postgres.connection import Connection, Database
from der_headend.store.postgres.moments import EPOCH
from der_runtime.logs import get_logger

AHEAD = 2
CLOSED_AFTER = timedelta(seconds=20)
"""So long after its end a partition is taken for closed: hardly a sample still comes into it."""

DROP_AGAIN_AFTER = timedelta(minutes=1)
"""So long a table whose oldest partition was in use is left alone: those who write it had to wait meanwhile."""

PARTITIONS_AT_ONCE = 64
"""A query locks each partition it may need, and plans for each."""

_INDEX_S = 3600.0
"""How long the building of one index may take: it waits for every transaction that is under way, a dump included."""

_SQL = queries.load("partitions.sql")
_log = get_logger("der_headend.store")


@dataclass(frozen=True, slots=True)
class Table:
    """A partitioned table.

    ``width`` of a partition: whole minutes of which an hour, or a week, has a whole number. ``keep``: how long it is
    kept, ``None`` for ever. ``index``: what readers need, as in ``create index on ...``; ``None`` if all there is to
    index comes from the table itself. ``hot``: what a partition has instead until it closes; ``None``: ``index``.
    """

    name: str
    width: timedelta
    keep: timedelta | None
    index: str | None = None
    hot: str | None = None

    def horizon(self, now: datetime) -> datetime:
        """What is older than this is not kept."""
        return EPOCH if self.keep is None else max(now - self.keep, EPOCH)

    def begin_of(self, at: datetime) -> datetime:
        """When the partition begins that would be made for ``at``."""
        return at - (at - EPOCH) % self.width


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition; ``indexed``: whether readers have the index they need."""

    name: str
    begins: datetime
    ends: datetime
    indexed: bool


class Partitions:
    """The partitions of some tables, as this program knows them."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self._tables = {table.name: table for table in tables}
        self._known: dict[str, list[Partition]] = {name: [] for name in self._tables}
        self._building: str | None = None
        self._in_use_at: dict[str, datetime] = {}
        self._surely_now = EPOCH

    def table(self, name: str) -> Table:
        """One of the tables."""
        return self._tables[name]

    def forget(self) -> None:
        """Somebody else has dropped partitions: look again before the next use."""
        for known in self._known.values():
            known.clear()

    async def provide(self, database: Database, name: str, moments: Iterable[datetime]) -> None:
        """Have a partition for each of these moments."""
        known = self._known[name]
        wanted = [at for at in moments if _at(known, at) is None]
        if not wanted:
            return
        async with database.transaction() as connection:
            await connection.execute(_SQL["lock"])
            existing = await self.existing(connection, name)
            for at in sorted(wanted):
                if _at(existing, at) is None:
                    made = _gap(self._tables[name], existing, at)
                    await self._create(connection, self._tables[name], made)
                    existing = sorted([*existing, made], key=_beginning)
        self._known[name] = existing

    async def make_ahead(self, database: Database, now: datetime) -> None:
        """Make the partitions that will be needed next."""
        for table in self._tables.values():
            await self.provide(database, table.name, [now + n * table.width for n in range(AHEAD + 1)])

    async def drop_old(self, database: Database, now: datetime) -> None:
        """Drop the partitions all of which is older than what is kept; one in use is left for the next time.

        What is old is not told by our clock alone, for one that is wrong by weeks would take all that is kept along: by
        that of the database too, and by the newest sample.
        """
        async with database.connection() as connection:
            self._surely_now = min(now, await connection.fetchval(_SQL["surely_now"]))
        for table in self._tables.values():
            await self._drop_old(database, table, now)

    def horizon(self, name: str) -> datetime:
        """What is older than this may have been dropped."""
        return self._tables[name].horizon(self._surely_now)

    async def existing(self, connection: Connection, name: str) -> list[Partition]:
        """The partitions that a table has, oldest first."""
        found = [Partition(**record) for record in await connection.fetch(_SQL["existing"], name)]
        by_table = self._tables[name].index is None
        return [replace(partition, indexed=True) for partition in found] if by_table else found

    def counts(self) -> Mapping[str, int]:
        """By table, how many partitions it has."""
        return {name: len(known) for name, known in self._known.items()}

    def unindexed(self, name: str) -> Sequence[Partition]:
        """The partitions that readers have no index for yet, oldest first."""
        return [partition for partition in self._known[name] if not partition.indexed]

    def dropped(self, name: str, existing: Sequence[Partition], at: datetime, now: datetime) -> bool:
        """Whether what was stored of a moment may be gone; partitions are dropped in order of time."""
        table = self._tables[name]
        return table.begin_of(at) + table.width <= table.horizon(now) and all(p.begins > at for p in existing)

    def spans(self, name: str, begins: datetime, ends: datetime) -> list[tuple[datetime, datetime]]:
        """A span of time cut into some that have a number of partitions which one query can do with, newest first."""
        within = [p for p in self._known[name] if p.begins < ends and p.ends > begins][::-1]
        cuts = [partition.begins for partition in within[PARTITIONS_AT_ONCE - 1 :: PARTITIONS_AT_ONCE]]
        cuts = [cut for cut in cuts if begins < cut < ends]
        return list(zip([*cuts, begins], [ends, *cuts], strict=True))

    def reach(self, name: str, begins: datetime, ends: datetime) -> tuple[datetime, datetime] | None:
        """What of a span of time lies between the first and the last partition in it; ``None``: it has none."""
        within = [p for p in self._known[name] if p.begins < ends and p.ends > begins]
        return (max(begins, within[0].begins), min(ends, within[-1].ends)) if within else None

    async def summarise(self, database: Database, now: datetime) -> None:
        """Bring the hot indexes up to date: what was written since the last time is not pruned by them."""
        for table in self._tables.values():
            for partition in self.unindexed(table.name) if table.hot else ():
                if partition.begins <= now and partition.name != self._building:
                    async with database.connection() as connection:
                        await connection.execute(_SQL["summarise"], _hot(partition))

    async def index_closed(self, database: Database, now: datetime) -> None:
        """Index the partitions that have closed, the newest first.

        Raises:
            Unavailable: the database is away, or it took too long; what is not indexed is so the next time.
        """
        for table in self._tables.values():
            for partition in reversed(self.unindexed(table.name)):
                if table.hot is None or partition.ends + CLOSED_AFTER <= now:
                    await self._index(database, table, partition)

    async def _index(self, database: Database, table: Table, partition: Partition) -> None:
        names = {"index": _index(partition), "partition": partition.name, "definition": table.index}
        self._building = partition.name
        try:
            async with database.connection(limit_s=_INDEX_S) as connection:
                if not await connection.fetchval(_SQL["try_lock_indexing"]):
                    return
                there = {found.name: found for found in await self.existing(connection, table.name)}
                if partition != there.get(partition.name):  # dropped, or indexed, while we did not look
                    self._known[table.name] = list(there.values())
                    return
                await connection.execute(_SQL["for_indexing"])
                await connection.execute(_SQL["drop_broken_off"].format(**names))
                await connection.execute(_SQL["index"].format(**names))
        finally:
            self._building = None
        known = self._known[table.name]
        if partition in known:
            known[known.index(partition)] = replace(partition, indexed=True)
        _log.info("partition indexed", partition=partition.name)

    async def _create(self, connection: Connection, table: Table, made: Partition) -> None:
        names = {"table": table.name, "partition": made.name, "begins": made.begins, "ends": made.ends}
        await connection.execute(_SQL["create"].format(**names))
        if table.hot is not None:
            await connection.execute(_SQL["leave_alone"].format(**names))
            hot = {"index": _hot(made), "partition": made.name, "definition": table.hot}
            await connection.execute(_SQL["index_new"].format(**hot))
        elif table.index is not None:
            index = {"index": _index(made), "partition": made.name, "definition": table.index}
            await connection.execute(_SQL["index_new"].format(**index))
        await connection.execute(_SQL["attach"].format(**names))

    async def _drop_old(self, database: Database, table: Table, now: datetime) -> None:
        # A clock that was set back must not put it off.
        if timedelta(0) <= now - self._in_use_at.get(table.name, EPOCH) < DROP_AGAIN_AFTER:
            return
        known = self._known[table.name]
        while known and known[0].ends <= self.horizon(table.name):
            oldest = known[0]
            try:
                async with database.transaction() as connection:
                    await connection.execute(_SQL["lock"])
                    await connection.execute(_SQL["drop"].format(partition=oldest.name))
            except Unavailable as error:
                self._in_use_at[table.name] = now
                _log.info("partition in use, dropped later", partition=oldest.name, reason=error.detail)
                return
            if oldest in known:
                known.remove(oldest)
            _log.info("partition dropped, it is older than what is kept", partition=oldest.name)


def _beginning(partition: Partition) -> datetime:
    return partition.begins


def _at(known: Sequence[Partition], at: datetime) -> Partition | None:
    """The partition that a moment falls into; ``known`` in order of time."""
    place = bisect_right(known, at, key=_beginning) - 1
    return known[place] if place >= 0 and at < known[place].ends else None


def _gap(table: Table, existing: Sequence[Partition], at: datetime) -> Partition:
    """What to make for a moment that no partition has: as wide as the table's are, where its neighbours leave room."""
    begins = max([table.begin_of(at), *(p.ends for p in existing if p.ends <= at)])
    ends = min([table.begin_of(at) + table.width, *(p.begins for p in existing if p.begins > at)])
    minute = "%M" if begins.minute else ""
    name = f"{table.name}_{begins:%Y%m%d%H}{begins.strftime(minute)}"
    return Partition(name, begins, ends, indexed=table.hot is None)


def _index(partition: Partition) -> str:
    return f"{partition.name}_of_asset"


def _hot(partition: Partition) -> str:
    return f"{partition.name}_hot"
