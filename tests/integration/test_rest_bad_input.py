"""Bad input to the REST API: each gets a problem that names what was wrong, nothing moves, and the API goes on."""

import json
from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest
from structlog.testing import capture_logs

from der_core.errors import Conflict, Defect, NotFound, Rejected, Unavailable
from der_headend.rest.app import MAX_BODY_BYTES, create_app
from der_headend.rest.problems import Problem, answer_to
from kit.headend import SITE, A, World, gateway, link_of
from kit.rest import client_of, served, services_of


@pytest.fixture
async def world() -> World:
    return World()


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    """A client that makes sure that the API still works when the test is over, and that nothing moved."""
    session = await world.connect(gateway())
    async with client_of(create_app(services_of(world))) as client:
        yield client
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/dispatch/history")).json() == []
        assert link_of(session).commands == []


def problem(response: httpx.Response, status: int, code: str, field: str | None = None) -> str:
    """The detail of a response that is this problem."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    found = Problem.model_validate_json(response.content)
    assert (response.status_code, found.status, found.code, found.field) == (status, status, code, field)
    assert "Traceback" not in response.text
    return found.detail


async def post(client: httpx.AsyncClient, content: str | bytes, path: str = "/dispatch") -> httpx.Response:
    return await client.post(path, content=content, headers={"content-type": "application/json"})


_ASSET = f'"asset_id":"{A}"'


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        (f'{{{_ASSET},"mw":NaN}}', "not_finite", "mw"),
        (f'{{{_ASSET},"mw":Infinity}}', "not_finite", "mw"),
        (f'{{{_ASSET},"mw":-Infinity}}', "not_finite", "mw"),
        (f'{{{_ASSET},"mw":1e400}}', "not_finite", "mw"),
        (f'{{{_ASSET},"mw":1{"0" * 400}}}', "invalid_value", "mw"),
        (f'{{{_ASSET},"mw":"5"}}', "invalid_value", "mw"),
        (f'{{{_ASSET},"mw":true}}', "invalid_value", "mw"),
        (f'{{{_ASSET},"mw":null}}', "invalid_value", "mw"),
        (f'{{{_ASSET},"mw":[5]}}', "invalid_value", "mw"),
        (f"{{{_ASSET}}}", "missing_field", "mw"),
        (f'{{{_ASSET},"mw":5,"duration_s":0}}', "invalid_value", "duration_s"),
        (f'{{{_ASSET},"mw":5,"duration_s":-1}}', "invalid_value", "duration_s"),
        (f'{{{_ASSET},"mw":5,"duration_s":2678401}}', "invalid_value", "duration_s"),
        (f'{{{_ASSET},"mw":5,"duration_s":NaN}}', "not_finite", "duration_s"),
        (f'{{{_ASSET},"mw":5,"duration_s":"60"}}', "invalid_value", "duration_s"),
        (f'{{{_ASSET},"mw":5,"ttl_s":0}}', "invalid_value", "ttl_s"),
        (f'{{{_ASSET},"mw":5,"ttl_s":604801}}', "invalid_value", "ttl_s"),
        (f'{{{_ASSET},"mw":5,"until":"noon"}}', "unknown_field", "until"),
        (f'{{{_ASSET},"mw":5,"\\ud800":1}}', "invalid_body", None),
        (f'{{{_ASSET},"mw":1,"mw":5}}', "repeated_field", "mw"),
        (f'{{{_ASSET},"mw":1,"m\\u0077":5}}', "repeated_field", "mw"),
        (f'{{{_ASSET},"mw":5,"x":{{"y":1,"y":1}}}}', "repeated_field", "y"),
        (f'{{{_ASSET},"mw":5,"\\ud800":1,"\\ud800":1}}', "repeated_field", "\\ud800"),
        (f'{{{_ASSET},"mw":5,"id":"1"}}', "invalid_uuid", "id"),
        (f'{{{_ASSET},"mw":5,"id":"\\ud800"}}', "invalid_value", "id"),
        ('{"asset_id":"GT-BESS-A","mw":5}', "invalid_uuid", "asset_id"),
        ('{"asset_id":7,"mw":5}', "invalid_uuid", "asset_id"),
        ('{"site_id":"","mw":5}', "invalid_uuid", "site_id"),
        ('{"mw":5}', "target_missing", "asset_id"),
        ("[]", "invalid_body", None),
        ("5", "invalid_body", None),
        ("null", "invalid_body", None),
        ("", "invalid_body", None),
    ],
)
@pytest.mark.parametrize("path", ["/dispatch", "/dispatch/preview"])
async def test_wrong_dispatch(
    client: httpx.AsyncClient, path: str, body: str, code: str, field: str | None
) -> None:
    problem(await post(client, body, path), 422, code, field)


async def test_a_power_beyond_all_inventories_is_refused(client: httpx.AsyncClient) -> None:
    for path in ("/dispatch", "/dispatch/preview"):
        for mw, bound in (
            ("1e300", "less than or equal to 1e+09"),
            ("-1e10", "greater than or equal to -1e+09"),
        ):
            detail = problem(await post(client, f'{{{_ASSET},"mw":{mw}}}', path), 422, "invalid_value", "mw")
            assert detail.replace("1000000000", "1e+09") == f"mw: must be {bound}"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (f"/sites/{SITE}/history?resolution=2m", "resolution: must be '1m', '5m' or '1h'"),
        (f"/telemetry/{A}/history?resolution=2m", "resolution: must be 'raw', '1m', '5m' or '1h'"),
        ("/events?active=maybe", "active: must be true or false"),
    ],
)
async def test_what_is_expected_is_said_in_plain_words(
    client: httpx.AsyncClient, path: str, expected: str
) -> None:
    response = await client.get(path)
    assert (response.status_code, response.json()["detail"]) == (422, expected)


async def test_several_mistakes_are_told_at_once(client: httpx.AsyncClient) -> None:
    detail = problem(await post(client, f'{{{_ASSET},"mw":"5","ttl_s":0,"x":1}}'), 422, "invalid_value", "mw")
    assert (
        detail == "mw: must be a number, such as 12 or -5.5; ttl_s: must be greater than 0; "
        "x: is not a field of this request"
    )


@pytest.mark.parametrize(
    "body",
    [
        '{"mw":5',
        "{'mw':5}",
        "mw=5",
        '{"mw":5}}',
        b'{"mw":\xff}',
        "[" * 60_000,
        '{"a":' * 10_000,
        f'{{{_ASSET},"mw":1{"0" * 5000}}}',
    ],
)
async def test_malformed_json(client: httpx.AsyncClient, body: str | bytes) -> None:
    problem(await post(client, body), 400, "malformed_json")


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded"])
async def test_body_of_another_type(client: httpx.AsyncClient, content_type: str | None) -> None:
    headers = {} if content_type is None else {"content-type": content_type}
    response = await client.post("/dispatch", content=f'{{{_ASSET},"mw":5}}', headers=headers)
    assert "content-type: application/json" in problem(response, 422, "invalid_body")


async def test_body_that_is_too_large(client: httpx.AsyncClient) -> None:
    problem(await post(client, b" " * (MAX_BODY_BYTES + 1)), 413, "body_too_large")
    problem(await client.request("GET", "/assets", content=b" " * 70_000), 413, "body_too_large")
    problem(await post(client, b" " * MAX_BODY_BYTES), 400, "malformed_json")


async def test_chunked_body_that_is_too_large(client: httpx.AsyncClient) -> None:
    asked_for = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked_for
        while True:
            asked_for += 1
            yield b" " * 10_000

    response = await client.post("/dispatch", content=endless(), headers={"content-type": "application/json"})
    problem(response, 413, "body_too_large")
    assert asked_for <= 10


async def test_chunked_body_that_is_small_enough(client: httpx.AsyncClient) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for piece in ('{"mw":', '"5"', "}"):
            yield piece.encode()

    response = await client.post("/dispatch", content=pieces(), headers={"content-type": "application/json"})
    problem(response, 422, "invalid_value", "mw")


async def test_huge_body_over_a_real_socket(world: World) -> None:
    async with served(services_of(world)) as address, httpx.AsyncClient() as client:
        url = f"http://{address}/dispatch"
        problem(await client.post(url, content=b" " * 200_000), 413, "body_too_large")
        problem(await client.post(url, json={"mw": 5}), 422, "target_missing", "asset_id")


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("GET", "/assets/{}", "asset_id"),
        ("GET", "/sites/{}", "site_id"),
        ("GET", "/sites/{}/history", "site_id"),
        ("GET", "/telemetry/{}", "asset_id"),
        ("GET", "/telemetry/{}/history", "asset_id"),
        ("GET", "/dispatch/{}", "dispatch_id"),
        ("DELETE", "/dispatch/{}", "dispatch_id"),
        ("GET", "/events/{}/history", "asset_id"),
        ("POST", "/events/{}/ack", "event_id"),
        ("GET", "/heartbeat/{}", "asset_id"),
        ("GET", "/heartbeat/{}/history", "asset_id"),
    ],
)
async def test_ids_in_paths(client: httpx.AsyncClient, method: str, path: str, field: str) -> None:
    for malformed in ("1", "GT-BESS-A", "7ba7b810-9dad-11d1-80b4-00c04fd430cX", "%00", "%ff"):
        problem(await client.request(method, path.format(malformed)), 422, "invalid_uuid", field)
    unknown = await client.request(method, path.format(uuid4()))
    assert unknown.status_code == 404
    assert unknown.json()["code"] in ("unknown_asset", "unknown_site", "unknown_dispatch", "unknown_event")


@pytest.mark.parametrize("kind", ["asset", "site"])
async def test_what_is_not_in_the_inventory_is_said_in_the_same_words_everywhere(
    client: httpx.AsyncClient, kind: str
) -> None:
    unknown = str(uuid4())
    past = f"/telemetry/{unknown}/history" if kind == "asset" else f"/sites/{unknown}/history"
    answers = [
        await client.get(f"/{kind}s/{unknown}"),
        await client.get(past),
        await client.get("/stream", params={f"{kind}_id": unknown}),
        await client.post("/dispatch/preview", json={f"{kind}_id": unknown, "mw": 1}),
    ]
    said = f"{kind} {unknown} is not in the inventory; GET /{kind}s lists those that are"
    assert {(each.json()["code"], each.json()["detail"]) for each in answers} == {(f"unknown_{kind}", said)}


@pytest.mark.parametrize(
    "path", ["/assets", "/sites", "/agents", "/events", "/dispatch/history", "/dispatch/open"]
)
async def test_lists(client: httpx.AsyncClient, path: str) -> None:
    for limit in ("0", "-1", "1001", "x", "1e3", "NaN", ""):
        problem(await client.get(path, params={"limit": limit}), 422, "invalid_value", "limit")
    for cursor in ("???", ""):
        problem(await client.get(path, params={"cursor": cursor}), 422, "invalid_cursor", "cursor")


@pytest.mark.parametrize("path", ["/events", "/dispatch/history"])
async def test_times_need_a_zone(client: httpx.AsyncClient, path: str) -> None:
    for start in ("2026-06-01T12:00:00", "2026-06-01", "1780315200", "4e-08", "now", ""):
        response = await client.get(path, params={"start": start})
        assert "2026-01-31T08:00:00Z" in problem(response, 422, "invalid_value", "start")
    unescaped = await client.get(f"{path}?start=2026-06-01T12:00:00+02:00")
    assert "%2B" in problem(unescaped, 422, "invalid_value", "start")


@pytest.mark.parametrize(
    ("query", "field"),
    [("wait=done", "wait"), ("wait=active&timeout_s=31", "timeout_s"), ("timeout_s=nan", "timeout_s")],
)
async def test_wrong_wait(client: httpx.AsyncClient, query: str, field: str) -> None:
    response = await post(client, f'{{{_ASSET},"mw":5}}', f"/dispatch?{query}")
    assert response.status_code == 422
    assert response.json()["field"] == field


@pytest.mark.parametrize("key", ["", "x" * 256])
async def test_wrong_idempotency_key(client: httpx.AsyncClient, key: str) -> None:
    body = {"site_id": str(SITE), "mw": 5}
    response = await client.post("/dispatch", json=body, headers={"Idempotency-Key": key})
    problem(response, 422, "invalid_value", "Idempotency-Key")


@pytest.mark.parametrize(
    ("method", "path", "field", "said"),
    [
        ("GET", "/assets?limt=5", "limt", "it has site_id, limit, cursor"),
        ("GET", f"/telemetry/{A}/history?asset={A}", "asset", "it has start, end, resolution, limit, cursor"),
        ("GET", f"/assets/{A}?site_id={SITE}", "site_id", "it has none"),
        ("GET", "/stream?telemetry=5", "telemetry", "it has telemetry_s, site_id, asset_id"),
        ("POST", "/dispatch?asset_id=1", "asset_id", "it has wait, timeout_s"),
        ("DELETE", f"/dispatch/{A}?force=1", "force", "it has timeout_s"),
        ("GET", f"/assets?{'x' * 300}=1", f"{'x' * 100}…", "it has site_id, limit, cursor"),
        ("GET", "/assets?=5", "", "it has site_id, limit, cursor"),
    ],
)
async def test_a_parameter_that_there_is_not(
    client: httpx.AsyncClient, method: str, path: str, field: str, said: str
) -> None:
    detail = problem(await client.request(method, path), 422, "unknown_parameter", field)
    assert detail == f"{field}: is not a parameter of this route; {said}"


async def test_a_parameter_that_is_given_twice(client: httpx.AsyncClient) -> None:
    problem(await client.get("/assets?limit=5&limit=6"), 422, "repeated_parameter", "limit")


async def test_every_route_of_the_api_is_strict_and_what_others_call_with_words_of_their_own_is_not(
    client: httpx.AsyncClient,
) -> None:
    paths = (await client.get("/openapi.json")).json()["paths"]
    lenient = {"/healthz", "/readyz", "/metrics"}
    for path, methods in paths.items():
        for method in methods if path not in lenient else ():
            problem(await client.request(method, f"{path}?x=1"), 422, "unknown_parameter", "x")
    for path in (*lenient, "/", "/docs", "/openapi.json"):
        assert (await client.get(f"{path}?probe=1")).status_code in {200, 503}


async def test_unknown_routes_and_methods(client: httpx.AsyncClient) -> None:
    problem(await client.get("/nothing/here"), 404, "unknown_route")
    problem(await client.get("/static-offline-docs/../../etc/passwd"), 404, "unknown_route")
    response = await client.delete("/assets")
    problem(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == "GET"


async def test_mistake_of_ours_is_a_problem_without_its_traceback(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("the secret of the house")

    monkeypatch.setattr(world.sessions, "agents", broken)
    async with client_of(create_app(services_of(world))) as client:
        with capture_logs() as logs:
            response = await client.get("/agents")
    assert "secret" not in problem(response, 500, "internal_error")
    (entry,) = logs
    assert (entry["event"], entry["log_level"]) == ("request failed", "error")
    assert isinstance(entry["exc_info"], ZeroDivisionError)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Rejected("r", "…"), 422),
        (NotFound("n", "…"), 404),
        (Conflict("c", "…"), 409),
        (Unavailable("u", "…", retry_after_s=2.5), 503),
        (Defect("d", "…"), 500),
        (KeyError("k"), 500),
    ],
)
def test_one_table_from_errors_to_status(error: Exception, status: int) -> None:
    assert answer_to(error).status == status


def test_unavailable_says_when_to_come_back() -> None:
    error = Unavailable("store_unavailable", "the database does not answer", retry_after_s=0.2)
    response = answer_to(error).response()
    assert response.headers["retry-after"] == "1"
    assert json.loads(bytes(response.body))["title"] == "Service Unavailable"
