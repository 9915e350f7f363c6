"""``der sites history events ack dispatches cancel release``, and what holds for every command."""

import csv
import io
import json
import re
import threading
from uuid import UUID

import httpx
import pytest
from typer.testing import CliRunner

from der_cli import completion, events
from der_cli.main import app
from der_client.fake import BATTERY_A, BATTERY_B, CAMPUS_SITE, GATEWAY_SITE, FakeHeadend
from der_client.fake.example import battery
from der_core.assets import Inventory, Site
from der_core.events import Severity
from kit.fake_headend import problem
from kit.terminal import Desk

COMMANDS = sorted(
    command.name or command.callback.__name__ for command in app.registered_commands if command.callback
)
ASKING = [
    ["sites"],
    ["assets"],
    ["agents"],
    ["telemetry"],
    ["history", "GT-BESS-A"],
    ["events"],
    ["ack", BATTERY_A],
    ["dispatches"],
    ["cancel", BATTERY_A],
    ["release", "--all", "--yes"],
    ["dispatch", "--asset", BATTERY_A, "--mw", "1"],
    ["watch", "--once"],
]


@pytest.fixture
def desk() -> Desk:
    return Desk()


def ordered(desk: Desk, *args: str) -> str:
    """The id of a dispatch that is active."""
    result = desk.der("dispatch", "--json", *args)
    assert result.exit_code == 0, result.output
    dispatch_id: str = json.loads(result.stdout)["id"]
    return dispatch_id


def widest(text: str) -> int:
    return max(len(line.rstrip()) for line in text.splitlines())


@pytest.mark.parametrize(
    "args", [["history", BATTERY_A], ["events"], ["dispatches"]], ids=lambda args: args[0]
)
@pytest.mark.parametrize(("terminal", "lines"), [("1", 1), (None, 0)])
def test_on_a_terminal_it_is_said_at_once_that_the_database_is_away(
    desk: Desk, args: list[str], terminal: str | None, lines: int
) -> None:
    said = "No answer yet (the database does not answer); trying again …\n"
    desk.headend.refuse(
        503, "database_unavailable", detail="the database does not answer", times=4, retry_after_s=2
    )
    result = desk.der(*args, TTY_COMPATIBLE=terminal, TTY_INTERACTIVE="0")
    told, _, refused = result.stderr.rpartition("Error: ")
    assert (result.exit_code, told) == (1, lines * said)
    assert refused == "the database does not answer (database_unavailable)\n"
    assert 6.0 <= desk.slept <= 8.0


def test_a_short_absence_of_the_database_is_waited_for(desk: Desk) -> None:
    desk.headend.refuse(503, "database_unavailable", detail="away", retry_after_s=2)
    result = desk.der("events", "--json")
    assert (result.exit_code, result.stderr) == (0, "")


def test_the_commands_that_operators_were_promised_are_there() -> None:
    promised = "assets sites agents telemetry history dispatch events watch demo console bugreport doctor"
    assert set(promised.split()) <= set(COMMANDS)
    assert {group.name for group in app.registered_groups} >= {"fleet", "db"}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_exit_codes_and_takes_json(desk: Desk, command: str) -> None:
    result = desk.der(command, "--help", columns=200)
    assert result.exit_code == 0
    assert "Exit codes: 0 done; 1 refused" in result.stdout
    assert "--json" in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_a_wrong_option_is_exit_code_2(desk: Desk, command: str) -> None:
    result = desk.der(command, "--no-such-option")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "No such option" in result.stderr


@pytest.mark.parametrize("args", ASKING, ids=lambda args: args[0])
def test_no_headend_is_exit_code_3_and_one_line(desk: Desk, args: list[str]) -> None:
    desk.headend.reachable = False
    result = desk.der(*args, "--json")
    assert (result.exit_code, result.stdout) == (3, "")
    assert result.stderr.splitlines()[-1].startswith("Error: no headend answers at http://127.0.0.1:3001")
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("reachable", [True, False])
@pytest.mark.parametrize("args", [["assets"], ["watch", "--once"], ["doctor"]], ids=lambda args: args[0])
def test_a_password_in_the_headend_s_url_is_not_shown(desk: Desk, args: list[str], reachable: bool) -> None:
    desk.headend.reachable = reachable
    for form in ([], ["--json"]):
        result = desk.der(*args, *form, HEADEND="http://op:s3cret@127.0.0.1:3001", DATABASE_URL=None)
        assert "s3cret" not in result.output
        assert reachable or "127.0.0.1:3001" in result.output


