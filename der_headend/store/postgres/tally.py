"""The buckets of each asset's minute and five minutes, added up in memory as samples are stored, to spare reading back.

An asset's minute is over when its first sample of a later one comes. Its bucket is then finished, and added to that of
the five minutes, which are over likewise. No clock is asked, so that data which lag are added up like any other, each
asset at its own pace. What is finished is right as far as this was told of each stored sample, once, in order of time:

- A five-minute window counts only if it began after every sample that was stored before the tally did (``whole``).
- An asset with a sample that came out of order, twice, or after the window was closed is **spoiled** in that window.

For all others the samples themselves are the truth. A state has no mean, least or greatest here.
"""

from collections.abc import Mapping, Sequence
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
_MOST_KNOWN = 2**16 - 1 - ROWS_AT_ONCE
"""So many samples of an asset are counted before some more are added."""

_BLANK = np.array([[0.0], [np.inf], [-np.inf]])


class Finished(NamedTuple):
    """Buckets to write, ``width_us`` wide."""

    width_us: int
    buckets: Buckets


class _Totals:
    """What came of each asset so far, signal by signal, each asset at its place.

    ``stats``: shape (signals, 3, assets): sum, min, max of the signals that are numbers; where nothing is known they
    mean nothing. ``known``: shape (signals, assets), how many samples had a value. A signal that nobody has a value of
    is never touched, and so takes no memory; nor do the statistics of states.
    """

    def __init__(self, assets: int, signals: int, numbers: frozenset[int]) -> None:
        self._stats = np.zeros((signals, 3, assets))
        self._known = np.zeros((signals, assets), np.uint16)
        self._numbers = numbers
        self._states = [signal for signal in range(signals) if signal not in numbers]

    def add(
        self, signal: int, places: Integers, more: Sequence[Floats], count: NDArray[np.uint16]
    ) -> Integers:
        """Add what is known of later samples; an asset may be there several times.

        ``more``: sum, min, max, each of shape (places,); of a state it does not matter.

        Returns:
            The places of those who may have more samples by now than can be counted.
        """
        known = self._known[signal]
        before = known.take(places)
        if signal in self._numbers:
            stats = self._stats[signal]
            if not before.all():
                stats[:, places[before == 0]] = _BLANK
            with np.errstate(over="ignore", invalid="ignore"):
                np.add.at(stats[MEAN], places, more[MEAN])
            np.minimum.at(stats[MIN], places, more[MIN])
            np.maximum.at(stats[MAX], places, more[MAX])
        np.add.at(known, places, count)
        too_many: Integers = places[before.astype(np.uint32) + count > _MOST_KNOWN]
        return too_many

    def take(self, places: Integers) -> tuple[Floats, NDArray[np.uint16]]:
        """What came of some assets, which then begin anew: shapes (signals, 3, places) and (signals, places)."""
        stats, known = self._stats.take(places, axis=2), self._known.take(places, axis=1)
        for signal in np.flatnonzero(known.any(axis=1)).tolist():
            self._known[signal][places] = 0
        stats[self._states] = np.nan
        np.copyto(stats, np.nan, where=(known == 0)[:, np.newaxis])
        return stats, known


