"""Where those wait who come all at once: a few pass in each turn of the loop, and none while a command goes first.

Messages of thousands of streams may come within one turn of the loop. Each is then on its way to whoever reads that
stream, and a turn in which all of them are taken in holds up all else for as long as that takes.
"""

import asyncio
from collections import deque

from der_runtime.right_of_way import RightOfWay

AT_ONCE = 32


class Gate:
    """Lets ``AT_ONCE`` pass in a turn of the loop; ``run`` lets the others follow, in the order in which they came."""

    def __init__(self, right_of_way: RightOfWay) -> None:
        self._right_of_way = right_of_way
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._somebody = asyncio.Event()
        self._passed = 0

    async def passed(self) -> None:
        """Pass, at once or when it is one's turn."""
        loop = asyncio.get_running_loop()
        if not (self._waiting or self._passed >= AT_ONCE or self._right_of_way.taken()):
            if not self._passed:
                loop.call_soon(self._next_turn)
            self._passed += 1
            return
        waiting = loop.create_future()
        self._waiting.append(waiting)
        self._somebody.set()
        await waiting

    async def run(self) -> None:
        """Let those pass who wait, for as long as the headend runs."""
        while True:
            await self._somebody.wait()
            self._somebody.clear()
            while self._waiting:
                await self._right_of_way.free()
                for _ in range(min(AT_ONCE, len(self._waiting))):
                    if not (waiting := self._waiting.popleft()).done():
                        waiting.set_result(None)
                await asyncio.sleep(0)

    def _next_turn(self) -> None:
        self._passed = 0
