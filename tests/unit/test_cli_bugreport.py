"""``der bugreport``: what is in it, which lines of a log; and planted secrets, searched for in all of it."""

import gzip
import json
import tarfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from der_cli.bugreport.excerpts import Wanted, around, excerpt, time_of
from der_cli.doctor.facts import DatabaseStatus
from der_cli.processes import Process
from der_client.fake import BATTERY_A
from der_runtime.addresses import HostPort
from kit.terminal import Desk

PLANTED = (
    "pl4nted-in-database-url",
    "pl4nted-in-pgpassword",
    "pl4nted-token-of-the-shell",
    "pl4nted-on-a-command-line",
    "pl4nted-in-a-process",
    "pl4nted-in-a-log",
    "pl4nted-in-readyz",
    "pl4nted-in-metrics",
    "pl4nted-in-an-event",
    "pl4nted-in-the-headend-url",
    "pl4nted-in-otel-headers",
    "pl4nted%2Fencoded",
    "pl4nted/encoded",
)
PROCESS = Process(
    pid=10,
    program="der_headend",
    argv=(
        "der_headend",
        "--database-url=postgres://bess:pl4nted-on-a-command-line@h/d",
        "--api-token",
        "it's pl4nted-on-a-command-line",
        "--log-level",
        "info",
    ),
    environ={
        "DATABASE_URL": "postgresql://bess:pl4nted-in-a-process@h/d",
        "SECRET_OF_OURS": "pl4nted-in-a-process",
    },
    cwd=Path("/srv"),
    listens_on=(HostPort("127.0.0.1", 3001),),
)
SHELL = {
    "DATABASE_URL": "postgres://bess:pl4nted-in-database-url@127.0.0.1:1/d",
    "PGPASSWORD": "pl4nted-in-pgpassword",
    "MY_ACCESS_TOKEN": "pl4nted-token-of-the-shell",
    "OTEL_EXPORTER_OTLP_HEADERS": "x=pl4nted-in-otel-headers",
    "OTHER_URL": "amqp://u:pl4nted%2Fencoded@h/",
    "HEADEND_GRPC": "127.0.0.1:50070",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("der_cli.doctor.facts.database_status", unreachable)
    return tmp_path


def unreachable(url: str) -> DatabaseStatus:
    """In place of a process: what it would say of a database that is not there, with its password."""
    return DatabaseStatus(url=url, answer=None, complaint=f"no database at {url}")


def unpacked(archive: Path) -> dict[str, str]:
    """Every file by its path below the archive's folder."""
    with tarfile.open(archive) as packed:
        files = {info.name: packed.extractfile(info) for info in packed}
        return {name.partition("/")[2]: file.read().decode() for name, file in files.items() if file}


def only_archive(folder: Path) -> Path:
    (archive,) = folder.glob("*.tar.gz")
    return archive


def leaky(desk: Desk) -> None:
    """A headend that tells secrets."""
    answer = desk.headend.answer

    def telling(request: httpx.Request) -> object:
        if request.url.path == "/readyz":
            detail = "no connection to postgres://bess:pl4nted-in-readyz@h/d"
            return httpx.Response(
                503, json={"ready": False, "checks": [{"name": "store", "ok": False, "detail": detail}]}
            )
        if request.url.path == "/metrics":
            return httpx.Response(200, text='der_info{password="pl4nted-in-metrics"} 1.0\n')
        return answer(request)

    desk.headend.answer = telling  # type: ignore[method-assign, assignment]
    desk.headend.raise_event("odd", "login with password=pl4nted-in-an-event failed", asset_id=BATTERY_A)


def test_no_planted_secret_is_in_any_byte_of_it(folder: Path) -> None:
    log = folder / "headend.log"
    log.write_text(
        "2026-01-01T12:00:00Z connecting to postgres://bess:pl4nted-in-a-log@h/d\n"
        "2026-01-01T12:00:01Z Authorization: Bearer pl4nted-in-a-log\n"
        "2026-01-01T12:00:01Z ALTER ROLE bess PASSWORD 'pl4nted-in-a-log'\n"
        "2026-01-01T12:00:01Z passwd -> pl4nted-in-a-log, passphrase: correct horse pl4nted-in-a-log\n"
        "2026-01-01T12:00:01Z DATABASE_URL=postgres://bess:pa ss pl4nted-in-a-log@h/db\n"
        f"2026-01-01T12:00:01Z {'x' * 19_960} pl4nted-in-pgpassword\n"
        '2026-01-01T12:00:02Z {"api_key": "pl4nted-in-a-log"} pl4nted-in-pgpassword pl4nted/encoded\n'
        "2026-01-01T12:00:03Z refused: it's pl4nted-on-a-command-line\n",
        encoding="utf-8",
    )
    rotated = folder / "headend.log.1.gz"
    rotated.write_bytes(gzip.compress(b"2026-01-01T11:59:59Z rotated, password=pl4nted-in-a-log\n"))
    (folder / "broken.gz").write_bytes(rotated.read_bytes()[:-20])
    logs = (log, rotated, folder / "broken.gz")
    desk = Desk(processes=[replace(PROCESS, logs=logs)])
    leaky(desk)
    result = desk.der(
        "bugreport", "--headend", "http://u:pl4nted-in-the-headend-url@127.0.0.1:3001", columns=200, **SHELL
    )
    assert result.exit_code == 0, result.output
    archive = only_archive(folder)
    files = unpacked(archive)
    everything = "\n".join(files) + "\n".join(files.values()) + result.output
    with tarfile.open(archive) as packed:
        everything += repr([info.get_info() for info in packed])
    assert [secret for secret in PLANTED if secret in everything] == []
    assert "pl4nted" not in everything
    environment = json.loads(files["programs/environment.json"])
    assert environment["this shell"]["PGPASSWORD"] == "[removed]"
    assert environment["this shell"]["HEADEND_GRPC"] == "127.0.0.1:50070"
    assert "MY_ACCESS_TOKEN" not in environment["this shell"]
    assert "[removed]" in files["headend/readyz.json"]
    assert "rotated, password=[removed]" in files["logs/2-headend.log.1"]
    assert "broken.gz" in files["README.md"]
    assert "--log-level info" in files["programs/command-lines.txt"]


def test_it_holds_the_escalation_checklist_and_says_what_is_in_it(folder: Path) -> None:
    desk = Desk(processes=[PROCESS])
    order = json.loads(desk.der("dispatch", "--site", "Gateway-Test", "--mw", "12", "--json").stdout)
    log = folder / "agent.log"
    log.write_text(
        f"2025-12-31T12:00:00Z old\n2026-01-01T12:00:01Z dispatch {order['id']}\n", encoding="utf-8"
    )
    result = desk.der(
        "bugreport", "--log", str(log), "--dispatch", order["id"], "--out", "r.tar.gz", "--json"
    )
    assert result.exit_code == 0, result.output
    files = unpacked(folder / "r.tar.gz")
    document = json.loads(result.stdout)
    assert {entry["name"] for entry in document["contents"]} | {"README.md"} == set(files)
    assert set(files) >= {
        "programs/command-lines.txt",
        "programs/environment.json",
        "versions.json",
        "doctor.json",
        "headend/assets.json",
        "headend/agents.json",
        "headend/events.json",
        "headend/dispatches.json",
        f"headend/dispatch-{order['id']}.json",
        "headend/readyz.json",
        "headend/metrics.txt",
        "logs/1-agent.log",
    }
    assert all(name in files["README.md"] for name in files if name != "README.md")
    assert files["logs/1-agent.log"] == f"2026-01-01T12:00:01Z dispatch {order['id']}\n"
    assert len(json.loads(files["headend/assets.json"])) == 5
    assert json.loads(files["versions.json"])["packages"]["httpx"]
    assert (folder / "r.tar.gz").stat().st_mode & 0o777 == 0o600


def test_it_lists_what_was_removed_by_kind_and_place(folder: Path) -> None:
    log = folder / "headend.log"
    log.write_text("token=abcdef password=hunter22 postgres://u:hunter33@h/d\n", encoding="utf-8")
    result = Desk().der("bugreport", "--log", str(log), columns=200)
    place = "logs/1-headend.log: removed 1 in URLs, 2 others (tokens, keys, passwords)"
    assert place in result.stdout
    assert "\n  versions.json\n" in result.stdout


def test_programs_of_other_fleets_are_counted_and_nothing_more(folder: Path) -> None:
    log = folder / "theirs.log"
    log.write_text("2026-01-01T12:00:00Z theirs\n", encoding="utf-8")
    theirs = replace(
        PROCESS, pid=20, cwd=Path("/theirs"), listens_on=(HostPort("127.0.0.1", 4001),), logs=(log,)
    )
    assert Desk(processes=[PROCESS, theirs]).der("bugreport").exit_code == 0
    files = unpacked(only_archive(folder))
    assert files["programs/command-lines.txt"].endswith("\nand 1 of other fleets, which are left out\n")
    assert "/theirs" not in files["programs/command-lines.txt"]
    assert list(json.loads(files["programs/environment.json"])) == ["this shell", "der_headend (pid 10)"]
    assert "theirs.log" not in "".join(files.values())


def test_with_the_headend_down_it_says_what_is_missing(folder: Path) -> None:
    desk = Desk()
    desk.headend.reachable = False
    result = desk.der("bugreport", columns=200)
    assert result.exit_code == 0
    assert (
        "! missing: everything that the headend would say: no headend at http://127.0.0.1:3001"
        in result.stdout
    )
    readme = unpacked(only_archive(folder))["README.md"]
    assert "command lines of headend and agents: none runs on this machine" in readme
    assert "logs: no --log FILE was given" in readme


def test_a_part_that_fails_is_missing_and_the_others_are_there(folder: Path) -> None:
    desk = Desk()
    answer = desk.headend.answer

    def without_events(request: httpx.Request) -> object:
        if request.url.path == "/events":
            desk.headend.refuse(500, "internal_error")
        return answer(request)

    desk.headend.answer = without_events  # type: ignore[method-assign, assignment]
    result = desk.der("bugreport")
    assert "! missing: `/events`" in result.stdout
    assert "headend/agents.json" in unpacked(only_archive(folder))


def test_names_are_replaced_if_that_is_wished(folder: Path) -> None:
    desk = Desk(processes=[PROCESS])
    desk.headend.raise_event("odd", "GT-BESS-A at Gateway-Test is odd", asset_id=BATTERY_A)
    assert desk.der("bugreport", "--anonymise").exit_code == 0
    everything = "\n".join(unpacked(only_archive(folder)).values())
    assert not [name for name in ("GT-BESS", "CT-BESS", "Gateway-Test", "Campus-Test") if name in everything]
    assert "asset-1 at site-1 is odd" in everything


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--log", "nowhere.log"], "does not exist"),
        (["--around", "noonish"], "is no time; expected"),
        (["--dispatch", "7"], "Invalid value for '--dispatch'"),
        (["--out", "there.tar.gz"], "is there already"),
    ],
)
def test_wrong_usage_is_exit_code_2(folder: Path, args: list[str], said: str) -> None:
    (folder / "there.tar.gz").touch()
    result = Desk().der("bugreport", *args, columns=200)
    assert result.exit_code == 2
    assert said in result.stderr


