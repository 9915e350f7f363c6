"""A viewer of the benchmarks and a real Chromium look at the same page: they ask for the same and are sent the same."""

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, WebSocket

from bench.loading import Loaded
from bench.viewers import PAGES, Viewer
from kit.browser import WAIT_MS, Screen
from kit.processes import wait_until
from kit.system import ASSET_A, CAMPUS_ID, GATEWAY, SITE_ID, System

LEAST = 2
"""Scripts one after the other that both are sent, at least."""
ASSETS = 5
_TURN_MS = 250
_TURNS = 12
_TURNS_PER_ALARM = 8


@pytest.fixture(scope="module")
def eventful() -> Iterator[System]:
    """A headend with its console, and assets that have all broken."""
    with System(CONSOLE="1") as running:
        for site_id in (SITE_ID, CAMPUS_ID):
            running.start_agent({**GATEWAY, "SITE_ID": site_id, "SIM_FAULTS_PER_HOUR": "3600"})
        running.wait(lambda: len(running.get("/events", active=True)) == ASSETS, "an alarm of each asset")
        yield running


@contextmanager
def viewer(url: str, path: str) -> Iterator[tuple[Loaded, list[str]]]:
    """A viewer beside the browser, in a thread of its own: what it loaded, and the scripts that it is sent."""
    scripts: list[str] = []
    found: list[tuple[Loaded, asyncio.AbstractEventLoop]] = []
    stop = asyncio.Event()

    def opened(page: Loaded) -> None:
        found.append((page, asyncio.get_running_loop()))

    async def watch() -> None:
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(Viewer(url, path, took=scripts.append).watch(opened))
            await stop.wait()
            watching.cancel()

    with ThreadPoolExecutor(max_workers=1) as threads:
        ended = threads.submit(lambda: asyncio.run(watch()))
        wait_until(lambda: bool(found) or ended.done(), deadline_s=WAIT_MS / 1000, what="the viewer's page")
        if not found:
            ended.result()
        page, loop = found[0]
        try:
            yield page, scripts
        finally:
            loop.call_soon_threadsafe(stop.set)
        ended.result()


@pytest.mark.parametrize("path", PAGES)
def test_a_viewer_is_to_the_headend_what_a_browser_is(
    eventful: System, screen: Callable[..., Screen], path: str
) -> None:
    shown = screen(eventful.url)
    asked, scripts = _noted(shown.page)
    shown.open(path)
    with viewer(eventful.url, path) as (loaded, sent):
        same: list[tuple[str, str]] = []
        for turn in range(WAIT_MS // _TURN_MS):
            _stir(eventful, path, turn)
            shown.page.wait_for_timeout(_TURN_MS)
            same = _since_both_look(scripts, sent)
            if turn >= _TURNS and len(same) >= LEAST:
                break
    assert len(same) >= LEAST
    assert all(of_browser == of_viewer for of_browser, of_viewer in same)
    assert sorted(asked) == sorted([*loaded.paths, *loaded.tables.values()])


def _stir(system: System, path: str, turn: int) -> None:
    """Something new for the page: a dispatch, or now and then an alarm that is acknowledged."""
    if path != "/ui/events":
        system.dispatch(wait=None, asset_id=ASSET_A, mw=1 + turn / 10, duration_s=60)
    elif turn % _TURNS_PER_ALARM == 0:
        raised = system.get("/events", active=True)
        for event in [event for event in raised if event["acknowledged_at"] is None][:1]:
            system.http.post(f"/events/{event['id']}/ack").raise_for_status()


def _noted(page: Page) -> tuple[list[str], list[str]]:
    """What the browser asks for, and the scripts that it is sent."""
    asked: list[str] = []
    scripts: list[str] = []

    def frame(payload: str | bytes) -> None:
        text = str(payload)
        if text.startswith("42"):
            _, message = json.loads(text[2:])
            scripts.append(message["code"])

    def connected(socket: WebSocket) -> None:
        socket.on("framereceived", frame)

    def requested(url: str) -> None:
        parts = urlsplit(url)
        asked.append(f"{parts.path}?{parts.query}" if parts.query else parts.path)

    page.on("request", lambda request: requested(request.url))
    page.on("websocket", connected)
    return asked, scripts


def _since_both_look(browsers: list[str], viewers: list[str]) -> list[tuple[str, str]]:
    """What each was sent one after the other since the first script that both were sent."""
    first = next((script for script in browsers if script in viewers), None)
    if first is None:
        return []
    return list(zip(browsers[browsers.index(first) :], viewers[viewers.index(first) :], strict=False))
