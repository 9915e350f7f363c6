"""What ``der`` says of wrong input, of any option of any command, and what it takes before the command."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import typer
from typer.testing import Result

from der_cli.main import app
from der_cli.usage import _EXPECTED
from kit.terminal import Desk

RAW = (
    "Input should",
    "Value error",
    "valid float",
    "valid integer",
    "unable to parse",
    "Traceback",
    "[type=",
)
"""Words of libraries."""


def parsed_options() -> Iterator[tuple[list[str], Any]]:
    """Every option of every command whose value is more than text, with the words that call the command."""
    root: Any = typer.main.get_command(app)
    for name, command in root.commands.items():
        inner = getattr(command, "commands", {})
        for path, each in [([name, sub], c) for sub, c in inner.items()] or [([name], command)]:
            yield from ((path, option) for option in each.params if option.metavar in _EXPECTED)


def said(result: Result) -> str:
    """What stands on stderr, without the box around it."""
    return " ".join(result.stderr.replace("│", " ").split())


def wrong(desk: Desk, *args: str) -> str:
    """What is said of wrong usage, which has no other effect."""
    result = desk.der(*args, columns=200)
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert not any(raw in result.stderr for raw in RAW), result.stderr
    assert desk.headend.requests == []
    return said(result)


@pytest.mark.parametrize(
    ("path", "option"),
    list(parsed_options()),
    ids=lambda value: getattr(value, "name", None) or "-".join(value),
)
def test_a_value_that_can_not_be_read_names_the_option_and_what_is_expected(
    path: list[str], option: Any
) -> None:
    kind, example = _EXPECTED[option.metavar]
    told = wrong(Desk(), *path, f"{option.opts[0]}=7m!")
    assert f"Invalid value for '{option.opts[0]}': expected {kind}" in told
    assert f"such as {example}; '7m!' is none" in told


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (
            ["dispatch", "--mw", "five"],
            "'--mw': expected a number of MW, such as 12 or -5; 'five' is none",
        ),
        (
            ["events", "--limit", "0"],
            "'--limit': expected a whole number, at least 1, such as 20; '0' is none",
        ),
        (
            ["demo", "--duration-s", "-1"],
            "expected a number of seconds, at least 0, such as 900; '-1' is none",
        ),
        (
            ["demo", "--duration-s", "nan"],
            "expected a number of seconds, at least 0, such as 900; 'nan' is none",
        ),
        (["bugreport", "--window-s", "1e300"], "at least 0, at most 2,678,400"),
        (
            ["history", "A", "--resolution", "7m"],
            "'--resolution': '7m' is not one of 'raw', '1m', '5m', '1h'",
        ),
        (["events", "--severity", "bad"], "'--severity': 'bad' is not one of 'info', 'warning', 'critical'"),
        (["dispatches", "--state", "gone"], "'--state': 'gone' is not one of 'submitted', 'queued'"),
        (["bugreport", "--log", "/no/such.log"], "'--log': file '/no/such.log' does not exist"),
        (
            ["assets", "--headend", "ftp://x"],
            "'ftp://x' is not the URL of a headend, such as http://127.0.0.1:3001",
        ),
        (
            ["dispatches", "--start", "08:00", "--end", "07:00"],
            "--start / --end: the start must be before the end",
        ),
        (["events", "--start", "1h", "--end", "2h"], "--start / --end: the start must be before the end"),
        (["history", "A", "--start", "08:00", "--end", "08:00"], "the start must be before the end"),
        (
            ["assets", "--headend", "http://h:99999"],
            "--headend / HEADEND: 'http://h:99999' has port 99999; expected one from 1 to 65535",
        ),
        (["dispatches", "--start", "soon"], "--start: 'soon' is no time; expected 2026-01-31T08:00Z, 08:00"),
    ],
)
def test_wrong_input(args: list[str], told: str) -> None:
    assert told in wrong(Desk(), *args)


@pytest.mark.parametrize("option", ["--asset", "--site"])
@pytest.mark.parametrize("args", [["dispatch", "--mw", "1"], ["release"], ["events"], ["dispatches"]])
def test_an_empty_name_is_none(args: list[str], option: str) -> None:
    result = Desk().der(*args, option, "", columns=200)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"Invalid value for {option}: no {option[2:]} is called ''" in said(result)


def test_what_the_headend_finds_wrong_in_itself_is_wrong_usage_too() -> None:
    desk = Desk()
    desk.headend.refuse(422, "invalid_range", detail="start must be before end")
    result = desk.der("history", "a" * 32, "--start", "08:00")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "Error: start must be before end (invalid_range)\n"


@pytest.mark.parametrize("body", [{"status": "ok"}, [{"status": "ok"}], ["ok"], "ok", None], ids=json.dumps)
@pytest.mark.parametrize(
    "args",
    [["assets"], ["agents"], ["telemetry", "a" * 32], ["dispatch", "--asset", "a" * 32, "--mw", "1"]],
    ids=lambda args: args[0],
)
def test_a_program_that_answers_everything_with_some_json_is_no_headend(
    args: list[str], body: object
) -> None:
    desk = Desk()
    desk.headend.answer = lambda _request: httpx.Response(200, json=body)  # type: ignore[method-assign, assignment]
    result = desk.der(*args)
    assert (result.exit_code, result.stdout) == (3, "")
    assert "something else is listening there" in result.stderr


class TestBeforeTheCommand:
    """``der --headend URL assets`` and ``der --json assets``."""

    @pytest.mark.parametrize(
        ("args", "host"),
        [
            (["--headend", "http://before:1", "assets"], "before"),
            (["--headend", "http://before:1", "assets", "--headend", "http://after:1"], "after"),
            (["assets"], "shell"),
        ],
    )
    def test_the_headend_may_be_named(self, args: list[str], host: str) -> None:
        desk = Desk()
        assert desk.der(*args, HEADEND="http://shell:1").exit_code == 0
        assert {request.url.host for request in desk.headend.requests} == {host}

    def test_json_may_be_asked_for(self) -> None:
        assert len(json.loads(Desk().der("--json", "assets").stdout)) == 5

    def test_a_command_of_a_group_takes_it_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("der_cli.db._ask", lambda action, _url: {"action": action})
        result = Desk().der("--json", "db", "status", DATABASE_URL="postgres://h/d")
        assert json.loads(result.stdout) == {"action": "status"}

    @pytest.mark.parametrize(
        ("args", "told"),
        [
            (["--headend", "http://x:1", "db", "status"], "`der db status` takes no --headend"),
            (["--headend", "http://x:1", "demo"], "`der demo` takes no --headend"),
            (["--json", "fleet", "inventory"], "`der fleet inventory` takes no --json"),
        ],
    )
    def test_a_command_that_does_not_take_it_says_so(self, args: list[str], told: str) -> None:
        assert told in wrong(Desk(), *args)
