"""``der dispatch``: whom it commands, what it asks first, how it follows, and with which exit code it ends."""

import json
from datetime import datetime

import httpx
import pytest

from der_cli.screen import UNKNOWN, exact_mw, mw
from der_cli.waiting import why_it_waits
from der_client import HeadendClient
from der_client.fake import BATTERY_A, CAMPUS_SITE
from kit.fake_headend import SITE_ID, A, FakeHeadend, problem
from kit.terminal import Desk, Terminal

ORDER_ID = "0b5f3a52-6a4c-4f3e-9d3a-0d6c1f6f7a10"


@pytest.fixture
def terminal() -> Terminal:
    return Terminal()


def line_of(text: str, start: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.startswith(start))


def test_a_site_by_name_is_followed_until_active(terminal: Terminal) -> None:
    result = terminal.der("dispatch", "--site", "gateway-test", "--mw", "12")
    assert result.exit_code == 0
    (body,) = terminal.headend.bodies
    assert (body["site_id"], body["mw"], sorted(body)) == (SITE_ID, 12.0, ["id", "mw", "site_id"])
    steps = [line.split()[1] for line in result.stdout.splitlines() if line.startswith("12:00:00.000")]
    assert steps == ["submitted", "queued", "sent", "acknowledged", "active"]
    assert line_of(result.stdout, "GT-BESS-A") == [
        "GT-BESS-A",
        "+7.20",
        "+7.20",
        "+7.20",
        UNKNOWN,
        "active",
        UNKNOWN,
    ]
    assert "requested +12.00 MW · allocated +12.00 MW · unserved 0.00 MW" in result.stdout
    assert "positive = discharge / export" in result.stdout


@pytest.mark.parametrize(
    ("value", "shown", "exactly"),
    [
        (12.0, "+12.00", "+12.00"),
        (-0.0074, "-0.0074", "-0.0074"),
        (0.09996, "+0.10", "+0.09996"),
        (123.4567, "+123.46", "+123.4567"),
        (-0.00004, "0.00", "-0.00004"),
        (-0.0, "0.00", "0.00"),
    ],
)
def test_small_powers_are_no_zero_and_what_is_sent_has_all_its_digits(
    value: float, shown: str, exactly: str
) -> None:
    assert (mw(value), exact_mw(value)) == (shown, exactly)


def test_what_is_sent_is_what_is_shown(terminal: Terminal) -> None:
    result = terminal.der("dispatch", "--asset", A, "--mw=-0.0074", "--preview", "--yes")
    assert "-0.0074 MW would be split like this" in result.stdout
    assert "requested -0.0074 MW" in result.stdout


def test_a_negative_number_is_a_value_not_an_option(terminal: Terminal) -> None:
    for args in (["--mw", "-5"], ["--mw=-5"]):
        assert terminal.der("dispatch", "--asset", A, *args).exit_code == 0
    assert [body["mw"] for body in terminal.headend.bodies] == [-5.0, -5.0]


def test_an_id_needs_no_look_up_and_everything_given_is_sent(terminal: Terminal) -> None:
    args = ["--asset", A, "--mw", "3", "--duration-s", "60", "--ttl-s", "10", "--id", ORDER_ID, "--no-wait"]
    result = terminal.der("dispatch", *args)
    assert result.exit_code == 0
    assert terminal.headend.bodies == [
        {"asset_id": A, "mw": 3.0, "duration_s": 60.0, "ttl_s": 10.0, "id": ORDER_ID}
    ]
    assert len(terminal.headend.requests) == 1


def test_json_is_the_last_record_and_nothing_else(terminal: Terminal) -> None:
    result = terminal.der("dispatch", "--site", SITE_ID, "--mw", "12", "--id", ORDER_ID, "--json")
    assert json.loads(result.stdout) == terminal.headend.dispatches[ORDER_ID]
    assert json.loads(result.stdout)["state"] == "active"
    assert result.stderr == ""


