"""PostgreSQL's binary COPY format as numpy structured arrays: a table's rows in and out without an object per value.

A row is the number of its fields, then each field's length and bytes, big-endian. Where every field of a row has a
fixed width, so have the rows, and a column is filled or read in one array operation. Null has no bytes and would change
the width; the tables written this way have no nulls but whole columns of them (``NULL``).
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from struct import Struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from der_runtime.aside import made_aside
from der_runtime.breather import Breather
from der_runtime.right_of_way import RightOfWay

Record = NDArray[np.void]

TIME, DOUBLE, INTEGER, SMALL = ">i8", ">f8", ">i4", ">i2"
NULL = ""

_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER = b"\xff\xff"
_CHUNK_BYTES = 512 * 1024
_FLOAT8_OID = 701
_COUNT, _LENGTH = Struct(">h"), Struct(">i")
_POSTGRES_EPOCH_US = 946_684_800_000_000
"""2000-01-01 in microseconds since 1970."""


def array_of(*shape: int) -> np.dtype[np.void]:
    """A field that holds a ``double precision[]`` of that shape; its numbers are ``["items"]["value"]``, flattened."""
    items = int(np.prod(shape))
    return np.dtype(
        [
            ("dimensions", INTEGER),
            ("flags", INTEGER),
            ("oid", INTEGER),
            ("shape", [("size", INTEGER), ("lower", INTEGER)], (len(shape),)),
            ("items", [("length", INTEGER), ("value", DOUBLE)], (items,)),
        ],
        metadata={"shape": shape},
    )


class RowFormat:
    """Rows of some fields in order; a field is one of ``TIME DOUBLE INTEGER SMALL NULL`` or an ``array_of``."""

    def __init__(self, fields: Mapping[str, str | np.dtype[np.void]]) -> None:
        layout: list[tuple[str, Any]] = [("field_count", SMALL)]
        for name, kind in fields.items():
            layout.append((f"{name} length", INTEGER))
            if kind != NULL:
                layout.append((name, kind))
        self._type = np.dtype(layout)
        self._blank = np.zeros(1, self._type)
        self._blank["field_count"] = len(fields)
        for name, kind in fields.items():
            self._blank[f"{name} length"] = -1 if kind == NULL else np.dtype(kind).itemsize
            if isinstance(kind, np.dtype) and kind.metadata:
                _describe(self._blank[name], kind.metadata["shape"])

    def rows(self, count: int) -> Record:
        """Rows to fill in."""
        return np.repeat(self._blank, count)

    def parse(self, copied: bytes | bytearray | memoryview) -> Record:
        """What ``COPY ... TO STDOUT (FORMAT binary)`` gave, every row of which has this format."""
        body = memoryview(copied)[len(_HEADER) : -len(_TRAILER)]
        return np.frombuffer(body, self._type)


async def chunks(parts: Iterable[Record], right_of_way: RightOfWay) -> AsyncIterator[Any]:
    """What to hand to ``copy_to_table`` as its source: rows of any formats, each part made when its turn comes."""
    yield _HEADER
    async for part in made_aside(iter(parts)):
        for piece in _pieces(part.view(np.uint8).data):
            await right_of_way.free()
            yield piece
    yield _TRAILER


async def framed(pieces: Iterable[bytes | memoryview]) -> AsyncIterator[Any]:
    """What to hand to ``copy_to_table`` as its source: rows that are in the format already, a piece at a time.

    Its annotation wants ``bytes``, but asyncpg takes whatever has a buffer.
    """
    yield _HEADER
    breather = Breather(None)
    for piece in pieces:
        await breather.pause()
        yield piece
        breather.begin()
    yield _TRAILER


def row(*values: bytes) -> bytes:
    """One row, of fields as PostgreSQL sends them; slow, for what has no fixed width."""
    return b"".join((_COUNT.pack(len(values)), *(_LENGTH.pack(len(value)) + value for value in values)))


def postgres_time(timestamps_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Microseconds since 1970 as PostgreSQL counts them."""
    return timestamps_us - _POSTGRES_EPOCH_US


def unix_time(times: NDArray[Any]) -> NDArray[np.int64]:
    """What PostgreSQL counts as microseconds since 1970."""
    return times.astype(np.int64) + _POSTGRES_EPOCH_US


def _describe(field: NDArray[np.void], shape: tuple[int, ...]) -> None:
    field["dimensions"] = len(shape)
    field["oid"] = _FLOAT8_OID
    field["shape"]["size"] = shape
    field["shape"]["lower"] = 1
    field["items"]["length"] = 8


def _pieces(data: memoryview) -> Iterator[memoryview]:
    for begin in range(0, len(data), _CHUNK_BYTES):
        yield data[begin : begin + _CHUNK_BYTES]
