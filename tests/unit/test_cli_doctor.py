"""The doctor's checks, each on facts in which exactly that is wrong.

``tests/e2e/test_doctor.py`` breaks real set-ups.
"""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from der_cli.doctor.command import diagnose
from der_cli.doctor.facts import DatabaseStatus, Facts
from der_cli.doctor.files import read_all
from der_cli.doctor.findings import Finding, Verdict
from der_cli.processes import Process
from der_runtime.addresses import HostPort
from kit.doctor import (
    AGENT_PROCESS,
    HEADEND_PROCESS,
    HEALTHY,
    agents_with,
    answering,
    database,
    down,
    order,
    session,
    sessions,
    shell,
)
from kit.fake_headend import NOW, SITE_ID, A, B, agent, asset
from kit.processes import REPOSITORY, SHIPPED_INVENTORY


def found(facts: Facts, name: str) -> Finding:
    (finding,) = [finding for finding in diagnose(facts) if finding.check.name == name]
    return finding


WRONG: list[tuple[str, Verdict, Facts, str]] = [
    (
        "Headend not running",
        Verdict.PROBLEM,
        down(),
        "nothing that is a headend answers .*: connection refused",
    ),
    (
        "Headend not running",
        Verdict.PROBLEM,
        replace(
            down(url="http://127.0.0.1:9", environ={"HEADEND_GRPC": "127.0.0.1:50070"}),
            processes=[HEADEND_PROCESS],
        ),
        r"der_headend \(pid 10\) serves REST on 127.0.0.1:3001",
    ),
    (
        "gRPC port mismatch",
        Verdict.PROBLEM,
        agents_with(HEADEND_GRPC="127.0.0.1:50051"),
        r"listens for agents on 127.0.0.1:50070 .*edge_agent \(pid 12\) calls 127.0.0.1:50051 .*nothing listens there",
    ),
    (
        "gRPC port mismatch",
        Verdict.PROBLEM,
        shell(HEADEND_GRPC="localhost:50051"),
        "this shell calls localhost:50051",
    ),
    (
        "gRPC port mismatch",
        Verdict.PROBLEM,
        down(environ={"HEADEND_GRPC": "127.0.0.1:50051", "HEADEND_GRPC_ADDR": "127.0.0.1:50070"}),
        "HEADEND_GRPC_ADDR of this shell listens",
    ),
    (
        "Variable wrong or missing",
        Verdict.PROBLEM,
        agents_with(HEADEND_GRPC="50070"),
        "HEADEND_GRPC wrong: '50070' is not host:port",
    ),
    ("Variable wrong or missing", Verdict.PROBLEM, agents_with(HEADEND_GRPC=""), "HEADEND_GRPC is missing"),
    ("Variable wrong or missing", Verdict.PROBLEM, shell(HEADEND_GRCP="x"), "HEADEND_GRPC is meant"),
    (
        "Variable wrong or missing",
        Verdict.PROBLEM,
        shell(SITE_ID="north"),
        "SITE_ID wrong: 'north' is not a UUID",
    ),
    (
        "Agents don't appear in /agents",
        Verdict.PROBLEM,
        agents_with(),
        r"edge_agent \(pid 12\) runs and is not",
    ),
    (
        "Agents don't appear in /agents",
        Verdict.PROBLEM,
        replace(answering(agents=[]), processes=()),
        "no agent has connected yet",
    ),
    (
        "Agents don't appear in /agents",
        Verdict.WARNING,
        replace(answering(agents=[agent(connected=False)]), processes=()),
        "0 connected, 1 not: Gateway-Test",
    ),
    (
        "Address refused",
        Verdict.WARNING,
        shell(HEADEND_HTTP_ADDR="0.0.0.0:3001"),
        "ALLOW_INSECURE is not set",
    ),
    (
        "Port already in use",
        Verdict.PROBLEM,
        down(
            in_the_way=lambda at: "curl (pid 7) has it for its connection to x" if at.port == 3001 else None
        ),
        r"could not listen on 127.0.0.1:3001 \(HEADEND_HTTP_ADDR\): curl \(pid 7\) has it for its connection",
    ),
    (
        "Port already in use",
        Verdict.PROBLEM,
        down(
            environ={"HEADEND_GRPC": "127.0.0.1:50070"},
            in_the_way=lambda at: "it is taken" if at.port == 50070 else None,
        ),
        r"could not listen on 127.0.0.1:50070 \(HEADEND_GRPC_ADDR\): it is taken",
    ),
    (
        "Connected agent is silent",
        Verdict.WARNING,
        answering(assets=[asset(A, "OLD", updated_at="2026-01-01T11:58:00Z")]),
        "OLD for 2 min",
    ),
    (
        "Connected agent is silent",
        Verdict.WARNING,
        answering(agents=[agent(heartbeats_missed=2)]),
        "Gateway-Test has missed 2 heartbeats",
    ),
    (
        "Duplicate sessions in /agents",
        Verdict.PROBLEM,
        sessions(session("2026-01-01T11:00:00Z"), session("2026-01-01T10:00:00Z")),
        "has 2 open sessions",
    ),
    (
        "Duplicate sessions in /agents",
        Verdict.PROBLEM,
        answering(agents=[agent(), agent(agent_id=B)]),
        "GT-BESS-A is served by 2 connected agents",
    ),
    (
        "Duplicate sessions in /agents",
        Verdict.PROBLEM,
        replace(HEALTHY, processes=[HEADEND_PROCESS, AGENT_PROCESS, replace(AGENT_PROCESS, pid=12)]),
        f"2 processes call themselves {SITE_ID}",
    ),
    (
        "An agent comes and goes all the time",
        Verdict.WARNING,
        sessions(
            *(session(f"2026-01-01T11:59:{s}Z", NOW, "replaced by a newer session") for s in (10, 20, 30))
        ),
        "connected 3 times in ten minutes .replaced by a newer session",
    ),
    ("Clocks differ", Verdict.WARNING, answering(agents=[agent(clock_skew_s=-5.0)]), "5.0 s behind"),
    ("Clocks differ", Verdict.PROBLEM, answering(agents=[agent(clock_skew_s=90.0)]), "90.0 s ahead"),
    (
        "Clocks differ",
        Verdict.PROBLEM,
        answering(ahead_s=3600.0),
        "the headend, against this machine, is 3600.0 s ahead",
    ),
    (
        "Spool grows or drops records",
        Verdict.WARNING,
        answering(agents=[agent(spooled_records=5000)]),
        "Gateway-Test keeps 5,000 records",
    ),
    (
        "Spool grows or drops records",
        Verdict.PROBLEM,
        answering(agents=[agent(dropped_records=7)]),
        "Gateway-Test has dropped 7 records",
    ),
    (
        'Dispatch seems to route "wrong"',
        Verdict.WARNING,
        answering(dispatches=[order(warnings=["asset is not at that site"])]),
        "dispatch d1: asset is not at that site",
    ),
    (
        "Dispatch stays queued",
        Verdict.WARNING,
        answering(dispatches=[order(state="queued")]),
        "1 wait for an agent: d1 until 12:00:00 UTC",
    ),
    (
        "Dispatch stays queued",
        Verdict.WARNING,
        answering(dispatches=[order(state="queued", expires_at="2026-01-08T12:00:00Z")]),
        "1 wait for an agent: d1 until 2026-01-08 12:00:00 UTC",
    ),
    (
        "Capacity-weighted split doesn't sum exactly",
        Verdict.PROBLEM,
        answering(dispatches=[order(unserved_mw=4.79)]),
        r"dispatch d1: -0\.010000000 MW",
    ),
    (
        "Asset does not do what it was told",
        Verdict.WARNING,
        answering(dispatches=[order(part={"measured_mw": 3.0})]),
        r"GT-BESS-A does \+3\.00 MW, told \+7\.20",
    ),
    (
        "Database does not answer",
        Verdict.PROBLEM,
        answering(
            readiness={
                "ready": False,
                "checks": [{"name": "store", "ok": False, "detail": "gone since noon"}],
            }
        ),
        "the headend is not ready: gone since noon",
    ),
    (
        "Database does not answer",
        Verdict.PROBLEM,
        replace(
            HEALTHY, databases=[DatabaseStatus(url="postgres://x@h/d", answer=None, complaint="refused")]
        ),
        "DATABASE_URL=postgres://x@h/d: refused",
    ),
    (
        "Schema is not up to date",
        Verdict.WARNING,
        database(up_to_date=False, schema_revision="0001"),
        "has revision 0001",
    ),
    (
        "Schema is not up to date",
        Verdict.PROBLEM,
        database(known=False, up_to_date=False),
        "newer or another version",
    ),
    (
        "Two headends on one database",
        Verdict.PROBLEM,
        replace(
            HEALTHY,
            processes=[
                replace(HEADEND_PROCESS, pid=pid, environ={"DATABASE_URL": "postgres://h/d"})
                for pid in (1, 2)
            ],
        ),
        "have the same DATABASE_URL",
    ),
]


