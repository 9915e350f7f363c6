"""What the doctor says of agents that are refused, and whether the commands that it offers are whole."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from der_cli.doctor.command import diagnose
from der_cli.doctor.facts import Facts
from der_cli.doctor.files import read_all
from der_cli.doctor.findings import Finding, Verdict
from kit.doctor import AGENT_PROCESS, HEADEND_PROCESS, HEALTHY, agents_with, answering, down
from kit.fake_headend import NOW, SITE_ID, A
from kit.processes import SHIPPED_INVENTORY

AGENTS = "Agents don't appear in /agents"
SERVED_ELSEWHERE = f"agent {A} from p is refused: asset {A} is served by agent gw; stop that agent first"


def found(facts: Facts, name: str) -> Finding:
    (finding,) = [finding for finding in diagnose(facts) if finding.check.name == name]
    return finding


def alarm(code: str, message: str) -> Any:
    return {
        "id": code,
        "at": NOW,
        "site_id": SITE_ID,
        "asset_id": A,
        "severity": "warning",
        "kind": "raised",
        "code": code,
        "message": message,
        "acknowledged_at": None,
    }


REFUSED = answering(alarms=[alarm("refused_asset_served_elsewhere", SERVED_ELSEWHERE)])


def test_a_refused_agent_that_runs_here_is_told_with_the_code_and_the_reason() -> None:
    finding = found(replace(REFUSED, processes=agents_with().processes), AGENTS)
    assert finding.verdict is Verdict.PROBLEM
    assert finding.seen == (
        "edge_agent (pid 12) runs and is not connected; the headend refuses: "
        f"refused_asset_served_elsewhere: {SERVED_ELSEWHERE}"
    )
    assert finding.commands == ("der events --active",)


def test_a_refused_agent_of_another_machine_is_told_too() -> None:
    finding = found(REFUSED, AGENTS)
    assert finding.verdict is Verdict.WARNING
    assert finding.seen == f"the headend refuses: refused_asset_served_elsewhere: {SERVED_ELSEWHERE}"


def test_other_alarms_are_not_refusals() -> None:
    facts = answering(alarms=[alarm("limits_differ", "max_mw 60, here 50")])
    assert found(facts, AGENTS).verdict is Verdict.OK


def test_several_agents_are_told_in_the_plural() -> None:
    twins = replace(HEALTHY, processes=[HEADEND_PROCESS, AGENT_PROCESS, replace(AGENT_PROCESS, pid=12)])
    assert found(twins, "gRPC port mismatch").seen.endswith("edge_agent (pid 11); edge_agent (pid 12) agree")
    assert found(HEALTHY, "gRPC port mismatch").seen.endswith("edge_agent (pid 11) agrees")
    absent = found(replace(answering(agents=[]), processes=twins.processes), AGENTS)
    assert absent.seen == "edge_agent (pid 11); edge_agent (pid 12) run and are not connected"


def without_headend(folder: Path, **environ: str) -> Facts:
    """No headend, an agent that reads an inventory, and a shell in ``folder``."""
    agent = replace(
        AGENT_PROCESS,
        environ=dict(AGENT_PROCESS.environ or {}) | {"ASSETS_PATH": "my assets.yaml"},
        cwd=folder,
    )
    (folder / "my assets.yaml").write_text(SHIPPED_INVENTORY.read_text(encoding="utf-8"), encoding="utf-8")
    readings = read_all([agent], environ, folder, to_start=True, step=lambda _what: None)
    return replace(down(environ=environ, readings=readings), processes=[agent], cwd=folder)


def test_the_headend_is_offered_with_the_file_of_an_agent_that_runs(tmp_path: Path) -> None:
    facts, place = without_headend(tmp_path), f"ASSETS_PATH='{tmp_path.resolve() / 'my assets.yaml'}'"
    assert found(facts, "Headend not running").commands == (
        f"{place} HEADEND_GRPC_ADDR=127.0.0.1:50070 der_headend",
    )
    assert found(facts, "Headend can't find assets").commands == (f"export {place}",)


def test_the_headend_is_offered_without_a_file_where_the_shell_names_one(tmp_path: Path) -> None:
    facts = without_headend(tmp_path, ASSETS_PATH=str(SHIPPED_INVENTORY))
    (command,) = found(facts, "Headend not running").commands
    assert command == "HEADEND_GRPC_ADDR=127.0.0.1:50070 der_headend"


@pytest.mark.parametrize(
    ("taken", "exports"),
    [
        (
            3001,
            ("export HEADEND_HTTP_ADDR=127.0.0.1:23001", "export HEADEND=http://127.0.0.1:23001"),
        ),
        (
            50070,
            ("export HEADEND_GRPC_ADDR=127.0.0.1:20070", "export HEADEND_GRPC=127.0.0.1:20070"),
        ),
    ],
)
def test_another_port_is_offered_to_those_who_call_it_too(taken: int, exports: tuple[str, str]) -> None:
    facts = down(in_the_way=lambda at: "it is taken" if at.port == taken else None)
    assert found(facts, "Port already in use").commands[1:] == exports
