"""Sessions in the database: kept for the restart, which finds out from them who was connected and until when."""

from collections.abc import Sequence
from typing import Any

import asyncpg

from der_core.packed import Ids
from der_headend.ports import SessionRecord
from der_headend.store.postgres import queries
from der_headend.store.postgres.connection import Connection, Database
from der_headend.store.postgres.moments import plain, plain_or_none

_SQL = queries.load("sessions.sql")


async def put(connection: Connection, sessions: Sequence[SessionRecord]) -> None:
    """Store what is known of sessions; a closed one stays closed, and an agent has one open session at most."""
    opened = [s for s in sessions if s.disconnected_at is None]
    closed = [s for s in sessions if s.disconnected_at is not None]
    await connection.executemany(_SQL["put"], [_row(s) for s in closed])
    newest = {s.agent_id: s for s in sorted(opened, key=lambda s: s.connected_at)}
    await connection.execute(
        _SQL["close_replaced"],
        [plain(agent_id) for agent_id in newest],
        [s.session_id for s in newest.values()],
        [s.connected_at for s in newest.values()],
    )
    await connection.executemany(_SQL["put"], [_row(s) for s in newest.values()])


class PostgresSessions:
    """A ``SessionStore``, asked at start only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def recent(self, per_agent: int) -> Sequence[SessionRecord]:
        """The last sessions of every agent, ``per_agent`` of each at most, newest first."""
        async with self._database.connection() as connection:
            return [_record(r) for r in await connection.fetch(_SQL["recent"], per_agent)]

    async def close_open(self, reason: str) -> Sequence[SessionRecord]:
        """Close the sessions found open, each with the last time its agent was heard; those that were."""
        async with self._database.connection() as connection:
            return [_record(r) for r in await connection.fetch(_SQL["close_open"], reason)]


def _row(session: SessionRecord) -> tuple[Any, ...]:
    return (
        session.session_id,
        plain(session.agent_id),
        session.mode,
        session.site_id,
        plain(session.peer),
        session.connected_at,
        session.last_seen_at,
        session.disconnected_at,
        plain_or_none(session.reason),
        list(session.asset_ids),
        session.spool_id,
    )


def _record(record: asyncpg.Record) -> SessionRecord:
    return SessionRecord(**{**record, "asset_ids": Ids.of(record["asset_ids"])})
