"""A backup made with pg_dump and brought back with pg_restore is the same database, and a headend can go on with it."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from der_core.dispatch import Target
from der_core.lifecycle import State, Transition
from der_core.packed import Ids
from der_headend.ports import Batch, EventQuery, HistoryQuery, SessionRecord
from der_headend.store.postgres import PostgresStore
from kit import records
from kit.postgres import PostgresServer, shared_server
from kit.postgres_store import database, new_store
from kit.records import A, B, rows

START_US = 1_767_225_600_000_000
SESSION = SessionRecord(
    session_id=UUID(int=1),
    agent_id="gateway",
    mode="gateway",
    site_id=records.SITE,
    peer="127.0.0.1:5",
    connected_at=records.at(0),
    last_seen_at=records.at(0),
    asset_ids=Ids.of((A, B)),
    spool_id=UUID(int=2),
)
TABLES = (
    *("sites", "assets", "sessions", "spools", "dispatches", "allocations", "events", "heartbeats"),
    *("signals", "states", "telemetry", "rollup_1m", "rollup_5m", "rollup_frontier", "rollup_late"),
)


@pytest.fixture
def server() -> PostgresServer:
    return shared_server()


@pytest.fixture
def url() -> Iterator[str]:
    with database() as made:
        yield made


@pytest.fixture
async def store(url: str) -> AsyncIterator[PostgresStore]:
    opened = new_store(url)
    await opened.open()
    yield opened
    await opened.close()


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


def of_everything() -> Batch:
    whole = records.dispatch(0, assets=(A, B), target=Target.SITE)
    sent = whole.moved(Transition(State.SENT, records.at(1), "headend"), agents={A: "gateway", B: "gateway"})
    return Batch(
        rows=[
            rows(
                START_US + n * 1_000_000,
                [0, 1],
                {"current_mw": [1.5, -2.5], "status": [1.0, 2.0], "voltage_v": [9.0, 1.0]},
            )
            for n in range(100)
        ],
        events=[records.event(n) for n in range(5)],
        heartbeats=[records.heartbeat(n) for n in range(5)],
        dispatches={sent.id: sent},
        sessions={SESSION.session_id: SESSION},
        marks={records.SITE: 100},
    )


async def content(url: str) -> dict[str, list[str]]:
    """Every row of every table."""
    connection = await asyncpg.connect(url)
    try:
        return {t: sorted(map(str, await connection.fetch(f"table {t}"))) for t in TABLES}
    finally:
        await connection.close()


async def test_restored_copy_has_every_row(
    server: PostgresServer,
    url: str,
    store: PostgresStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("der_headend.store.postgres.rollups._QUIET_US", 0)
    stored = of_everything()
    await store.commit(stored)
    await store.keep_up()
    before = await content(url)
    assert all(before[table] for table in TABLES if table != "rollup_late")

    dump = tmp_path / "fleet.dump"
    copy = server.create_database()
    to_copy = f"--dbname={server.url(copy)}"
    await asyncio.to_thread(run, server.binaries / "pg_dump", "--format=custom", f"--file={dump}", url)
    await asyncio.to_thread(
        run, server.binaries / "pg_restore", "--no-owner", "--exit-on-error", to_copy, dump
    )

    assert await content(server.url(copy)) == before
    restored = new_store(server.url(copy))
    await restored.open()
    await restored.commit(
        Batch(rows=[rows(START_US + 10**9, [0], {"current_mw": [3.0]})], marks={records.SITE: 101})
    )
    assert await restored.mark(records.SITE) == 101
    assert await restored.dispatches.unfinished() == list(stored.dispatches.values())
    assert len((await restored.events.page(EventQuery(limit=10))).items) == 5
    query = HistoryQuery(
        slot=0, start_us=START_US, end_us=START_US + 10**10, limit=1000, bucket_us=60_000_000
    )
    assert (await restored.telemetry.history(query)).columns["current_mw"]["last"].tolist() == [1.5, 1.5, 3.0]
    await restored.close()
    server.drop_database(copy)
