"""Heartbeats in the database."""

from collections.abc import Sequence

from der_headend.ports import Heartbeat
from der_headend.store.postgres import queries
from der_headend.store.postgres.connection import Connection, Database
from der_headend.store.postgres.moments import plain

_SQL = queries.load("heartbeats.sql")
_BIGINT_MAX = 2**63 - 1
_AT_ONCE = 500
"""So many are sent to the database at a time: all else waits while they are written down."""


async def put(connection: Connection, heartbeats: Sequence[Heartbeat]) -> None:
    """Store heartbeats; one that is there already changes nothing."""
    for begin in range(0, len(heartbeats), _AT_ONCE):
        some = heartbeats[begin : begin + _AT_ONCE]
        await connection.execute(
            _SQL["put"],
            [plain(h.agent_id) for h in some],
            [h.session_id for h in some],
            [h.at for h in some],
            [h.received_at for h in some],
            [min(h.spooled_records, _BIGINT_MAX) for h in some],
            [min(h.spooled_bytes, _BIGINT_MAX) for h in some],
            [min(h.dropped_records, _BIGINT_MAX) for h in some],
        )


class PostgresHeartbeats:
    """A ``HeartbeatStore``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def latest(self, agent_id: str, limit: int) -> Sequence[Heartbeat]:
        """The last heartbeats of an agent, newest first."""
        async with self._database.connection() as connection:
            records = await connection.fetch(_SQL["latest"], plain(agent_id), limit)
        return [Heartbeat(**record) for record in records]
