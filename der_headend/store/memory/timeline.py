"""Ids in order of time, read newest first and page by page."""

from bisect import bisect_left, insort
from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from der_headend.cursor import decode_moment


class Timeline:
    """Ids by the moment each belongs to; of one moment, by id."""

    def __init__(self) -> None:
        self._keys: list[tuple[datetime, UUID]] = []

    def __len__(self) -> int:
        return len(self._keys)

    def add(self, at: datetime, id: UUID) -> None:
        """Enter an id that is not in it yet."""
        insort(self._keys, (at, id))

    def discard(self, at: datetime, id: UUID) -> None:
        """Take an id out."""
        place = bisect_left(self._keys, (at, id))
        if place < len(self._keys) and self._keys[place] == (at, id):
            del self._keys[place]

    def pop_oldest(self) -> UUID:
        """Take the oldest id out."""
        return self._keys.pop(0)[1]

    def oldest_first(self) -> Iterator[UUID]:
        """All ids, oldest first."""
        return (id for _, id in self._keys)

    def newest_first(
        self, *, cursor: str | None, start: datetime | None, end: datetime | None
    ) -> Iterator[UUID]:
        """The ids with ``start <= time < end``, newest first, from behind ``cursor`` on.

        Raises:
            Rejected: ``invalid_cursor``.
        """
        last = len(self._keys) if cursor is None else bisect_left(self._keys, decode_moment(cursor))
        if end is not None:
            last = min(last, bisect_left(self._keys, (end, UUID(int=0))))
        first = 0 if start is None else bisect_left(self._keys, (start, UUID(int=0)))
        return (self._keys[place][1] for place in range(last - 1, first - 1, -1))
