"""How far the samples that are being stored lag behind the clock."""

from collections import Counter
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from der_headend.store.postgres.moments import EPOCH, microseconds, moment

WINDOW_US = 300_000_000
MOST_BEHIND = timedelta(hours=1)

_LAG = timedelta(seconds=60)
_LATELY_S = 30
_FEW = 0.05


class Pace:
    """Counts, by window of five minutes, what was stored in the last half minute, and in the one before."""

    def __init__(self) -> None:
        self._turn = 0
        self._now: Counter[int] = Counter()
        self._before: Counter[int] = Counter()

    def note(self, timestamps_us: NDArray[np.int64], now: datetime) -> None:
        """Samples were stored."""
        self._turn_to(now)
        windows = timestamps_us // WINDOW_US
        if windows.min() == windows.max():  # mostly; to find that out is much quicker than to sort them
            self._now[int(windows[0])] += windows.shape[0]
            return
        numbers, counts = np.unique(windows, return_counts=True)
        self._now.update(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))

    def frontier(self, now: datetime) -> datetime:
        """The beginning of the window of a minute ago, or of an earlier one to which samples still come.

        A few samples that come later than the others, and all that lag by more than ``MOST_BEHIND``, do not count.
        """
        self._turn_to(now)
        last = microseconds(now - _LAG) // WINDOW_US
        lately = self._before + self._now
        few = sum(lately.values()) * _FEW
        for window in sorted(lately):
            few -= lately[window]
            if few < 0:
                last = min(last, window)
                break
        return moment(max(last, microseconds(now - MOST_BEHIND) // WINDOW_US) * WINDOW_US)

    def _turn_to(self, now: datetime) -> None:
        turn = (now - EPOCH) // timedelta(seconds=_LATELY_S)
        if turn > self._turn:
            self._before = self._now if turn == self._turn + 1 else Counter()
            self._turn, self._now = turn, Counter()
