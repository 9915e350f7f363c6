"""``der doctor`` on real programs: one set-up that works, and one for each way in which operators break theirs.

Only the processes that a test has started are looked at: other systems may run on the machine.
"""

import json
import os
import socket
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from typer.testing import CliRunner

from der_cli.main import app
from der_cli.processes import running
from der_cli.world import World
from kit.postgres import PASSWORD, PostgresServer, shared_server
from kit.postgres_store import database
from kit.processes import REPOSITORY, SHIPPED_INVENTORY, Program, free_port
from kit.system import ASSET_A, BRISK, GATEWAY, SINGLE_ASSET, SITE_ID, System

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sees processes in /proc")


@pytest.fixture
def system() -> Iterator[System]:
    with System() as running_system:
        yield running_system


def verdicts(url: str, *programs: Program, **environ: str) -> dict[str, Any]:
    """What ``der doctor --json`` finds, by name, with these programs alone on the machine."""
    mine = {program.pid for program in programs}
    world = World(processes=lambda: [each for each in running() or () if each.pid in mine])
    shell = dict.fromkeys(("DATABASE_URL", "ASSETS_PATH", "HEADEND_GRPC", "HEADEND_GRPC_ADDR", "SITE_ID"))
    result = CliRunner().invoke(
        app, ["doctor", "--json", "--headend", url], obj=world, env={**shell, **environ}
    )
    document = json.loads(result.stdout)
    assert document["healthy"] is (result.exit_code == 0)
    return {check["name"]: check for check in document["checks"]}


def wrong(checks: dict[str, Any]) -> dict[str, str]:
    return {
        name: check["seen"] for name, check in checks.items() if check["verdict"] in {"warning", "problem"}
    }


def nowhere() -> str:
    return f"http://127.0.0.1:{free_port()}"


def test_a_working_set_up_has_nothing_wrong(system: System) -> None:
    agent = system.start_agent(GATEWAY)
    system.wait(lambda: all(a["online"] for a in system.get("/sites/" + SITE_ID)["assets"]), "live values")
    system.dispatch(site_id=SITE_ID, mw=12.0)
    system.wait(lambda: system.get("/agents")[0]["clock_skew_s"] is not None, "a heartbeat")
    checks = verdicts(system.url, system.headend, agent)
    assert wrong(checks) == {}
    assert {name for name, check in checks.items() if check["verdict"] == "not checked"} <= {
        "Schema is not up to date"
    }
    assert "add up" in checks["Capacity-weighted split doesn't sum exactly"]["seen"]


def test_headend_not_running() -> None:
    url = nowhere()
    found = wrong(verdicts(url))
    assert "nothing that is a headend answers" in found["Headend not running"]


def test_headend_looked_for_at_the_wrong_place(system: System) -> None:
    mine = verdicts(nowhere(), system.headend, HEADEND_GRPC=system.grpc_address)["Headend not running"]
    assert mine["verdict"] == "problem"
    assert mine["commands"] == [f"export HEADEND={system.url}"]
    other = verdicts(nowhere(), system.headend)["Headend not running"]
    assert f"also on this machine: {system.url}" in other["seen"]
    assert [command.rpartition(" ")[2] for command in other["commands"]] == ["der_headend"]


def test_grpc_port_mismatch_and_agents_absent(system: System) -> None:
    elsewhere = f"127.0.0.1:{free_port()}"
    agent = system.start_agent(GATEWAY, through=elsewhere, connected=False)
    agent.wait_for("no link yet")
    checks = verdicts(system.url, system.headend, agent)
    assert f"calls {elsewhere} (HEADEND_GRPC), nothing listens there" in wrong(checks)["gRPC port mismatch"]
    assert checks["gRPC port mismatch"]["commands"] == [f"export HEADEND_GRPC={system.grpc_address}"]
    assert (
        f"edge_agent (pid {agent.pid}) runs and is not connected"
        in wrong(checks)["Agents don't appear in /agents"]
    )


def test_a_refused_agent_is_told_with_the_reason(system: System) -> None:
    gateway = system.start_agent(GATEWAY)
    single = system.start_agent(SINGLE_ASSET, connected=False)
    system.wait(lambda: system.get("/events", active=True), "an alarm")
    seen = wrong(verdicts(system.url, system.headend, gateway, single))["Agents don't appear in /agents"]
    assert f"edge_agent (pid {single.pid}) runs and is not connected; the headend refuses: " in seen
    assert "refused_asset_served_elsewhere: GT-BESS-A at " in seen
    assert f"agent {ASSET_A} from " in seen
    assert "stop that agent first" in seen


def test_wrong_variable_in_the_shell(system: System) -> None:
    found = wrong(verdicts(system.url, system.headend, HEADEND_GRCP=system.grpc_address))
    assert "HEADEND_GRCP is no variable of ours; HEADEND_GRPC is meant?" in found["Variable wrong or missing"]


