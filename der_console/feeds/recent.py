"""What the lists of what happened lately have in common."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterable
from typing import Any, Generic, TypeVar

from der_console.cells import Cell
from der_console.console import Console
from der_console.feeds.wanted import Wanted
from der_console.names import Names
from der_console.parts.listing import rows
from der_console.topics import Topic

_AT_LEAST_EVERY = 10

W = TypeVar("W", bound=Wanted)
E = TypeVar("E")


class RecentFeed(ABC, Generic[W, E]):
    """Keeps a list: read anew when something like it was heard of, when ``due`` is set, and now and then."""

    def __init__(self, console: Console, wanted: W) -> None:
        self.due = asyncio.Event()
        self.hub = console.hub
        self.headend = console.headend
        self.names = Names(console.hub, console.headend)
        self.wanted = wanted

    async def __call__(self, topic: Topic) -> None:
        """Keep it for as long as it is shown."""
        while True:
            self.due.clear()
            before = self.heard()
            topic.publish({self.wanted.LIST: await self._read()})
            for _ in range(_AT_LEAST_EVERY):
                await self.hub.moved()
                if self.due.is_set() or self.heard() != before:
                    break

    @abstractmethod
    def heard(self) -> int:
        """How often the hub has heard of such a thing."""

    @abstractmethod
    def entries(self) -> AsyncIterable[E]:
        """What the headend has of what is ``wanted``, newest first."""

    @abstractmethod
    async def row(self, entry: E) -> dict[str, Any]:
        """One of them in the list."""

    async def _read(self) -> Cell:
        found = [entry async for entry in self.entries()]
        return rows([await self.row(entry) for entry in found], more=self.wanted.may_be_more(len(found)))