@pytest.mark.parametrize(
    ("name", "verdict", "facts", "seen"), WRONG, ids=[f"{w[0]}-{n}" for n, w in enumerate(WRONG)]
)
def test_it_is_diagnosed_by_name_and_says_what_to_do(
    name: str, verdict: Verdict, facts: Facts, seen: str
) -> None:
    finding = found(facts, name)
    assert finding.verdict is verdict, finding
    assert re.search(seen, finding.seen)
    assert finding.advice


def test_a_healthy_system_has_nothing_wrong() -> None:
    assert [finding for finding in diagnose(HEALTHY) if not finding.verdict.healthy] == []
    good = answering(dispatches=[order()])
    assert found(good, "Capacity-weighted split doesn't sum exactly").verdict is Verdict.OK
    assert found(database(), "Schema is not up to date").verdict is Verdict.OK


def test_only_parts_that_are_measured_count_as_doing_what_they_were_told() -> None:
    name = "Asset does not do what it was told"
    unheard = order(part={"measured_mw": None})
    some = found(answering(dispatches=[order(), unheard]), name)
    assert some.verdict is Verdict.OK
    assert some.seen == "of 2 parts of dispatches in force for over 60 s 1 are measured, each as it was told"
    assert found(answering(dispatches=[unheard]), name).verdict is Verdict.UNCHECKED


