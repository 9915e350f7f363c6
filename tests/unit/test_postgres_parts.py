"""The parts of the PostgreSQL store that need no server."""

import asyncpg
import pytest

from der_core.errors import Defect, Unavailable
from der_headend.store.postgres import queries
from der_headend.store.postgres.connection import wrapped
from der_headend.store.postgres.url import shown


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("refused"),
        TimeoutError(),
        asyncpg.AdminShutdownError("terminating connection"),
        asyncpg.CannotConnectNowError("starting up"),
        asyncpg.ConnectionDoesNotExistError("closed in the middle"),
        asyncpg.DiskFullError("No space left on device"),
        asyncpg.TooManyConnectionsError("too many clients"),
        asyncpg.DeadlockDetectedError("deadlock"),
        asyncpg.ReadOnlySQLTransactionError("standby"),
        asyncpg.InvalidPasswordError("changed meanwhile"),
        asyncpg.InterfaceError("connection is closed"),
    ],
)
def test_server_that_is_away_is_unavailable(error: Exception) -> None:
    assert isinstance(wrapped(error), Unavailable)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.UndefinedTableError("no such table"),
        asyncpg.InsufficientPrivilegeError("permission denied"),
        asyncpg.ProgramLimitExceededError("wraparound"),
        asyncpg.IndexCorruptedError("block"),
    ],
)
def test_while_storing_only_the_data_are_at_fault(error: Exception) -> None:
    assert isinstance(wrapped(error), Defect)
    assert isinstance(wrapped(error, storing=True), Unavailable)


@pytest.mark.parametrize("error", [asyncpg.NotNullViolationError("null"), asyncpg.DataError("not a uuid")])
def test_data_that_cannot_be_stored_are_a_defect(error: Exception) -> None:
    assert isinstance(wrapped(error, storing=True), Defect)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.UndefinedTableError("no such table"),
        asyncpg.NotNullViolationError("null"),
        asyncpg.DataError("not a uuid"),
        asyncpg.DataCorruptedError("page"),
    ],
)
def test_what_we_asked_wrongly_is_a_defect(error: Exception) -> None:
    assert isinstance(wrapped(error), Defect)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgres://bess:s3cret@localhost:5432/bess", "postgres://bess@localhost:5432/bess"),
        ("postgresql://localhost/bess?password=s3cret", "postgresql://localhost/bess"),
        ("postgres://bess:p@ss@[::1]:5432/bess", "DATABASE_URL"),
        ("postgres://a@localhost:port/b", "DATABASE_URL"),
    ],
)
def test_password_is_never_shown(url: str, expected: str) -> None:
    assert shown(url) == expected


@pytest.mark.parametrize(
    "name",
    [
        "dispatches",
        "events",
        "fleet",
        "heartbeats",
        "journal",
        "partitions",
        "rollups",
        "sessions",
        "telemetry",
    ],
)
def test_queries_are_found_by_name_and_without_comments(name: str) -> None:
    loaded = queries.load(f"{name}.sql")
    assert loaded
    assert not any("--" in sql or sql.endswith(";") for sql in loaded.values())
