"""Pages of what is in memory in order of a key."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import TypeVar

from der_headend import cursor as cursors

T = TypeVar("T")


def page(
    entries: Sequence[T], key: Callable[[T], str], *, limit: int, cursor: str | None
) -> tuple[Sequence[T], str | None]:
    """The entries behind ``cursor``, at most ``limit``, and the cursor of the next page.

    ``entries`` are in ascending order of ``key``, no two alike.

    Raises:
        Rejected: ``invalid_cursor``.
    """
    first = 0 if cursor is None else bisect_right(entries, cursors.decode(cursor, 1)[0], key=key)
    shown = entries[first : first + limit]
    more = first + limit < len(entries)
    return shown, cursors.encode((key(shown[-1]),)) if more else None
