"""The headend on a real PostgreSQL: what a restart keeps, what an outage leaves running, and the reset procedures."""

import asyncio
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from kit.postgres import PostgresServer, migrate
from kit.postgres_store import database
from kit.processes import Program
from kit.system import ASSET_A, ASSET_B, ASSET_C, GATEWAY, SITE_ID, System, kill

TWELVE_MW = {ASSET_A: 7.2, ASSET_B: 2.4, ASSET_C: 2.4}


@pytest.fixture
def url() -> Iterator[str]:
    with database() as name:
        yield name


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server of its own, to be killed and paused."""
    with PostgresServer() as server:
        yield server


def open_sessions(entry: dict[str, list[dict[str, str | None]]]) -> int:
    return sum(s["disconnected_at"] is None for s in entry["sessions"])


def test_a_killed_headend_finds_everything_again_and_never_has_two_open_sessions(url: str) -> None:
    with System(DATABASE_URL=url) as system:
        system.start_agent(GATEWAY)
        active = system.dispatch(site_id=SITE_ID, mw=12)
        waiting = system.dispatch(wait=None, asset_id="7ba7b812-9dad-11d1-80b4-00c04fd430c8", mw=3, ttl_s=120)
        system.wait_for_mw(TWELVE_MW)
        system.wait(lambda: len(system.get(f"/telemetry/{ASSET_A}/history")) >= 3, "some history")
        before = system.get(f"/telemetry/{ASSET_A}/history")
        kill(system.headend)
        assert "alembic" not in str(system.headend), "a library's own affair"
        system.start_headend()
        system.wait_for_agent(SITE_ID, connected=True)
        entry = system.agent(SITE_ID)
        assert open_sessions(entry) == 1
        assert [s["reason"] for s in entry["sessions"][1:]] == ["headend restarted"]
        assert entry["sessions"][1]["disconnected_at"] is not None
        assert system.get(f"/dispatch/{active['id']}")["state"] == "active"
        assert system.get(f"/dispatch/{waiting['id']}")["state"] == "queued"
        after = system.get(f"/telemetry/{ASSET_A}/history")
        stamps = [sample["timestamp"] for sample in after]
        assert len(stamps) == len(set(stamps))
        assert [s["timestamp"] for s in before] == stamps[-len(before) :]


def test_reset_headend_state_empties_the_database_loudly(url: str) -> None:
    with System(DATABASE_URL=url) as system:
        system.start_agent(GATEWAY)
        system.dispatch(site_id=SITE_ID, mw=12)
        assert system.headend.stop() == 0
    with System(DATABASE_URL=url) as system:
        (agent,) = system.get("/agents")
        assert [session["reason"] for session in agent["sessions"]] == ["headend is stopping"]
        assert len(system.get("/dispatch/history")) == 1
        assert system.headend.stop() == 0
    with System(DATABASE_URL=url, DB_RESET="1") as system:
        system.headend.wait_for("DB_RESET")
        assert system.get("/agents") == []
        assert system.get("/dispatch/history") == []
        assert len(system.get("/assets")) == 5


def test_while_the_database_is_away_everything_live_goes_on_and_catches_up_by_itself(
    own_server: PostgresServer,
) -> None:
    with System(DATABASE_URL=own_server.url(own_server.create_database()), CONSOLE="1") as system:
        system.start_agent(GATEWAY)
        system.wait_for_mw(dict.fromkeys(TWELVE_MW, 0.0))
        own_server.kill()
        system.wait(lambda: system.http.get("/readyz").status_code == 503, "/readyz to say what is wrong")
        assert "store" in system.http.get("/readyz").text
        record = system.dispatch(site_id=SITE_ID, mw=12)
        assert record["state"] == "active"
        assert any("will be stored" in warning for warning in record["warnings"])
        system.wait_for_mw(TWELVE_MW)
        assert len(system.get("/assets")) == 5
        assert system.agent(SITE_ID)["connected"] is True
        assert [each["id"] for each in system.get("/dispatch/open")] == [record["id"]]
        assert system.get("/events", active=True) == []
        refused = system.http.get(f"/telemetry/{ASSET_A}/history")
        assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
        assert int(refused.headers["retry-after"]) >= 1
        pages = (
            "/",
            f"/ui/site/{SITE_ID}",
            f"/ui/asset/{ASSET_A}",
            "/ui/dispatch",
            "/ui/events",
            "/ui/agents",
        )
        assert {path: system.http.get(path).status_code for path in pages} == dict.fromkeys(pages, 200)
        own_server.start()
        system.wait(
            lambda: system.http.get("/readyz").status_code == 200, "the store to be back", deadline_s=30
        )
        system.wait(
            lambda: any(d["id"] == record["id"] for d in system.get("/dispatch/history")),
            "the dispatch of meanwhile to be stored",
            deadline_s=20,
        )
        stamps = [s["timestamp"] for s in system.get(f"/telemetry/{ASSET_A}/history", limit=1000)]
        assert len(stamps) == len(set(stamps))
        assert system.agent(SITE_ID)["connected"] is True


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("der-password", "wrong"), "refuses the user or the password"),
        (("/test_", "/no_such_"), "no such database"),
    ],
)
def test_a_database_that_can_not_be_used_is_one_clear_line(
    url: str, change: tuple[str, str], says: str
) -> None:
    env = {"ASSETS_PATH": "der_headend/assets_test.yaml", "DATABASE_URL": url.replace(*change)}
    with Program.module("der_headend", "--headend-http-addr=127.0.0.1:0", env=env) as headend:
        assert headend.wait() == 2
        (line,) = [line for line in headend.stderr if line.startswith("Error: ")]
        assert says in line
        assert "der-password" not in str(headend)
        assert "Traceback" not in str(headend)


def der(*args: str, url: str) -> Program:
    program = Program.module("der_cli", *args, env={"DATABASE_URL": url, "COLUMNS": "100"})
    program.wait(deadline_s=30.0)
    return program


def test_der_db_shows_migrates_and_empties(url: str, own_server: PostgresServer) -> None:
    fresh = own_server.url(own_server.create_database())
    found = json.loads("".join(der("db", "status", "--json", url=fresh).stdout))
    assert (found["schema_revision"], found["up_to_date"], found["tables"]) == (None, False, {})
    assert "was migrated" in str(der("db", "migrate", url=fresh))
    assert "was up to date" in str(der("db", "migrate", url=fresh))
    with System(DATABASE_URL=url) as system:
        system.start_agent(GATEWAY)
        system.dispatch(site_id=SITE_ID, mw=12)
        assert system.headend.stop() == 0
    shown = der("db", "status", url=url)
    assert shown.exit_code == 0
    assert "up to date" in str(shown)
    assert "telemetry" in str(shown)
    assert "der-password" not in str(shown)
    asked = der("db", "reset", url=url)
    assert (asked.exit_code, "--yes" in str(asked)) == (2, True)
    assert "is empty" in str(der("db", "reset", "--yes", url=url))
    with System(DATABASE_URL=url) as system:
        assert system.get("/dispatch/history") == []


def test_der_db_sends_nobody_to_migrate_a_schema_of_another_version(own_server: PostgresServer) -> None:
    url = own_server.url(own_server.create_database())
    migrate(url)
    asyncio.run(pretend_revision(url, "9999"))
    shown = der("db", "status", url=url)
    assert shown.exit_code == 0
    assert "schema 9999 (made by another version of this program, run that one" in " ".join(shown.stdout)
    assert "der db migrate" not in str(shown)


async def pretend_revision(url: str, revision: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("update schema_version set version_num = $1", revision)
    await connection.close()


def test_der_db_says_in_one_line_what_is_wrong(url: str) -> None:
    wrong = der("db", "status", url=url.replace("der-password", "wrong"))
    assert wrong.exit_code == 1
    assert [line for line in wrong.stderr if line.startswith("Error: ")]
    assert "Traceback" not in str(wrong)


def test_reset_refuses_a_database_on_another_machine() -> None:
    distant = der("db", "reset", "--yes", url="postgres://der:x@db.example.org/der")
    assert distant.exit_code == 1
    assert "not on this machine" in str(distant)


def test_a_headend_goes_on_with_a_restored_backup(own_server: PostgresServer, tmp_path: Path) -> None:
    original, copy = (own_server.url(own_server.create_database()) for _ in range(2))
    with System(DATABASE_URL=original) as system:
        system.start_agent(GATEWAY)
        record = system.dispatch(site_id=SITE_ID, mw=12, duration_s=1)
        system.wait_for_state(record["id"], "completed")
        system.wait(lambda: len(system.get("/dispatch/history", state="completed")) == 1, "it to be stored")
        assert system.headend.stop() == 0
        before = [s["session_id"] for s in system_sessions(original)]
    dump = tmp_path / "fleet.dump"
    subprocess.run(
        [own_server.binaries / "pg_dump", "--format=custom", f"--file={dump}", original], check=True
    )
    subprocess.run([own_server.binaries / "pg_restore", "--no-owner", f"--dbname={copy}", dump], check=True)
    with System(DATABASE_URL=copy) as system:
        assert system.get(f"/dispatch/{record['id']}")["state"] == "completed"
        assert [s["session_id"] for s in system.agent(SITE_ID)["sessions"]] == before
        assert len(system.get(f"/telemetry/{ASSET_A}/history")) > 0
        system.start_agent(GATEWAY)
        assert system.dispatch(site_id=SITE_ID, mw=6)["state"] == "active"


def system_sessions(url: str) -> list[dict[str, str]]:
    """The sessions of Gateway-Test that a headend finds in a database."""
    with System(DATABASE_URL=url) as system:
        sessions: list[dict[str, str]] = system.agent(SITE_ID)["sessions"]
        return sessions


def test_an_hours_worth_of_frames_waits_out_a_database_outage(
    own_server: PostgresServer, tmp_path: Path
) -> None:
    """900 frames, as many as a gateway makes in an hour at one every four seconds, in a minute of outage."""
    url = own_server.url(own_server.create_database())
    with System(DATABASE_URL=url) as system:
        agent = {**GATEWAY, "SPOOL_PATH": str(tmp_path / "spool.sqlite3"), "TICK_S": "0.05"}
        system.start_agent(agent)
        system.wait_for_mw(dict.fromkeys(TWELVE_MW, 0.0))
        before_mb = rss_mb(system.headend)
        own_server.kill()
        system.wait(lambda: spooled(system) >= 900, "an hour's worth of frames", deadline_s=90)
        assert system.agent(SITE_ID)["connected"] is True
        live = system.get(f"/telemetry/{ASSET_A}")["timestamp"]
        system.wait(lambda: system.get(f"/telemetry/{ASSET_A}")["timestamp"] > live, "live values to go on")
        assert rss_mb(system.headend) - before_mb < 30
        own_server.start()
        system.wait(lambda: spooled(system) < 50, "the spool to drain", deadline_s=40)
        assert system.headend.stop() == 0
        rows, moments, gap_s = asyncio.run(stored_frames(url))
        assert rows == 3 * moments
        assert moments >= 900
        assert gap_s < 1.0


def spooled(system: System) -> int:
    count: int = system.get(f"/heartbeat/{ASSET_A}")["spooled_records"]
    return count


def rss_mb(program: Program) -> float:
    size: int = psutil.Process(program.pid).memory_info().rss
    return size / 1e6


async def stored_frames(url: str) -> tuple[int, int, float]:
    """Rows, moments, and the longest time in seconds between two moments."""
    connection = await asyncpg.connect(url)
    try:
        found = await connection.fetchrow(
            "select sum(n)::int, count(*)::int, extract(epoch from max(at - before))::float8 "
            "from (select at, count(*) as n, lag(at) over (order by at) as before from telemetry group by at) as t"
        )
    finally:
        await connection.close()
    assert found is not None
    return found[0], found[1], found[2]
