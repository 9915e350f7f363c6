"""``der doctor`` as a command, and that runbook and doctor know the same issues."""

import json
import re
from pathlib import Path

import httpx
import pytest

from der_cli.doctor.command import diagnose
from kit.doctor import HEALTHY
from kit.system import RUNBOOK
from kit.terminal import Desk, Terminal


class TestCommand:
    """``der doctor`` itself."""

    @pytest.fixture(autouse=True)
    def bare_shell(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("DATABASE_URL", "ASSETS_PATH", "HEADEND_GRPC", "SITE_ID"):
            monkeypatch.delenv(name, raising=False)

    def test_exit_code_0_only_if_nothing_is_wrong(self) -> None:
        desk = Desk()
        assert desk.der("doctor").exit_code == 0, desk.der("doctor").output
        desk.clock_ahead_s = 60.0
        result = desk.der("doctor")
        assert result.exit_code == 1
        assert re.search(r"^problem +Clocks differ$", result.stdout, re.MULTILINE)
        assert "timedatectl set-ntp true" in result.stdout

    def test_what_is_ok_is_headed_so_and_piped_lines_have_no_trailing_blanks(self) -> None:
        desk = Desk(clock_ahead_s=60.0)
        lines = desk.der("doctor", HEADEND_GRPC="127.0.0.1").stdout.splitlines()
        assert "ok           Headend running" in lines
        assert [line for line in lines if line != line.rstrip()] == []
        assert any(line.startswith("2 problems, ") for line in lines)

    def test_in_a_folder_without_assets_it_says_so(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        desk = Desk()
        desk.headend.reachable = False
        assert re.search(r"^problem +Headend can't find assets$", desk.der("doctor").stdout, re.MULTILINE)

    def test_json(self) -> None:
        result = Terminal().der("doctor", "--json")
        document = json.loads(result.stdout)
        assert document["healthy"] is (result.exit_code == 0)
        assert {tuple(check) for check in document["checks"]} == {
            ("name", "heading", "section", "verdict", "seen", "advice", "commands")
        }

    def test_without_a_headend_it_is_exit_code_1_and_no_error(self) -> None:
        desk = Desk()
        desk.headend.reachable = False
        result = desk.der("doctor", HEADEND_GRPC="127.0.0.1:50051", HEADEND_GRPC_ADDR="127.0.0.1:50070")
        assert (result.exit_code, result.stderr) == (1, "")
        assert re.search(r"^problem +Headend not running$", result.stdout, re.MULTILINE)
        assert re.search(r"^problem +gRPC port mismatch$", result.stdout, re.MULTILINE)

    @pytest.mark.parametrize("body", [{"status": "ok"}, ["ok"]])
    def test_another_program_with_a_healthz_is_no_headend(self, body: object) -> None:
        desk = Desk()
        desk.headend.answer = lambda _request: httpx.Response(200, json=body)  # type: ignore[method-assign, assignment]
        result = desk.der("doctor", columns=120)
        assert result.exit_code == 1
        assert "something else is listening there" in result.stdout

    def test_a_part_that_takes_too_long_is_not_checked_and_the_others_are(self) -> None:
        desk = Desk()
        answer = desk.headend.answer

        def slow(request: httpx.Request) -> object:
            if request.url.path == "/dispatch/history":
                raise httpx.ReadTimeout("")
            return answer(request)

        desk.headend.answer = slow  # type: ignore[method-assign, assignment]
        result = desk.der("doctor")
        assert (result.exit_code, result.stderr) == (0, "")
        assert re.search(r"^not checked +Dispatch stays queued$", result.stdout, re.MULTILINE)

    @pytest.mark.parametrize("columns", [60, 80, 120])
    def test_all_but_commands_to_copy_fits_the_terminal(self, columns: int) -> None:
        lines = Desk().der("doctor", columns=columns).stdout.splitlines()
        assert max(len(line) for line in lines if not line.startswith(" " * 15)) <= columns

    def test_a_url_that_is_none_is_wrong_usage(self) -> None:
        assert Desk().der("doctor", "--headend", "ftp://x").exit_code == 2


def test_every_issue_of_the_runbook_is_checked_and_every_check_is_in_the_runbook() -> None:
    issues = RUNBOOK.read_text(encoding="utf-8").split("\n## Common issues and fixes\n")[1].split("\n## ")[0]
    headings = {heading.replace("`", "") for heading in re.findall(r"^### (.+)$", issues, re.MULTILINE)}
    checked = {finding.check.section for finding in diagnose(HEALTHY)}
    assert checked <= headings
    # These show themselves: the program that meets them says in one line what is wrong.
    assert headings - checked == {"Spool in use or unusable", "Database refused at start"}
