"""What several open pages show, worked out once and pushed to all of them as it changes.

A topic has cells by key and one task that keeps them up to date. The task runs while a page shows the topic, and a
while longer so that going from page to page does not start everything anew. What is sent is the difference to what
was sent before, encoded once for all pages.

Where the headend answers but cannot say what is asked, as a history while its database is away, the cells stay as they
were and the cell ``trouble`` says why and since when, until there is something to publish again.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from nicegui import Client
from nicegui.context import context

from der_client import HeadendError, HeadendUnreachable
from der_console.cells import Cell, text, time_text
from der_console.log import log
from der_console.reasons import told

TROUBLE = "trouble"

_AGAIN_S = 2.0
_FIRST_S = 1.5

T = TypeVar("T")
Work = Callable[["Topic"], Awaitable[None]]


class Topic:
    """Cells that pages show. ``cells`` is what was published last."""

    def __init__(self, key: str, work: Work) -> None:
        self.key = key
        self.cells: dict[str, Cell] = {}
        self._work = work
        self._clients: dict[str, Client] = {}
        self._first = asyncio.Event()
        self._published_at: float | None = None
        self._at_end: list[Callable[[], object]] = []

    def made_by(self, kind: type[T]) -> T:
        """The work that keeps it, of the first page that showed it; for what it keeps besides the cells.

        Raises:
            TypeError: it is of another kind.
        """
        if not isinstance(self._work, kind):
            raise TypeError(f"topic {self.key} is not kept by {kind.__name__}")
        return self._work

    def at_end(self, call: Callable[[], object]) -> None:
        """Call this when nobody shows it any more and its work is ended."""
        self._at_end.append(call)

    @property
    def shown(self) -> bool:
        """Whether a page shows it."""
        return bool(self._clients)

    def publish(self, cells: Mapping[str, Cell]) -> None:
        """Show these cells; only those that differ from what is shown are sent. Keys not given stay as they are."""
        self._published_at = time.time()
        self._put({**cells, TROUBLE: text("")} if TROUBLE in self.cells else cells)

    def _put(self, cells: Mapping[str, Cell]) -> None:
        changed = {key: cell for key, cell in cells.items() if self.cells.get(key) != cell}
        self.cells.update(changed)
        self._first.set()
        if changed and self._clients:
            self.run(f"der.put({encoded(self.key)},{encoded(changed)},{time.time():.1f})")

    def send(self, channel: str, payload: Any) -> None:
        """Hand something other than cells to the elements that listen to ``channel`` (charts, tables)."""
        if self._clients:
            self.run(f"der.send({encoded(channel)},{encoded(payload)})")

    def run(self, script: str) -> None:
        """Run a script in every browser that shows the topic."""
        for client in self._clients.values():
            _run(client, script)

    def tell(self, client: Client) -> None:
        """Send a page all cells: for one that begins to show the topic after it was built."""
        _run(client, f"der.put({encoded(self.key)},{encoded(self.cells)},{time.time():.1f})")

    async def ready(self) -> None:
        """Until there is something to show; not for longer than a person would wait for a page."""
        try:
            async with asyncio.timeout(_FIRST_S):
                await self._first.wait()
        except TimeoutError:
            return

    def _end(self) -> None:
        for call in self._at_end:
            call()

    def _enter(self, client: Client) -> None:
        self._clients[client.id] = client

    def _leave(self, client: Client) -> None:
        self._clients.pop(client.id, None)

    async def _keep(self) -> None:
        """Work, and again if the headend was away or something broke."""
        while True:
            try:
                await self._work(self)
            except HeadendUnreachable as error:  # the banner says so
                log.debug("topic %s: %s", self.key, error)
            except HeadendError as error:
                log.debug("topic %s: %s", self.key, error)
                self._troubled(told(error))
            except Exception:  # noqa: BLE001 - whatever it was, the page must not stand still for good
                log.exception("topic %s broke; it is begun again", self.key)
                self._troubled("The console could not make this; its log says why.")
            await asyncio.sleep(_AGAIN_S)

    def _troubled(self, why: str) -> None:
        at = self._published_at
        since = "" if at is None else f" This is as it was at {time_text(at, now=time.time())}."
        self._put({TROUBLE: text(f"{why}{since} It is tried again.", look="warn")})


class Topics:
    """The topics that are shown now, each with its task."""

    def __init__(self, *, linger_s: float = 30.0) -> None:
        self._linger_s = linger_s
        self._topics: dict[str, Topic] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def show(self, key: str, work: Work) -> Topic:
        """Show a topic on the page that is being built; ``work`` keeps it up to date unless it runs already."""
        client = context.client
        topic = self._topics.get(key)
        if topic is None:
            topic = self._topics[key] = Topic(key, work)
            self._tasks[key] = asyncio.create_task(topic._keep(), name=f"console topic {key}")  # noqa: SLF001
        topic._enter(client)  # noqa: SLF001
        client.on_delete(lambda: self._left(topic, client))
        return topic

    def leave(self, topic: Topic) -> None:
        """Show a topic no longer on the page that is being handled."""
        self._left(topic, context.client)

    async def close(self) -> None:
        """End all of them."""
        tasks = list(self._tasks.values())
        self._topics.clear()
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _left(self, topic: Topic, client: Client) -> None:
        topic._leave(client)  # noqa: SLF001
        if not topic.shown:
            asyncio.get_running_loop().call_later(self._linger_s, self._end, topic)

    def _end(self, topic: Topic) -> None:
        if not topic.shown and self._topics.get(topic.key) is topic:
            del self._topics[topic.key]
            self._tasks.pop(topic.key).cancel()
            topic._end()  # noqa: SLF001


def _run(client: Client, script: str) -> None:
    """What ``run_javascript`` does, without the task that it begins in case that somebody wants an answer."""
    if not client.is_deleted:
        client.outbox.enqueue_message("run_javascript", {"code": script}, client.id)


def encoded(value: Any) -> str:
    """As JSON, which is JavaScript."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
