"""How far each spool is stored, asked for many spools in one query.

When a fleet comes back, thousands of agents register at once, and the headend needs the mark of each. Those that are
asked for while a query is under way are gathered, and the next query answers them all.
"""

import asyncio
from collections.abc import Mapping
from uuid import UUID

from der_headend.store.postgres import queries
from der_headend.store.postgres.connection import Database

_SQL = queries.load("journal.sql")


class PostgresMarks:
    """The marks in ``database``; at most one query at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asking = asyncio.Lock()
        self._wanted: set[UUID] = set()
        self._next: asyncio.Task[Mapping[UUID, int]] | None = None

    async def mark(self, spool_id: UUID) -> int:
        """The highest sequence number stored of a spool; 0 if none.

        Raises:
            Unavailable: the database is away.
        """
        self._wanted.add(spool_id)
        if self._next is None:
            self._next = asyncio.create_task(self._ask(), name="ask for marks")
        found = await asyncio.shield(self._next)
        return found.get(spool_id, 0)

    async def _ask(self) -> Mapping[UUID, int]:
        async with self._asking:
            wanted, self._wanted, self._next = self._wanted, set(), None
            async with self._database.connection() as connection:
                found = await connection.fetch(_SQL["marks"], list(wanted))
        return {row["spool_id"]: row["mark"] for row in found}
