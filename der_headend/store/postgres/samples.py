"""Samples as rows of the telemetry table: columns of frames in, columns of one or many assets out."""

from collections import Counter
from collections.abc import Iterable, Sequence
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


def gathered(samples: Iterable[Rows]) -> list[Rows]:
    """The same samples, those of the same signals together, about ``ROWS_AT_ONCE`` in one."""
    whole: list[Rows] = []
    alike: dict[frozenset[str], list[Rows]] = {}
    sizes: Counter[frozenset[str]] = Counter()
    for rows in samples:
        names = frozenset(rows.columns)
        alike.setdefault(names, []).append(rows)
        sizes[names] += rows.size
        if sizes[names] >= ROWS_AT_ONCE:
            whole.append(_join(alike.pop(names)))
            del sizes[names]
    return whole + [_join(parts) for parts in alike.values()]


def encode(rows: Rows, catalogue: Catalogue) -> Record:
    """Samples as rows to copy, in order of asset."""
    keys = catalogue.keys[rows.slots]
    order = _order(keys)
    places = {name: place for name in rows.columns if (place := catalogue.place(name)) > 0}
    record = _format(max(places.values(), default=0)).rows(rows.size)
    record["at"] = postgres_time(rows.timestamps_us[order])
    record["asset"] = keys[order]

    def column(name: str) -> Floats:
        return recode(rows.columns[name][order], catalogue.to_stored(name))

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


def _join(parts: Sequence[Rows]) -> Rows:
    if len(parts) == 1:
        return parts[0]
    return Rows(
        timestamps_us=np.concatenate([rows.timestamps_us for rows in parts]),
        slots=np.concatenate([rows.slots for rows in parts]),
        columns={name: np.concatenate([rows.columns[name] for rows in parts]) for name in parts[0].columns},
    )


def _order(keys: NDArray[np.int32]) -> Integers:
    """What ``argsort`` gives if it is to keep equals in order; to sort numbers themselves takes half as long."""
    numbered = (keys.astype(np.int64) << 32) | np.arange(keys.shape[0])
    numbered.sort()
    return numbered & 0xFFFF_FFFF


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