def test_assets_file_not_found(system: System) -> None:
    found = wrong(verdicts(system.url, system.headend, ASSETS_PATH="no/such/assets.yaml"))
    assert "assets file not found. this shell: no no/such/assets.yaml" in found["Headend can't find assets"]


def test_inventories_differ(system: System, tmp_path: Path) -> None:
    other = tmp_path / "assets.yaml"
    text = SHIPPED_INVENTORY.read_text(encoding="utf-8")
    other.write_text(text.replace("max_mw: 60", "max_mw: 50"), encoding="utf-8")
    agent = system.start_agent(GATEWAY | {"ASSETS_PATH": str(other)})
    found = wrong(verdicts(system.url, system.headend, agent))
    assert "GT-BESS-A has max_mw 50, the headend has 60" in found["Inventories of headend and agent differ"]


def test_a_port_that_another_program_has_for_a_connection_of_its_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        far = listener.getsockname()
        with socket.create_connection(far) as calling:
            port = calling.getsockname()[1]
            found = wrong(verdicts(nowhere(), HEADEND_GRPC_ADDR=f"127.0.0.1:{port}"))
    assert found["Port already in use"].startswith(
        f"the headend does not run, and could not listen on 127.0.0.1:{port} (HEADEND_GRPC_ADDR): "
    )
    assert (
        f"(pid {os.getpid()}) has it for its connection to 127.0.0.1:{far[1]}" in found["Port already in use"]
    )


def test_the_same_agent_twice(system: System) -> None:
    first = system.start_agent(SINGLE_ASSET)
    with Program.module(
        "edge_agent", env={**BRISK, **SINGLE_ASSET, "HEADEND_GRPC": system.grpc_address}, cwd=REPOSITORY
    ) as second:
        second.wait_for("link up")
        found = verdicts(system.url, system.headend, first, second)
    twice = found["Duplicate sessions in /agents"]
    assert f"2 processes call themselves {ASSET_A}" in twice["seen"]
    assert twice["commands"] == [f"kill {max(first.pid, second.pid)}"]


def test_a_dispatch_that_waits_for_an_absent_agent(system: System) -> None:
    queued = system.dispatch(wait=None, site_id=SITE_ID, mw=5.0)
    checks = verdicts(system.url, system.headend)
    assert f"1 wait for an agent: {queued['id']}" in wrong(checks)["Dispatch stays queued"]
    assert "no agent has connected yet" in wrong(checks)["Agents don't appear in /agents"]


def test_a_database_that_is_not_there() -> None:
    url = f"postgres://bess:hunter2@127.0.0.1:{free_port()}/bess"
    found = wrong(verdicts(nowhere(), DATABASE_URL=url))
    assert "no database at postgres://bess@127.0.0.1" in found["Database does not answer"]
    assert "hunter2" not in str(found)


def test_as_a_process_of_its_own(system: System) -> None:
    with Program.module("der_cli", "doctor", "--headend", system.url, env={"NO_COLOR": "1"}) as doctor:
        assert doctor.wait(deadline_s=60) in {0, 1}
    assert any(line.startswith("ok           Headend running") for line in doctor.stdout)
    assert not any("Traceback" in line for line in doctor.stderr)


class TestDatabase:
    """The database of a real headend, and what a bug report tells of it."""

    def test_lost_while_the_headend_runs(self) -> None:
        with PostgresServer() as server, System(DATABASE_URL=server.url(server.create_database())) as system:
            server.kill()
            system.wait(lambda: not system.http.get("/readyz").is_success, "a headend that is not ready")
            lost = verdicts(system.url, system.headend)["Database does not answer"]
            assert lost["verdict"] == "problem"
            assert "the headend is not ready" in lost["seen"]
            assert PASSWORD not in str(lost)

    def test_without_the_newest_schema(self) -> None:
        server = shared_server()
        name = server.create_database()
        try:
            found = wrong(verdicts(nowhere(), DATABASE_URL=server.url(name)))
        finally:
            server.drop_database(name)
        assert "has revision none, the newest is" in found["Schema is not up to date"]

    def test_shared_by_two_headends_and_a_bug_report_without_its_password(self, tmp_path: Path) -> None:
        with database() as url, System(DATABASE_URL=url) as one, System(DATABASE_URL=url) as two:
            found = wrong(verdicts(one.url, one.headend, two.headend))
            assert "have the same DATABASE_URL" in found["Two headends on one database"]
            archive = tmp_path / "report.tar.gz"
            args = ("bugreport", "--headend", one.url, "--out", str(archive))
            with Program.module("der_cli", *args, env={"DATABASE_URL": url}) as report:
                assert report.wait(deadline_s=60) == 0, report
        with tarfile.open(archive) as packed:
            files = {info.name: packed.extractfile(info) for info in packed}
            texts = {name: file.read().decode() for name, file in files.items() if file}
        assert f"der_headend (pid {one.headend.pid})" in texts["report/programs/environment.json"]
        secret = urlsplit(url).password or PASSWORD
        assert [name for name, text in texts.items() if secret in text] == []
