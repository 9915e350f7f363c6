"""Where those wait who come all at once: a few pass in each turn of the loop, and none while a command goes first.

Messages of thousands of streams may come within one turn of the loop. Each is then on its way to whoever reads that
stream, and a turn in which all of them are taken in holds up all else for as long as that takes.
"""

import asyncio
from collections.abc import Hashable
from itertools import islice

from der_runtime.right_of_way import RightOfWay

AT_ONCE = 32


class Gate:
    """Lets about ``AT_ONCE`` pass in a turn of the loop; ``run`` lets the others follow, in the order they came in."""

    def __init__(self, right_of_way: RightOfWay) -> None:
        self._right_of_way = right_of_way
        self._waiting: dict[Hashable, asyncio.Future[None]] = {}
        self._somebody = asyncio.Event()
        self._passed = 0

    async def passed(self, who: Hashable) -> None:
        """Pass, at once or when it is one's turn; nobody comes a second time before that."""
        loop = asyncio.get_running_loop()
        if not (self._waiting or self._passed >= AT_ONCE or self._right_of_way.taken()):
            if not self._passed:
                loop.call_soon(self._next_turn)
            self._passed += 1
            return
        self._waiting[who] = waiting = loop.create_future()
        self._somebody.set()
        try:
            await waiting
        finally:
            self._waiting.pop(who, None)

    def let_pass(self, who: Hashable) -> None:
        """Let somebody pass now who may be waiting."""
        waiting = self._waiting.pop(who, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)

    async def run(self) -> None:
        """Let those pass who wait, for as long as the headend runs."""
        while True:
            await self._somebody.wait()
            self._somebody.clear()
            while self._waiting:
                await self._right_of_way.free()
                for who in list(islice(self._waiting, AT_ONCE)):
                    self.let_pass(who)
                await asyncio.sleep(0)

    def _next_turn(self) -> None:
        self._passed = 0