@pytest.mark.parametrize("end", ["rejected", "expired", "superseded", "cancelled", "failed"])
def test_an_end_that_was_not_wished_is_exit_code_1_with_the_reason(terminal: Terminal, end: str) -> None:
    terminal.headend.course, terminal.headend.reason = ("queued", end), "soc_at_minimum"
    result = terminal.der("dispatch", "--asset", A, "--mw", "5")
    assert result.exit_code == 1
    why = "at its lowest SOC, cannot discharge; charge it first (soc_at_minimum)"
    assert f"The dispatch was not carried out: it is {end}: {why}." in result.stderr
    assert why in result.stdout


def test_a_dispatch_that_is_over_when_it_is_looked_at_was_carried_out(terminal: Terminal) -> None:
    terminal.headend.course = ("completed",)
    assert terminal.der("dispatch", "--asset", A, "--mw", "5").exit_code == 0


def test_an_agent_that_is_away_leaves_it_queued_and_following_has_a_limit(terminal: Terminal) -> None:
    terminal.headend.course = ("queued",)
    result = terminal.der("dispatch", "--asset", A, "--mw", "5", "--timeout-s", "20")
    assert result.exit_code == 1
    assert "Still queued after 20 s. It stays in the queue until 12:05:00 UTC" in result.stderr
    assert terminal.slept == pytest.approx(20)
    asked = sum(request.method == "GET" for request in terminal.headend.requests)
    assert 20 <= asked <= 30  # modestly: once a second in the long run


def test_times_of_other_days_have_their_date(terminal: Terminal) -> None:
    terminal.headend.course = ("queued",)
    terminal.headend.submitted_at, terminal.headend.expires_at = (
        "2025-12-31T23:59:59.5Z",
        "2026-01-07T12:00:00Z",
    )
    result = terminal.der("dispatch", "--asset", A, "--mw", "5", "--ttl-s", "604800", "--timeout-s", "1")
    assert "It stays in the queue until 2026-01-07 12:00:00 UTC" in result.stderr
    steps = [
        line.split("  ")[:2] for line in result.stdout.splitlines() if "submitted" in line or "queued" in line
    ]
    assert steps[:2] == [["2025-12-31 23:59:59.500", "submitted"], ["12:00:00.000", "queued"]]


@pytest.mark.parametrize("state", ["sent", "acknowledged"])
def test_one_that_its_agent_has_and_does_not_answer_is_not_said_to_be_queued(
    terminal: Terminal, state: str
) -> None:
    terminal.headend.course = ("queued", "sent", "acknowledged")[: 2 + (state == "acknowledged")]
    result = terminal.der("dispatch", "--asset", A, "--mw", "5", "--id", ORDER_ID)
    assert result.exit_code == 1
    assert f"Still {state} after 30 s. It was handed to its agent, which has not told" in result.stderr
    assert "it may have been applied" in result.stderr
    assert "`der cancel 0b5f3a52` takes it back" in result.stderr
    assert "queue" not in result.stderr
    assert "expires" not in result.stderr


def test_without_waiting_a_queued_dispatch_is_fine(terminal: Terminal) -> None:
    assert terminal.der("dispatch", "--asset", A, "--mw", "5", "--no-wait").exit_code == 0
    assert terminal.slept == 0


def test_unserved_power_and_warnings_are_shown(terminal: Terminal) -> None:
    terminal.headend.unserved_mw, terminal.headend.warnings = 50.0, ["the asset is not at that site"]
    result = terminal.der("dispatch", "--site", SITE_ID, "--mw", "150")
    assert result.exit_code == 0
    assert "! +50.00 MW can be served by nobody" in result.stdout
    assert "! the asset is not at that site" in result.stdout


