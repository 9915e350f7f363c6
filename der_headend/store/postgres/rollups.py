"""Buckets of one and five minutes, made from the samples in the background and made anew when samples come late.

The **frontier** says up to where buckets are made. Who writes samples holds it in place for the length of the
transaction, and notes those assets and five minutes that lie before it as **late**. To move on, the frontier is
advanced (which waits for the writers that relied on where it was), and the five minutes it passed become **windows**:
work to be done, asset by asset, kept in a table. So at every moment each bucket is made and right, or is known not to
be: behind the frontier, in a window, or late. Readers compute those from the samples.

A bucket is always computed from all of its samples, never added to, by the same code that readers use.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from der_headend.ports import Rows
from der_headend.store.postgres import queries
from der_headend.store.postgres.binary_copy import (
    INTEGER,
    TIME,
    Record,
    RowFormat,
    array_of,
    chunks,
    postgres_time,
)
from der_headend.store.postgres.buckets import KNOWN, Buckets, gather
from der_headend.store.postgres.catalogue import Catalogue
from der_headend.store.postgres.connection import Connection, Database
from der_headend.store.postgres.moments import EPOCH, microseconds
from der_headend.store.postgres.partitions import Partitions
from der_headend.store.postgres.reading import samples_of_assets
from der_headend.store.postgres.samples import TABLE

ONE_MINUTE_US, FIVE_MINUTES_US = 60_000_000, 300_000_000
TABLES = {ONE_MINUTE_US: "rollup_1m", FIVE_MINUTES_US: "rollup_5m"}

_FIVE_MINUTES = timedelta(minutes=5)
_LAG = timedelta(seconds=60)
_ASSETS_AT_ONCE = 2_000
_LATE_AT_ONCE = 5_000

_SQL = queries.load("rollups.sql")
_JOURNAL_SQL = queries.load("journal.sql")


def late_rows(frames: Sequence[Rows], through: datetime, keys: NDArray[np.int32]) -> Record:
    """What of these frames lies before the frontier: each asset and five minutes once, as rows of ``rollup_late``."""
    late = [frame for frame in frames if frame.timestamp_us < microseconds(through)]
    if not late:
        return _LATE_FORMAT.rows(0)
    windows = np.repeat(
        np.array([frame.timestamp_us // FIVE_MINUTES_US for frame in late], np.int64),
        [frame.slots.shape[0] for frame in late],
    )
    pairs = np.unique(np.stack([windows, keys[np.concatenate([frame.slots for frame in late])]]), axis=1)
    rows = _LATE_FORMAT.rows(pairs.shape[1])
    rows["begins"] = postgres_time(pairs[0] * FIVE_MINUTES_US)
    rows["asset"] = pairs[1]
    return rows


class Rollups:
    """Makes the buckets. Several programs may do so on one database: one at a time gets to."""

    def __init__(self, *, database: Database, catalogue: Catalogue, partitions: Partitions) -> None:
        self._database = database
        self._catalogue = catalogue
        self._partitions = partitions

    async def keep_up(self, now: datetime) -> None:
        """Make all buckets that can be made by now."""
        await self._advance(now - _LAG)
        while await self._next_window():
            pass
        while await self._next_late():
            pass

    async def _advance(self, to: datetime) -> None:
        through = to - (to - EPOCH) % _FIVE_MINUTES
        async with self._database.transaction() as connection:
            before: datetime = await connection.fetchval(_SQL["lock_frontier"])
            if through <= before:
                return
            # Whoever held the frontier has finished, so this now includes what was written on its word.
            newest: datetime | None = await connection.fetchval(_JOURNAL_SQL["newest_stored"])
            await connection.execute(_SQL["advance"], through)
            if newest is not None:
                await connection.execute(_SQL["open_windows"], before, min(through, newest + _FIVE_MINUTES))

    async def _next_window(self) -> bool:
        """Make the buckets of some assets in the oldest window; whether there was one."""
        async with self._database.transaction() as connection:
            if not await connection.fetchval(_SQL["try_lock"]):
                return False
            window = await connection.fetchrow(_SQL["next_window"])
            if window is None:
                return False
            begins = window["begins"]
            records = await connection.fetch(_SQL["next_keys"], window["after_key"], _ASSETS_AT_ONCE)
            keys = [record["key"] for record in records]
            await self._make(connection, keys, begins)
            if len(keys) < _ASSETS_AT_ONCE:
                await connection.execute(_SQL["close_window"], begins)
            else:
                await connection.execute(_SQL["window_done_through"], begins, keys[-1])
        return True

    async def _next_late(self) -> bool:
        """Make some buckets again for which samples came late; whether there were any."""
        async with self._database.transaction() as connection:
            if not await connection.fetchval(_SQL["try_lock"]):
                return False
            late: dict[datetime, set[int]] = {}
            for record in await connection.fetch(_SQL["take_late"], _LATE_AT_ONCE):
                late.setdefault(record["begins"], set()).add(record["asset"])
            there = await self._partitions.existing(connection, TABLE) if late else set()
            for begins, keys in late.items():
                if self._partitions.table(TABLE).begin_of(begins) not in there:
                    continue  # its samples are gone; what was made of them stays
                for table in TABLES.values():
                    remove = _SQL["remove"].format(table=table)
                    await connection.execute(remove, list(keys), begins, begins + _FIVE_MINUTES)
                await self._make(connection, sorted(keys), begins)
        return bool(late)

    async def _make(self, connection: Connection, keys: Sequence[int], begins: datetime) -> None:
        others = self._catalogue.others
        samples = await samples_of_assets(
            connection, list(keys), begins, begins + _FIVE_MINUTES, others=others
        )
        if samples.keys.shape[0] == 0:
            return
        for width_us, table in TABLES.items():
            await self._partitions.provide(self._database, table, [begins])
            made = gather(samples.keys, samples.timestamps_us, samples.values, width_us)
            await connection.copy_to_table(
                table, source=chunks(_encode(made)), columns=("at", "asset", "stats"), format="binary"
            )


_LATE_FORMAT = RowFormat({"begins": TIME, "asset": INTEGER})


def _encode(buckets: Buckets) -> Record:
    """Rows of a roll-up table, without the signals at the end that nobody has a value of."""
    used = np.flatnonzero(buckets.stats[:, KNOWN].any(axis=0))
    signals = int(used[-1]) + 1 if used.shape[0] else 1
    rows = RowFormat({"at": TIME, "asset": INTEGER, "stats": array_of(5, signals)}).rows(len(buckets))
    rows["at"] = postgres_time(buckets.begins_us)
    rows["asset"] = buckets.keys
    rows["stats"]["items"]["value"] = buckets.stats[:, :, :signals].reshape(len(buckets), -1)
    return rows
