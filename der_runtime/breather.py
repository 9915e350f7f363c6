"""Long work on the event loop, in pieces: between them all else goes on.

One turn of the loop is not enough for that. Under load grpc hands over one message in each turn, so a piece of a few
milliseconds in each would let through some hundred messages a second.
"""

import asyncio
from time import perf_counter

from der_runtime.right_of_way import RightOfWay

_IDLE_S = 0.000_01
"""A turn of the loop that takes no longer had nothing to do: one such takes 1 to 3 µs, to take one message 40 µs."""


class Breather:
    """For some work that begins now; ``begin`` says that it goes on after it had to wait.

    ``right_of_way``: of commands, for which it waits; ``None`` where there are none yet.
    """

    def __init__(self, right_of_way: RightOfWay | None) -> None:
        self._right_of_way = right_of_way
        self.begin()

    def begin(self) -> None:
        """A piece of the work begins."""
        self._since_s = perf_counter()

    async def pause(self) -> None:
        """Let all else go on for as long as the piece has taken, unless there is nothing else to do; then the next."""
        now_s = perf_counter()
        until_s = 2 * now_s - self._since_s
        while now_s < until_s:
            await asyncio.sleep(0)
            before_s, now_s = now_s, perf_counter()
            if now_s - before_s < _IDLE_S:
                break
        if self._right_of_way is not None:
            await self._right_of_way.free()
        self.begin()
