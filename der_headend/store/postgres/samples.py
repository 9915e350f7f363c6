"""Samples as rows of the telemetry table: columns of frames in, columns of one or many assets out."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from der_headend.ports import Rows
from der_headend.store.postgres.binary_copy import (
    DOUBLE,
    INTEGER,
    NULL,
    SMALL,
    TIME,
    Record,
    RowFormat,
    array_of,
    postgres_time,
    unix_time,
)
from der_headend.store.postgres.catalogue import CORE, Catalogue, recode

TABLE = "telemetry"
ROWS_AT_ONCE = 50_000
"""So many are made into rows to copy at a time: after an outage there may be far more, and all else waits meanwhile."""

COLUMNS = ("at", *CORE[:-1], "asset", "status", "others")

_ENCODED_AT_ONCE = 10_000
"""Rows that fit into a processor's own memory, where each column is written between those of the others."""

_NUMBERS = CORE[:-1]
_UNKNOWN_STATE = -1

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Samples:
    """Samples of some assets, in order of asset and time, each once.

    ``keys``: shape (n,). ``timestamps_us``: shape (n,). ``values``: shape (n, signals): the core signals, then the
    others by place; NaN is unknown, a state its stored code.
    """

    keys: Integers
    timestamps_us: Integers
    values: Floats


def gathered(samples: Iterable[Rows], keys: NDArray[np.int32]) -> Iterator[Rows]:
    """The same samples, those of the same signals together, about ``ROWS_AT_ONCE`` in one, in order of asset and time.

    Each is made when it is asked for, so that whoever asks can let others go on in between.

    Those that have no value but of core signals come apart from the others, without the columns that are empty: their
    rows take the database three quarters of the work. ``keys``: by slot the asset's key.
    """
    alike: dict[frozenset[str], list[Rows]] = {}
    sizes: Counter[frozenset[str]] = Counter()
    for rows in samples:
        names = frozenset(rows.columns)
        alike.setdefault(names, []).append(rows)
        sizes[names] += rows.size
        if sizes[names] >= ROWS_AT_ONCE:
            yield from _in_order(alike.pop(names), keys)
            del sizes[names]
    for parts in alike.values():
        yield from _in_order(parts, keys)


def encode(rows: Rows, catalogue: Catalogue) -> Iterator[Record]:
    """Samples as rows to copy, some at a time; the catalogue is asked now, not when they are made."""
    keys = catalogue.keys
    places = {name: place for name in rows.columns if (place := catalogue.place(name)) > 0}
    codes = {name: catalogue.to_stored(name) for name in rows.columns}
    return (
        _encode(rows.part(slice(begin, begin + _ENCODED_AT_ONCE)), keys, places, codes)
        for begin in range(0, rows.size, _ENCODED_AT_ONCE)
    )


def _encode(
    rows: Rows,
    keys: NDArray[np.int32],
    places: Mapping[str, int],
    codes: Mapping[str, Floats | None],
) -> Record:
    record = _format(max(places.values(), default=0)).rows(rows.size)
    record["at"] = postgres_time(rows.timestamps_us)
    record["asset"] = keys[rows.slots]

    def column(name: str) -> Floats:
        return recode(rows.columns[name], codes[name])

    for name in _NUMBERS:
        record[name] = column(name) if name in rows.columns else np.nan
    status = column("status") if "status" in rows.columns else np.full(rows.size, np.nan)
    record["status"] = np.where(np.isnan(status), _UNKNOWN_STATE, status).astype(np.int16)
    if places:
        others = record["others"]["items"]["value"]
        others[:] = np.nan
        for name, place in places.items():
            others[:, place - 1] = column(name)
    return record


def _in_order(parts: Sequence[Rows], keys: NDArray[np.int32]) -> list[Rows]:
    slots = np.concatenate([rows.slots for rows in parts])
    timestamps_us = np.concatenate([rows.timestamps_us for rows in parts])
    columns = {name: np.concatenate([rows.columns[name] for rows in parts]) for name in parts[0].columns}
    order = _order(keys[slots], timestamps_us)
    core = {name: values for name, values in columns.items() if name in CORE}
    bare = np.ones(order.shape, np.bool_)
    for name in columns.keys() - core.keys():
        bare &= np.isnan(columns[name])
    bare = bare[order]
    return [
        Rows(
            timestamps_us=timestamps_us[some],
            slots=slots[some],
            columns={name: values[some] for name, values in theirs.items()},
        )
        for some, theirs in ((order[bare], core), (order[~bare], columns))
        if some.shape[0]
    ]


def _order(keys: NDArray[np.int32], timestamps_us: Integers) -> Integers:
    """What puts samples in order of asset and time; those of an asset mostly come in order of time."""
    # Numbers of 16 bits are sorted in linear time: half as long as all of the key takes.
    order = keys.astype(np.uint16).argsort(kind="stable")
    order = order[(keys >> 16).astype(np.uint16)[order].argsort(kind="stable")]
    backwards = np.diff(timestamps_us[order]) < 0
    if backwards.any() and (np.diff(keys[order])[backwards] == 0).any():
        return np.lexsort((timestamps_us, keys))
    return order


def select_list(others: int) -> str:
    """What to select of the table so that ``decode`` can read it: rows of one width."""
    return ", ".join(
        ("at", *_NUMBERS, "asset", "status", *(f"coalesce(others[{n + 1}], 'NaN')" for n in range(others)))
    )


def decode(copied: bytes, others: int) -> Samples:
    """Rows of ``select_list``, in order of asset and time; a sample that is there twice is given once."""
    places = {f"other {n}": DOUBLE for n in range(others)}
    fields = {"at": TIME, **dict.fromkeys(_NUMBERS, DOUBLE), "asset": INTEGER, "status": SMALL, **places}
    rows = RowFormat(fields).parse(copied)
    keys, timestamps_us = rows["asset"].astype(np.int64), unix_time(rows["at"])
    first = np.ones(keys.shape, np.bool_)
    first[1:] = (np.diff(keys) != 0) | (np.diff(timestamps_us) != 0)
    rows = rows[first]
    values = np.empty((rows.shape[0], len(CORE) + others))
    for column, name in enumerate((*_NUMBERS, "status", *places)):
        values[:, column] = rows[name]
    status = values[:, len(_NUMBERS)]
    status[status == _UNKNOWN_STATE] = np.nan
    return Samples(keys[first], timestamps_us[first], values)


def joined(parts: Sequence[Samples]) -> Samples:
    """Samples one after the other; of one at least."""
    return Samples(
        np.concatenate([part.keys for part in parts]),
        np.concatenate([part.timestamps_us for part in parts]),
        np.concatenate([part.values for part in parts]),
    )


def _format(others: int) -> RowFormat:
    fields = {"at": TIME, **dict.fromkeys(_NUMBERS, DOUBLE), "asset": INTEGER, "status": SMALL}
    return RowFormat({**fields, "others": array_of(others) if others else NULL})
