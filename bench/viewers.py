"""Consoles that are open and not drawn: ``python -m bench.viewers URL COUNT`` holds so many until it is ended.

A viewer is to the headend what a browser is that shows a page and that nobody touches: it loads the page with all it
refers to, connects as NiceGUI's script does, takes every message, says every three seconds which it has, and fetches
the rows of long tables when these are new. What a message asks of a page is not done; one that asks for more than to
show something ends the viewer, and so does a lost connection, for it would no longer be what it stands for.

It runs at idle priority, for operators' browsers stand elsewhere: what counts is what the pages have the headend do.
"""

import asyncio
import os
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn
from urllib.parse import urlencode
from uuid import uuid4

import httpx
import socketio

from bench.loading import Loaded, load
from bench.run import BenchFailed

READY = "consoles open"
PAGES = ("/", "/ui/dispatch", "/ui/events", "/ui/agents")

_SOCKET = "/_nicegui_ws/socket.io"
_CONNECTIONS = 6
"""As many as a browser has to one address."""
_HTTP_S = 60.0
_CONNECT_S = 30.0
_ACK_S = 3.0
_SHOWN = re.compile(r"der\.(?:put|send)\(")
_GENERATION = re.compile(r'der\.send\("([^"]+)",\{"g":(\d+)')


def _nothing(_: object) -> None:
    pass


class Viewer:
    """One page, at ``path`` of ``url``; ``took`` is called with each script that it is sent to run."""

    def __init__(self, url: str, path: str, *, took: Callable[[str], object] = _nothing) -> None:
        self._url = url
        self._path = path
        self._took = took
        self._link = socketio.AsyncClient(reconnection=False)
        self._link.on("*", self._sent)
        self._link.on("disconnect", lambda reason: self._sent("disconnect", {"reason": reason}))
        self._messages: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self._next_id = 0
        self._tables: dict[str, _Rows] = {}

    async def watch(self, opened: Callable[[Loaded], object] = _nothing) -> NoReturn:
        """Stay until cancelled; ``opened`` is called once the page is loaded and connected.

        Raises:
            ExceptionGroup: of ``BenchFailed``: it was sent what only a browser can do, or lost its connection.
            socketio.exceptions.ConnectionError: its connection was refused.
        """
        async with httpx.AsyncClient(
            base_url=self._url, timeout=_HTTP_S, limits=httpx.Limits(max_connections=_CONNECTIONS)
        ) as http:
            page = await load(http, self._path)
            self._tables = {channel: _Rows(http, url) for channel, url in page.tables.items()}
            try:
                await self._connect(page)
                async with asyncio.TaskGroup() as tasks:
                    for name, rows in self._tables.items():
                        tasks.create_task(rows.keep(), name=f"rows of {name}")
                    tasks.create_task(self._acknowledge(page.query["client_id"]), name="acknowledge")
                    opened(page)
                    while True:
                        self._take(*await self._messages.get())
            finally:
                await self._link.disconnect()

    async def _connect(self, page: Loaded) -> None:
        own = {"document_id": uuid4(), "tab_id": uuid4(), "old_tab_id": "null"}
        written = {"implicit_handshake": str(page.query["implicit_handshake"]).lower()}
        self._next_id = page.query["next_message_id"]
        await self._link.connect(
            f"{self._url}?{urlencode({**page.query, **written, **own})}",
            transports=["websocket"],
            socketio_path=_SOCKET,
            wait_timeout=_CONNECT_S,
        )

    def _sent(self, event: str, message: dict[str, Any]) -> None:
        self._messages.put_nowait((event, message))

    def _take(self, event: str, message: dict[str, Any]) -> None:
        if event == "disconnect":
            raise BenchFailed(f"{self._path} has lost its connection: {message['reason']}")
        if event != "run_javascript" or "request_id" in message or not _SHOWN.match(message["code"]):
            raise BenchFailed(f"{self._path} was sent what only a browser can do: {event} {message}")
        self._next_id = message["_id"] + 1
        told = _GENERATION.match(message["code"])
        if told and told[1] in self._tables:
            self._tables[told[1]].told(int(told[2]))
        self._took(message["code"])

    async def _acknowledge(self, client_id: str) -> NoReturn:
        acknowledged = -1
        while True:
            await asyncio.sleep(_ACK_S)
            if acknowledged < self._next_id:
                acknowledged = self._next_id
                await self._link.emit("ack", {"client_id": client_id, "next_message_id": acknowledged})


class _Rows:
    """The rows of a long table, fetched when there is a newer generation of them than was fetched last."""

    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url
        self._fetched: int | None = None
        self._newest = 0
        self._due = asyncio.Event()

    async def keep(self) -> NoReturn:
        while True:
            answer = await self._http.get(self._url)
            self._fetched = answer.raise_for_status().json()["g"]
            self.told(self._newest)
            await self._due.wait()
            self._due.clear()

    def told(self, generation: int) -> None:
        """There is this generation."""
        self._newest = max(self._newest, generation)
        if self._fetched is not None and self._newest > self._fetched:
            self._due.set()


def at_idle_priority() -> None:
    """Let this process and what it starts run only when nothing else does."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


async def main(url: str, count: int) -> None:
    """Open the pages, say so, and stay."""
    at_idle_priority()
    closed = [PAGES[turn % len(PAGES)] for turn in range(count)]

    def opened(_page: Loaded) -> None:
        closed.pop()
        if not closed:
            print(READY, flush=True)

    async with asyncio.TaskGroup() as tasks:
        for path in tuple(closed):
            tasks.create_task(Viewer(url, path).watch(opened), name=f"viewer of {path}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
