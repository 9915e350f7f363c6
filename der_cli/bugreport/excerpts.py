"""Which lines of a log matter: around a time, around a dispatch, or the last ones. Files of any size are read once."""

import gzip
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,6})?(?:Z|[+-]\d\d:?\d\d)?")
_LONGEST_LINE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """At most ``lines`` lines: those from ``start`` to ``end`` and those that mention one of ``ids``; the last ones.

    With neither times nor ids, simply the last ones. Times are aware.
    """

    lines: int
    start: datetime | None = None
    end: datetime | None = None
    ids: tuple[str, ...] = ()


def around(
    moment: datetime, window: timedelta, *, until: datetime | None = None
) -> tuple[datetime, datetime]:
    """The window before a moment, to the same after it or after ``until``."""
    return moment - window, (until or moment) + window


def excerpt(lines: Iterable[str], wanted: Wanted) -> list[str]:
    """The lines that are wanted, in order. A line without a time belongs to the one before it, as a traceback does."""
    kept: deque[str] = deque(maxlen=wanted.lines)
    everything = wanted.start is None and not wanted.ids
    inside = False
    for line in lines:
        if (told := time_of(line)) is not None:
            inside = (
                wanted.start is not None and wanted.end is not None and wanted.start <= told <= wanted.end
            )
        if everything or inside or any(each in line for each in wanted.ids):
            kept.append(line)
    return list(kept)


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a file, compressed by gzip or not, whatever is in it; of a very long one the beginning.

    Such a line is cut at a space: half of a secret would not be known again.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", errors="replace") as file:
        whole = True
        while piece := file.readline(_LONGEST_LINE):
            begins, whole = whole, piece.endswith("\n")
            if begins:
                cut = not whole and len(piece) == _LONGEST_LINE
                yield f"{piece.rpartition(' ')[0]} …" if cut else piece.rstrip("\r\n")


def time_of(line: str) -> datetime | None:
    """The first time in a line; without a zone it is UTC, as the programs log."""
    found = _TIME.search(line)
    if found is None:
        return None
    try:
        told = datetime.fromisoformat(found[0].replace(",", "."))
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)
