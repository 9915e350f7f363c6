"""The rows of a long table, kept once for all pages that show it.

A browser fetches all rows once, in one compressed answer that is encoded once for everybody, and is then told what
changed: of each changed row its place and its live columns. When rows come or go a new *generation* begins, which
browsers fetch anew. ``seq`` numbers the changes, so that none is lost or applied twice between the two.
"""

import asyncio
import gzip
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from der_console.topics import Topic, encoded

_ROWS_AT_ONCE = 400
_COMPRESSION = 1

E = TypeVar("E")
Row = Sequence[str | float | None]


class Table(Generic[E]):
    """The rows of entries that are replaced, never changed, so that ``is`` tells which are new.

    ``fixed`` and ``live`` make the two parts of an entry's row.
    """

    def __init__(self, name: str, *, fixed: Callable[[E], Row], live: Callable[[E], Row]) -> None:
        self.name = name
        self._fixed, self._live = fixed, live
        self._entries: dict[str, E] = {}
        self._places: dict[str, int] = {}
        self._generation = 0
        self._seq = 0
        self._encoded: tuple[int, int, bytes] = (-1, -1, b"")
        self._encoding = asyncio.Lock()

    async def show(self, topic: Topic, entries: Mapping[str, E]) -> None:
        """Tell the browsers of ``topic`` what is different from what was shown last; lets others have their turn."""
        if entries.keys() != self._entries.keys():
            self._entries = dict(entries)
            self._places = {id_: place for place, id_ in enumerate(entries)}
            self._generation += 1
            topic.send(self.name, {"g": self._generation})
            return
        changed = [id_ for id_, entry in entries.items() if self._entries[id_] is not entry]
        for start in range(0, len(changed), _ROWS_AT_ONCE):
            some = changed[start : start + _ROWS_AT_ONCE]
            self._entries.update((id_, entries[id_]) for id_ in some if id_ in entries)
            self._seq += 1
            rows = [[self._places[id_], *self._live(self._entries[id_])] for id_ in some]
            topic.send(self.name, {"g": self._generation, "q": self._seq, "r": rows})
            await asyncio.sleep(0)

    async def whole(self) -> bytes:
        """All rows as compressed JSON: ``{g, q, r: [[id, …fixed, …live], …]}``."""
        async with self._encoding:
            now = (self._generation, self._seq)
            if self._encoded[:2] != now:
                entries = list(self._entries.items())
                self._encoded = (*now, await asyncio.to_thread(self._encode, *now, entries))
            return self._encoded[2]

    def _encode(self, generation: int, seq: int, entries: list[tuple[str, E]]) -> bytes:
        rows = [[id_, *self._fixed(entry), *self._live(entry)] for id_, entry in entries]
        return gzip.compress(encoded({"g": generation, "q": seq, "r": rows}).encode(), _COMPRESSION)
