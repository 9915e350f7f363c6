"""A command has the right of way from its first byte to its answer; what only asks has not."""

import asyncio

import pytest
from starlette.types import Message, Receive, Scope, Send

from der_headend.rest.app import create_app
from der_headend.rest.guards import CommandsFirst
from der_runtime.clock import ManualClock
from der_runtime.right_of_way import RightOfWay
from kit.headend import A, World
from kit.rest import client_of, services_of

ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


@pytest.mark.parametrize(
    ("method", "path", "commands"),
    [
        ("POST", "/dispatch", True),
        ("DELETE", f"/dispatch/{ID}", True),
        ("POST", "/dispatch/preview", False),
        ("GET", "/dispatch/open", False),
        ("DELETE", f"/events/{ID}", False),
    ],
)
async def test_who_commands_goes_first(method: str, path: str, commands: bool) -> None:
    right_of_way = RightOfWay(ManualClock())
    taken: list[bool] = []

    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        taken.append(right_of_way.taken())
        raise ConnectionError

    guarded = CommandsFirst(app, path="/dispatch", right_of_way=right_of_way)
    with pytest.raises(ConnectionError):
        await guarded({"type": "http", "method": method, "path": path}, _nothing, _nowhere)
    assert taken == [commands]
    assert not right_of_way.taken()


async def test_a_command_that_is_refused_gives_it_back() -> None:
    world = World()
    async with client_of(create_app(services_of(world))) as client:
        answer = await client.post("/dispatch", json={"mw": "much"})
    assert answer.status_code == 422
    assert not world.right_of_way.taken()
    assert not world.right_of_way.lately()


async def test_who_waits_for_the_outcome_holds_up_nothing_meanwhile() -> None:
    world = World()
    async with client_of(create_app(services_of(world))) as client:
        order = client.post("/dispatch?wait=completed", json={"asset_id": str(A), "mw": 1.0})
        waiting = asyncio.create_task(order)
        async with asyncio.timeout(10):
            while not world.right_of_way.lately() or world.right_of_way.taken():  # noqa: ASYNC110 - it is not told
                await asyncio.sleep(0.001)
        assert not waiting.done()
        world.dispatcher.release_waiters()
        assert (await waiting).json()["state"] == "queued"


async def _nothing() -> Message:
    raise AssertionError


async def _nowhere(_message: Message) -> None:
    raise AssertionError
