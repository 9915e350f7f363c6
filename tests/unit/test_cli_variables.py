"""What the command line knows of the programs: their variables, their processes, times as operators type them."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import typer
from pydantic import AliasChoices
from pydantic_settings import BaseSettings

from der_cli.processes import Process, program_of, reachable, running
from der_cli.times import moment
from der_cli.variables import OF_AGENT, OF_HEADEND, misspelt
from der_headend.settings import HeadendSettings
from der_runtime.addresses import HostPort
from edge_agent.settings import AgentSettings
from kit.processes import free_port

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def variables(model: type[BaseSettings]) -> set[str]:
    names: set[str] = set()
    for field in model.model_fields.values():
        alias = field.validation_alias
        names |= {str(each) for each in alias.choices} if isinstance(alias, AliasChoices) else {str(alias)}
    return names


def test_the_variables_are_those_of_the_programs() -> None:
    assert variables(HeadendSettings) == OF_HEADEND
    assert variables(AgentSettings) == OF_AGENT


def test_a_misspelt_variable_is_told_from_a_strange_one() -> None:
    names = ["HEADEND_GRCP", "ASSET_PATH", "PATH", "HOME", "SITE_ID", "DATABASE_URI"]
    assert misspelt(names) == {
        "HEADEND_GRCP": "HEADEND_GRPC",
        "ASSET_PATH": "ASSETS_PATH",
        "DATABASE_URI": "DATABASE_URL",
    }


@pytest.mark.parametrize(
    ("argv", "program"),
    [
        (["/usr/bin/python3", "-m", "der_headend", "--x"], "der_headend"),
        (["python", "-X", "dev", "-m", "edge_agent"], "edge_agent"),
        (["/x/.venv/bin/python", "/x/.venv/bin/der_headend"], "der_headend"),
        (["edge_agent"], "edge_agent"),
        (["python", "-m", "der_headend.database", "status"], None),
        (["grep", "-r", "der_headend"], None),
        ([], None),
    ],
)
def test_programs_are_known_by_their_command_line(argv: list[str], program: str | None) -> None:
    assert program_of(tuple(argv)) == program


def test_a_flag_wins_over_the_environment() -> None:
    process = Process(
        pid=1,
        program="edge_agent",
        argv=("edge_agent", "--headend-grpc", "a:1", "--site-id=7"),
        environ={"HEADEND_GRPC": "b:2", "SITE_ID": "8", "ASSET_ID": " "},
    )
    settings = [process.setting(name) for name in ("HEADEND_GRPC", "SITE_ID", "ASSET_ID", "TICK_S")]
    assert settings == ["a:1", "7", None, None]


@pytest.mark.skipif(sys.platform != "linux", reason="read from /proc")
def test_a_running_program_is_seen_with_where_it_listens() -> None:
    port = free_port()
    listen = f"import socket, sys; s = socket.create_server(('127.0.0.1', {port}))"
    script = f"{listen}; print('up', flush=True); sys.stdin.read()"
    # Named like one of ours: the name is what is looked for.
    command = ["der_fleet", "-c", script]
    with subprocess.Popen(
        command, executable=sys.executable, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={"TICK_S": "3"}
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        (seen,) = [process for process in running() or () if process.pid == child.pid]
        child.kill()
    assert (seen.program, seen.setting("TICK_S"), str(seen.cwd)) == ("der_fleet", "3", os.getcwd())  # noqa: PTH109
    assert seen.listens_on == (HostPort("127.0.0.1", port),)


def test_where_this_machine_reaches_a_listener() -> None:
    assert str(reachable(HostPort("0.0.0.0", 1))) == "127.0.0.1:1"  # noqa: S104 - read, not listened on
    assert str(reachable(HostPort("::", 1))) == "[::1]:1"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("now", NOW),
        ("15min", NOW - timedelta(minutes=15)),
        ("2h ago", NOW - timedelta(hours=2)),
        ("1.5d", NOW - timedelta(hours=36)),
        ("8:30", NOW.replace(hour=8, minute=30)),
        ("2025-12-31", datetime(2025, 12, 31, tzinfo=UTC)),
        ("2026-01-01T13:00+02:00", NOW - timedelta(hours=1)),
    ],
)
def test_times_as_operators_type_them(text: str, meant: datetime) -> None:
    assert moment(text, NOW, option="--start") == meant


@pytest.mark.parametrize("text", ["", "yesterday", "25:00", "99999999999d", "-5min"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no time; expected"):
        moment(text, NOW, option="--start")
