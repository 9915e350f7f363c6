"""What an administrator asks of the database without a headend: how it is, migrate it, empty it."""

from dataclasses import dataclass

from der_headend.store.postgres import migrations, queries
from der_headend.store.postgres.connection import Connection
from der_headend.store.postgres.opening import first_connection
from der_headend.store.postgres.store import empty, refuse_distant
from der_headend.store.postgres.url import shown

_SQL = queries.load("store.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseStatus:
    """How a database is.

    ``known``: whether this program knows the schema's revision; ``False`` if another version of it made it.
    ``tables``: rows (the server's estimate, ``None`` while it has none) and bytes by table, partitions added up.
    """

    database: str
    server: str
    schema_revision: str | None
    newest_revision: str
    known: bool
    tables: dict[str, dict[str, int | None]]

    @property
    def up_to_date(self) -> bool:
        """Whether this program's headend would find nothing to migrate."""
        return self.schema_revision == self.newest_revision


async def status(url: str, *, patience_s: float) -> DatabaseStatus:
    """How the database is; changes nothing.

    Raises:
        StartFailed: it can't be reached.
    """
    connection = await first_connection(url, patience_s=patience_s)
    try:
        revision = await migrations.current_revision(connection)
        return DatabaseStatus(
            database=shown(url),
            server=await connection.fetchval("show server_version"),
            schema_revision=revision,
            newest_revision=migrations.newest_revision(),
            known=revision is None or migrations.is_known(revision),
            tables=await _tables(connection) if revision is not None else {},
        )
    finally:
        await connection.close()


async def migrate(url: str, *, patience_s: float) -> bool:
    """Bring the schema up to date; whether there was anything to do.

    Raises:
        StartFailed: the database can't be reached or migrated.
    """
    connection = await first_connection(url, patience_s=patience_s)
    try:
        return await migrations.upgrade(connection)
    finally:
        await connection.close()


async def reset(url: str, *, force: bool, patience_s: float) -> None:
    """Empty every table.

    Raises:
        StartFailed: the database is on another machine and ``force`` is not set, a headend runs on it, or it can't be
            reached.
    """
    refuse_distant(url, "force" if force else "yes")
    connection = await first_connection(url, patience_s=patience_s)
    try:
        await migrations.upgrade(connection)
        await empty(connection, shown(url))
    finally:
        await connection.close()


async def _tables(connection: Connection) -> dict[str, dict[str, int | None]]:
    return {
        record["name"]: {"rows": record["rows"], "bytes": record["bytes"]}
        for record in await connection.fetch(_SQL["tables"])
    }