def test_everything_is_checked_or_said_to_be_unchecked_without_a_headend() -> None:
    names = [finding.check.name for finding in diagnose(HEALTHY)]
    assert [finding.check.name for finding in diagnose(down())] == names
    nothing = replace(down(), processes=None)
    assert [finding.check.name for finding in diagnose(nothing)] == names


def test_an_agent_of_another_headend_of_this_machine_is_not_ours() -> None:
    other = replace(
        HEADEND_PROCESS, pid=20, listens_on=(HostPort("127.0.0.1", 4001), HostPort("127.0.0.1", 4002))
    )
    theirs = replace(AGENT_PROCESS, pid=21, environ={"HEADEND_GRPC": "127.0.0.1:4002", "SITE_ID": B})
    both = replace(HEALTHY, processes=[other, HEADEND_PROCESS, AGENT_PROCESS, theirs])
    assert [finding for finding in diagnose(both) if not finding.verdict.healthy] == []


ELSEWHERE = replace(
    AGENT_PROCESS, environ={"HEADEND_GRPC": "127.0.0.1:50071", "SITE_ID": SITE_ID}, cwd=Path("/elsewhere")
)
"""An agent from another folder that calls where nothing listens."""


def test_an_agent_from_another_folder_that_calls_a_dead_port_is_missed_here() -> None:
    facts = replace(answering(agents=[]), processes=[HEADEND_PROCESS, ELSEWHERE])
    assert found(facts, "gRPC port mismatch").verdict is Verdict.PROBLEM
    assert facts.agent_processes == [ELSEWHERE]
    assert found(facts, "Agents don't appear in /agents").verdict is Verdict.PROBLEM


@pytest.mark.parametrize(
    ("facts", "elsewhere"),
    [
        pytest.param(HEALTHY, ELSEWHERE, id="its assets are served"),
        pytest.param(
            replace(answering(agents=[]), listens=lambda _at: True), ELSEWHERE, id="somebody listens there"
        ),
        pytest.param(
            answering(agents=[]),
            replace(ELSEWHERE, environ={"HEADEND_GRPC": "192.0.2.1:50071", "SITE_ID": SITE_ID}),
            id="it calls another machine",
        ),
        pytest.param(
            answering(agents=[]),
            replace(ELSEWHERE, environ={"HEADEND_GRPC": "127.0.0.1:50071", "SITE_ID": B}),
            id="its site is not known here",
        ),
    ],
)
def test_an_agent_from_another_folder_is_left_out_otherwise(facts: Facts, elsewhere: Process) -> None:
    facts = replace(facts, processes=[HEADEND_PROCESS, elsewhere])
    assert (facts.agent_processes, facts.strangers) == ([], 1)


