"""``der assets``, ``der agents``, ``der telemetry``: what they show, what --json prints, how they fail."""

import json

import httpx
import pytest

from der_cli.screen import UNKNOWN
from der_client import HeadendClient
from kit.fake_headend import A, B, FakeHeadend, agent, asset
from kit.terminal import Terminal


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def widest(text: str) -> int:
    return max(len(line.rstrip()) for line in text.splitlines())


def test_assets_shows_limits_and_live_values_with_the_sign_convention(terminal: Terminal) -> None:
    result = terminal.der("assets")
    assert result.exit_code == 0
    line = next(line for line in result.stdout.splitlines() if line.startswith("GT-BESS-A"))
    assert line.split() == [
        "GT-BESS-A",
        "Gateway-Test",
        "120.0",
        "-60.00",
        "+60.00",
        "+7.20",
        "50.0",
        "discharging",
    ]
    assert "positive = discharge / export, negative = charge / import" in result.stdout


@pytest.mark.parametrize("command", ["assets", "agents", "telemetry"])
@pytest.mark.parametrize("columns", [40, 60, 80, 120])
def test_tables_fit_the_terminal(terminal: Terminal, command: str, columns: int) -> None:
    result = terminal.der(command, columns=columns)
    assert widest(result.stdout) <= columns
    assert "…" not in result.stdout


def test_stale_offline_and_never_heard_assets_look_like_it(terminal: Terminal) -> None:
    terminal.headend.assets = [
        asset(A, "OLD", updated_at="2026-01-01T11:58:00Z"),
        asset(B, "GONE", online=False, updated_at="2026-01-01T10:00:00Z"),
        asset(
            "9",
            "NEW",
            current_mw=None,
            setpoint_mw=None,
            soc_pct=None,
            status=None,
            online=False,
            updated_at=None,
        ),
    ]
    shown = {line.split()[0]: line for line in terminal.der("assets").stdout.splitlines() if line.split()}
    assert shown["OLD"].rstrip().endswith("stale 2 min")
    assert shown["GONE"].rstrip().endswith("offline 2 h")
    assert shown["NEW"].rstrip().endswith("never heard")
    assert shown["NEW"].count(UNKNOWN) == 3  # MW, setpoint, SOC


@pytest.mark.parametrize("site", ["Campus-Test", "campus-test", "6ba7b812-9dad-11d1-80b4-00c04fd430c8"])
def test_assets_of_one_site_by_name_or_id(terminal: Terminal, site: str) -> None:
    result = terminal.der("assets", "--site", site, "--json")
    assert [a["name"] for a in json.loads(result.stdout)] == ["CT-BESS-A"]


def test_json_is_exactly_what_rest_serves(terminal: Terminal) -> None:
    assert json.loads(terminal.der("assets", "--json").stdout) == terminal.headend.assets
    assert json.loads(terminal.der("agents", "--json").stdout) == terminal.headend.agents
    assert json.loads(terminal.der("telemetry", "--json").stdout) == terminal.headend.assets
    with HeadendClient("http://headend", transport=terminal.headend.transport) as client:
        assert json.loads(terminal.der("telemetry", "GT-BESS-A", "--json").stdout) == client.telemetry(A)


def test_agents_shows_who_is_connected(terminal: Terminal) -> None:
    sessions = agent()["sessions"]
    sessions[0]["disconnected_at"] = "2026-01-01T11:57:00Z"
    terminal.headend.agents.append(agent(site_name="Campus-Test", connected=False, sessions=sessions))
    shown = {
        line.split()[0]: line.split() for line in terminal.der("agents").stdout.splitlines() if line.split()
    }
    assert shown["Gateway-Test"] == ["Gateway-Test", "connected", "1", "h", "1", "s", "1"]
    assert shown["Campus-Test"][1:4] == ["disconnected", "3", "min"]


def test_nothing_to_show_says_so(terminal: Terminal) -> None:
    terminal.headend.agents, terminal.headend.assets = [], []
    assert "No agent has connected yet" in terminal.der("agents").stdout
    assert terminal.der("assets").stdout == "No assets.\n"
    assert terminal.der("telemetry").stdout == "No assets.\n"
    assert terminal.der("agents", "--json").stdout == "[]\n"


def test_telemetry_of_one_asset_has_all_its_signals(terminal: Terminal) -> None:
    result = terminal.der("telemetry", "gt-bess-b")
    shown = {line.split("  ")[0]: line.split()[-1] for line in result.stdout.splitlines()}
    assert (shown["Power MW"], shown["SOC %"], shown["voltage_v"], shown["mode"]) == (
        "+7.20",
        "50.0",
        "400.25",
        "grid",
    )


def test_an_unknown_name_is_wrong_usage_and_names_the_nearest(terminal: Terminal) -> None:
    result = terminal.der("telemetry", "GT-BES-A", columns=200)
    assert result.exit_code == 2
    assert "no asset is called 'GT-BES-A'. Did you mean 'GT-BESS-A'?" in result.stderr
    assert "`der assets` lists them" in terminal.der("telemetry", "zzz", columns=200).stderr
    assert "no site is called 'Gateway'" in terminal.der("assets", "--site", "Gateway", columns=200).stderr


def test_an_ambiguous_name_is_wrong_usage_and_lists_the_ids(terminal: Terminal) -> None:
    terminal.headend.assets = [asset(A, "TWIN"), asset(B, "TWIN")]
    result = terminal.der("telemetry", "twin", columns=200)
    assert result.exit_code == 2
    assert "2 assets are called 'twin'" in result.stderr
    assert A in result.stderr
    assert B in result.stderr


def test_the_headend_refuses_what_it_does_not_know(terminal: Terminal) -> None:
    result = terminal.der("telemetry", "00000000-0000-0000-0000-000000000000")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: no such asset; GET /assets lists them (unknown_asset, field asset_id)\n"


@pytest.mark.parametrize("command", [["assets"], ["agents"], ["telemetry"], ["telemetry", "X"]])
def test_no_headend_is_exit_code_3_and_one_line(
    terminal: Terminal, command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr("time.sleep", lambda _s: None)
    terminal.headend.transport = httpx.MockTransport(nobody)
    result = terminal.der(*command, "--headend", "http://127.0.0.1:9", "--json")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("Error: no headend answers at http://127.0.0.1:9: connection refused.")


def test_a_url_that_is_none_is_wrong_usage(terminal: Terminal) -> None:
    result = terminal.der("assets", "--headend", "ftp://x", columns=200)
    assert result.exit_code == 2
    assert "'ftp://x' is not the URL of a headend" in result.stderr


def test_what_a_name_carries_does_not_reach_the_terminal() -> None:
    fake = FakeHeadend()
    fake.assets = [asset(A, "evil\x1b[2J[bold]name")]
    result = Terminal(fake).der("assets")
    assert "\x1b" not in result.stdout
    assert "[bold]name" in result.stdout


@pytest.mark.parametrize("command", [[], ["assets"], ["agents"], ["telemetry"], ["dispatch"], ["demo"]])
def test_every_help_tells_the_exit_codes(terminal: Terminal, command: list[str]) -> None:
    result = terminal.der(*command, "--help", columns=200)
    assert result.exit_code == 0
    assert "Exit codes: 0 done; 1 refused" in result.stdout
    assert "HEADEND" in result.stdout or not command


def test_no_command_shows_the_help(terminal: Terminal) -> None:
    result = terminal.der()
    assert result.exit_code == 2
    assert "dispatch" in result.output


def test_version(terminal: Terminal) -> None:
    assert terminal.der("--version").stdout.startswith("der 0.")
