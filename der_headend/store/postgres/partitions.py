"""Room for what is ordered by time: partitions made ahead, made when late data needs them, dropped when they are old.

A partition's name says when it begins (``telemetry_2026010113``), so the names are all there is to know.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from der_core.errors import Unavailable
from der_headend.store.postgres import queries
from der_headend.store.postgres.connection import Connection, Database
from der_headend.store.postgres.moments import EPOCH
from der_runtime.logs import get_logger

AHEAD = 2

_SQL = queries.load("partitions.sql")
_NAMED = "%Y%m%d%H"
_log = get_logger("der_headend.store")


@dataclass(frozen=True, slots=True)
class Table:
    """A partitioned table: ``width`` of a partition (whole hours), and how long it is kept (``None``: for ever)."""

    name: str
    width: timedelta
    keep: timedelta | None

    def begin_of(self, at: datetime) -> datetime:
        """When the partition begins that ``at`` falls into."""
        return at - (at - EPOCH) % self.width

    def horizon(self, now: datetime) -> datetime:
        """What is older than this is not kept."""
        return EPOCH if self.keep is None else max(now - self.keep, EPOCH)

    def partition(self, begins: datetime) -> str:
        """The name of a partition."""
        return f"{self.name}_{begins.strftime(_NAMED)}"


class Partitions:
    """The partitions of some tables, as this program knows them."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self._tables = {table.name: table for table in tables}
        self._known: dict[str, set[datetime]] = {name: set() for name in self._tables}

    def table(self, name: str) -> Table:
        """One of the tables."""
        return self._tables[name]

    def forget(self) -> None:
        """Somebody else has dropped partitions: look again before the next use."""
        for known in self._known.values():
            known.clear()

    async def provide(self, database: Database, name: str, moments: Iterable[datetime]) -> None:
        """Have a partition for each of these moments."""
        table = self._tables[name]
        wanted = {table.begin_of(at) for at in moments}
        if wanted <= self._known[name]:
            return
        async with database.transaction() as connection:
            await connection.execute(_SQL["lock"])
            existing = await self.existing(connection, name)
            for begins in sorted(wanted - existing):
                await connection.execute(
                    _SQL["create"].format(
                        table=name,
                        partition=table.partition(begins),
                        begins=begins.isoformat(),
                        ends=(begins + table.width).isoformat(),
                    )
                )
        self._known[name] = existing | wanted

    async def make_ahead(self, database: Database, now: datetime) -> None:
        """Make the partitions that will be needed next."""
        for table in self._tables.values():
            await self.provide(database, table.name, [now + n * table.width for n in range(AHEAD + 1)])

    async def drop_old(self, database: Database, now: datetime) -> None:
        """Drop the partitions all of which is older than what is kept; one in use is left for the next time."""
        for table in self._tables.values():
            await self._drop_old(database, table, now)

    async def existing(self, connection: Connection, name: str) -> set[datetime]:
        """When the partitions begin that a table has."""
        records = await connection.fetch(_SQL["existing"], name)
        suffixes = [record["name"].removeprefix(f"{name}_") for record in records]
        return {datetime.strptime(suffix, _NAMED).replace(tzinfo=UTC) for suffix in suffixes}

    async def _drop_old(self, database: Database, table: Table, now: datetime) -> None:
        for begins in sorted(self._known[table.name]):
            if begins + table.width > table.horizon(now):
                return
            self._known[table.name].discard(begins)
            try:
                async with database.transaction() as connection:
                    await connection.execute(_SQL["lock"])
                    if begins in await self.existing(connection, table.name):
                        await connection.execute(_SQL["drop"].format(partition=table.partition(begins)))
            except Unavailable as error:
                self._known[table.name].add(begins)
                _log.info(
                    "partition in use, dropped later", partition=table.partition(begins), reason=error.detail
                )
                return
            _log.info("partition dropped, it is older than what is kept", partition=table.partition(begins))
