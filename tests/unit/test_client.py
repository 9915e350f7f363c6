"""The client: paging, safe retries, errors as types, an id on every dispatch."""

import re
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from urllib.parse import quote
from uuid import UUID

import httpx
import pytest

from der_client import (
    Conflict,
    HeadendClient,
    HeadendError,
    HeadendProblem,
    HeadendUnreachable,
    Invalid,
    NotFound,
    ServerFault,
    Unavailable,
    without_login,
)
from kit.fake_headend import SITE_ID, A, FakeHeadend, problem


def client_of(answer: Callable[[httpx.Request], httpx.Response]) -> HeadendClient:
    return HeadendClient(
        "http://headend:3001", transport=httpx.MockTransport(answer), sleep=lambda _seconds: None
    )


def test_lists_are_read_page_by_page_and_only_as_far_as_they_are_looked_at() -> None:
    fake = FakeHeadend(page=2)
    with HeadendClient("http://headend:3001", transport=fake.transport) as client:
        assets = client.assets()
        assert next(assets)["name"] == "GT-BESS-A"
        assert fake.asked("GET", "/assets") == 1
        assert [a["name"] for a in assets] == ["GT-BESS-B", "GT-BESS-C", "CT-BESS-A"]
        assert [r.url.query for r in fake.requests] == [b"limit=1000", b"limit=1000&cursor=2"]


def test_sites_agents_telemetry_and_readiness() -> None:
    fake = FakeHeadend()
    with HeadendClient("headend:3001", transport=fake.transport) as client:
        assert client.base_url == "http://headend:3001"
        assert [s["name"] for s in client.sites()] == ["Gateway-Test", "Campus-Test"]
        assert [a["site_name"] for a in client.agents()] == ["Gateway-Test"]
        assert client.telemetry(A)["signals"]["voltage_v"] == 400.25
        assert client.ready()
        fake.ready = False
        assert not client.ready()


def test_a_dispatch_always_has_an_id_and_only_what_was_given() -> None:
    fake = FakeHeadend()
    with HeadendClient("http://headend:3001", transport=fake.transport) as client:
        first = client.dispatch(site_id=SITE_ID, mw=12)
        client.dispatch(asset_id=A, mw=-5, duration_s=60, ttl_s=10, id=first["id"])
    bodies = fake.bodies
    assert UUID(bodies[0].pop("id")).version == 4
    assert bodies[0] == {"site_id": SITE_ID, "mw": 12}
    assert bodies[1] == {"asset_id": A, "mw": -5, "duration_s": 60, "ttl_s": 10, "id": first["id"]}


def test_a_dispatch_can_be_looked_at_previewed_and_cancelled() -> None:
    fake = FakeHeadend()
    with HeadendClient("http://headend:3001", transport=fake.transport) as client:
        assert [s["mw"] for s in client.preview(site_id=SITE_ID, mw=12)["allocations"]] == [7.2, 2.4, 2.4]
        record = client.dispatch(site_id=SITE_ID, mw=12)
        assert client.get_dispatch(record["id"])["state"] == "queued"
        assert client.cancel(record["id"])["state"] == "cancelled"


class Flaky(httpx.BaseTransport):
    """Meets a request with the next of ``failures``, and answers when there are none left."""

    def __init__(self, *failures: httpx.HTTPError | httpx.Response) -> None:
        self.failures = list(failures)
        self.sent: list[httpx.Request] = []
        self.slept: list[float] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(request)
        failure = self.failures.pop(0) if self.failures else httpx.Response(200, json={"id": A})
        if isinstance(failure, httpx.Response):
            return failure
        raise failure

    def client(self, *, timeout_s: float = 10.0) -> HeadendClient:
        return HeadendClient("http://headend", transport=self, timeout_s=timeout_s, sleep=self.slept.append)


def away(retry_after: str | None) -> httpx.Response:
    response = problem(503, "store_unavailable", "the store is away")
    if retry_after is not None:
        response.headers["Retry-After"] = retry_after
    return response