def test_a_refusal_is_one_line_and_exit_code_1(terminal: Terminal) -> None:
    result = terminal.der("dispatch", "--asset", "00000000-0000-0000-0000-000000000000", "--mw", "5")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "Error: no such asset; GET /assets lists them (unknown_asset, field asset_id)\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--asset", A], "Missing option '--mw'"),
        (["--mw", "5"], "name the target: either --asset or --site"),
        (["--mw", "5", "--asset", A, "--site", SITE_ID], "name the target: either --asset or --site"),
        (["--asset", A, "--mw", "nan"], "expected a finite number of MW"),
        (["--asset", A, "--mw", "1", "--duration-s", "-5"], "expected a number of seconds above 0"),
        (["--asset", A, "--mw", "1", "--duration-s", "0"], "Invalid value for --duration-s"),
        (["--asset", A, "--mw", "1", "--ttl-s", "0"], "Invalid value for --ttl-s"),
        (["--asset", A, "--mw", "1", "--ttl-s", "nan"], "expected a number of seconds above 0"),
        (["--asset", A, "--mw", "1e999"], "expected a finite number of MW"),
        (["--asset", A, "--mw", "lots"], "Invalid value for '--mw'"),
        (["--asset", "GT-BESS-X", "--mw", "5"], "Did you mean"),
        (["--site", "Gatway-Test", "--mw", "5"], "Did you mean 'Gateway-Test'?"),
        (["--asset", A, "--mw", "5", "--id", "7"], "Invalid value for '--id'"),
    ],
)
def test_wrong_usage_is_exit_code_2_and_sends_nothing(terminal: Terminal, args: list[str], said: str) -> None:
    result = terminal.der("dispatch", *args, columns=200)
    assert result.exit_code == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert not terminal.headend.bodies


class TestPreview:
    """--preview shows the split before anything is sent."""

    def test_yes_at_the_question_sends_it(self, terminal: Terminal) -> None:
        terminal.interactive = True
        result = terminal.der("dispatch", "--site", SITE_ID, "--mw", "12", "--preview", typed="y\n")
        assert result.exit_code == 0
        assert line_of(result.stdout, "GT-BESS-A") == [
            "GT-BESS-A",
            "120.0",
            "0.600",
            "+7.20",
            "+7.20",
            UNKNOWN,
        ]
        assert "! GT-BESS-C gets no share: offline" in result.stdout
        assert terminal.headend.asked("POST", "/dispatch") == 1

    def test_no_at_the_question_sends_nothing(self, terminal: Terminal) -> None:
        terminal.interactive = True
        result = terminal.der("dispatch", "--site", SITE_ID, "--mw", "12", "--preview", typed="n\n")
        assert result.exit_code == 1
        assert "Nothing was sent." in result.stderr
        assert terminal.headend.asked("POST", "/dispatch") == 0

    def test_without_a_terminal_nothing_is_sent(self, terminal: Terminal) -> None:
        result = terminal.der("dispatch", "--site", SITE_ID, "--mw", "12", "--preview")
        assert result.exit_code == 0
        assert "Nothing was sent; --yes sends it without asking." in result.stderr
        assert terminal.headend.asked("POST", "/dispatch") == 0

    def test_yes_beforehand_sends_it(self, terminal: Terminal) -> None:
        terminal.der("dispatch", "--site", SITE_ID, "--mw", "12", "--preview", "--yes")
        assert terminal.headend.asked("POST", "/dispatch/preview") == 1
        assert terminal.headend.asked("POST", "/dispatch") == 1

    def test_json_is_the_preview_or_the_record_never_both(self, terminal: Terminal) -> None:
        args = ["dispatch", "--site", SITE_ID, "--mw", "12", "--preview", "--json"]
        assert "skipped" in json.loads(terminal.der(*args).stdout)
        assert "transitions" in json.loads(terminal.der(*args, "--yes").stdout)


