"""The rows of a long table, kept once for all pages that show it.

A browser fetches all rows once, in one compressed answer that is encoded once for everybody, and is then told what
changed: of each changed row its place and its live columns. When rows come or go a new *generation* begins, which
browsers fetch anew. ``seq`` numbers the changes, so that none is lost between the two.
"""

import asyncio
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeVar

from der_console.topics import Topic, encoded
from der_console.turns import LOOKED_AT_AT_ONCE, in_turns

_COMPRESSION = 1
_GZIP = zlib.MAX_WBITS | 16

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
        self._asked = self._answered = 0
        self._showing = asyncio.Lock()

    async def show(self, topic: Topic, entries: Mapping[str, E]) -> None:
        """Tell the browsers of ``topic`` what is different from what was shown last; lets others have their turn."""
        async with self._showing:
            if entries.keys() != self._entries.keys():
                self._entries = dict(entries)
                self._places = {id_: place for place, id_ in enumerate(entries)}
                self._generation += 1
                topic.send(self.name, {"g": self._generation})
                return
            changed: list[str] = []
            async for looked_at in in_turns(entries, LOOKED_AT_AT_ONCE):
                changed += [id_ for id_ in looked_at if self._entries[id_] is not entries[id_]]
            async for some in in_turns(changed):
                self._entries.update((id_, entries[id_]) for id_ in some if id_ in entries)
                self._seq += 1
                rows = [[self._places[id_], *self._live(self._entries[id_])] for id_ in some]
                topic.send(self.name, {"g": self._generation, "q": self._seq, "r": rows})

    async def whole(self) -> bytes:
        """All rows as compressed JSON: ``{g, q, r: [[id, …fixed, …live], …]}``, as they are now or later."""
        self._asked += 1
        turn = self._asked
        async with self._encoding:
            now = (self._generation, self._seq)
            # While rows change, an answer is old by the time it is made; it still serves all who asked before it begun.
            if turn > self._answered and self._encoded[:2] != now:
                answered = self._asked
                self._encoded = (*now, await self._encode(*now))
                self._answered = answered
            return self._encoded[2]

    async def _encode(self, generation: int, seq: int) -> bytes:
        packed = zlib.compressobj(_COMPRESSION, wbits=_GZIP)
        pieces = [packed.compress(f'{{"g":{generation},"q":{seq},"r":['.encode())]
        separator = ""
        async for some in in_turns(list(self._entries.items())):
            rows = [[id_, *self._fixed(entry), *self._live(entry)] for id_, entry in some]
            pieces.append(packed.compress((separator + encoded(rows)[1:-1]).encode()))
            separator = ","
        return b"".join([*pieces, packed.compress(b"]}"), packed.flush()])