class Tally:
    """``keys``, shape (assets,): by slot the asset's key; ``signals``: how many columns the values have.

    ``numbers``: which of the columns are numbers, not states. Within, assets are in order of key: those whose samples
    are stored together lie together.
    """

    def __init__(
        self, *, keys: NDArray[np.int32], signals: int, numbers: Sequence[int], newest_us: int
    ) -> None:
        slots = np.argsort(keys)
        self._keys = keys[slots]
        self._places = np.empty_like(keys)
        self._places[slots] = np.arange(keys.shape[0], dtype=keys.dtype)
        self._signals = signals
        self._numbers = frozenset(numbers)
        self._after_us = newest_us
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
        self._last = np.zeros((self._signals, room))
        self._newest_us = np.zeros(room, np.int64)
        self._spoiled: dict[int, NDArray[np.bool_]] = {}

    def fits(self, signals: int, numbers: Sequence[int]) -> bool:
        """Whether the columns of values are still these."""
        return signals == self._signals and self._numbers == frozenset(numbers)

    def whole(self, window_us: int) -> bool:
        """Whether the buckets of a window count, once it is closed."""
        return self._first_us <= window_us

    def spoiled(self, window_us: int) -> NDArray[np.int32]:
        """The keys of the assets whose buckets of a window are not right."""
        spoiled = self._spoiled.get(window_us)
        return self._keys[:0] if spoiled is None else self._keys[spoiled]

    def passed(self, through_us: int) -> None:
        """What was before need not be known any more, and if more of it comes, it does not count."""
        self._after_us = max(self._after_us, through_us - 1)
        self._first_us = max(self._first_us, through_us)
        self._spoiled = {w: spoiled for w, spoiled in self._spoiled.items() if w >= through_us}

    def add(self, slots: Integers, timestamps_us: Integers, columns: Mapping[int, Floats]) -> list[Finished]:
        """Take samples that were stored, in order of asset and time; what they finish.

        ``slots``, ``timestamps_us`` and each of ``columns``, by number, have the shape (n,); NaN is unknown.
        """
        if not slots.shape[0]:
            return []
        self._after_us = max(self._after_us, int(timestamps_us.max()))
        if self._first_us == _NEVER:
            return []
        places = self._places.take(slots).astype(np.int64)
        again = _again(places)
        good = timestamps_us >= max(self._first_us, self._closed_us)
        good &= timestamps_us > self._newest_us.take(places)
        good[again] &= timestamps_us[again] > timestamps_us[again - 1]
        if not good.all():
            self._spoil(places[~good], timestamps_us[~good])
            places, timestamps_us = places[good], timestamps_us[good]
            columns = {signal: values[good] for signal, values in columns.items()}
            again = _again(places)
        minutes = timestamps_us // MINUTE_US
        if (minutes[again] == minutes[again - 1]).all():
            return self._count(places, timestamps_us, columns)
        finished: list[Finished] = []
        for minute in np.unique(minutes).tolist():
            part = minutes == minute
            some = {signal: values[part] for signal, values in columns.items()}
            finished += self._count(places[part], timestamps_us[part], some)
        return finished

    def close(self, through_us: int) -> list[Finished]:
        """Take all windows before a time for over; some of what that finishes, nothing if nothing is left."""
        self._closed_us = max(self._closed_us, through_us)
        left = np.flatnonzero((self._newest_us > 0) & (self._newest_us < through_us))[:ROWS_AT_ONCE]
        newest_us = self._newest_us[left]
        self._newest_us[left] = 0
        return self._finish(left, newest_us, np.ones(left.shape, np.bool_))

    def _count(
        self, places: Integers, timestamps_us: Integers, columns: Mapping[int, Floats]
    ) -> list[Finished]:
        """Add samples, of one minute for each asset, later than what it has."""
        newest_us = self._newest_us.take(places)
        over = np.flatnonzero((newest_us > 0) & (newest_us // MINUTE_US < timestamps_us // MINUTE_US))
        over = over[np.diff(places[over], prepend=-1) > 0]
        ended_us = newest_us[over]
        finished = self._finish(
            places[over], ended_us, ended_us // WINDOW_US < timestamps_us[over] // WINDOW_US
        )
        self._newest_us[places] = timestamps_us
        for signal, values in columns.items():
            known = ~np.isnan(values)
            if known.all():
                self._count_known(signal, places, values)
            elif known.any():
                self._count_known(signal, places[known], values[known])
        return finished

    def _count_known(self, signal: int, places: Integers, values: Floats) -> None:
        too_many = self._minute.add(signal, places, [values] * 3, np.ones(values.shape, np.uint16))
        self._last[signal][places] = values
        self._spoil(too_many, self._newest_us[too_many])

    def _finish(
        self, places: Integers, newest_us: Integers, window_over: NDArray[np.bool_]
    ) -> list[Finished]:
        """End the minute of some assets, and of some of them the window."""
        if not places.shape[0]:
            return []
        stats, known = self._minute.take(places)
        for signal in np.flatnonzero(known.any(axis=1)).tolist():
            some = known[signal] > 0
            too_many = self._window.add(signal, places[some], stats[signal][:, some], known[signal][some])
            self._spoil(too_many, newest_us[np.searchsorted(places, too_many)])
        begins_us = newest_us // MINUTE_US * MINUTE_US
        finished = [Finished(MINUTE_US, self._buckets(places, begins_us, stats, known))]
        if window_over.any():
            places, begins_us = places[window_over], begins_us[window_over] // WINDOW_US * WINDOW_US
            finished.append(Finished(WINDOW_US, self._buckets(places, begins_us, *self._window.take(places))))
        return finished

    def _spoil(self, places: Integers, timestamps_us: Integers) -> None:
        if not places.shape[0]:
            return
        windows_us = timestamps_us // WINDOW_US * WINDOW_US
        for window_us in np.unique(windows_us[windows_us >= self._first_us]).tolist():
            spoiled = self._spoiled.setdefault(window_us, np.zeros(self._keys.shape[0], np.bool_))
            spoiled[places[windows_us == window_us]] = True

    def _buckets(
        self, places: Integers, begins_us: Integers, stats: Floats, known: NDArray[np.uint16]
    ) -> Buckets:
        """Buckets in order of asset; ``stats`` and ``known`` as ``_Totals.take`` gives them."""
        made = np.empty((places.shape[0], 5, self._signals))
        made[:, : MAX + 1] = stats.transpose(2, 1, 0)
        made[:, KNOWN] = known.T
        made[:, MEAN] /= np.maximum(made[:, KNOWN], 1.0)
        made[:, LAST] = np.where(known > 0, self._last.take(places, axis=1), np.nan).T
        return Buckets(self._keys[places].astype(np.int64), begins_us, made)


def _again(places: Integers) -> Integers:
    """Which of some samples, in order of asset, are not their asset's first."""
    return np.flatnonzero(places[1:] == places[:-1]) + 1
