"""Commands go before work that can wait, of which there may be more than can be done.

A command is under way from the first byte of its request until its answer has come: a few hundredths of a second, most
of which are spent behind other work, on the event loop and in the database. So whoever has much to do looks here
before the next piece, and waits while a command is under way. What waits is not starved: once begun a command has the
right of way for ``LONGEST_S`` at most, for an answer that takes longer is not made faster here; and if they come one
after another, all else has half of the time.
"""

import math
from collections.abc import Hashable

from der_runtime.clock import Clock

LONGEST_S = 0.25

LATELY_S = 30.0
"""After a command the next is reckoned with for so long."""

_LOOK_S, _LEAST_S = 0.005, 0.001


class RightOfWay:
    """Who has it, and whether."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_s: dict[Hashable, float] = {}
        self._looked_s = clock.monotonic()
        self._left_s = LONGEST_S
        self._lately_until_s = -math.inf
        self.given_s = 0.0
        """For how long it was taken, in all."""

    def begin(self, command: Hashable, *, certain: bool = True) -> None:
        """A command is under way; it goes on as it began if it was already. An uncertain one makes no next likely."""
        self._look()
        self._until_s.setdefault(command, self._looked_s + LONGEST_S)
        if certain:
            self._lately_until_s = self._looked_s + LATELY_S

    def end(self, command: Hashable) -> None:
        """Its answer has come, or none will; nothing happens if it was not under way."""
        if command in self._until_s:
            self._look()
            self._until_s.pop(command, None)

    def taken(self) -> bool:
        """Whether what can wait should."""
        if not self._until_s:
            return False
        self._look()
        return bool(self._until_s) and self._left_s >= _LEAST_S

    def lately(self) -> bool:
        """Whether a command has begun within ``LATELY_S``: where one came, another may follow."""
        return self._clock.monotonic() < self._lately_until_s

    async def free(self) -> None:
        """Wait until it is not taken."""
        while self.taken():
            # Not longer than it may be taken: what is over that would be time that nobody has.
            await self._clock.sleep_until(self._clock.monotonic() + min(_LOOK_S, self._left_s))

    def _look(self) -> None:
        """Bring what is left of its time up to date: it goes down while a command is under way, and else up."""
        now_s = self._clock.monotonic()
        # The last that began is the last to be over.
        over_s = min(self._until_s[next(reversed(self._until_s))], now_s) if self._until_s else self._looked_s
        # Below that it is not taken, however often one looks.
        given_s = min(max(over_s - self._looked_s, 0.0), self._left_s) if self._left_s >= _LEAST_S else 0.0
        self.given_s += given_s
        self._left_s -= given_s
        self._left_s = min(self._left_s + max(now_s - self._looked_s - given_s, 0.0), LONGEST_S)
        self._looked_s = now_s
        while self._until_s and self._until_s[oldest := next(iter(self._until_s))] <= now_s:
            del self._until_s[oldest]
