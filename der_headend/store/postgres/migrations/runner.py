"""Brings the schema up to date: once, whoever starts at the same time, and never backwards."""

from io import StringIO
from pathlib import Path

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from der_headend.store.postgres.connection import Connection, describe
from der_runtime.failure import StartFailed
from der_runtime.logs import get_logger

_HERE = Path(__file__).parent
_LOCK = 0x0DE2_F1EE_7000
"""The advisory lock of whoever migrates; any number that no other program is likely to use."""

_log = get_logger("der_headend.store")


class SchemaTooNew(StartFailed):
    """The database was migrated by a later version of this program."""


async def upgrade(connection: Connection) -> bool:
    """Bring the schema to the newest revision, all of it or nothing; whether there was anything to do.

    Of several programs that start at once one migrates and the others wait for it.

    Raises:
        SchemaTooNew: the schema is newer than this program.
        StartFailed: a migration was refused.
    """
    newest = newest_revision()
    async with connection.transaction():
        await connection.execute("select pg_advisory_xact_lock($1)", _LOCK)
        current = await current_revision(connection)
        if current == newest:
            return False
        if current is not None and not is_known(current):
            raise SchemaTooNew(
                f"the database's schema is at revision {current}, which this program does not know "
                f"(its newest is {newest}). Run the version that migrated it, or a later one."
            )
        try:
            await connection.execute(_script(current, newest))
        except asyncpg.PostgresError as error:
            raise StartFailed(
                f"the database can't be migrated from revision {current or 'none'} to {newest}, "
                f"nothing was changed: {describe(error)}"
            ) from error
    _log.info("database migrated", revision=newest, before=current or "empty")
    return True


async def current_revision(connection: Connection) -> str | None:
    """The revision a database is at; ``None`` if it was never migrated."""
    if await connection.fetchval("select to_regclass('public.schema_version')") is None:
        return None
    revision: str | None = await connection.fetchval("select version_num from public.schema_version")
    return revision


def newest_revision() -> str:
    """The revision this program needs."""
    newest = ScriptDirectory.from_config(_config(StringIO())).get_current_head()
    if newest is None:
        raise RuntimeError(f"no migrations in {_HERE}")
    return newest


def is_known(revision: str) -> bool:
    """Whether this program knows a revision; one that it doesn't know was made by another version of it."""
    try:
        return ScriptDirectory.from_config(_config(StringIO())).get_revision(revision) is not None
    except CommandError:
        return False


def _script(current: str | None, newest: str) -> str:
    rendered = StringIO()
    command.upgrade(_config(rendered), f"{current or 'base'}:{newest}", sql=True)
    return rendered.getvalue()


def _config(output: StringIO) -> Config:
    config = Config(output_buffer=output)
    config.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
