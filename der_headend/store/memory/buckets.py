"""Samples brought together into buckets of equal width, a whole column at a time."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Buckets:
    """Which samples fall into which bucket; buckets without samples do not appear.

    ``first``: shape (m,), where each bucket's samples begin. ``begins_us``: shape (m,), when each bucket begins.
    """

    first: Integers
    begins_us: Integers


def gather(timestamps_us: Integers, width_us: int) -> Buckets:
    """The buckets of samples in ascending order of time, aligned to whole multiples of ``width_us`` since 1970."""
    numbers = timestamps_us // width_us
    first = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1))
    return Buckets(first, numbers[first] * width_us)


def statistics(values: Floats, buckets: Buckets) -> dict[str, Floats]:
    """Mean, min, max and last of what is known (not NaN) in each bucket; NaN where nothing is."""
    known = ~np.isnan(values)
    count = np.add.reduceat(known, buckets.first, dtype=np.int64)
    with np.errstate(over="ignore"):  # a sum beyond all numbers is infinite, which readers take for unknown
        total = np.add.reduceat(np.where(known, values, 0.0), buckets.first)
    latest = np.maximum.reduceat(np.where(known, np.arange(values.shape[0]), -1), buckets.first)
    return {
        "mean": np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0),
        "min": np.fmin.reduceat(values, buckets.first),
        "max": np.fmax.reduceat(values, buckets.first),
        "last": np.where(count > 0, values[latest], np.nan),
    }
