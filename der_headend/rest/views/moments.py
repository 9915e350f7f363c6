"""Times as text: ISO 8601 in UTC with microseconds, ending in Z."""

from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray


def moment(at: datetime) -> str:
    """An aware time as text."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment_or_none(at: datetime | None) -> str | None:
    """An aware time as text, or ``None``."""
    return None if at is None else moment(at)


def moments(timestamps_us: NDArray[np.int64]) -> list[str]:
    """A column of times (microseconds since 1970) as texts."""
    texts: list[str] = np.datetime_as_string(timestamps_us.astype("datetime64[us]"), timezone="UTC").tolist()
    return texts
