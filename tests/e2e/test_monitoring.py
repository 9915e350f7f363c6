"""A real Prometheus scrapes a real headend and agent; what alerts and dashboards ask for is really there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from kit.processes import REPOSITORY, Program, free_port
from kit.system import GATEWAY, System
from kit.tools import tool

DEPLOY = REPOSITORY / "deploy"


class Monitored(System):
    """A headend, and an agent that has metrics of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.agent_metrics = f"127.0.0.1:{free_port()}"
        self.start_agent({**GATEWAY, "METRICS_ADDR": self.agent_metrics})


@pytest.fixture(scope="module", name="system")
def run_system() -> Iterator[Monitored]:
    with Monitored() as system:
        yield system


def served(url: str) -> set[str]:
    """The names that a query can ask for."""
    answer = httpx.get(url)
    assert answer.status_code == httpx.codes.OK
    assert answer.headers["content-type"].startswith("text/plain; version=")
    names = set()
    for family in text_string_to_metric_families(answer.text):
        parts = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"]}.get(family.type, [""])
        names |= {family.name + part for part in parts}
    return names


def asked_for(text: str) -> set[str]:
    """The names of metrics in a rule or query."""
    return set(re.findall(r"\b(?:der|edge_agent|process)_[a-z_]+", re.sub(r'"[^"]*"', "", text)))


def queries() -> dict[str, str]:
    """Every expression of the rules and dashboards, by where it stands."""
    groups = yaml.safe_load((DEPLOY / "prometheus/rules/der-fleet.yml").read_text(encoding="utf-8"))["groups"]
    found = {rule["alert"]: rule["expr"] for group in groups for rule in group["rules"]}
    for path in (DEPLOY / "grafana" / "dashboards").glob("*.json"):
        for panel in json.loads(path.read_text(encoding="utf-8"))["panels"]:
            for target in panel["targets"]:
                found[f"{path.stem}: {panel['title']} {target['refId']}"] = target["expr"]
    return found


def test_every_metric_that_is_asked_for_is_served(system: Monitored) -> None:
    there = served(f"{system.url}/metrics") | served(f"http://{system.agent_metrics}/metrics")
    missing = {place: lacking for place, query in queries().items() if (lacking := asked_for(query) - there)}
    assert missing == {}


def test_every_metric_that_is_served_is_explained(system: Monitored) -> None:
    page = (REPOSITORY / "docs" / "how-to" / "monitoring.md").read_text(encoding="utf-8")
    explained = asked_for(" ".join(re.findall(r"^\| (.*?) \|", page, re.MULTILINE)))
    there = served(f"{system.url}/metrics") | served(f"http://{system.agent_metrics}/metrics")
    named = {re.sub(r"(?<=seconds)_(bucket|sum|count)$", "", name) for name in there}
    assert {name for name in named if not name.startswith("process_")} == explained - {"process_"}


def test_prometheus_scrapes_headend_and_agent_by_the_shipped_configuration(
    system: Monitored, tmp_path: Path
) -> None:
    config = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "200ms", "scrape_timeout": "200ms", "evaluation_interval": "200ms"}
    config["rule_files"] = [str(DEPLOY / "prometheus" / "rules" / "*.yml")]
    targets = {"der_headend": f"127.0.0.1:{system.http_port}", "edge_agent": system.agent_metrics}
    for job in config["scrape_configs"]:
        job["static_configs"] = [{"targets": [targets[job["job_name"]]]}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    url = f"http://127.0.0.1:{(port := free_port())}"
    arguments = (
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    with Program(tool("prometheus"), *arguments) as prometheus:
        prometheus.wait_for("Server is ready to receive web requests")

        def value(query: str) -> float | None:
            answer = httpx.get(f"{url}/api/v1/query", params={"query": query}).json()
            assert answer["status"] == "success", answer
            return next((float(series["value"][1]) for series in answer["data"]["result"]), None)

        def rules() -> list[dict[str, Any]]:
            groups = httpx.get(f"{url}/api/v1/rules").json()["data"]["groups"]
            return [rule for group in groups for rule in group["rules"]]

        system.wait(lambda: value('up{job="der_headend"}') == 1, "the headend to be up for Prometheus")
        assert value("der_assets") == 5
        assert value("der_assets_served") == 3
        system.wait(lambda: (value("der_ingest_rows_total") or 0) > 0, "samples counted by Prometheus")
        system.wait(lambda: value("edge_agent_link_up") == 1, "the agent's link to be up for Prometheus")
        system.wait(lambda: all(rule["health"] == "ok" for rule in rules()), "all rules to be evaluated")
        for place, query in queries().items():
            assert "$" not in query.replace("$instance", ""), place
            value(query.replace("$instance", ".*"))