BROKEN = (
    httpx.ConnectError("refused"),
    httpx.ConnectTimeout("slow"),
    httpx.ReadError("reset"),
    httpx.RemoteProtocolError("closed"),
)


@pytest.mark.parametrize("failure", BROKEN, ids=lambda failure: type(failure).__name__)
def test_a_connection_that_fails_is_made_again(failure: httpx.HTTPError) -> None:
    flaky = Flaky(failure, failure)
    with flaky.client() as client:
        client.dispatch(site_id=SITE_ID, mw=12)
    assert len(flaky.sent) == 3
    assert len({request.content for request in flaky.sent}) == 1, "the same id each time"
    assert 0.05 <= flaky.slept[0] <= 0.1 <= flaky.slept[1] <= 0.2


def test_it_gives_up_after_four_attempts_and_says_if_it_may_have_been_done() -> None:
    flaky = Flaky(httpx.ReadError("reset"), *[httpx.ConnectError("refused")] * 9)
    with flaky.client() as client, pytest.raises(HeadendUnreachable) as caught:
        client.dispatch(site_id=SITE_ID, mw=12)
    assert (len(flaky.sent), caught.value.maybe_done) == (4, True)
    flaky = Flaky(*[httpx.ReadError("reset")] * 9)
    with flaky.client() as client, pytest.raises(HeadendUnreachable) as caught:
        client.preview(site_id=SITE_ID, mw=12)
    assert (len(flaky.sent), caught.value.maybe_done) == (4, False)


def test_a_timeout_is_not_tried_again() -> None:
    flaky = Flaky(httpx.ReadTimeout("no answer"))
    with flaky.client() as client:
        with pytest.raises(HeadendUnreachable, match="no answer within the time limit") as caught:
            client.dispatch(site_id=SITE_ID, mw=12)
        assert (len(flaky.sent), caught.value.maybe_done) == (1, True)


def test_a_part_that_is_away_is_asked_again_when_it_said_so() -> None:
    flaky = Flaky(away("2"))
    with flaky.client() as client:
        client.dispatch(site_id=SITE_ID, mw=12)
    assert len(flaky.sent) == 2
    assert 2.05 <= flaky.slept[0] <= 2.1


def test_each_attempt_that_is_made_again_is_told_and_why() -> None:
    flaky = Flaky(away("2"), httpx.ConnectError("refused"), *[away("1")] * 9)
    told: list[tuple[HeadendError, float]] = []
    client = HeadendClient(
        "http://headend",
        transport=flaky,
        sleep=flaky.slept.append,
        on_retry=lambda why, pause_s: told.append((why, pause_s)),
    )
    with client, pytest.raises(Unavailable):
        client.asset(A)
    assert [type(why) for why, _ in told] == [Unavailable, HeadendUnreachable, Unavailable]
    assert [pause_s for _, pause_s in told] == flaky.slept
    assert "the store is away" in str(told[0][0])


@pytest.mark.parametrize(
    ("retry_after", "said"), [("5", 5.0), (None, None), ("tomorrow", None), ("-1", None), ("nan", None)]
)
def test_a_part_that_is_away_for_longer_is_an_error(retry_after: str | None, said: float | None) -> None:
    flaky = Flaky(away(retry_after))
    with flaky.client(timeout_s=4) as client, pytest.raises(Unavailable) as caught:
        client.asset(A)
    assert (len(flaky.sent), flaky.slept, caught.value.retry_after_s) == (1, [], said)


def test_pauses_end_with_the_time_the_caller_gave() -> None:
    flaky = Flaky(*[away("2")] * 9)
    with flaky.client(timeout_s=5) as client, pytest.raises(Unavailable):
        client.asset(A)
    assert len(flaky.sent) == 3
    assert sum(flaky.slept) <= 5


def test_attempts_share_the_time_the_caller_gave(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 1000, 2))
    monkeypatch.setattr("der_client.exchange.time.monotonic", lambda: float(next(clock)))
    flaky = Flaky(*[httpx.ConnectTimeout("slow")] * 9)  # each takes 2 s
    with flaky.client(timeout_s=5) as client, pytest.raises(HeadendUnreachable):
        client.asset(A)
    assert [request.extensions["timeout"]["read"] for request in flaky.sent] == pytest.approx(
        [5, 3, 1], abs=0.4
    )


