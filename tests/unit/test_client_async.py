"""Both clients are one: the same routes and parameters, the same answers, each in its own way of waiting."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from der_client import (
    AsyncHeadendClient,
    Connected,
    EventRaised,
    HeadendClient,
    HeadendUnreachable,
    NotFound,
    Telemetry,
)
from der_client.binding import Call, Pages, Stream, finished
from der_client.fake import BATTERY_A, GATEWAY_SITE, FakeHeadend
from der_client.routes import Routes

ROUTES = [name for name, route in vars(Routes).items() if isinstance(route, Call | Pages | Stream)]

ASKED: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("health", (), {}),
    ("ready", (), {}),
    ("readiness", (), {}),
    ("metrics", (), {}),
    ("assets", (), {"site_id": GATEWAY_SITE}),
    ("asset", (BATTERY_A,), {}),
    ("sites", (), {"with_assets": False}),
    ("site", (GATEWAY_SITE,), {}),
    ("agents", (), {}),
    ("telemetry", (BATTERY_A,), {}),
    ("history", (BATTERY_A,), {"resolution": "1m"}),
    ("site_history", (GATEWAY_SITE,), {"resolution": "5m"}),
    ("preview", (), {"site_id": GATEWAY_SITE, "mw": 12}),
    ("dispatches", (), {"limit": 3}),
    ("open_dispatches", (), {"limit": 3}),
    ("events", (), {"active": True}),
    ("heartbeat", (BATTERY_A,), {}),
    ("heartbeats", (BATTERY_A,), {}),
    ("get_dispatch", ("0b1a7c0e-6d58-4f2c-8d2f-0c8a8c1b7d11",), {}),
    ("dispatch", (), {"asset_id": BATTERY_A, "mw": 5, "id": "0b1a7c0e-6d58-4f2c-8d2f-0c8a8c1b7d11"}),
]


@pytest.fixture
def fake() -> FakeHeadend:
    made = FakeHeadend()
    made.beat(GATEWAY_SITE)
    made.raise_event("trip", asset_id=BATTERY_A)
    with HeadendClient("http://headend", transport=made.transport) as client:
        client.dispatch(asset_id=BATTERY_A, mw=5, id="0b1a7c0e-6d58-4f2c-8d2f-0c8a8c1b7d11", wait="active")
    return made


async def answer_of(asked: Any) -> Any:
    """Of a call its answer, of a list all its entries."""
    return [entry async for entry in asked] if isinstance(asked, AsyncIterator) else await asked


@pytest.mark.parametrize(
    ("name", "args", "options"), ASKED, ids=lambda value: value if isinstance(value, str) else ""
)
async def test_both_get_the_same_answer(
    fake: FakeHeadend, name: str, args: tuple[Any, ...], options: dict[str, Any]
) -> None:
    with HeadendClient("http://headend", transport=fake.transport) as blocking:
        at_once = getattr(blocking, name)(*args, **options)
        if not isinstance(at_once, dict | str | bool):
            at_once = list(at_once)
    async with AsyncHeadendClient("http://headend", transport=fake.async_transport) as client:
        assert await answer_of(getattr(client, name)(*args, **options)) == at_once


def test_every_route_is_tried() -> None:
    tried_elsewhere = {"cancel", "acknowledge", "stream"}
    assert {name for name, _, _ in ASKED} | tried_elsewhere == set(ROUTES)


@pytest.mark.parametrize("name", ROUTES)
def test_a_method_shows_its_parameters_and_what_it_does(name: str) -> None:
    with HeadendClient("http://headend") as client:
        method = getattr(client, name)
    route = vars(Routes)[name]._ask
    assert (method.__name__, method.__doc__) == (name, route.__doc__)
    assert [*inspect.signature(route).parameters] == ["self", *inspect.signature(method).parameters]


async def test_writes_are_awaited_too(fake: FakeHeadend) -> None:
    async with AsyncHeadendClient("http://headend", transport=fake.async_transport) as client:
        (record,) = [record async for record in client.dispatches()]
        assert (await client.cancel(record["id"]))["state"] == "cancelled"
        (alarm,) = [event async for event in client.events()]
        assert (await client.acknowledge(alarm["id"]))["acknowledged_at"]


async def test_the_stream_is_awaited(fake: FakeHeadend) -> None:
    async with (
        AsyncHeadendClient("http://headend", transport=fake.async_transport) as client,
        aclosing(client.stream(asset_id=BATTERY_A)) as events,
    ):
        assert await anext(events) == Connected()
        assert isinstance(await anext(events), Telemetry)
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0)
        fake.raise_event("later", asset_id=BATTERY_A)
        async with asyncio.timeout(20):
            event = await waiting
        assert isinstance(event, EventRaised)
        assert event.event["code"] == "later"


async def test_errors_are_the_same(fake: FakeHeadend) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    async with AsyncHeadendClient("http://headend", transport=fake.async_transport, sleep=sleep) as client:
        with pytest.raises(NotFound):
            await client.asset("00000000-0000-0000-0000-000000000001")
        fake.reachable = False
        with pytest.raises(HeadendUnreachable):
            await client.ready()
    assert len(pauses) == 3


def test_a_headend_that_is_not_ready_says_why() -> None:
    fake = FakeHeadend()
    fake.ready = False
    with HeadendClient("http://headend", transport=fake.transport) as client:
        assert not client.ready()
        assert [check["ok"] for check in client.readiness()["checks"]] == [False]


async def test_many_ask_at_once(fake: FakeHeadend) -> None:
    async with AsyncHeadendClient("http://headend", transport=fake.async_transport) as client:
        answers = await asyncio.gather(*(client.asset(BATTERY_A) for _ in range(20)))
    assert {answer["id"] for answer in answers} == {BATTERY_A}


async def test_a_blocking_client_works_beside_a_running_loop(fake: FakeHeadend) -> None:
    with HeadendClient("http://headend", transport=fake.transport) as client:
        assert next(client.assets())["id"] == BATTERY_A
        events = client.stream()
        assert next(events) == Connected()
        events.close()


def test_what_would_wait_is_a_mistake_in_a_blocking_client() -> None:
    async def waits() -> None:
        await asyncio.sleep(1)

    with pytest.raises((AssertionError, RuntimeError)):
        finished(waits())


def typed(blocking: HeadendClient, awaited: AsyncHeadendClient) -> None:
    """The type checker's part: it must know these (`mypy` runs over the tests)."""
    name: str = blocking.asset("a")["name"]
    work: Coroutine[Any, Any, Any] = awaited.asset("a")
    call: Callable[..., Any] = blocking.dispatch
    del name, work, call


def test_a_proxy_of_the_environment_is_not_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.invalid:1")
    for url, proxied in (
        ("http://127.0.0.1:9", False),
        ("http://localhost:9", False),
        ("http://headend:9", True),
    ):
        with HeadendClient(url) as client:
            mounts = client._http._mounts
        assert bool(mounts) is proxied
        assert isinstance(client._http, httpx.Client)
