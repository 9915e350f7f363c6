"""Who wants to know what changed: dispatch transitions, events and link changes, to any number of listeners.

Each listener has a queue of its own. One that does not keep up loses its oldest announcements and is told how many;
it never holds up the headend or other listeners. Telemetry is not announced: a listener reads the live columns at its
own pace.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from der_core.dispatch import Dispatch
from der_core.events import Event
from der_headend.ports import SessionRecord


@dataclass(frozen=True, slots=True)
class Lost:
    """Announcements that a slow listener did not get."""

    count: int


Announcement = Dispatch | Event | SessionRecord


class Listener:
    """One listener's queue."""

    def __init__(self, room: int) -> None:
        self._waiting: deque[Announcement] = deque(maxlen=room)
        self._lost = 0
        self._wake = asyncio.Event()

    def put(self, announcement: Announcement) -> None:
        """Add to the queue, at the cost of its oldest entry if it is full."""
        if len(self._waiting) == self._waiting.maxlen:
            self._lost += 1
        self._waiting.append(announcement)
        self._wake.set()

    async def wait(self, timeout_s: float) -> None:
        """Until there is something, or the time is up."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._wake.wait()
        except TimeoutError:
            pass

    def take(self) -> Iterator[Announcement | Lost]:
        """All there is, oldest first."""
        self._wake.clear()
        if self._lost:
            yield Lost(self._lost)
            self._lost = 0
        while self._waiting:
            yield self._waiting.popleft()


class Announcements:
    """The meeting point of those who announce and those who listen."""

    def __init__(self, *, room: int = 1000) -> None:
        self._room = room
        self._listeners: set[Listener] = set()

    def announce(self, announcement: Announcement) -> None:
        """Tell every listener."""
        for listener in self._listeners:
            listener.put(announcement)

    @contextmanager
    def listen(self) -> Iterator[Listener]:
        """Listen from now on, until the block is left."""
        listener = Listener(self._room)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)
