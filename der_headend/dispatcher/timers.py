"""A moment for each of some dispatches (monotonic seconds), after which something is to be done about it."""

import asyncio
import heapq
from collections.abc import Callable
from uuid import UUID

from der_runtime.clock import Clock, wait_until

_SLACK = 64


class Timers:
    """Calls ``due(dispatch_id)`` when a dispatch's moment has come; the callee sees whether it still matters."""

    def __init__(self, *, clock: Clock, due: Callable[[UUID], None]) -> None:
        self._clock = clock
        self._due = due
        self._at_s: dict[UUID, float] = {}
        self._queue: list[tuple[float, UUID]] = []
        self._sooner = asyncio.Event()

    def start(self, dispatch_id: UUID, after_s: float) -> None:
        """Set a dispatch's moment, in place of one it had."""
        at_s = self._clock.monotonic() + after_s
        self._at_s[dispatch_id] = at_s
        heapq.heappush(self._queue, (at_s, dispatch_id))
        self._clear_out()
        if self._queue[0][0] == at_s:
            self._sooner.set()

    def drop(self, dispatch_id: UUID) -> None:
        """Forget a dispatch."""
        self._at_s.pop(dispatch_id, None)
        self._clear_out()

    def left_s(self, dispatch_id: UUID) -> float:
        """How long until a dispatch's moment; 0 or less if it has come or there is none."""
        return self._at_s.get(dispatch_id, 0.0) - self._clock.monotonic()

    async def run(self) -> None:
        """Watch the time for as long as the headend runs."""
        while True:
            self._sooner.clear()
            now = self._clock.monotonic()
            while self._queue and self._queue[0][0] <= now:
                at_s, dispatch_id = heapq.heappop(self._queue)
                if self._at_s.get(dispatch_id) == at_s:
                    del self._at_s[dispatch_id]
                    self._due(dispatch_id)
            next_s = self._queue[0][0] if self._queue else None
            await wait_until(self._sooner, clock=self._clock, deadline_s=next_s)

    def _clear_out(self) -> None:
        """Make the queue anew once most of it is moments that do not count any more."""
        if len(self._queue) > 2 * len(self._at_s) + _SLACK:
            self._queue = [(at_s, dispatch_id) for dispatch_id, at_s in self._at_s.items()]
            heapq.heapify(self._queue)
