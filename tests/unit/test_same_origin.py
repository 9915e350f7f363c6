"""Whom a server that trusts whoever reaches it answers, so that other people's web pages can't use it."""

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from der_runtime.same_origin import SameOrigin

ELSEWHERE = "http://attacker.example"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await WebSocket(scope, receive, send).accept()
    else:
        await PlainTextResponse("a page")(scope, receive, send)


def guarded(host: str, *, loopback: bool = True) -> SameOrigin:
    return SameOrigin(application, host=host, loopback=loopback)


async def asked(
    server: SameOrigin, host: str, origin: str | None = None, method: str = "GET"
) -> httpx.Response:
    headers = {"host": host} | ({} if origin is None else {"origin": origin})
    async with httpx.AsyncClient(transport=httpx.ASGITransport(server), base_url="http://x") as client:
        return await client.request(method, "/", headers=headers)


async def opened(server: SameOrigin, **headers: str) -> list[Message]:
    """What is said to who wants to open a websocket."""
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        said.append(message)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    await server({"type": "websocket", "path": "/", "headers": raw}, receive, send)
    return said


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:3001", "127.0.0.7:3001"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_on_loopback_it_answers_to_its_own_names_at_any_port(host: str, method: str) -> None:
    answer = await asked(guarded("127.0.0.7"), host, method=method)
    assert (answer.status_code, answer.headers["x-frame-options"]) == (200, "DENY")


@pytest.mark.parametrize(
    "host",
    ["attacker.example", "attacker.example:3001", "127.0.0.1.attacker.example", "localhost.", "[::1", ""],
)
async def test_a_name_that_was_made_to_lead_here_is_refused(host: str) -> None:
    answer = await asked(guarded("127.0.0.1"), host, origin=f"http://{host}")
    assert (answer.status_code, answer.headers["content-type"]) == (421, "application/problem+json")
    assert (answer.json()["code"], answer.json()["status"]) == ("wrong_host", 421)
    assert "127.0.0.1" in answer.json()["detail"]


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
@pytest.mark.parametrize(
    "origin", [ELSEWHERE, "null", "http://localhost:8080", "http://127.0.0.1:3001", "http://["]
)
async def test_a_page_from_elsewhere_is_refused(method: str, origin: str) -> None:
    answer = await asked(guarded("127.0.0.1"), "localhost:3001", origin, method)
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_origin")
    own = await asked(guarded("127.0.0.1"), "localhost:3001", "http://localhost:3001", method)
    assert own.status_code == 200


async def test_a_probe_that_names_no_host_is_answered() -> None:
    answer = await asked(guarded("127.0.0.1"), "")
    assert answer.status_code == 200


async def test_elsewhere_than_on_loopback_any_name_may_be_its_own() -> None:
    server = guarded("192.0.2.1", loopback=False)
    assert (await asked(server, "fleet.example")).status_code == 200
    assert (await asked(server, "fleet.example", "https://fleet.example", "POST")).status_code == 200
    assert (await asked(server, "fleet.example", ELSEWHERE)).status_code == 200
    assert (await asked(server, "fleet.example", ELSEWHERE, "POST")).status_code == 403
    assert (await asked(server, "fleet.example", ELSEWHERE, "DELETE")).status_code == 403


@pytest.mark.parametrize("loopback", [True, False])
async def test_a_socket_is_opened_by_its_own_pages_alone(loopback: bool) -> None:
    server = guarded("127.0.0.1", loopback=loopback)
    host = "127.0.0.1:3001"
    for own in ({}, {"origin": f"http://{host}"}):
        (accepted,) = await opened(server, host=host, **own)
        assert accepted["type"] == "websocket.accept"
    refused, _ = await opened(server, host=host, origin=ELSEWHERE)
    assert (refused["type"], refused["status"]) == ("websocket.http.response.start", 403)
