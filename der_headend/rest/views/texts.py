"""JSON as text, made column by column: a page of a thousand assets is some lists of texts, put together row by row.

Building dicts first and then encoding them costs twice as much, and the event loop stands still meanwhile. What is
written here is what ``json`` would write.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Text = str
"""A JSON value, encoded."""
Column = Sequence[float | str | None]

NULL = "null"

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def encoded(value: Any) -> Text:
    """Any JSON value."""
    return _ENCODER.encode(value)


def values(column: Column) -> list[Text]:
    """The values of a column; numbers must be finite."""
    return [
        NULL if value is None else repr(value) if isinstance(value, float) else encoded(value)
        for value in column
    ]


def flags(column: Iterable[bool]) -> list[Text]:
    """The values of a column."""
    return ["true" if value else "false" for value in column]


def objects(columns: Mapping[str, Sequence[Text]], *, count: int) -> list[Text]:
    """For each of ``count`` rows the object of those of its values that are known."""
    keys = [f"{encoded(name)}:" for name in columns]
    named = [
        [None if text == NULL else key + text for text in column]
        for key, column in zip(keys, columns.values(), strict=True)
    ]
    rows = zip(*named, strict=True) if named else iter([()] * count)
    return [f"{{{','.join(filter(None, row))}}}" for row in rows]


def template(*names: str) -> str:
    """What the fields of these names look like before their values are filled in with ``%``."""
    return ",".join(f'"{name}":%s' for name in names)


def array(entries: Iterable[Text]) -> Text:
    """An array."""
    return f"[{','.join(entries)}]"


def listed(entries: Iterable[Text]) -> Iterator[Text]:
    """An array in pieces."""
    opening = "["
    for entry in entries:
        yield opening + entry
        opening = ","
    yield "[]" if opening == "[" else "]"
