"""The documentation says what is true: what it names exists, and what it repeats from the code is the same there."""

import ast
import configparser
import importlib
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry

from der_client.reasons import meaning
from der_core.allocation import Candidate, split
from der_core.assets import Limits, limits_now
from der_core.lifecycle import State
from der_headend.rest.app import create_app
from der_headend.rest.services import Services
from der_runtime.inventory_file import load_inventory
from kit.processes import REPOSITORY, SHIPPED_INVENTORY
from kit.system import ASSET_A, ASSET_B, ASSET_C, SITE_ID

DOCS = REPOSITORY / "docs"
PAGES = sorted([REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *DOCS.rglob("*.md")])
LONGEST_LINE = 120
LONGEST_DECISION = 70

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))


def text(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """A page without its code blocks and generated blocks."""
    without_code = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.sub(r"<!-- generated: .*?<!-- end -->", "", without_code, flags=re.DOTALL)


def section(page: str, heading: str) -> str:
    return re.split(r"^## ", text(page).split(f"\n## {heading}\n")[1], flags=re.MULTILINE)[0]


def rows(markdown: str) -> list[list[str]]:
    """The cells of all tables, without heads."""
    lines = [line for line in markdown.splitlines() if line.startswith("|")]
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    heads = {place - 1 for place, cells in enumerate(table) if set(cells[0]) == {"-"}}
    return [c for place, c in enumerate(table) if place not in heads and set(c[0]) != {"-"}]


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def literals(*packages: str) -> set[str]:
    """Every text that stands in the code of some packages."""
    found: set[str] = set()
    for package in packages:
        for path in (REPOSITORY / package).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
            found.update(value for value in constants if isinstance(value, str))
    return found


_IN_USE = set(
    re.findall(r"der_headend\.store\.(\w+)", (REPOSITORY / "der_headend" / "factory.py").read_text("utf-8"))
)
"""The stores that the factory knows: what one that is not in use yet may raise, nobody can meet."""


def raised_codes(package: str) -> set[str]:
    """The codes of the errors of ``der_core.errors`` that a package makes."""
    kinds = {"Rejected", "NotFound", "Conflict", "Unavailable", "Defect"}
    return {
        node.args[0].value
        for path in (REPOSITORY / package).rglob("*.py")
        if path.parent.name in _IN_USE or path.parent.parent.name != "store"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in kinds
        if node.args and isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
    }


def test_generated_blocks_are_up_to_date() -> None:
    command = [sys.executable, "tools/gen_docs.py", "--check"]
    run = subprocess.run(
        command, cwd=REPOSITORY, env={"PYTHONPATH": "."}, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")


@pytest.mark.parametrize("contract", ["house", "headend", "agent"])
def test_the_diagrams_are_the_import_contracts(contract: str) -> None:
    contracts = configparser.ConfigParser()
    contracts.read(REPOSITORY / ".importlinter", encoding="utf-8")
    lines = contracts[f"importlinter:contract:{contract}"]["layers"].strip().splitlines()
    expected = [[name.strip(" ()") for name in line.split("|")] for line in lines]
    boxes = re.findall(rf"subgraph {contract}\d+\[.*?\]\n(.*?)\n    end", text("architecture.md"), re.DOTALL)
    assert [box.split() for box in boxes] == expected
    arrows = " --> ".join(f"{contract}{place}" for place in range(len(expected)))
    assert f"    {arrows}\n" in text("architecture.md")


@every_page
def test_named_tests_exist(page: Path) -> None:
    for path, name in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text(encoding="utf-8")):
        source = (REPOSITORY / path).read_text(encoding="utf-8")
        assert re.search(rf"^(async )?def {name}\(", source, re.MULTILINE), f"{path}::{name}"


@every_page
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", prose(page)):
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(slug, headings), target


@every_page
def test_lines_are_short_and_no_outside_host_is_named(page: Path) -> None:
    long = [line for line in prose(page).splitlines() if len(line) > LONGEST_LINE and line[0] != "|"]
    assert [line for line in long if "::test_" not in line] == []
    hosts = re.findall(r"\w+://([\w.-]+)", page.read_text(encoding="utf-8"))
    assert set(hosts) <= {"127.0.0.1", "localhost", "host", "user", "bess"}  # user names in database URLs


def test_pictures_name_no_outside_host() -> None:
    for picture in (DOCS / "images").glob("*.svg"):
        hosts = re.findall(r"https?://([\w.-]+)", picture.read_text(encoding="utf-8"))
        assert set(hosts) <= {"127.0.0.1", "www.w3.org"}, picture  # w3.org: the name space of SVG


def test_bounds_are_those_of_the_code() -> None:
    bounds = [
        row
        for row in rows(text("architecture.md"))
        if len(row) > 2 and re.fullmatch(r"`\w+(\.\w+)+\.[A-Z_]+`", row[1])
    ]
    assert len(bounds) > 10
    for _, name, bound, *_ in bounds:
        module, _, constant = name.strip("`").rpartition(".")
        assert getattr(importlib.import_module(module), constant) == int(bound), name


def test_every_state_and_only_reasons_of_the_code_are_explained() -> None:
    states = [codes(row[0])[0] for row in rows(section("explain/dispatch.md", "Life"))]
    assert states == list(State)
    known = " ".join(literals("der_core", "der_headend", "edge_agent"))
    for row in rows(section("explain/dispatch.md", "Reasons")):
        assert codes(row[0])[0].split()[0] in known, row[0]


def test_every_reason_that_the_headend_gives_is_explained_and_put_into_words() -> None:
    explained = {codes(row[0])[0].split()[0] for row in rows(section("explain/dispatch.md", "Reasons"))}
    given = {
        node.args[3].value
        for path in (REPOSITORY / "der_headend").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Transition"
        if len(node.args) > 3 and isinstance(node.args[3], ast.Constant)
    }
    assert "ttl_over" in given
    assert given <= explained
    assert [code for code in explained if meaning(code) == code] == []


def test_every_problem_code_is_explained_and_no_other() -> None:
    told = {code for row in rows(section("api.md", "Problems")) for code in codes(row[1])}
    refused = {
        code for row in rows(section("protocol.md", "Why an agent is refused")) for code in codes(row[0])
    }
    assert raised_codes("der_headend") <= told | refused
    assert raised_codes("der_wire") <= refused
    assert told | refused <= literals("der_headend", "der_wire", "der_core", "der_runtime")


def test_every_reason_why_a_record_is_set_aside_is_explained_and_no_other() -> None:
    told = {
        code for row in rows(section("protocol.md", "Why a record is set aside")) for code in codes(row[0])
    }
    given = {
        "der_core/telemetry.py": r'return "(\w+)"',
        "der_wire/frames.py": r'_refuse\(\s*"(\w+)"',
        "der_headend/intake.py": r'return "(\w+)"',
        "der_headend/grpc/servicer.py": r'set_aside\(session, seq, "(\w+)"',
        "der_headend/commits.py": r'set_aside\["(\w+)"',
    }
    found = {name: re.findall(given[name], (REPOSITORY / name).read_text("utf-8")) for name in given}
    assert all(found.values())
    assert told == {reason for reasons in found.values() for reason in reasons}


def served() -> dict[str, set[str]]:
    """The routes, and which parameters each takes in its query."""
    app = create_app(
        cast("Services", SimpleNamespace(version="0", registry=CollectorRegistry(), right_of_way=None))
    )
    return {
        f"{method.upper()} {path}": {p["name"] for p in route.get("parameters", ()) if p["in"] == "query"}
        for path, methods in app.openapi()["paths"].items()
        for method, route in methods.items()
    }


def test_every_route_is_listed_and_no_other() -> None:
    listed = {code for row in rows(section("api.md", "Routes")) for code in codes(row[0])}
    assert listed == set(served())


def test_every_filter_that_is_listed_is_one_of_each_route_of_its_row() -> None:
    taken = served()
    for row in rows(section("api.md", "Routes")):
        _, _, told = row[1].partition("; filter")
        filters = {name for code in codes(told.partition(";")[0]) for name in code.split()}
        assert all(filters <= taken[route] for route in codes(row[0])), row


def test_every_list_that_a_limit_cuts_goes_on_but_that_of_heartbeats() -> None:
    ends = [route for route, takes in served().items() if "limit" in takes and "cursor" not in takes]
    assert ends == ["GET /heartbeat/{asset_id}/history"]
    assert "heartbeats" in section("api.md", "Paging")


def test_the_worked_examples_of_the_split() -> None:
    inventory = load_inventory(SHIPPED_INVENTORY)
    a, b, c = (inventory.assets[UUID(asset_id)] for asset_id in (ASSET_A, ASSET_B, ASSET_C))
    assert [*inventory.assets_of(UUID(SITE_ID))] == [a, b, c]

    def shares(mw: float, empty: bool = False) -> tuple[list[float], float]:
        limits = [limits_now(a, soc_pct=a.min_soc_pct if empty else 50.0)]
        limits += [Limits(each.min_mw, each.max_mw) for each in (b, c)]
        candidates = [
            Candidate(asset_id=asset.id, capacity_mwhr=asset.capacity_mwhr, limits=limit)
            for asset, limit in zip((a, b, c), limits, strict=True)
        ]
        made = split(mw, candidates)
        return [round(share.mw, 9) for share in made.shares], round(made.unserved_mw, 9)

    assert shares(12) == ([7.2, 2.4, 2.4], 0)
    assert shares(150) == ([60, 20, 20], 50)
    assert shares(70, empty=True) == ([0, 20, 20], 30)


@pytest.mark.parametrize("page", sorted((DOCS / "adr").glob("*.md")), ids=lambda page: page.stem)
def test_a_decision_is_short_and_says_what_would_change_it(page: Path) -> None:
    decision = page.read_text(encoding="utf-8")
    parts = ["Context", "Decision", "Consequences", "What would change our mind"]
    assert re.findall(r"^## (.+)$", decision, re.MULTILINE) == parts
    assert re.match(rf"# {page.stem[:4]}\. \w", decision)
    assert len(decision.splitlines()) <= LONGEST_DECISION


def test_direct_dependencies_are_explained_with_their_locked_versions() -> None:
    project = (REPOSITORY / "pyproject.toml").read_text(encoding="utf-8")
    lists = re.findall(
        r"^(?:dependencies|headend|cli|console|otel|dev) = \[(.*?)\n?\]$", project, re.MULTILINE | re.DOTALL
    )
    named = {name for entries in lists for name in re.findall(r'"([\w-]+)(?=[\[>;"])', entries)}
    told = [row for row in rows(text("adr/0011-dependencies.md")) if row]
    explained = {name.strip() for row in told for name in row[0].split(",")}
    assert {name for name in named if not name.startswith("types-")} <= explained | {"der-fleet"}
    locks = (REPOSITORY / "requirements-dev.txt").read_text(encoding="utf-8").lower()
    for row in told:
        names = [name.strip() for name in row[0].split(",") if "*" not in name]
        for name, version in zip(names, re.findall(r"[\d.]+", row[1]), strict=False):
            assert f"\n{name.lower()}=={version}" in f"\n{locks}", name
