"""The fleet simulator against a real headend: what it says it has brought across is what is stored."""

import asyncio
import json
import signal
from pathlib import Path

import asyncpg
import pytest

from kit.postgres_store import database
from kit.processes import Program
from kit.system import Json, System, kill

SITES, ASSETS, TICK_S = 4, 6, 0.1
BRISK = ("--tick-s", str(TICK_S), "--heartbeat-s", "0.5")


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    args = ("inventory", "--sites", str(SITES), "--assets-per-site", str(ASSETS), "--seed", "5")
    with Program.module("der_cli", "fleet", *args) as program:
        assert program.wait() == 0
        path = tmp_path_factory.mktemp("fleet") / "fleet.yaml"
        path.write_text("\n".join([*program.stdout, ""]), encoding="utf-8")
    return path


def fleet(system: System, inventory: Path, *args: str) -> Program:
    env = {"HEADEND_GRPC": system.grpc_address}
    return Program.module("der_cli", "fleet", "run", "--inventory", str(inventory), *BRISK, *args, env=env)


def result(program: Program, *, code: int = 0) -> Json:
    """The line of JSON that a run ends with."""
    assert program.wait(deadline_s=30.0) == code, program
    assert len(program.stdout) == 1
    return json.loads(program.stdout[0])


def stored(system: System) -> int:
    lines = system.http.get("/metrics").text.splitlines()
    return int(float(next(line.split()[1] for line in lines if line.startswith("der_ingest_rows_total"))))


def test_counts_are_those_of_the_headend(inventory: Path) -> None:
    with (
        System(ASSETS_PATH=str(inventory)) as system,
        fleet(system, inventory, "--duration-s", "0.5", "--signals", "all") as run,
    ):
        said = result(run)
        assert (said["sites"], said["assets"], said["connected"]) == (SITES, SITES * ASSETS, SITES)
        assert said["generated"] == said["acknowledged"] == stored(system) == 5 * SITES * ASSETS
        assert said["records_generated"] == said["records_acknowledged"] == 5 * SITES
        assert (said["dropped"], said["waiting"], said["refused"]) == (0, 0, {})
        asset = system.get("/assets")[0]["id"]
        assert len(system.get(f"/telemetry/{asset}/history")) == 5
        assert {session["reason"] for agent in system.get("/agents") for session in agent["sessions"]} == {
            "closed by the agent"
        }


def test_agents_of_one_asset_share_connections_and_come_back_from_faults(inventory: Path) -> None:
    args = ("--single-asset", "--processes", "2", "--agents-per-connection", "5", "--duration-s", "1.5")
    with (
        System(ASSETS_PATH=str(inventory)) as system,
        fleet(system, inventory, *args, "--faults", "link=20,alarm=20,bad=20") as run,
    ):
        said = result(run)
        assert said["agents"] == SITES * ASSETS
        assert said["generated"] == said["acknowledged"] == stored(system)
        assert said["reconnects"] > 0
        assert said["events"] == len(system.get("/events", limit=1000)) > 0


def test_a_killed_headend_loses_nothing_and_stores_nothing_twice(inventory: Path) -> None:
    with database() as url, System(ASSETS_PATH=str(inventory), DATABASE_URL=url) as system:
        with fleet(system, inventory, "--duration-s", "4", "--faults", "stale=20") as run:
            system.wait(lambda: stored(system) > 0, "something stored")
            kill(system.headend)
            system.start_headend()
            said = result(run)
        assert said["reconnects"] >= SITES
        assert said["acknowledged"] == said["generated"]

        async def rows() -> Json:
            connection = await asyncpg.connect(url)
            try:
                return await connection.fetchval("select count(*) from telemetry")
            finally:
                await connection.close()

        assert asyncio.run(rows()) == said["generated"]


def test_a_dispatch_comes_into_force_and_is_taken_back(inventory: Path) -> None:
    with System(ASSETS_PATH=str(inventory)) as system, fleet(system, inventory) as run:
        site = system.get("/sites")[0]["id"]
        system.wait_for_agent(site, connected=True)
        system.wait(lambda: stored(system) > 0, "telemetry")
        record = system.dispatch(site_id=site, mw=0.5)
        assert record["state"] == "active"
        assert sum(part["applied_mw"] for part in record["allocations"]) == pytest.approx(0.5)
        short = system.dispatch(site_id=system.get("/sites")[1]["id"], mw=0.5, duration_s=0.2)
        system.wait_for_state(short["id"], "completed")
        system.http.delete(f"/dispatch/{record['id']}").raise_for_status()
        system.wait_for_state(record["id"], "cancelled")
        left = system.dispatch(site_id=site, mw=0.5)
        run.send(signal.SIGTERM)
        said = result(run)
        assert said["setpoints"] == 3
        assert said["acknowledged"] == said["generated"] == stored(system)
        system.wait_for_state(left["id"], "failed")


def test_a_killed_simulator_finds_its_spools_again(inventory: Path, tmp_path: Path) -> None:
    spool = ("--spool", str(tmp_path / "spools"))
    with System(ASSETS_PATH=str(inventory)) as system:
        with fleet(system, inventory, *spool) as first:
            system.wait(lambda: stored(system) > 0, "telemetry")
            kill(system.headend)
            first.wait_for(r"waiting [1-9]\d\d")
            kill(first)
        system.start_headend()
        with fleet(system, inventory, *spool, "--duration-s", "0.3") as second:
            said = result(second)
        assert said["recovered"] >= 100
        assert said["generated"] == said["recovered"] + 3 * SITES * ASSETS
        assert said["acknowledged"] == said["generated"] == stored(system)


def test_agents_that_the_headend_does_not_know_are_refused_with_the_reason(inventory: Path) -> None:
    with System() as system, fleet(system, inventory, "--connect-s", "0.5") as run:
        said = result(run, code=1)
        assert said["refused"] == {"unknown_site": SITES}
        run.wait_for(
            r"^Error: .* refused all agents: unknown_site: site .* is not in the headend's inventory"
        )


def test_a_headend_that_is_not_there_is_named(inventory: Path) -> None:
    env = {"HEADEND_GRPC": "127.0.0.1:9", "ASSETS_PATH": str(inventory)}
    with Program.module("der_fleet", "run", "--connect-s", "0.2", env=env) as run:
        assert result(run, code=3)["connected"] == 0
        run.wait_for(r"^Error: no headend at HEADEND_GRPC=127\.0\.0\.1:9 within 0\.2 s: Connection refused")
