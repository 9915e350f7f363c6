"""Time as something that is passed in: wall time for records, monotonic time for deadlines.

``SystemClock`` is the real one. ``ManualClock`` is its twin for tests: it stands still until it is told to move, and
wakes sleepers in the order of their deadlines, so an hour of the fleet's life takes milliseconds.
"""

import asyncio
import time
from bisect import insort
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol


class Clock(Protocol):
    """Wall time, monotonic time, and waiting for a moment of the latter."""

    def now(self) -> datetime:
        """Wall time, aware UTC. It may jump; durations are never measured with it."""
        ...

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        ...

    async def sleep_until(self, deadline_s: float) -> None:
        """Return once ``monotonic()`` has reached ``deadline_s``; gives way to others even if it has already."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> datetime:
        """Wall time, aware UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        return time.monotonic()

    async def sleep_until(self, deadline_s: float) -> None:
        """Return once ``monotonic()`` has reached ``deadline_s``."""
        await asyncio.sleep(max(deadline_s - time.monotonic(), 0.0))
        # The timers of an event loop are coarser than the clock and may be early by a millisecond.
        if time.monotonic() < deadline_s:
            await self.sleep_until(deadline_s)


@dataclass(order=True, slots=True)
class _Sleeper:
    deadline_s: float
    order: int
    woken: asyncio.Future[None] = field(compare=False)


class ManualClock:
    """A clock that tests move by hand."""

    # A woken task may pass the word on through queues and further tasks; each hop takes a turn of the event loop.
    _TURNS = 50

    def __init__(
        self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC), monotonic_s: float = 1000.0
    ) -> None:
        self._now = start
        self._monotonic_s = monotonic_s
        self._sleepers: list[_Sleeper] = []
        self._order = count()

    def now(self) -> datetime:
        """Wall time, aware UTC."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since some moment; never goes back."""
        return self._monotonic_s

    async def sleep_until(self, deadline_s: float) -> None:
        """Return once the clock was moved to ``deadline_s`` or beyond."""
        if deadline_s <= self._monotonic_s:
            await asyncio.sleep(0)
            return
        sleeper = _Sleeper(deadline_s, next(self._order), asyncio.get_running_loop().create_future())
        insort(self._sleepers, sleeper)
        try:
            await sleeper.woken
        finally:
            if sleeper in self._sleepers:
                self._sleepers.remove(sleeper)

    @property
    def next_deadline_s(self) -> float | None:
        """The moment for which the first sleeper waits; ``None`` if nobody sleeps."""
        return self._sleepers[0].deadline_s if self._sleepers else None

    def advance(self, seconds: float) -> None:
        """Jump forward in one leap; whoever is due wakes, in the order of deadlines, when the test next awaits."""
        if seconds < 0:
            raise ValueError("time does not go back")
        self._move_to(self._monotonic_s + seconds)

    async def run_for(self, seconds: float) -> None:
        """Let time pass: stop at every deadline on the way and let the woken tasks do their work there."""
        end_s = self._monotonic_s + seconds
        await self._settle()
        while (due_s := self.next_deadline_s) is not None and due_s <= end_s:
            self._move_to(due_s)
            await self._settle()
        self.advance(end_s - self._monotonic_s)

    def step_wall_time(self, seconds: float) -> None:
        """Set the wall clock forward or back, as NTP or an operator may; monotonic time is untouched."""
        self._now += timedelta(seconds=seconds)

    def _move_to(self, monotonic_s: float) -> None:
        self._now += timedelta(seconds=monotonic_s - self._monotonic_s)
        self._monotonic_s = monotonic_s
        while self._sleepers and self._sleepers[0].deadline_s <= monotonic_s:
            woken = self._sleepers.pop(0).woken
            if not woken.done():
                woken.set_result(None)

    async def _settle(self) -> None:
        for _ in range(self._TURNS):
            await asyncio.sleep(0)


async def wait_until(event: asyncio.Event, *, clock: Clock, deadline_s: float | None) -> bool:
    """Wait for an event or a deadline (monotonic seconds; ``None``: none); whether the event is set.

    This is how a loop wakes on "message or deadline": the sender sets the event, the loop clears it.
    """
    if deadline_s is None or event.is_set():
        return await event.wait()
    deadline = asyncio.create_task(clock.sleep_until(deadline_s), name="wait-for-deadline")
    try:
        async with asyncio.timeout(None) as limit:
            waiting = True

            def give_up(_: object) -> None:
                if waiting:  # or the message has come in the same turn of the event loop
                    limit.reschedule(0.0)

            deadline.add_done_callback(give_up)
            try:
                await event.wait()  # and not a task of its own: who waits for a message is to wake at once
            finally:
                waiting = False
    except TimeoutError:
        pass
    finally:
        deadline.cancel()
    return event.is_set()
