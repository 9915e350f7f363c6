"""Samples brought together into buckets of equal width, and buckets into wider ones, all signals at once.

A bucket's statistics are an array of shape (5, signals): the rows ``MEAN MIN MAX LAST KNOWN``, of which the last says
how many samples had a value. What has none is NaN in the other rows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

MEAN, MIN, MAX, LAST, KNOWN = range(5)
STATISTICS = ("mean", "min", "max", "last")


@dataclass(frozen=True, slots=True)
class Buckets:
    """Buckets in order of asset and time; those without samples do not appear.

    ``keys``: shape (m,), the assets. ``begins_us``: shape (m,). ``stats``: shape (m, 5, signals).
    """

    keys: Integers
    begins_us: Integers
    stats: Floats

    def __len__(self) -> int:
        return int(self.begins_us.shape[0])

    def chosen(self, which: NDArray[np.bool_]) -> "Buckets":
        """Some of them."""
        return Buckets(self.keys[which], self.begins_us[which], self.stats[which])


def gather(keys: Integers, timestamps_us: Integers, values: Floats, width_us: int) -> Buckets:
    """Buckets of samples in order of asset and time; ``values`` has the shape (n, signals)."""
    first, begins_us = _begin(keys, timestamps_us, width_us)
    stats = np.empty((first.shape[0], 5, values.shape[1]))
    if first.shape[0]:
        known = ~np.isnan(values)
        count = np.add.reduceat(known, first, axis=0, dtype=np.int64)
        with np.errstate(over="ignore", invalid="ignore"):
            total = np.add.reduceat(np.where(known, values, 0.0), first, axis=0)
            stats[:, MEAN] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        stats[:, MIN] = np.fmin.reduceat(values, first, axis=0)
        stats[:, MAX] = np.fmax.reduceat(values, first, axis=0)
        stats[:, LAST] = _last(values, known, first)
        stats[:, KNOWN] = count
    return Buckets(keys[first], begins_us, stats)


def widen(narrow: Buckets, width_us: int) -> Buckets:
    """Buckets that each hold some of the narrower ones."""
    first, begins_us = _begin(narrow.keys, narrow.begins_us, width_us)
    stats = np.empty((first.shape[0], *narrow.stats.shape[1:]))
    if first.shape[0]:
        weight = narrow.stats[:, KNOWN]
        known = weight > 0
        count = np.add.reduceat(weight, first, axis=0)
        with np.errstate(over="ignore", invalid="ignore"):
            total = np.add.reduceat(np.where(known, narrow.stats[:, MEAN] * weight, 0.0), first, axis=0)
            stats[:, MEAN] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        stats[:, MIN] = np.fmin.reduceat(narrow.stats[:, MIN], first, axis=0)
        stats[:, MAX] = np.fmax.reduceat(narrow.stats[:, MAX], first, axis=0)
        stats[:, LAST] = _last(narrow.stats[:, LAST], known, first)
        stats[:, KNOWN] = count
    return Buckets(narrow.keys[first], begins_us, stats)


def _begin(keys: Integers, timestamps_us: Integers, width_us: int) -> tuple[Integers, Integers]:
    """Where each bucket's samples begin, and when each bucket begins."""
    numbers = timestamps_us // width_us
    starts = np.ones(keys.shape, np.bool_)
    starts[1:] = (np.diff(keys) != 0) | (np.diff(numbers) != 0)
    first = np.flatnonzero(starts)
    return first, numbers[first] * width_us


def _last(values: Floats, known: NDArray[np.bool_], first: Integers) -> Floats:
    """Of each signal the last value that is known in each bucket."""
    places = np.where(known, np.arange(values.shape[0])[:, np.newaxis], -1)
    latest = np.maximum.reduceat(places, first, axis=0)
    taken: Floats = np.take_along_axis(values, np.maximum(latest, 0), axis=0)
    return np.where(latest >= 0, taken, np.nan)
