"""Who wants to know what changed: dispatch transitions, events and link changes, to any number of listeners.

The newest announcements are kept in one ring, in the order of their numbers; a listener is a place in it. One that
does not keep up loses the oldest and is told how many; it never holds up the headend or other listeners. One that was
cut off and comes back with its place goes on from there, as far back as the ring goes. A place names the run of the
headend as well, for with the next one the numbers begin anew. Telemetry is not announced: a listener reads the live
columns at its own pace.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from der_core.dispatch import Dispatch
from der_core.events import Event
from der_headend.ports import SessionRecord

PARTS_KEPT = 250_000
"""Allocations of all the dispatches in the ring together: some 40 MB at worst."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Announcements that a listener did not get; ``None``: nobody can know how many."""

    count: int | None


Announcement = Dispatch | Event | SessionRecord


class Announcements:
    """The meeting point of those who announce and those who listen; keeps the last ``room`` announcements."""

    def __init__(self, *, room: int = 1000) -> None:
        self._room = room
        self._kept: deque[Announcement] = deque()
        self._parts_kept = 0
        self._run = uuid4().hex[:8]
        self._listeners: set[Listener] = set()
        self.count = 0
        """How many there have been, and so the number of the newest."""
        self.lost = 0
        """How many listeners have lost, each counted for itself."""

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    @property
    def first(self) -> int:
        """Number of the oldest that is kept; one more than the newest if none is."""
        return self.count - len(self._kept) + 1

    def __getitem__(self, number: int) -> Announcement:
        """An announcement that is kept, by its number."""
        return self._kept[number - self.first]

    def announce(self, announcement: Announcement) -> None:
        """Tell every listener."""
        self.count += 1
        self._kept.append(announcement)
        self._parts_kept += _parts(announcement)
        while len(self._kept) > self._room or (self._parts_kept > PARTS_KEPT and len(self._kept) > 1):
            self._parts_kept -= _parts(self._kept.popleft())
        for listener in self._listeners:
            listener.wake()

    @contextmanager
    def listen(self, *, after: str | None = None) -> Iterator["Listener"]:
        """Listen from behind the place ``after`` on, or from now on, until the block is left."""
        number = self.count if after is None else self._number(after)
        listener = Listener(self, number)
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def place(self, number: int) -> str:
        """The place behind an announcement, as text to come back with."""
        return f"{self._run}-{number}"

    def _number(self, place: str) -> int | None:
        """The number that ``place`` was made of; ``None`` if this run of the headend has not made it."""
        run, _, digits = place.rpartition("-")
        if (
            run != self._run
            or not (digits.isascii() and digits.isdecimal())
            or len(digits) > len(str(self.count))
        ):
            return None
        number = int(digits)
        return number if number <= self.count else None


class Listener:
    """A place among the announcements, right behind the one with this ``number``.

    ``None``: a place that is not known any more. It begins with what is new, and with being told so.
    """

    def __init__(self, announcements: Announcements, number: int | None) -> None:
        self._announcements = announcements
        self._number = announcements.count if number is None else number
        self._astray = number is None
        self._wake = asyncio.Event()

    @property
    def place(self) -> str:
        """Behind what was taken last, as text to come back with."""
        return self._announcements.place(self._number)

    def wake(self) -> None:
        """There is something new."""
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
        if self._astray:
            self._astray = False
            yield Lost(None)
        while self._number < self._announcements.count:
            missed = self._announcements.first - 1 - self._number
            if missed > 0:
                self._number += missed
                self._announcements.lost += missed
                yield Lost(missed)
            else:
                self._number += 1
                yield self._announcements[self._number]


def _parts(announcement: Announcement) -> int:
    return len(announcement.allocations) if isinstance(announcement, Dispatch) else 0
