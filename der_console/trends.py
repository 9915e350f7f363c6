"""What the pages' charts show of the last minutes, kept while the console looks: power per site and of all."""

from collections import deque
from collections.abc import Sequence
from typing import TypedDict

KEPT_S = 900.0


class Columns(TypedDict):
    """Values over time, oldest first: seconds since 1970, and per series its values; ``None`` is a gap."""

    t: list[float]
    s: list[list[float | None]]


class Trend:
    """Values over the last quarter of an hour, oldest first; one column per series."""

    def __init__(self, width: int, *, kept_s: float = KEPT_S) -> None:
        self._kept_s = kept_s
        self._times: deque[float] = deque()
        self._rows: deque[tuple[float | None, ...]] = deque()
        self._width = width
        self._holds_until = 0.0

    def add(self, at: float, values: Sequence[float | None], *, holds_s: float) -> Columns | None:
        """Add what was measured later; returns what charts are to add, ``None`` if it is not later.

        What comes more than ``holds_s`` after it is not joined to it: nobody knows what was between.
        """
        if self._times and at <= self._times[-1]:
            return None
        more = [(at, tuple(values))]
        if self._times and at > self._holds_until:
            more.insert(0, (self._holds_until, (None,) * self._width))
        self._holds_until = at + holds_s
        self._times.extend(time for time, _ in more)
        self._rows.extend(row for _, row in more)
        while self._times[0] < at - self._kept_s:
            self._times.popleft()
            self._rows.popleft()
        return {
            "t": [t for t, _ in more],
            "s": [[row[place] for _, row in more] for place in range(self._width)],
        }

    def columns(self) -> Columns:
        """All of it."""
        rows = list(self._rows)
        return {"t": list(self._times), "s": [[row[place] for row in rows] for place in range(self._width)]}
