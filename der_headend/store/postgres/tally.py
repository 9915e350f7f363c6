"""The buckets of each asset's minute and five minutes, added up in memory as samples are stored, to spare reading back.

An asset's minute is over when its first sample of a later one comes. Its bucket is then finished, and added to that of
the five minutes, which are over likewise. No clock is asked, so that data which lag are added up like any other, each
asset at its own pace. What is finished is right as far as this was told of each stored sample, once, in order of time:

- A five-minute window counts only if it began after every sample that was stored before the tally did (``whole``).
- An asset with a sample that came out of order, twice, or after the window was closed is **spoiled** in that window.

For all others the samples themselves are the truth. A state has no mean, least or greatest here.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from der_headend.store.postgres.buckets import KNOWN, LAST, MAX, MEAN, MIN, Buckets, Floats, Integers

MINUTE_US, WINDOW_US = 60_000_000, 300_000_000
ROWS_AT_ONCE = 5_000
"""So many samples or assets are dealt with at a time; all else waits meanwhile."""

MEMORY_BYTES = 1_300_000_000

_NEVER = 2**63 - 1
_BYTES_PER_SIGNAL = 60
_MOST_KNOWN = 2**16 - 1
_BLANK = np.array([[0.0], [np.nan], [np.nan]])


class Finished(NamedTuple):
    """Buckets to write, ``width_us`` wide."""

    width_us: int
    buckets: Buckets


class _Totals:
    """What came of each asset so far.

    ``stats``: shape (assets, 3, numbers): sum, min, max of the signals that are numbers; where nothing is known they
    mean nothing. ``known``: shape (assets, signals), how many samples had a value.
    """

    def __init__(self, assets: int, signals: int, numbers: Integers) -> None:
        self._stats = np.zeros((assets, 3, numbers.shape[0]))
        self._known = np.zeros((assets, signals), np.uint16)
        self._numbers = numbers

    def add(self, slots: Integers, more: Floats, count: NDArray[np.uint16]) -> NDArray[np.bool_]:
        """Add statistics of later samples, shapes as above, to those of some assets; ``slots`` has none twice.

        Returns:
            Shape (slots,): who has more samples by now than can be counted.
        """
        stats, known = self._of(slots)
        with np.errstate(over="ignore", invalid="ignore"):
            stats[:, MEAN] += more[:, MEAN]
        np.fmin(stats[:, MIN], more[:, MIN], out=stats[:, MIN])
        np.fmax(stats[:, MAX], more[:, MAX], out=stats[:, MAX])
        total = known.astype(np.uint32) + count
        self._stats[slots], self._known[slots] = stats, total.astype(np.uint16)
        too_many: NDArray[np.bool_] = np.any(total > _MOST_KNOWN, axis=1)
        return too_many

    def take(self, slots: Integers) -> tuple[Floats, NDArray[np.uint16]]:
        """What came of some assets, which then begin anew."""
        taken = self._of(slots)
        self._known[slots] = 0
        return taken

    def _of(self, slots: Integers) -> tuple[Floats, NDArray[np.uint16]]:
        stats, known = self._stats.take(slots, axis=0), self._known.take(slots, axis=0)
        np.copyto(stats, _BLANK, where=(known[:, self._numbers] == 0)[:, np.newaxis])
        return stats, known


class Tally:
    """``keys``, shape (assets,): by slot the asset's key; ``signals``: how many columns the values have.

    ``numbers``: which of the columns are numbers, not states.
    """

    def __init__(
        self, *, keys: NDArray[np.int32], signals: int, numbers: Sequence[int], newest_us: int
    ) -> None:
        self._keys = keys
        self._signals = signals
        self._numbers = np.array(numbers, np.int64)
        self._after_us = newest_us
        self._scratch = np.zeros(keys.shape[0], np.int32)
        self.restart()

    def restart(self) -> None:
        """Forget everything: what was stored so far, or passed, is not known any more."""
        assets = self._keys.shape[0]
        fits = assets * self._signals * _BYTES_PER_SIGNAL <= MEMORY_BYTES
        self._first_us = (self._after_us // WINDOW_US + 1) * WINDOW_US if fits else _NEVER
        self._closed_us = 0
        room = assets if fits else 0
        self._minute = _Totals(room, self._signals, self._numbers)
        self._window = _Totals(room, self._signals, self._numbers)
        # Of each asset the newest value of each signal, and when its newest sample was; 0: it has no open minute.
        self._last = np.zeros((room, self._signals))
        self._newest_us = np.zeros(room, np.int64)
        self._spoiled: dict[int, NDArray[np.bool_]] = {}

    def fits(self, signals: int, numbers: Sequence[int]) -> bool:
        """Whether the columns of values are still these."""
        return signals == self._signals and self._numbers.tolist() == list(numbers)

    def whole(self, window_us: int) -> bool:
        """Whether the buckets of a window count, once it is closed."""
        return self._first_us <= window_us

    def spoiled(self, window_us: int) -> Integers:
        """The assets, by slot, whose buckets of a window are not right."""
        spoiled = self._spoiled.get(window_us)
        return np.zeros(0, np.int64) if spoiled is None else np.flatnonzero(spoiled)

    def passed(self, through_us: int) -> None:
        """What was before need not be known any more, and if more of it comes, it does not count."""
        self._after_us = max(self._after_us, through_us - 1)
        self._first_us = max(self._first_us, through_us)
        self._spoiled = {w: spoiled for w, spoiled in self._spoiled.items() if w >= through_us}

    def add(self, slots: Integers, timestamps_us: Integers, values: Floats) -> list[Finished]:
        """Take samples that were stored: shapes (n,), (n,), (n, signals); NaN is unknown. What they finish."""
        self._after_us = max(self._after_us, int(timestamps_us.max()))
        finished: list[Finished] = []
        in_time = timestamps_us >= max(self._first_us, self._closed_us)
        if not in_time.all():
            self._spoil(slots[~in_time], timestamps_us[~in_time])
            slots, timestamps_us, values = slots[in_time], timestamps_us[in_time], values[in_time]
        while slots.shape[0]:
            places = np.arange(slots.shape[0], dtype=np.int32)
            self._scratch[slots[::-1]] = places[::-1]
            first = self._scratch[slots] == places  # of each asset the first of its samples, then the next
            later = first & (timestamps_us > self._newest_us[slots])
            early = first & ~later
            self._spoil(slots[early], timestamps_us[early])
            if later.all():
                finished += self._count(slots, timestamps_us, values)
                break
            finished += self._count(slots[later], timestamps_us[later], values[later])
            slots, timestamps_us, values = slots[~first], timestamps_us[~first], values[~first]
        return finished

    def close(self, through_us: int) -> list[Finished]:
        """Take all windows before a time for over; some of what that finishes, nothing if nothing is left."""
        self._closed_us = max(self._closed_us, through_us)
        left = np.flatnonzero((self._newest_us > 0) & (self._newest_us < through_us))[:ROWS_AT_ONCE]
        newest_us = self._newest_us[left]
        self._newest_us[left] = 0
        return self._finish(left, newest_us, np.ones(left.shape, np.bool_))

    def _count(self, slots: Integers, timestamps_us: Integers, values: Floats) -> list[Finished]:
        """Add a sample of each of some assets, later than what each has."""
        newest_us = self._newest_us[slots]
        over = (newest_us > 0) & (newest_us // MINUTE_US < timestamps_us // MINUTE_US)
        window_over = newest_us[over] // WINDOW_US < timestamps_us[over] // WINDOW_US
        finished = self._finish(slots[over], newest_us[over], window_over)
        known = ~np.isnan(values)
        more = np.repeat(values[:, np.newaxis, self._numbers], 3, axis=1)
        more[:, MEAN][~known[:, self._numbers]] = 0.0
        too_many = self._minute.add(slots, more, known.astype(np.uint16))
        self._spoil(slots[too_many], timestamps_us[too_many])
        last = self._last[slots]
        np.copyto(last, values, where=known)
        self._last[slots], self._newest_us[slots] = last, timestamps_us
        return finished

    def _finish(self, slots: Integers, newest_us: Integers, window_over: NDArray[np.bool_]) -> list[Finished]:
        """End the minute of some assets, and of some of them the window."""
        if not slots.shape[0]:
            return []
        stats, known = self._minute.take(slots)
        too_many = self._window.add(slots, stats, known)
        self._spoil(slots[too_many], newest_us[too_many])
        begins_us = newest_us // MINUTE_US * MINUTE_US
        finished = [Finished(MINUTE_US, self._buckets(slots, begins_us, stats, known))]
        if window_over.any():
            slots, begins_us = slots[window_over], begins_us[window_over] // WINDOW_US * WINDOW_US
            finished.append(Finished(WINDOW_US, self._buckets(slots, begins_us, *self._window.take(slots))))
        return finished

    def _spoil(self, slots: Integers, timestamps_us: Integers) -> None:
        windows_us = timestamps_us // WINDOW_US * WINDOW_US
        for window_us in np.unique(windows_us[windows_us >= self._first_us]).tolist():
            spoiled = self._spoiled.setdefault(window_us, np.zeros(self._keys.shape[0], np.bool_))
            spoiled[slots[windows_us == window_us]] = True

    def _buckets(
        self, slots: Integers, begins_us: Integers, stats: Floats, known: NDArray[np.uint16]
    ) -> Buckets:
        """Buckets in order of asset; ``stats`` and ``known`` as in ``_Totals``."""
        count = known[:, self._numbers]
        made = np.full((slots.shape[0], 5, self._signals), np.nan)
        made[:, : MAX + 1, self._numbers] = stats
        made[:, MEAN, self._numbers] = np.where(count > 0, stats[:, MEAN] / np.maximum(count, 1), np.nan)
        made[:, LAST] = np.where(known > 0, self._last[slots], np.nan)
        made[:, KNOWN] = known
        order = np.argsort(self._keys[slots])
        return Buckets(self._keys[slots][order].astype(np.int64), begins_us[order], made[order])
