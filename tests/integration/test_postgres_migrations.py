"""The first contact with a database: migrated once, refused plainly, waited for visibly."""

import asyncio
import logging
from collections.abc import Iterator
from io import StringIO

import asyncpg
import pytest

from der_headend.ports import Batch
from der_headend.store.postgres import administration
from der_headend.store.postgres.migrations import current_revision, newest_revision, upgrade
from der_headend.store.postgres.opening import first_connection
from der_headend.store.postgres.store import refuse_distant
from der_runtime.failure import StartFailed
from der_runtime.logs import LogFormat, LogLevel, configure_logging
from kit import records
from kit.postgres import USER, PostgresServer, shared_server
from kit.postgres_store import new_store
from kit.stores import ASSETS


@pytest.fixture
def server() -> PostgresServer:
    return shared_server()


@pytest.fixture
def name(server: PostgresServer) -> Iterator[str]:
    """A database that nobody has migrated."""
    made = server.create_database()
    yield made
    server.drop_database(made)


async def test_two_headends_that_start_at_once_migrate_once(server: PostgresServer, name: str) -> None:
    stores = [new_store(server.url(name)) for _ in range(4)]
    await asyncio.gather(*(store.open() for store in stores))
    connection = await asyncpg.connect(server.url(name))
    assert await current_revision(connection) == newest_revision()
    assert await connection.fetchval("select count(*) from schema_version") == 1
    assert await connection.fetchval("select count(*) from assets") == ASSETS
    await connection.close()
    for store in stores:
        await store.close()


async def test_migrating_again_changes_nothing(server: PostgresServer, name: str) -> None:
    connection = await asyncpg.connect(server.url(name))
    assert await upgrade(connection)
    assert not await upgrade(connection)
    await connection.close()


async def test_newer_schema_is_refused(server: PostgresServer, name: str) -> None:
    connection = await asyncpg.connect(server.url(name))
    await upgrade(connection)
    await connection.execute("update schema_version set version_num = '9999'")
    await connection.close()
    with pytest.raises(StartFailed, match=r"9999.*Run the version that migrated it"):
        await new_store(server.url(name)).open()


async def test_failed_migration_leaves_nothing_behind(server: PostgresServer, name: str) -> None:
    connection = await asyncpg.connect(server.url(name))
    await connection.execute("create table heartbeats (theirs int)")
    with pytest.raises(StartFailed, match=r"nothing was changed.*heartbeats"):
        await upgrade(connection)
    assert await current_revision(connection) is None
    assert await connection.fetchval("select to_regclass('assets')") is None
    await connection.close()


async def test_wrong_password_is_said_at_once(server: PostgresServer) -> None:
    with pytest.raises(StartFailed, match="refuses the user or the password") as caught:
        await first_connection(server.url(password="wrong"), patience_s=60.0)
    assert "wrong" not in str(caught.value)
    assert len(caught.value.lines) == 1


async def test_wrong_database_is_said_at_once(server: PostgresServer) -> None:
    with pytest.raises(StartFailed, match=r"no such database.*nowhere"):
        await first_connection(server.url("nowhere"), patience_s=60.0)


async def test_unreachable_server_is_waited_for_and_then_named(
    server: PostgresServer, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        StartFailed, match=r"no database at postgres://der@127\.0\.0\.1:1/postgres after 0\.6 s"
    ):
        await first_connection(server.url(port=1), patience_s=0.6)
    assert "database unreachable, trying again" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("parameter", "said"),
    [
        ("sslmode=require", "rejected SSL upgrade.*sslmode in DATABASE_URL"),
        ("sslmode=whatever", "sslmode.*Correct DATABASE_URL, e.g. DATABASE_URL=postgres://"),
        ("connect_timeout=5", 'parameter "connect_timeout". Correct DATABASE_URL'),
        ("max_connections=5", "without restarting the server. Correct DATABASE_URL"),
    ],
)
async def test_parameters_that_no_waiting_mends_are_said_at_once(
    server: PostgresServer, capsys: pytest.CaptureFixture[str], parameter: str, said: str
) -> None:
    with pytest.raises(StartFailed, match=said) as caught:
        await first_connection(f"{server.url()}?{parameter}", patience_s=60.0)
    assert len(caught.value.lines) == 1
    assert "trying again" not in capsys.readouterr().out


async def test_a_migration_is_one_line_in_the_log(
    server: PostgresServer, name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", logging.getLogger().handlers[:])
    configure_logging(LogLevel.INFO, LogFormat.JSON, stream=StringIO())
    connection = await asyncpg.connect(server.url(name))
    with caplog.at_level(logging.INFO):
        await upgrade(connection)
    await connection.close()
    assert [record for record in caplog.records if record.name.startswith("alembic")] == []


@pytest.mark.parametrize("url", ["mysql://a@localhost/b", "nonsense", "postgres://a@localhost:port/b"])
async def test_malformed_url_is_one_line(url: str) -> None:
    with pytest.raises(StartFailed) as caught:
        await first_connection(url, patience_s=0.0)
    assert len(caught.value.lines) == 1


async def test_old_server_is_refused(server: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("der_headend.store.postgres.opening.OLDEST_SERVER", 990000)
    with pytest.raises(StartFailed, match="99 or newer is needed"):
        await first_connection(server.url())


async def test_reset_empties_every_table(server: PostgresServer, name: str) -> None:
    store = new_store(server.url(name))
    await store.open()
    dispatch = records.dispatch(0)
    await store.commit(
        Batch(
            rows=[records.rows(1_767_225_600_000_000, [0], {"current_mw": [1.0]})],
            events=[records.event(0)],
            heartbeats=[records.heartbeat(0)],
            dispatches={dispatch.id: dispatch},
            marks={dispatch.id: 3},
        )
    )
    await store.close()
    again = new_store(server.url(name))
    await again.open(reset="1")
    connection = await asyncpg.connect(server.url(name))
    for table in ("telemetry", "events", "heartbeats", "dispatches", "allocations", "spools", "rollup_late"):
        assert not await connection.fetch(f"table {table}"), table
    assert await connection.fetchval("select count(*) from assets") == ASSETS
    await connection.close()
    await again.close()


def test_reset_of_a_distant_database_needs_force() -> None:
    url = f"postgres://{USER}@db.example.org/fleet"
    with pytest.raises(StartFailed, match="DB_RESET=force"):
        refuse_distant(url, "1")
    refuse_distant(url, "force")
    refuse_distant(f"postgres://{USER}@localhost/fleet", "1")


async def test_reset_of_a_database_that_the_environment_names_needs_force(
    server: PostgresServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGHOST", "db.example.org")
    url = f"postgres:///{name}"
    with pytest.raises(StartFailed, match="PGHOST"):
        await new_store(url).open(reset="yes")
    with pytest.raises(StartFailed, match="PGHOST"):
        await administration.reset(url, force=False, patience_s=0.0)