def test_a_place_that_can_not_be_written_is_exit_code_1(folder: Path) -> None:
    result = Desk().der("bugreport", "--out", "no/such/folder.tar.gz")
    assert result.exit_code == 1
    assert "cannot be written: No such file or directory" in result.stderr


class TestExcerpt:
    """Which lines of a log."""

    LINES = (
        "2026-01-01T11:00:00Z one",
        "2026-01-01T12:00:00.123456Z two",
        "  of two",
        "2026-01-01T13:00:00Z three d1",
        "no time d1",
    )
    NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def test_the_last_ones(self) -> None:
        assert excerpt(self.LINES, Wanted(lines=2)) == list(self.LINES[-2:])

    def test_around_a_time_with_what_belongs_to_them(self) -> None:
        start, end = around(self.NOON, timedelta(minutes=5))
        assert excerpt(self.LINES, Wanted(lines=9, start=start, end=end)) == list(self.LINES[1:3])

    def test_of_a_dispatch(self) -> None:
        assert excerpt(self.LINES, Wanted(lines=9, ids=("d1",))) == list(self.LINES[3:])
        start, end = around(self.NOON, timedelta(minutes=5))
        wanted = Wanted(lines=9, start=start, end=end, ids=("d1",))
        assert excerpt(self.LINES, wanted) == list(self.LINES[1:])

    @pytest.mark.parametrize(
        ("line", "told"),
        [
            ("2026-01-01T12:00:00Z x", NOON),
            ('{"timestamp": "2026-01-01T13:00:00.000000+01:00"}', NOON),
            ("2026-01-01 12:00:00,000 x", NOON),
            ("2026-13-01T12:00:00Z x", None),
            ("x", None),
        ],
    )
    def test_times_of_lines(self, line: str, told: datetime | None) -> None:
        assert time_of(line) == told