def test_an_answer_that_is_waited_for_may_take_longer() -> None:
    flaky = Flaky()
    with flaky.client(timeout_s=4) as client:
        client.dispatch(site_id=SITE_ID, mw=12, wait="active", timeout_s=30)
        client.asset(A)
    timeouts = [request.extensions["timeout"] for request in flaky.sent]
    assert [timeout["read"] for timeout in timeouts] == [34, 4]
    assert [timeout["connect"] for timeout in timeouts] == [3, 3]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Invalid),
        (413, Invalid),
        (422, Invalid),
        (404, NotFound),
        (409, Conflict),
        (500, ServerFault),
        (502, ServerFault),
    ],
)
def test_a_problem_has_the_type_of_its_status(status: int, kind: type[HeadendProblem]) -> None:
    with Flaky(problem(status, "code", "detail")).client() as client, pytest.raises(HeadendProblem) as caught:
        client.asset(A)
    assert type(caught.value) is kind


def test_times_go_out_with_their_zone() -> None:
    flaky = Flaky(*[httpx.Response(200, json=[])] * 2)
    with flaky.client() as client:
        list(client.events(start=datetime(2026, 1, 31, 8, tzinfo=UTC), end="2026-02-01T00:00:00+02:00"))
        assert flaky.sent[0].url.params["start"] == "2026-01-31T08:00:00+00:00"
        assert flaky.sent[0].url.params["end"] == "2026-02-01T00:00:00+02:00"
        with pytest.raises(ValueError, match="no time zone"):
            client.events(start=datetime(2026, 1, 31, 8))  # noqa: DTZ001 - the mistake


def test_nobody_there_says_where_and_what_to_look_at() -> None:
    def answer(_request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("[Errno 111] Connection refused")

    with client_of(answer) as client, pytest.raises(HeadendUnreachable) as caught:
        client.ready()
    assert str(caught.value) == (
        "no headend answers at http://headend:3001: connection refused. Is it running there? "
        "HEADEND (or --headend) says where to look."
    )


def test_a_problem_is_an_error_with_its_code() -> None:
    with (
        client_of(lambda _: problem(422, "invalid_value", "mw: must be finite", "mw")) as client,
        pytest.raises(HeadendProblem) as caught,
    ):
        client.dispatch(site_id=SITE_ID, mw=12)
    error = caught.value
    assert (error.code, error.status, error.title, error.field) == ("invalid_value", 422, "No", "mw")
    assert str(error) == "mw: must be finite (invalid_value, field mw)"


@pytest.mark.parametrize(
    "foreign",
    [
        httpx.Response(200, text="<html>hello</html>", headers={"content-type": "text/html"}),
        httpx.Response(200, content=b"{broken", headers={"content-type": "application/json"}),
        httpx.Response(404, json={"error": "no"}),
        httpx.Response(500, json=["no"], headers={"content-type": "application/problem+json"}),
        httpx.Response(302, headers={"location": "http://elsewhere/"}),
        httpx.Response(200, json={"status": "ok"}),
        httpx.Response(200, json=["ok"]),
        httpx.Response(200, json=[{"status": "ok"}]),
    ],
)
def test_something_else_at_that_address_is_no_headend(foreign: httpx.Response) -> None:
    with client_of(lambda _: foreign) as client:
        for question in (lambda: list(client.assets()), lambda: client.dispatch(mw=1, asset_id=A)):
            with pytest.raises(HeadendUnreachable, match="something else is listening there"):
                question()


def caused(*by: BaseException) -> httpx.HTTPError:
    """An error as the libraries leave it: each made of the next."""
    error = httpx.ConnectError("[Errno 111] Connection refused")
    above: BaseException = error
    for below in by:
        above.__cause__ = below
        above = below
    return error


def untrusted(message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
    error.verify_message = message
    return error


def no_tls(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] {reason.lower()} (_ssl.c:1006)")
    error.reason = reason
    return error


REFUSED = ConnectionRefusedError(111, "Connection refused")


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        (caused(REFUSED), "connection refused"),
        (
            caused(OSError("All connection attempts failed"), ExceptionGroup("two", [REFUSED])),
            "connection refused",
        ),
        (caused(socket.gaierror(-2, "Name or service not known")), "no such host is known"),
        (caused(OSError(113, "No route to host")), "no route to host"),
        (caused(untrusted("self-signed certificate")), "not trusted: self-signed certificate"),
        (caused(no_tls("WRONG_VERSION_NUMBER")), "does not speak TLS (should it be http://?)"),
        (caused(no_tls("RECORD_LAYER_FAILURE")), "does not speak TLS (should it be http://?)"),
        (
            caused(no_tls("TLSV13_ALERT_CERTIFICATE_REQUIRED")),
            "the TLS handshake was refused: tlsv13 alert certificate required",
        ),
        (caused(ssl.SSLEOFError(8, "EOF occurred in violation of protocol")), "broke the TLS connection off"),
        (caused(ConnectionResetError(104, "Connection reset by peer")), "reset by peer"),
        (caused(OSError(111, "Connect call failed ('127.0.0.1', 1)")), "connection refused"),
        (httpx.ConnectError("All connection attempts failed"), "no connection could be made"),
        (httpx.ReadError(""), "the connection broke"),
        (httpx.RemoteProtocolError("Server disconnected without sending a response."), "it hung up"),
        (
            httpx.RemoteProtocolError(
                "peer closed connection without sending complete message body (chunked)"
            ),
            "it broke off in the middle of an answer",
        ),
        (httpx.RemoteProtocolError("illegal status line: bytearray(b'\\x15')"), "speaks no HTTP"),
    ],
)
def test_why_nobody_answers_is_told_in_an_operator_s_words(failure: httpx.HTTPError, said: str) -> None:
    with Flaky(*[failure] * 4).client() as client, pytest.raises(HeadendUnreachable) as caught:
        client.health()
    assert said in caught.value.why
    assert not re.search(r"Errno|SSL|_ssl|bytearray|\[|Error|attempts", caught.value.why)


