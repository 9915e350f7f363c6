"""The client: paging, safe retries, errors as types, an id on every dispatch."""

from collections.abc import Callable
from uuid import UUID

import httpx
import pytest

from der_client import HeadendClient, HeadendProblem, HeadendUnreachable
from kit.fake_headend import SITE_ID, A, FakeHeadend, problem


def client_of(answer: Callable[[httpx.Request], httpx.Response]) -> HeadendClient:
    return HeadendClient("http://headend:3001", transport=httpx.MockTransport(answer))


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("der_client.client.time.sleep", lambda _s: None)


def test_lists_are_read_page_by_page_and_only_as_far_as_they_are_looked_at() -> None:
    fake = FakeHeadend(page=2)
    with HeadendClient("http://headend:3001", transport=fake.transport) as client:
        assets = client.assets()
        assert next(assets)["name"] == "GT-BESS-A"
        assert fake.asked("GET", "/assets") == 1
        assert [a["name"] for a in assets] == ["GT-BESS-B", "GT-BESS-C", "CT-BESS-A"]
        assert [r.url.query for r in fake.requests] == [b"", b"cursor=2"]


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


def test_what_never_reached_the_headend_is_sent_again() -> None:
    fake, failures = FakeHeadend(), [httpx.ConnectError("refused"), httpx.ConnectTimeout("slow")]

    def answer(request: httpx.Request) -> httpx.Response:
        if failures:
            raise failures.pop()
        return fake.transport.handle_request(request)

    with client_of(answer) as client:
        assert client.dispatch(site_id=SITE_ID, mw=12)["state"] == "submitted"
    assert fake.asked("POST", "/dispatch") == 1


def test_what_may_have_reached_the_headend_is_not_sent_again() -> None:
    sent = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request)
        raise httpx.ReadTimeout("no answer")

    with client_of(answer) as client:
        with pytest.raises(HeadendUnreachable, match="no answer within the time limit") as caught:
            client.dispatch(site_id=SITE_ID, mw=12)
        assert caught.value.maybe_done
        with pytest.raises(HeadendUnreachable) as caught:
            list(client.assets())
        assert not caught.value.maybe_done
    assert len(sent) == 2


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
    ],
)
def test_something_else_at_that_address_is_no_headend(foreign: httpx.Response) -> None:
    with (
        client_of(lambda _: foreign) as client,
        pytest.raises(HeadendUnreachable, match="something else is listening there"),
    ):
        list(client.assets())


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
