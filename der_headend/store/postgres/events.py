"""Events in the database."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from der_core.events import Event, EventKind, Severity
from der_headend.cursor import decode_moment, encode_moment
from der_headend.ports import EventQuery, Page, StoredEvent
from der_headend.store.postgres import queries
from der_headend.store.postgres.connection import Connection, Database
from der_headend.store.postgres.moments import plain

_SQL = queries.load("events.sql")


async def put(connection: Connection, events: Sequence[Event]) -> None:
    """Store events; one whose id is known already changes nothing."""
    await connection.execute(
        _SQL["put"],
        [e.id for e in events],
        [e.at for e in events],
        [e.site_id for e in events],
        [e.asset_id for e in events],
        [e.severity.value for e in events],
        [e.kind.value for e in events],
        [plain(e.code) for e in events],
        [plain(e.message) for e in events],
    )


class PostgresEvents:
    """An ``EventStore``. ``at_start`` is the database for what a headend reads before it serves anybody."""

    def __init__(self, database: Database, *, at_start: Database) -> None:
        self._database = database
        self._at_start = at_start

    async def page(self, query: EventQuery) -> Page[StoredEvent]:
        """Some events, newest first."""
        before = (None, None) if query.cursor is None else decode_moment(query.cursor)
        async with self._database.connection() as connection:
            records = await connection.fetch(
                _SQL["page"],
                query.asset_id,
                query.site_id,
                None if query.severity is None else query.severity.value,
                query.start,
                query.end,
                *before,
                query.limit + 1,
                query.acknowledged,
            )
        found = [_stored(record) for record in records[: query.limit]]
        more = len(records) > query.limit
        return Page(found, encode_moment(found[-1].event.at, found[-1].event.id) if more else None)

    async def acknowledge(self, event_id: UUID, at: datetime) -> StoredEvent | None:
        """Note that an operator has seen it; a second time changes nothing."""
        async with self._database.connection() as connection:
            record = await connection.fetchrow(_SQL["acknowledge"], event_id, at)
        return None if record is None else _stored(record)

    async def open_alarms(self) -> Sequence[StoredEvent]:
        """The alarms that were raised and not cleared, oldest first."""
        async with self._at_start.connection() as connection:
            return [_stored(record) for record in await connection.fetch(_SQL["open_alarms"])]


def _stored(record: asyncpg.Record) -> StoredEvent:
    event = Event(
        id=record["id"],
        at=record["at"],
        site_id=record["site_id"],
        asset_id=record["asset_id"],
        severity=Severity(record["severity"]),
        kind=EventKind(record["kind"]),
        code=record["code"],
        message=record["message"],
    )
    return StoredEvent(event, record["acknowledged_at"])