@pytest.mark.parametrize("args", ASKING, ids=lambda args: args[0])
def test_a_refusal_is_exit_code_1(desk: Desk, args: list[str]) -> None:
    desk.headend.refuse(500, "internal_error", detail="the headend made a mistake", times=20)
    result = desk.der(*args, "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "internal_error" in result.stderr


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize(
    "args", [a for a in ASKING if a[0] not in {"ack", "cancel", "release", "dispatch"}], ids=lambda a: a[0]
)
def test_tables_fit_the_terminal(desk: Desk, args: list[str], columns: int) -> None:
    ordered(desk, "--site", "Gateway-Test", "--mw", "12")
    desk.headend.raise_event("inverter_trip", "tripped on overtemperature", asset_id=BATTERY_A)
    assert widest(desk.der(*args, columns=columns).stdout) <= columns


@pytest.mark.parametrize(("columns", "shown"), [(60, " MW "), (80, " SOC % "), (200, " Setpoint ")])
def test_a_long_name_does_not_drive_out_what_is_measured(columns: int, shown: str) -> None:
    named = battery(BATTERY_A, f"[red]:fire:{'x' * 200}", GATEWAY_SITE, capacity_mwhr=1, max_mw=1)
    site = Site(UUID(GATEWAY_SITE), "[/red]", "Local")
    result = Desk(headend=FakeHeadend(Inventory([site], [named]))).der("assets", columns=columns)
    assert widest(result.stdout) <= columns
    assert "[red]:fire:x" in result.stdout
    assert shown in result.stdout.splitlines()[0]


@pytest.mark.parametrize(
    "args", [a for a in ASKING if a[0] not in {"ack", "cancel", "release"}], ids=lambda a: a[0]
)
def test_no_column_is_left_out_in_silence(desk: Desk, args: list[str]) -> None:
    ordered(desk, "--site", "Gateway-Test", "--mw", "12")
    desk.headend.raise_event("inverter_trip", "tripped on overtemperature", asset_id=BATTERY_A)
    in_a_pipe = desk.der(*args, COLUMNS=None).stdout
    assert "No room for" not in in_a_pipe
    headers = re.search(r"^(.+)\n[─ ]+$", in_a_pipe, re.MULTILINE)
    assert headers is not None
    narrow = " ".join(desk.der(*args, columns=40).stdout.split())
    for header in re.split(r"\s{2,}", headers[1].strip()):
        assert header in narrow


def test_in_a_pipe_nothing_is_cut(desk: Desk) -> None:
    desk.headend.raise_event("inverter_trip", " ".join(["overtemperature"] * 20), asset_id=BATTERY_A)
    line = next(line for line in desk.der("events", COLUMNS=None).stdout.splitlines() if "trip" in line)
    assert line.count("overtemperature") == 20
    assert "…" not in line


def test_what_has_no_room_is_named(desk: Desk) -> None:
    narrow = " ".join(desk.der("assets", columns=60).stdout.split())
    assert "No room for Type, MWh, Setpoint, Id; a wider terminal shows all." in narrow


def test_sites_shows_headroom_and_who_is_online(desk: Desk) -> None:
    desk.headend.disconnect(CAMPUS_SITE)
    shown = {line.split()[0]: line.split() for line in desk.der("sites").stdout.splitlines() if line.strip()}
    assert shown["Gateway-Test"][1:4] == ["0.00", "100.00", "100.00"]
    assert "3/3" in shown["Gateway-Test"]
    assert "0/2" in shown["Campus-Test"]
    assert shown["Campus-Test"][1] == "–"
    assert " ".join(shown["Sums"]).startswith("Sums are from 3 of 5 assets; 2 not heard since ")
    assert [site["name"] for site in json.loads(desk.der("sites", "--json").stdout)] == [
        "Gateway-Test",
        "Campus-Test",
    ]
    assert desk.headend.requests[-1].url.params["with_assets"] == "false"


class TestPrograms:
    """Commands that hand over to a program."""

    def test_the_console_takes_the_place_of_this_process(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        became: list[list[str]] = []
        monkeypatch.setattr("os.execv", lambda _path, argv: became.append(argv[1:]))
        assert desk.der("console", "--headend", "http://h:1", "--addr", "127.0.0.1:2").exit_code == 0
        assert desk.der("console", "--headend", "http://h:1", "--json").exit_code == 0
        start = ["-m", "der_console", "--headend", "http://h:1"]
        assert became == [[*start, "--addr", "127.0.0.1:2"], [*start, "--json"]]

    def test_the_console_needs_its_library(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("der_cli.console.find_spec", lambda _name: None)
        result = desk.der("console", columns=200)
        assert result.exit_code == 2
        assert "pip install 'der-fleet[console]'" in result.stderr

    @pytest.mark.parametrize(
        ("action", "answer", "said"),
        [
            ("migrate", {"migrated": True}, "The schema was migrated.\n"),
            ("migrate", {"migrated": False}, "The schema was up to date.\n"),
            ("reset", {"emptied": True}, "The database is empty.\n"),
        ],
    )
    def test_db_as_text_and_as_json(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch, action: str, answer: dict[str, bool], said: str
    ) -> None:
        monkeypatch.setattr("der_cli.db._ask", lambda *_args: answer)
        args = ["db", action, "--database-url", "postgres://h/d", *(["--yes"] if action == "reset" else [])]
        assert desk.der(*args).stdout == said
        assert json.loads(desk.der(*args, "--json").stdout) == answer


class TestHistory:
    """Samples and buckets of one asset."""

    def test_as_a_table_newest_first(self, desk: Desk) -> None:
        for mw in (1.0, 2.0):
            desk.headend.advance(4)
            desk.headend.measure(BATTERY_A, current_mw=mw)
        lines = desk.der(
            "history", "gt-bess-a", "--start", "1h", "--end", "2030-01-01", "--limit", "2"
        ).stdout.splitlines()
        assert [line.split()[2] for line in lines if line.startswith("2026")] == ["+2.00", "+1.00"]
        assert "the newest 2; --limit shows more" in lines[0]

    def test_as_json_and_as_csv(self, desk: Desk) -> None:
        desk.headend.measure(BATTERY_A, current_mw=3.5, signals={"voltage_v": 400.0})
        args = ["history", BATTERY_A, "--end", "2030-01-01", "--start", "2026-01-01"]
        newest = json.loads(desk.der(*args, "--json").stdout)[0]
        assert newest["current_mw"] == 3.5
        line = next(csv.DictReader(io.StringIO(desk.der(*args, "--csv").stdout)))
        assert (line["current_mw"], line["voltage_v"], line["timestamp"]) == (
            "3.5",
            "400.0",
            newest["timestamp"],
        )

    def test_in_buckets(self, desk: Desk) -> None:
        desk.headend.measure(BATTERY_A, current_mw=3.0)
        args = ["history", BATTERY_A, "--resolution", "1m", "--end", "2030-01-01"]
        assert "Mean MW" in desk.der(*args).stdout
        lines = list(csv.DictReader(io.StringIO(desk.der(*args, "--csv").stdout)))
        assert lines[0]["current_mw.max"] == "3.0"

    def test_of_a_site_as_a_whole(self, desk: Desk) -> None:
        desk.headend.advance(60)
        desk.headend.measure(BATTERY_A, current_mw=3.0)
        desk.headend.measure(BATTERY_B, current_mw=4.5)
        args = ["history", "--site", "gateway-test", "--end", "2030-01-01", "--limit", "1"]
        lines = desk.der(*args).stdout.splitlines()
        assert [line.split()[2:4] for line in lines if line.startswith("2026")] == [["+7.50", "2"]]
        (bucket,) = json.loads(desk.der(*args, "--json").stdout)
        assert (bucket["site_id"], bucket["current_mw"]) == (GATEWAY_SITE, {"mean": 7.5})
        (line,) = csv.DictReader(io.StringIO(desk.der(*args, "--csv").stdout))
        assert (line["current_mw.mean"], line["assets"]) == ("7.5", "2")

    @pytest.mark.parametrize(
        ("args", "said"),
        [
            (["GT-BES-A"], "Did you mean"),
            (["GT-BESS-A", "--start", "yesterday"], "'yesterday' is no time; expected"),
            (["GT-BESS-A", "--resolution", "2m"], "Invalid value for '--resolution'"),
            (["GT-BESS-A", "--csv", "--json"], "one of them"),
            ([], "one of them"),
            (["GT-BESS-A", "--site", "Gateway-Test"], "one of them"),
            (["--site", "Gateway-Tes"], "Did you mean"),
            (["--site", "Gateway-Test", "--resolution", "raw"], "a site has buckets: 1m, 5m or 1h"),
        ],
    )
    def test_wrong_usage(self, desk: Desk, args: list[str], said: str) -> None:
        result = desk.der("history", *args, columns=200)
        assert result.exit_code == 2
        assert said in result.stderr


class TestEvents:
    """Events, alarms, and having seen them."""

    def test_shown_with_names_and_filtered(self, desk: Desk) -> None:
        desk.headend.raise_event("inverter_trip", "tripped", asset_id=BATTERY_A, severity=Severity.CRITICAL)
        desk.headend.raise_event("door_open", asset_id=BATTERY_A)
        shown = desk.der("events", columns=120).stdout
        assert re.search(r"critical\s+raised\s+GT-BESS-A\s+inverter_trip", shown)
        only = json.loads(
            desk.der("events", "--severity", "critical", "--active", "--asset", "GT-BESS-A", "--json").stdout
        )
        assert [event["code"] for event in only] == ["inverter_trip"]
        assert desk.der("events", "--site", "Campus-Test").stdout == "No events.\n"

    def test_acknowledged(self, desk: Desk) -> None:
        event = desk.headend.raise_event("inverter_trip", asset_id=BATTERY_A)
        assert desk.der("ack", event["id"]).stdout == "inverter_trip: acknowledged 12:00:00 UTC\n"
        (seen,) = json.loads(desk.der("ack", event["id"], "--json").stdout)
        assert seen["acknowledged_at"] is not None
        result = desk.der("ack", "00000000-0000-4000-8000-000000000000")
        assert result.exit_code == 1
        assert "unknown_event" in result.stderr
        assert desk.der("ack", "x").exit_code == 2

    def test_an_alarm_that_is_raised_is_found_however_old_it_is(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(events, "_LOOKED_THROUGH", 1)
        alarm = desk.headend.raise_event("inverter_trip", asset_id=BATTERY_A)
        desk.headend.raise_event("fan", asset_id=BATTERY_A)
        assert desk.der("ack", alarm["id"][:8]).stdout == "inverter_trip: acknowledged 12:00:00 UTC\n"

    def test_followed_until_ctrl_c(self, desk: Desk) -> None:
        desk.headend.raise_event("before", asset_id=BATTERY_A)
        listen = desk.headend.listen

        def happening(*args: object) -> object:
            desk.headend.raise_event("before the stream", asset_id=BATTERY_A)
            listener = listen(*args)  # type: ignore[arg-type]  # handed on
            desk.headend.raise_event("meanwhile", asset_id=BATTERY_A)
            desk.headend.raise_event("other", asset_id=BATTERY_A, severity=Severity.INFO)
            return listener

        def interrupted(*_args: object) -> bytes:
            desk.headend.take = stop  # type: ignore[method-assign, assignment]
            return take(*_args)  # type: ignore[arg-type]  # handed on

        def stop(*_args: object) -> bytes:
            raise KeyboardInterrupt

        take = desk.headend.take
        desk.headend.listen = happening  # type: ignore[method-assign, assignment]
        desk.headend.take = interrupted  # type: ignore[method-assign, assignment]
        result = desk.der("events", "--follow", "--severity", "warning", "--json")
        assert result.exit_code == 0, result.output
        assert [json.loads(line)["code"] for line in result.stdout.splitlines()] == [
            "before",
            "before the stream",
            "meanwhile",
        ]


class TestDispatches:
    """List, show, cancel, release."""

    def test_listed_and_shown(self, desk: Desk) -> None:
        dispatch_id = ordered(desk, "--site", "Gateway-Test", "--mw", "12")
        listed = desk.der("dispatches", columns=120).stdout
        assert re.search(rf"Gateway-Test\s+\+12\.00\s+\+12\.00\s+active\s.*{dispatch_id[:8]}", listed)
        shown = desk.der("dispatches", dispatch_id, columns=120).stdout
        assert re.search(r"GT-BESS-A\s+\+7\.20", shown)
        assert "acknowledged" in shown
        assert json.loads(desk.der("dispatches", dispatch_id, "--json").stdout)["id"] == dispatch_id
        only = desk.der("dispatches", "--state", "active", "--site", "Campus-Test", "--json")
        assert json.loads(only.stdout) == []
        assert desk.der("dispatches", "--state", "gone").exit_code == 2

    def test_an_end_on_another_day_has_its_date(self, desk: Desk) -> None:
        ordered(desk, "--site", "Gateway-Test", "--mw", "12", "--duration-s", "60")
        desk.headend.advance(86_400)
        assert "2026-01-02 12:00:00" in desk.der("dispatches", columns=160).stdout

    def test_the_beginning_of_an_id_will_do(self, desk: Desk) -> None:
        ids = [f"{start}000000-0000-4000-8000-000000000000" for start in ("aa", "ab", "b0")]
        for each in ids:
            ordered(desk, "--asset", "GT-BESS-A", "--mw", "1", "--id", each)
        assert json.loads(desk.der("dispatches", "B", "--json").stdout)["id"] == ids[2]
        result = desk.der("cancel", "a", columns=200)
        assert result.exit_code == 2
        assert "'a' begins 2 ids; give more of it" in result.stderr
        assert "no dispatch has an id that begins with 'f'" in desk.der("cancel", "f", columns=200).stderr
        assert desk.der("cancel", "ab").stdout.startswith(ids[1])

    def test_cancelled(self, desk: Desk) -> None:
        dispatch_id = ordered(desk, "--site", "Gateway-Test", "--mw", "12")
        assert desk.der("cancel", dispatch_id).stdout.startswith(f"{dispatch_id}: cancelled")
        assert json.loads(desk.der("cancel", dispatch_id, "--json").stdout)["state"] == "cancelled"
        assert desk.der("cancel", "00000000-0000-4000-8000-000000000000").exit_code == 1

    def test_cancelled_by_the_beginning_of_its_id_while_the_store_hangs(self, desk: Desk) -> None:
        ended, open_ = (f"aa{digit}00000-0000-4000-8000-000000000000" for digit in "01")
        for each in (ended, open_):
            ordered(desk, "--asset", "GT-BESS-A", "--mw", "1", "--id", each)
        desk.store_hangs()
        result = desk.der("cancel", "aa")
        assert (result.exit_code, result.stdout.split()[:2]) == (0, [f"{open_}:", "cancelled"])

    def test_an_id_that_is_given_twice_is_cancelled_once(self, desk: Desk) -> None:
        dispatch_id = ordered(desk, "--site", "Gateway-Test", "--mw", "12")
        result = desk.der("cancel", dispatch_id[:8], dispatch_id, "--json")
        assert (result.exit_code, [d["id"] for d in json.loads(result.stdout)]) == (0, [dispatch_id])

    def test_released_is_all_that_is_under_way_there(self, desk: Desk) -> None:
        here = ordered(desk, "--site", "Gateway-Test", "--mw", "12")
        there = ordered(desk, "--site", "Campus-Test", "--mw", "5")
        refused = desk.der("release", "--site", "Gateway-Test")
        assert (refused.exit_code, "--yes" in refused.stderr) == (2, True)  # nobody can be asked
        assert "Without a terminal" in desk.der("release", "--help", columns=200).stdout
        result = desk.der("release", "--site", "Gateway-Test", "--yes")
        assert result.exit_code == 0
        assert f"{here}: cancelled" in result.stdout
        states = {d["id"]: d["state"] for d in json.loads(desk.der("dispatches", "--json").stdout)}
        assert states == {here: "cancelled", there: "active"}
        desk.interactive = True
        assert "Nothing was cancelled." in desk.der("release", "--all", typed="n\n").stderr
        assert desk.der("release", "--all", typed="y\n").exit_code == 0
        assert desk.der("release", "--all").stdout == "Nothing to release.\n"

    def test_all_is_released_while_the_store_hangs(self, desk: Desk) -> None:
        sent = {ordered(desk, "--site", site, "--mw", "5") for site in ("Campus-Test", "Gateway-Test")}
        desk.store_hangs()
        result = desk.der("release", "--all", "--yes", "--json")
        assert {(d["id"], d["state"]) for d in json.loads(result.stdout)} == {
            (id, "cancelled") for id in sent
        }

    def test_all_are_told_before_one_is_waited_for(self, desk: Desk) -> None:
        for site in ("Campus-Test", "Gateway-Test"):
            ordered(desk, "--site", site, "--mw", "5")
            desk.headend.disconnect(CAMPUS_SITE if site == "Campus-Test" else GATEWAY_SITE)
        waits: list[float] = []
        answer = desk.headend.answer

        def noting(request: httpx.Request) -> object:
            if request.method == "DELETE":
                waits.append(float(request.url.params["timeout_s"]))
            return answer(request)

        desk.headend.answer = noting  # type: ignore[method-assign, assignment]
        result = desk.der("release", "--all", "--yes")
        assert (result.exit_code, waits) == (1, [0.0, 0.0, 5.0, 5.0])
        assert "2 not confirmed by the agent yet" in result.stderr

    def test_one_that_can_not_be_released_does_not_keep_the_others(self, desk: Desk) -> None:
        stuck, other = (
            ordered(desk, "--site", site, "--mw", "5") for site in ("Campus-Test", "Gateway-Test")
        )
        answer = desk.headend.answer

        def refusing(request: httpx.Request) -> object:
            if request.method == "DELETE" and request.url.path.endswith(stuck):
                return problem(500, "internal_error", "[/odd] :fire:")
            return answer(request)

        desk.headend.answer = refusing  # type: ignore[method-assign, assignment]
        result = desk.der("release", "--all", "--yes", "--json")
        assert (result.exit_code, [d["id"] for d in json.loads(result.stdout)]) == (1, [other])
        assert f"{stuck} is not cancelled: [/odd] :fire:" in result.stderr

    def test_one_that_can_not_be_confirmed_does_not_keep_the_others(self, desk: Desk) -> None:
        lost, other = (ordered(desk, "--site", site, "--mw", "5") for site in ("Campus-Test", "Gateway-Test"))
        desk.headend.disconnect(CAMPUS_SITE)
        desk.headend.disconnect(GATEWAY_SITE)
        answer = desk.headend.answer

        def waiting(request: httpx.Request) -> object:
            if request.method == "DELETE" and request.url.params["timeout_s"] != "0.0":
                if request.url.path.endswith(lost):
                    return problem(500, "internal_error", "it broke")
                desk.headend.connect(GATEWAY_SITE)
            return answer(request)

        desk.headend.answer = waiting  # type: ignore[method-assign, assignment]
        result = desk.der("cancel", lost, other, "--json")
        assert result.exit_code == 1
        assert {d["id"]: d["state"] for d in json.loads(result.stdout)} == {
            lost: "active",
            other: "cancelled",
        }
        assert f"{lost} is not confirmed: it broke" in result.stderr
        assert "1 not confirmed by the agent yet" in result.stderr

    def test_releasing_an_asset_leaves_the_sites_dispatch(self, desk: Desk) -> None:
        dispatch_id = ordered(desk, "--site", "Gateway-Test", "--mw", "12")
        result = desk.der("release", "--asset", "GT-BESS-A", "--yes")
        assert f"part of site dispatch {dispatch_id}" in result.stderr.replace("\n", " ")
        assert result.stdout == "Nothing to release.\n"

    @pytest.mark.parametrize("args", [[], ["--all", "--site", GATEWAY_SITE]])
    def test_release_of_what(self, desk: Desk, args: list[str]) -> None:
        result = desk.der("release", *args, columns=200)
        assert result.exit_code == 2
        assert "say of what" in result.stderr


class TestUntilTheEnd:
    """``der dispatch --until-end`` follows until nothing more can become of it."""

    def test_of_its_duration(self, desk: Desk) -> None:
        desk.meanwhile = desk.headend.advance
        result = desk.der(
            "dispatch", "--site", "Gateway-Test", "--mw", "12", "--duration-s", "60", "--until-end"
        )
        assert result.exit_code == 0, result.output
        assert "completed" in result.stdout
        assert 60 <= desk.slept < 70

    def test_of_what_was_cancelled_is_exit_code_1(self, desk: Desk) -> None:
        def cancelled(_seconds: float) -> None:
            desk.meanwhile = lambda _seconds: None
            Desk(headend=desk.headend).der("release", "--all", "--yes")

        desk.meanwhile = cancelled
        result = desk.der("dispatch", "--site", "Gateway-Test", "--mw", "12", "--until-end")
        assert result.exit_code == 1
        assert "it is cancelled" in result.stderr

    def test_also_while_the_headend_is_away_for_a_while(self, desk: Desk) -> None:
        def restarting(seconds: float) -> None:
            desk.headend.advance(seconds)
            desk.headend.reachable = not 20 < desk.slept < 50

        desk.meanwhile = restarting
        result = desk.der(
            "dispatch", "--site", "Gateway-Test", "--mw", "12", "--duration-s", "60", "--until-end"
        )
        assert result.exit_code == 0, result.output
        assert "completed" in result.stdout
        assert result.stderr.splitlines() == [
            "No answer (connection refused); trying again …",
            "It answers again.",
        ]

    def test_but_not_for_longer_than_it_was_given(self, desk: Desk) -> None:
        def away(_seconds: float) -> None:
            desk.headend.reachable = False

        desk.meanwhile = away
        result = desk.der(
            "dispatch", "--site", "Gateway-Test", "--mw", "12", "--until-end", "--timeout-s", "20"
        )
        assert result.exit_code == 3
        assert desk.slept >= 20
        assert "No longer following; dispatch" in result.stderr

    def test_has_a_limit_if_one_is_given(self, desk: Desk) -> None:
        result = desk.der(
            "dispatch", "--site", "Gateway-Test", "--mw", "12", "--until-end", "--timeout-s", "20"
        )
        assert result.exit_code == 1
        assert "Still active after 20 s; it goes on." in result.stderr

    def test_can_not_be_had_without_waiting(self, desk: Desk) -> None:
        assert (
            desk.der("dispatch", "--asset", BATTERY_A, "--mw", "1", "--until-end", "--no-wait").exit_code == 2
        )


class TestCompletion:
    """Names for the tab key."""

    @pytest.fixture(autouse=True)
    def patience(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(completion, "WITHIN_S", 30.0)

    @pytest.mark.parametrize(
        ("typed", "offered"),
        [
            ("der dispatch --site Gate", ["Gateway-Test"]),
            ("der history CT", ["CT-BESS-A", "CT-BESS-B"]),
            ("der release --asset GT-BESS-B", ["GT-BESS-B"]),
        ],
    )
    def test_names_come_from_the_headend(self, desk: Desk, typed: str, offered: list[str]) -> None:
        assert completed(desk, typed) == offered

    def test_nothing_is_said_when_there_is_no_headend(self, desk: Desk) -> None:
        desk.headend.reachable = False
        assert completed(desk, "der dispatch --site G") == []

    def test_the_shell_is_told_how(self) -> None:
        result = CliRunner().invoke(app, [], env={"_DER_COMPLETE": "source_bash"}, prog_name="der")
        assert "_DER_COMPLETE=complete_bash" in result.stdout

    def test_a_headend_that_takes_its_time_is_not_waited_for(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(completion, "WITHIN_S", 0.01)
        answering = threading.Event()
        answer = desk.headend.answer

        def slow(request: httpx.Request) -> object:
            answering.wait(30)
            return answer(request)

        desk.headend.answer = slow  # type: ignore[method-assign, assignment]
        assert completed(desk, "der dispatch --site G") == []
        answering.set()


def completed(desk: Desk, typed: str) -> list[str]:
    """What bash is offered for the last word."""
    asked = {"_DER_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(typed.split()) - 1)}
    result = CliRunner().invoke(app, [], obj=desk.world(), env=asked | {"HEADEND": None}, prog_name="der")
    assert result.stderr == ""
    return result.stdout.split()
