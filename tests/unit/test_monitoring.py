"""What ``deploy/`` has for Prometheus and Grafana is valid, complete and of one piece."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.processes import REPOSITORY
from kit.tools import tool

PROMETHEUS = REPOSITORY / "deploy" / "prometheus"
GRAFANA = REPOSITORY / "deploy" / "grafana"
RULES = PROMETHEUS / "rules" / "der-fleet.yml"
RULE_TESTS = PROMETHEUS / "tests" / "der-fleet.test.yml"
DASHBOARDS = sorted((GRAFANA / "dashboards").glob("*.json"))


def alerts() -> dict[str, dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "config", PROMETHEUS / "prometheus.yml"],
        ["check", "rules", RULES],
        ["test", "rules", RULE_TESTS],
    ],
    ids=["config", "rules", "rule tests"],
)
def test_promtool_finds_nothing_wrong(arguments: list[str | Path]) -> None:
    said = subprocess.run(
        [tool("promtool"), *arguments], capture_output=True, text=True, check=False, timeout=30
    )
    assert said.returncode == 0, said.stdout + said.stderr
    assert "SUCCESS" in said.stdout


@pytest.mark.parametrize("name", alerts())
def test_an_alert_says_how_urgent_it_is_and_what_to_do(name: str) -> None:
    rule = alerts()[name]
    assert re.fullmatch(r"\d+m", rule["for"])
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "action"}


@pytest.mark.parametrize("name", alerts())
def test_an_alert_is_seen_to_fire(name: str) -> None:
    assert f'{{alertname="{name}"}}' in RULE_TESTS.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_a_dashboard_asks_the_provisioned_source_and_has_no_panels_on_top_of_each_other(path: Path) -> None:
    board = json.loads(path.read_text(encoding="utf-8"))
    sources = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert {panel["datasource"]["uid"] for panel in board["panels"]} == {source["uid"] for source in sources}
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    cells = [cell for panel in board["panels"] for cell in _cells(panel["gridPos"])]
    assert len(set(cells)) == len(cells)


def test_each_dashboard_has_a_name_of_its_own() -> None:
    boards = [json.loads(path.read_text(encoding="utf-8")) for path in DASHBOARDS]
    assert len({board["uid"] for board in boards}) == len({board["title"] for board in boards}) == len(boards)


def _cells(place: dict[str, int]) -> list[tuple[int, int]]:
    assert place["x"] + place["w"] <= 24
    return [
        (x, y)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