def test_a_stranger_s_headend_is_mentioned_and_nobody_is_sent_there() -> None:
    stranger = replace(
        HEADEND_PROCESS,
        pid=20,
        environ={"HEADEND_HTTP_ADDR": "127.0.0.1:4001", "HEADEND_GRPC_ADDR": "127.0.0.1:4002"},
        listens_on=(HostPort("127.0.0.1", 4001), HostPort("127.0.0.1", 4002)),
        cwd=Path("/theirs"),
    )
    theirs = replace(AGENT_PROCESS, pid=21, environ={"HEADEND_GRPC": "127.0.0.1:4002"}, cwd=stranger.cwd)
    facts = replace(
        down(environ={"HEADEND_GRPC": "127.0.0.1:50070"}), processes=[AGENT_PROCESS, stranger, theirs]
    )
    finding = found(facts, "Headend not running")
    assert "also on this machine: http://127.0.0.1:4001" in finding.seen
    (start,) = finding.commands
    assert re.fullmatch(r"ASSETS_PATH=/\S+ HEADEND_GRPC_ADDR=127.0.0.1:50070 der_headend", start)
    assert not [
        each for finding in diagnose(facts) for each in finding.commands if re.search("400[12]", each)
    ]
    assert (facts.strangers, facts.agent_processes) == (2, [AGENT_PROCESS])


def test_the_headend_is_started_where_its_agents_call() -> None:
    waiting = replace(AGENT_PROCESS, environ={"HEADEND_GRPC": "127.0.0.1:50099"})
    (start,) = found(replace(down(), processes=[waiting]), "Headend not running").commands
    assert "HEADEND_GRPC_ADDR=127.0.0.1:50099 " in start


def test_a_taken_port_is_looked_into_and_another_is_chosen_by_commands() -> None:
    taken = down(in_the_way=lambda at: "it is taken" if at.port == 50070 else None)
    assert found(taken, "Port already in use").commands == (
        "ss -tanp 'sport = :50070'",
        "export HEADEND_GRPC_ADDR=127.0.0.1:20070",
        "export HEADEND_GRPC=127.0.0.1:20070",
    )


def test_ports_of_this_machine_do_not_matter_to_a_headend_elsewhere() -> None:
    elsewhere = down(url="http://192.0.2.1:3001", in_the_way=lambda _at: "it is taken")
    assert found(elsewhere, "Port already in use").verdict is Verdict.UNCHECKED


def test_an_agent_of_a_site_that_the_headend_has_not_is_not_sent_there() -> None:
    lost = replace(AGENT_PROCESS, environ={"HEADEND_GRPC": "127.0.0.1:4002", "SITE_ID": B})
    facts = replace(HEALTHY, processes=[HEADEND_PROCESS, lost])
    assert [finding for finding in diagnose(facts) if not finding.verdict.healthy] == []
    elsewhere = shell(HEADEND_GRPC="127.0.0.1:4002", SITE_ID=B)
    assert found(elsewhere, "gRPC port mismatch").verdict is Verdict.OK


@pytest.mark.parametrize(("called", "stopped"), [("127.0.0.1:50070", 12), ("127.0.0.1:50051", 11)])
def test_of_twins_the_oldest_that_calls_the_headend_is_kept(called: str, stopped: int) -> None:
    oldest = replace(AGENT_PROCESS, environ=dict(AGENT_PROCESS.environ or {}) | {"HEADEND_GRPC": called})
    facts = replace(HEALTHY, processes=[HEADEND_PROCESS, oldest, replace(AGENT_PROCESS, pid=12)])
    assert found(facts, "Duplicate sessions in /agents").commands == (f"kill {stopped}",)


def test_two_assets_of_one_name_are_served_once_each() -> None:
    namesake = agent(agent_id=B, assets=[{"id": B, "name": "GT-BESS-A"}])
    assert found(answering(agents=[agent(), namesake]), "Duplicate sessions in /agents").verdict is Verdict.OK


def test_an_agent_that_is_gone_and_replaced_is_no_finding() -> None:
    gone = agent(agent_id=A, connected=False)
    assert found(answering(agents=[agent(), gone]), "Agents don't appear in /agents").verdict is Verdict.OK
    missed = agent(agent_id=B, connected=False, assets=[{"id": B, "name": "GT-BESS-B"}])
    finding = found(answering(agents=[agent(), gone, missed]), "Agents don't appear in /agents")
    assert finding.verdict is Verdict.WARNING
    assert "1 connected, 1 not:" in finding.seen


@pytest.mark.parametrize(
    ("environ", "command"),
    [
        ({"HEADEND_GRCP": "x"}, "unset HEADEND_GRCP; export HEADEND_GRPC=127.0.0.1:50070"),
        ({"DATABASE_URI": "x"}, 'export DATABASE_URL="$DATABASE_URI"; unset DATABASE_URI'),
        ({"HEADEND_GRPC": "127.0.0.1"}, "export HEADEND_GRPC=127.0.0.1:50070"),
        ({"SITE_ID": "north"}, "der sites --json | grep -w id"),
    ],
)
def test_a_wrong_variable_is_mended_by_a_command(environ: dict[str, str], command: str) -> None:
    assert found(shell(**environ), "Variable wrong or missing").commands == (command,)


