"""The viewers of the benchmarks: open pages without a browser, to which the headend sends what is live."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest
import socketio
from socketio.exceptions import ConnectionError as Refused

from bench import viewers
from bench.loading import Loaded, load
from bench.run import BenchFailed
from bench.viewers import Viewer
from kit.processes import wait_until
from kit.system import ASSET_A, CAMPUS_ID, GATEWAY, System, kill

DEADLINE_S = 20.0


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with System(CONSOLE="1") as running:
        running.start_agent(GATEWAY)
        yield running


async def until(condition: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(wait_until, condition, deadline_s=DEADLINE_S, what=what)


@asynccontextmanager
async def opened(url: str, path: str) -> AsyncIterator[tuple[list[str], asyncio.Task[None]]]:
    """An open page: the scripts that it is sent, and the task that ends if it does."""
    scripts: list[str] = []
    pages: list[Loaded] = []
    viewer = asyncio.create_task(Viewer(url, path, took=scripts.append).watch(pages.append))
    try:
        await until(lambda: bool(pages) or viewer.done(), "the page opened")
        if not pages:
            await viewer
        yield scripts, viewer
    finally:
        viewer.cancel()
        await asyncio.gather(viewer, return_exceptions=True)


async def test_a_viewer_is_sent_values_as_they_change(system: System) -> None:
    async with opened(system.url, "/") as (scripts, _):
        for mw in (7.25, -3.75):
            await asyncio.to_thread(system.dispatch, asset_id=ASSET_A, mw=mw, duration_s=60)
            await until(partial(_shown, scripts, f",{mw},{mw},"), f"a row at {mw} MW")


def _shown(scripts: list[str], text: str) -> bool:
    return any(script.startswith('der.send("assets",') and text in script for script in scripts)


async def test_a_viewer_acknowledges_as_the_page_does(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    emitted: list[tuple[str, Any]] = []
    emit = socketio.AsyncClient.emit

    async def noted(self: Any, event: str, data: Any) -> None:
        emitted.append((event, dict(data)))
        await emit(self, event, data)

    monkeypatch.setattr(socketio.AsyncClient, "emit", noted)
    monkeypatch.setattr(viewers, "_ACK_S", 0.2)
    async with opened(system.url, "/"):
        await until(lambda: len(emitted) >= 3, "three acknowledgements")
    assert {event for event, _ in emitted} == {"ack"}
    assert len({data["client_id"] for _, data in emitted}) == 1
    ids = [data["next_message_id"] for _, data in emitted]
    assert ids == sorted(set(ids))


async def test_rows_are_fetched_anew_when_there_are_others(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []
    get = httpx.AsyncClient.get

    async def noted(self: httpx.AsyncClient, url: str) -> httpx.Response:
        answer = await get(self, url)
        if url == "/ui/data/agents":
            fetched.append(answer.text)
        return answer

    monkeypatch.setattr(httpx.AsyncClient, "get", noted)
    async with opened(system.url, "/ui/agents"):
        await until(lambda: len(fetched) == 1, "the rows")
        assert CAMPUS_ID not in fetched[0]
        await asyncio.to_thread(system.start_agent, {**GATEWAY, "SITE_ID": CAMPUS_ID})
        await until(lambda: CAMPUS_ID in fetched[-1], "the rows with the other agent")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What is put here goes into what viewers connect with."""
    more: dict[str, Any] = {}

    async def changed(http: httpx.AsyncClient, path: str) -> Loaded:
        page = await load(http, path)
        return replace(page, query={**page.query, **more})

    monkeypatch.setattr(viewers, "load", changed)
    return more


async def test_who_has_loaded_no_page_is_refused(system: System, asked: dict[str, Any]) -> None:
    asked["client_id"] = "nobody"
    with pytest.raises(Refused):
        async with opened(system.url, "/"):
            pass


async def test_who_connects_without_the_handshake_is_sent_nothing(
    system: System, asked: dict[str, Any]
) -> None:
    async with opened(system.url, "/") as (scripts, _):
        asked["implicit_handshake"] = False
        async with opened(system.url, "/") as (unheard, _):
            before = len(scripts)
            await until(lambda: len(scripts) > before + 3, "what a page is sent")
            assert not unheard


async def test_a_viewer_that_loses_its_connection_ends() -> None:
    with System(CONSOLE="1") as system:
        async with opened(system.url, "/ui/events") as (_, viewer):
            kill(system.headend)
            await until(viewer.done, "the viewer ended")
            failed = viewer.exception()
    assert isinstance(failed, ExceptionGroup)
    (why,) = failed.exceptions
    assert isinstance(why, BenchFailed)
    assert "/ui/events has lost its connection" in str(why)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ("run_javascript", {"code": "der.put(1)", "request_id": "1", "_id": 0}),
        ("run_javascript", {"code": "location.reload()", "_id": 0}),
        ("load_js_components", {"components": [], "_id": 0}),
    ],
)
async def test_what_only_a_browser_can_do_is_not_passed_over(event: str, message: dict[str, Any]) -> None:
    with pytest.raises(BenchFailed, match=f"only a browser can do: {event}"):
        Viewer("http://127.0.0.1:1", "/")._take(event, message)


async def test_what_is_no_page_is_not_loaded(system: System) -> None:
    async with httpx.AsyncClient(base_url=system.url) as http:
        with pytest.raises(BenchFailed, match="is no page"):
            await load(http, "/ui/static/console.css")
