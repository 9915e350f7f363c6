"""Sequences that take a few bytes of each item, and make an item when it is asked for.

A million UUIDs take 112 bytes each, or 16 in one piece of memory; a dict that finds one takes 74 more, or 8.
"""

from abc import abstractmethod
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from struct import Struct
from typing import Self, TypeVar, overload
from uuid import UUID, SafeUUID

T_co = TypeVar("T_co", covariant=True)

_ID = Struct("16s")
_SIZE = _ID.size
_NONE = -1
_DASHES = (8, 13, 18, 23)
_LINE = 37
"""Of an id as text with an end of line: where it has dashes, and its length."""


class Packed(Sequence[T_co]):
    """A sequence that knows how to make the item at a place; a slice of it is a tuple."""

    __slots__ = ()

    @abstractmethod
    def item(self, place: int) -> T_co:
        """The item at a place, counted from 0; brackets also take places counted from the end, and slices."""

    @overload
    def __getitem__(self, place: int) -> T_co: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[T_co, ...]: ...

    def __getitem__(self, place: int | slice) -> T_co | tuple[T_co, ...]:
        places = range(len(self))[place]
        return self.item(places) if isinstance(places, int) else tuple(map(self.item, places))

    def __iter__(self) -> Iterator[T_co]:
        return map(self.item, range(len(self)))


def _uuid(packed: bytes) -> UUID:
    """As ``UUID(bytes=packed)``, which spends more than half of its time on arguments that might have been given."""
    made = object.__new__(UUID)
    object.__setattr__(made, "int", int.from_bytes(packed, "big"))
    object.__setattr__(made, "is_safe", SafeUUID.unknown)
    return made


class Ids(Packed[UUID]):
    """Ids in some order; ``packed`` has 16 bytes of each. Immutable; equal to the same ids in the same order."""

    __slots__ = ("packed",)

    def __init__(self, packed: bytes) -> None:
        self.packed = packed

    @classmethod
    def of(cls, ids: Iterable[UUID]) -> Self:
        """These ids."""
        return cls(b"".join([each.bytes for each in ids]))

    def __len__(self) -> int:
        return len(self.packed) // _SIZE

    def __iter__(self) -> Iterator[UUID]:
        return map(_uuid, self.each())

    def __contains__(self, item: object) -> bool:
        return isinstance(item, UUID) and item.bytes in self.each()

    def __eq__(self, other: object) -> bool:
        return self.packed == other.packed if isinstance(other, Ids) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.packed)

    def each(self) -> Iterator[bytes]:
        """The 16 bytes of each, in order."""
        return map(itemgetter(0), _ID.iter_unpack(self.packed))

    def at(self, places: Iterable[int]) -> Self:
        """Those at some places."""
        packed = self.packed
        return type(self)(b"".join([packed[place * _SIZE : place * _SIZE + _SIZE] for place in places]))

    def written_as(self, texts: Sequence[str]) -> bool:
        """Whether these are their texts as of ``texts()``, which takes a fourth of making those and comparing."""
        text = "\n".join(texts)
        return (
            len(texts) == len(self)
            and len(text) == max(_LINE * len(self) - 1, 0)
            and text.replace("-", "") == self.packed.hex("\n", _SIZE)
            and all(text[at::_LINE] == "-" * len(self) for at in _DASHES)
        )

    def texts(self) -> list[str]:
        """The canonical text of each, for which no ``UUID`` is made."""
        digits = self.packed.hex("\n", _SIZE).split()
        return [f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}" for d in digits]

    def item(self, place: int) -> UUID:
        """The id at a place, counted from 0."""
        return _uuid(self.packed[place * _SIZE : place * _SIZE + _SIZE])


class Places(Mapping[UUID, int]):
    """By id its place among ``ids``, no two alike: a hash table of places, not more than half full.

    Python's own hash of bytes tells where to look: ids that count up would else stand in long rows.
    """

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._size = 2 * len(ids) + 1
        self._table = array("i", [_NONE]) * self._size
        for place, packed in enumerate(ids.each()):
            at = hash(packed) % self._size
            while self._table[at] != _NONE:
                at = (at + 1) % self._size
            self._table[at] = place

    def __getitem__(self, asset_id: UUID) -> int:
        wanted, table, packed, size = asset_id.bytes, self._table, self._ids.packed, self._size
        at = hash(wanted) % size
        while (place := table[at]) != _NONE:
            if packed[place * _SIZE : place * _SIZE + _SIZE] == wanted:
                return place
            at = (at + 1) % size
        raise KeyError(asset_id)

    def __iter__(self) -> Iterator[UUID]:
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


class Texts(Packed[str]):
    """Texts in one piece of memory, as UTF-8, to which more can be added."""

    __slots__ = ("_encoded", "_ends")

    def __init__(self) -> None:
        self._encoded = bytearray()
        self._ends = array("I", [0])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def append(self, text: str) -> None:
        """Add one, which may be any ``str``."""
        self._encoded += text.encode("utf-8", "surrogatepass")
        self._ends.append(len(self._encoded))

    def at(self, places: Iterable[int]) -> list[str]:
        """Those at some places."""
        encoded, ends = self._encoded, self._ends
        return [encoded[ends[at] : ends[at + 1]].decode("utf-8", "surrogatepass") for at in places]

    def item(self, place: int) -> str:
        """The text at a place, counted from 0."""
        return self._encoded[self._ends[place] : self._ends[place + 1]].decode("utf-8", "surrogatepass")
