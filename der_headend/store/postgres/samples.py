"""Samples as rows of the telemetry table: columns of frames in, columns of one or many assets out."""

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


def encode(frames: Iterable[Rows], catalogue: Catalogue) -> list[Record]:
    """Frames as rows to copy, in order of asset, frames with the same signals together."""
    alike: dict[frozenset[str], list[Rows]] = {}
    for frame in frames:
        alike.setdefault(frozenset(frame.columns), []).append(frame)
    return [_encode_alike(names, group, catalogue) for names, group in alike.items()]


def _encode_alike(names: frozenset[str], frames: Sequence[Rows], catalogue: Catalogue) -> Record:
    keys = catalogue.keys[np.concatenate([frame.slots for frame in frames])]
    order = np.argsort(keys, kind="stable")
    sizes = [frame.slots.shape[0] for frame in frames]
    timestamps_us = np.repeat(np.array([frame.timestamp_us for frame in frames], np.int64), sizes)
    places = {name: place for name in names if (place := catalogue.place(name)) > 0}
    rows = _format(max(places.values(), default=0)).rows(keys.shape[0])
    rows["at"] = postgres_time(timestamps_us[order])
    rows["asset"] = keys[order]

    def column(name: str) -> Floats:
        values = np.concatenate([frame.columns[name] for frame in frames])[order]
        return recode(values, catalogue.to_stored(name))

    for name in _NUMBERS:
        rows[name] = column(name) if name in names else np.nan
    status = column("status") if "status" in names else np.full(keys.shape, np.nan)
    rows["status"] = np.where(np.isnan(status), _UNKNOWN_STATE, status).astype(np.int16)
    if places:
        others = rows["others"]["items"]["value"]
        others[:] = np.nan
        for name, place in places.items():
            others[:, place - 1] = column(name)
    return rows


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


def _format(others: int) -> RowFormat:
    fields = {"at": TIME, **dict.fromkeys(_NUMBERS, DOUBLE), "asset": INTEGER, "status": SMALL}
    return RowFormat({**fields, "others": array_of(others) if others else NULL})