def test_an_id_cannot_lead_to_another_route() -> None:
    fake = FakeHeadend()
    with (
        HeadendClient("http://headend:3001", transport=fake.transport) as client,
        pytest.raises(HeadendProblem),
    ):
        client.telemetry("../assets?x")
    assert fake.requests[0].url.raw_path == b"/telemetry/..%2Fassets%3Fx"


@pytest.mark.parametrize("url", ["", "ftp://headend", "http://", "http://[::1", "not a url"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not the URL of a headend"):
        HeadendClient(url)


@pytest.mark.parametrize("port", [0, 65_536, 99_999])
def test_a_port_that_is_none_is_named(port: int) -> None:
    with pytest.raises(
        ValueError, match=rf"'http://headend:{port}' has port {port}; expected one from 1 to 65535"
    ):
        HeadendClient(f"http://headend:{port}")


def test_what_is_no_login_stays_in_a_url() -> None:
    assert without_login("http://headend:3001/a@b?q=x@y") == "http://headend:3001/a@b?q=x@y"


@pytest.mark.parametrize("login", ["op:s3cret", "op", "op@corp:s3/cr@et"])
def test_a_login_in_the_url_is_used_and_never_shown(login: str) -> None:
    asked: list[httpx.Request] = []

    def nobody(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        raise httpx.ReadTimeout("")

    transport = httpx.MockTransport(nobody)
    url = f"http://{quote(login, safe=':')}@headend:3001"
    with HeadendClient(url, transport=transport) as client, pytest.raises(HeadendUnreachable) as caught:
        client.health()
    assert asked[0].headers["authorization"].startswith("Basic ")
    assert (client.base_url, caught.value.url) == ("http://headend:3001",) * 2
    assert "no headend answers at http://headend:3001: " in str(caught.value)
    with pytest.raises(ValueError, match=r"'http://headend:3001 x' is not the URL"):
        HeadendClient(f"http://{login}@headend:3001 x")
