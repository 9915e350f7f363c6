"""What the headend measures of its own work; ``/metrics`` reads it, and where it happens it costs an addition."""

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate

LOOK_AT_LOOP_S = 0.25
LOOP_LAG_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Distribution:
    """How many values fell at or below each of some bounds, which are ascending."""

    __slots__ = ("_bounds", "_counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self.total = 0.0
        """The sum of the values."""

    def add(self, value: float) -> None:
        """Take a value into account."""
        self._counts[bisect_left(self._bounds, value)] += 1
        self.total += value

    def cumulative(self) -> list[tuple[float, int]]:
        """Each bound, at the end infinity, with how many values are at or below it."""
        return list(zip((*self._bounds, float("inf")), accumulate(self._counts), strict=True))


async def watch_loop(lag_s: Distribution) -> None:
    """Note how late the event loop is with what is due, for as long as the headend runs."""
    loop = asyncio.get_running_loop()
    while True:
        due_s = loop.time() + LOOK_AT_LOOP_S
        await asyncio.sleep(LOOK_AT_LOOP_S)
        lag_s.add(max(loop.time() - due_s, 0.0))


@dataclass(slots=True)
class LiveSums:
    """Sums over the live sessions; of spools as of the last heartbeat of each agent."""

    assets: int = 0
    spooled_records: int = 0
    spooled_bytes: int = 0


@dataclass(slots=True)
class SessionCounts:
    """What has happened since the headend started.

    ``closed`` by reason. ``records_dropped``: given up by agents for want of space, as far as heartbeats told; of an
    agent only what came after the first heartbeat that this run of the headend had from it.
    """

    opened: int = 0
    closed: Counter[str] = field(default_factory=Counter)
    heartbeats: int = 0
    heartbeats_missed: int = 0
    records_dropped: int = 0
