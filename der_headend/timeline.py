"""Ids in order of time, read newest first and page by page."""

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Protocol, TypeVar
from uuid import UUID

from der_headend.cursor import decode_moment, encode_moment
from der_headend.ports import Page

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


class Query(Protocol[T_contra]):
    """Which records are asked for, as in ``DispatchQuery`` and ``EventQuery``."""

    @property
    def limit(self) -> int:
        """How many at most."""
        ...

    @property
    def cursor(self) -> str | None:
        """Behind which they are."""
        ...

    @property
    def start(self) -> datetime | None:
        """From when on."""
        ...

    @property
    def end(self) -> datetime | None:
        """Before when."""
        ...

    def matches(self, record: T_contra, /) -> bool:
        """Whether a record is one of them."""
        ...


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

    def page(self, records: Mapping[UUID, T], query: Query[T]) -> Page[T]:
        """Of the ``records`` of these ids those that are asked for, newest first; all pages look at each but once.

        Raises:
            Rejected: ``invalid_cursor``.
        """
        last = (
            len(self._keys) if query.cursor is None else bisect_left(self._keys, decode_moment(query.cursor))
        )
        if query.end is not None:
            last = min(last, bisect_left(self._keys, (query.end, UUID(int=0))))
        first = 0 if query.start is None else bisect_left(self._keys, (query.start, UUID(int=0)))
        found: list[tuple[datetime, UUID]] = []
        for place in range(last - 1, first - 1, -1):
            at, id = self._keys[place]
            if not query.matches(records[id]):
                continue
            if len(found) == query.limit:
                return Page([records[id] for _, id in found], encode_moment(*found[-1]))
            found.append((at, id))
        return Page([records[id] for _, id in found])