def test_an_address_without_a_port_agrees_with_nobody() -> None:
    finding = found(shell(HEADEND_GRPC="127.0.0.1"), "gRPC port mismatch")
    assert "this shell" not in finding.seen


def test_a_schema_that_can_not_be_looked_at_is_not_blamed_on_the_variable() -> None:
    dead = replace(HEALTHY, databases=[DatabaseStatus(url="postgres://h/d", answer=None, complaint="gone")])
    finding = found(dead, "Schema is not up to date")
    assert (finding.verdict, finding.seen) == (Verdict.UNCHECKED, "see 'Database does not answer'")


def test_an_id_in_capitals_is_the_same_id() -> None:
    agent_process = replace(
        AGENT_PROCESS, environ=dict(AGENT_PROCESS.environ or {}) | {"SITE_ID": SITE_ID.upper()}
    )
    facts = replace(HEALTHY, processes=[HEADEND_PROCESS, agent_process])
    assert [finding for finding in diagnose(facts) if not finding.verdict.healthy] == []


class TestInventories:
    """Files that are not there, are broken, or are not those of the headend."""

    def read(self, environ: dict[str, str], served: Any = ()) -> Facts:
        agent_process = replace(AGENT_PROCESS, environ=dict(AGENT_PROCESS.environ or {}) | environ)
        processes = [HEADEND_PROCESS, agent_process]
        readings = read_all([agent_process], {}, REPOSITORY, step=lambda _what: None)
        return replace(answering(assets=list(served)), processes=processes, readings=readings)

    def test_no_file(self) -> None:
        finding = found(self.read({"ASSETS_PATH": "nowhere.yaml"}), "Headend can't find assets")
        assert finding.verdict is Verdict.PROBLEM
        assert "assets file not found. edge_agent (pid 11): no nowhere.yaml" in finding.seen

    @pytest.mark.parametrize("environ", [{}, {"ASSETS_PATH": "/nope.yaml"}])
    def test_no_file_for_a_headend_that_has_yet_to_be_started(
        self, environ: dict[str, str], tmp_path: Path
    ) -> None:
        readings = read_all([], environ, tmp_path, to_start=True, step=lambda _what: None)
        finding = found(replace(down(), readings=readings), "Headend can't find assets")
        assert finding.verdict is Verdict.PROBLEM
        assert finding.commands == (f"export ASSETS_PATH={SHIPPED_INVENTORY}",)

    def test_a_broken_file(self, tmp_path: Path) -> None:
        broken = tmp_path / "broken.yaml"
        broken.write_text("sites: 7\n", encoding="utf-8")
        finding = found(self.read({"ASSETS_PATH": str(broken)}), "Headend can't find assets")
        assert finding.verdict is Verdict.PROBLEM
        assert "broken.yaml" in finding.seen

    @pytest.mark.parametrize(
        ("change", "seen"),
        [
            (lambda a: a.update(max_mw=55.0), "GT-BESS-A has max_mw 60, the headend has 55"),
            (lambda a: a.update(id=B.replace("8", "1", 1)), "GT-BESS-A is not in the headend's inventory"),
            (lambda a: a.update(site_id=B), "GT-BESS-A is at another site"),
        ],
    )
    def test_another_inventory(self, change: Callable[[Any], None], seen: str) -> None:
        served = {"capacity_mwhr": 120.0, "max_mw": 60.0, "min_mw": -60.0, "efficiency": 0.92}
        other = asset(A, "GT-BESS-A", **served)
        change(other)
        finding = found(
            self.read({"ASSETS_PATH": str(SHIPPED_INVENTORY)}, [other]),
            "Inventories of headend and agent differ",
        )
        assert finding.verdict is Verdict.PROBLEM
        assert seen in finding.seen

    @pytest.mark.parametrize("site_id", [SITE_ID, SITE_ID.upper()])
    def test_of_a_site_that_is_given_in_any_spelling(self, site_id: str) -> None:
        facts = self.read(
            {"ASSETS_PATH": str(SHIPPED_INVENTORY), "SITE_ID": site_id}, [asset(A, "GT-BESS-A")]
        )
        assert found(facts, "Inventories of headend and agent differ").verdict is Verdict.PROBLEM

    def test_a_single_asset_that_describes_itself_otherwise(self) -> None:
        facts = self.read({"ASSET_ID": A, "MAX_MW": "33"}, [asset(A, "GT-BESS-A")])
        finding = found(facts, "Inventories of headend and agent differ")
        assert "GT-BESS-A has max_mw 33, the headend has 20" in finding.seen
