"""Samples and buckets out of the database, in columns."""

from datetime import datetime
from typing import Any

import numpy as np

from der_headend.store.postgres import queries
from der_headend.store.postgres.binary_copy import DOUBLE, INTEGER, TIME, RowFormat, unix_time
from der_headend.store.postgres.buckets import KNOWN, Buckets
from der_headend.store.postgres.catalogue import CORE
from der_headend.store.postgres.connection import Connection
from der_headend.store.postgres.samples import Samples, decode, select_list

_SAMPLES = queries.load("telemetry.sql")
_BUCKETS = queries.load("rollups.sql")
_ROWS = 5


async def by_index(connection: Connection) -> None:
    """Have the rest of this transaction read samples by index, whatever the server thinks it knows of them."""
    await connection.execute(_SAMPLES["by_index"])


async def samples_of_asset(
    connection: Connection, key: int, begins: datetime, ends: datetime, *, limit: int, others: int
) -> Samples:
    """The newest samples of one asset with ``begins <= time < ends``, in order of time."""
    query = _SAMPLES["of_asset"].format(columns=select_list(others))
    found = decode(await _copied(connection, query, key, begins, ends, limit), others)
    return Samples(found.keys[::-1], found.timestamps_us[::-1], found.values[::-1])


async def samples_of_assets(
    connection: Connection, keys: list[int], begins: datetime, ends: datetime, *, others: int
) -> Samples:
    """Samples of some assets with ``begins <= time < ends``, in order of asset and time."""
    query = _SAMPLES["of_assets"].format(columns=select_list(others))
    return decode(await _copied(connection, query, keys, begins, ends), others)


async def buckets_of_asset(
    connection: Connection, table: str, key: int, begins: datetime, ends: datetime, *, limit: int, others: int
) -> Buckets:
    """The newest buckets of one asset that were made, with ``begins <= beginning < ends``, in order of time."""
    signals = len(CORE) + others
    places = [(row, signal) for row in range(1, _ROWS + 1) for signal in range(1, signals + 1)]
    columns = ", ".join(("at", "asset", *(f"coalesce(stats[{r}][{s}], 'NaN')" for r, s in places)))
    query = _BUCKETS["of_asset"].format(columns=columns, table=table)
    fields = {"at": TIME, "asset": INTEGER, **{f"{r} {s}": DOUBLE for r, s in places}}
    rows = RowFormat(fields).parse(await _copied(connection, query, key, begins, ends, limit))[::-1]
    flat = np.empty((rows.shape[0], len(places)))
    for column, (r, s) in enumerate(places):
        flat[:, column] = rows[f"{r} {s}"]
    stats = flat.reshape(-1, _ROWS, signals)
    stats[:, KNOWN] = np.nan_to_num(stats[:, KNOWN])
    return Buckets(rows["asset"].astype(np.int64), unix_time(rows["at"]), stats)


async def _copied(connection: Connection, query: str, *arguments: Any) -> bytes:
    parts: list[bytes] = []

    async def take(data: bytes) -> None:
        parts.append(data)

    await connection.copy_from_query(query, *arguments, output=take, format="binary")
    return b"".join(parts)
