"""Telemetry in columns: one **frame** is one moment of many assets, one array per signal.

A sample never becomes a Python object on its way from the wire to the live state and the store; whatever is done
to a frame is done to whole arrays.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Frame:
    """One moment of some assets of a session.

    Attributes:
        timestamp_us: when it was measured, microseconds since 1970-01-01 UTC.
        assets: shape (n,), int64: places of the assets in the session's registration, no two alike.
        columns: by the signal's place in the session's catalogue: shape (n,), float64. NaN is "unknown".
            A state is the index of its name.
    """

    timestamp_us: int
    assets: NDArray[np.int64]
    columns: Mapping[int, NDArray[np.float64]]


def occurrences(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each value, shape (n,), how often the same value stands before it: shape (n,)."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    begins = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    counts = np.empty_like(order)
    counts[order] = np.arange(values.shape[0]) - np.repeat(begins, np.diff(begins, append=values.shape[0]))
    return counts


def frame_defect(
    frame: Frame, *, asset_count: int, signal_count: int, now_us: int, max_ahead_us: int
) -> str | None:
    """Why a frame can't be taken, as a stable code; ``None`` if it can.

    ``asset_count`` and ``signal_count`` are the sizes of the session's registration; a frame stamped more than
    ``max_ahead_us`` after ``now_us`` is from a clock that is wrong and would shadow every later value.
    """
    size = frame.assets.shape[0]
    if size == 0:
        return "frame_empty"
    if frame.timestamp_us <= 0:
        return "timestamp_missing"
    if frame.timestamp_us > now_us + max_ahead_us:
        return "timestamp_in_future"
    if int(frame.assets.min()) < 0 or int(frame.assets.max()) >= asset_count:
        return "asset_index_out_of_range"
    if size > 1 and np.unique(frame.assets).shape[0] != size:
        return "asset_index_repeated"
    for signal, values in frame.columns.items():
        if not 0 <= signal < signal_count:
            return "signal_index_out_of_range"
        if values.shape[0] != size:
            return "column_length_mismatch"
    return None