class TestLinkTrouble:
    """The headend goes away while a dispatch is on its way."""

    @pytest.mark.parametrize(("failure", "code"), [(httpx.ReadTimeout(""), 3), (KeyboardInterrupt(), 130)])
    def test_in_doubt_the_operator_is_told_how_to_find_out(
        self, terminal: Terminal, failure: BaseException, code: int
    ) -> None:
        def silent(_request: httpx.Request) -> httpx.Response:
            raise failure

        terminal.headend.transport = httpx.MockTransport(silent)
        result = terminal.der("dispatch", "--asset", A, "--mw", "5", "--id", ORDER_ID)
        assert result.exit_code == code
        assert f"The same command with --id {ORDER_ID} tells, and cannot send it twice." in result.stderr

    @pytest.mark.parametrize(
        ("failure", "code"),
        [
            (httpx.ReadError("reset"), 3),
            (KeyboardInterrupt(), 130),
            (problem(503, "store_unavailable", "the store is away"), 1),
        ],
    )
    def test_a_dispatch_that_was_sent_goes_on(
        self, failure: BaseException | httpx.Response, code: int
    ) -> None:
        fake = FakeHeadend()
        answer = fake.transport.handle_request

        def interrupted(request: httpx.Request) -> httpx.Response:
            if request.method == "GET":
                if isinstance(failure, httpx.Response):
                    return failure
                raise failure
            return answer(request)

        fake.transport = httpx.MockTransport(interrupted)
        result = Terminal(fake).der("dispatch", "--asset", A, "--mw", "5", "--id", ORDER_ID)
        assert result.exit_code == code
        assert f"No longer following; dispatch {ORDER_ID} goes on without this command." in result.stderr


class TestWaiting:
    """A dispatch to an agent that is away says why it is queued, and what becomes of it."""

    @pytest.fixture
    def desk(self) -> Desk:
        return Desk()

    def test_of_an_agent_that_was_lost(self, desk: Desk) -> None:
        desk.headend.disconnect(CAMPUS_SITE)
        result = desk.der("dispatch", "--site", "Campus-Test", "--mw", "5", "--no-wait")
        assert result.exit_code == 0
        assert result.stderr == (
            "The agent of Campus-Test is not connected, since 12:00:00 UTC (0 s ago). The dispatch waits, and is "
            "handed over when it connects; if that is not before 12:05:00 UTC, it expires.\n"
        )

    def test_nothing_is_said_of_one_that_is_there(self, desk: Desk) -> None:
        assert desk.der("dispatch", "--site", "Campus-Test", "--mw", "5", "--no-wait").stderr == ""

    def test_of_one_that_never_came_and_of_another_day(self) -> None:
        fake = FakeHeadend()
        with HeadendClient("http://headend", transport=fake.transport) as client:
            record = client.dispatch(asset_id=A, mw=5)
        now = datetime.fromisoformat("2025-12-31T23:00:00Z")
        told = why_it_waits(record, [], now=now)
        assert told is not None
        assert told.startswith("No agent that serves this has connected yet. ")
        assert "before 2026-01-01 12:05:00 UTC" in told


class TestReasons:
    """Why an asset gets less than its share."""

    @pytest.mark.parametrize(
        ("mw", "reason"), [("100", "clamped to max_mw +60.00"), ("-100", "clamped to min_mw -60.00")]
    )
    @pytest.mark.parametrize("more", [["--preview"], ["--no-wait"]], ids=lambda more: more[0])
    def test_its_limits(self, mw: str, reason: str, more: list[str]) -> None:
        shown = Desk().der("dispatch", "--asset", "GT-BESS-A", "--mw", mw, *more, columns=120).stdout
        assert reason in next(line for line in shown.splitlines() if line.startswith("GT-BESS-A"))

    def test_its_state_of_charge(self) -> None:
        desk = Desk()
        desk.headend.measure(BATTERY_A, soc_pct=10.0)
        shown = desk.der("dispatch", "--site", "Gateway-Test", "--mw", "12", "--preview", columns=160).stdout
        assert "at its lowest SOC, cannot discharge; charge it first (soc_at_minimum)" in shown
        refused = desk.der("dispatch", "--asset", "GT-BESS-A", "--mw", "12").stderr
        assert "GT-BESS-A can't discharge: its SOC is at its minimum limit (soc_at_minimum" in refused

    def test_an_agent_that_is_away_is_not_called_a_limit(self) -> None:
        desk = Desk()
        desk.headend.disconnect(CAMPUS_SITE)
        shown = desk.der("dispatch", "--site", "Campus-Test", "--mw", "5", "--preview", columns=160).stdout
        assert (
            "! CT-BESS-A gets no share: no agent serves this asset; start its agent (agent_offline)" in shown
        )
        assert "! nobody could take any of it now; sent, it waits for an agent to connect" in shown
        assert "at their limits" not in shown
