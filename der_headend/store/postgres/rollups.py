"""Buckets of one and five minutes, made from the samples in the background and made anew when samples come late.

The **frontier** says up to where buckets are made. Who writes samples holds it in place for the length of the
transaction, and notes those assets and five minutes that lie before it as **late**. To move on, the frontier is
advanced (which waits for the writers that relied on where it was), and the five minutes it passed become **windows**:
work to be done, asset by asset, kept in a table. So at every moment each bucket is made and right, or is known not to
be: behind the frontier, in a window, or late. Readers compute those from the samples. A window that many assets are
late in, as when stored data lag, is opened again as a whole, and waits until no more of them come.

The frontier follows the data (``pace``): while samples lag it stays behind them. Most buckets are added up in memory
while samples are stored (``tally``), and are written before the frontier passes them; then there is nothing left to
do. Those that memory can't vouch for (the headend started in between, a sample came
late, the outcome of a commit is not known, another program wrote too) are computed from all of their samples, by the
same code that readers use. Until the frontier has passed them, readers do not look at what is written.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from der_core.errors import Defect, Unavailable
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
from der_headend.store.postgres.catalogue import CORE, Catalogue, recode
from der_headend.store.postgres.connection import Connection, Database
from der_headend.store.postgres.moments import EPOCH, microseconds, moment
from der_headend.store.postgres.pace import Pace
from der_headend.store.postgres.partitions import Partitions
from der_headend.store.postgres.reading import by_index, samples_of_assets
from der_headend.store.postgres.samples import TABLE
from der_headend.store.postgres.tally import ROWS_AT_ONCE, Finished, Tally
from der_runtime.breather import Breather
from der_runtime.clock import Clock
from der_runtime.right_of_way import RightOfWay

ONE_MINUTE_US, FIVE_MINUTES_US = 60_000_000, 300_000_000
TABLES = {ONE_MINUTE_US: "rollup_1m", FIVE_MINUTES_US: "rollup_5m"}

_FIVE_MINUTES = timedelta(minutes=5)
_ASSETS_AT_ONCE = 2_000
_LATE_AT_ONCE = 5_000
_WRITE_S = 10.0
"""The deadline of what commits may have to wait for."""

_MOST_FINISHED = 50_000
"""So many buckets wait to be written at most; then commits wait for them."""

_FEW = 0.05
"""Up to this share of the assets are made again one by one; of more, the whole window is."""

_QUIET_US = 60_000_000
"""So long after the last late samples a window that was opened again is made."""

_SQL = queries.load("rollups.sql")
_JOURNAL_SQL = queries.load("journal.sql")


class Rollups:
    """Makes the buckets. Several programs may do so on one database: one at a time gets to.

    ``writer_id``: by which this program's commits are known.
    """

    def __init__(
        self,
        *,
        database: Database,
        catalogue: Catalogue,
        partitions: Partitions,
        right_of_way: RightOfWay,
        clock: Clock,
        writer_id: UUID,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._partitions = partitions
        self._right_of_way = right_of_way
        self._clock = clock
        self._writer_id = writer_id
        self._tally: Tally | None = None
        self._pace = Pace()
        self._finished: list[Finished] = []
        self._newest_us = 0
        self._through_us = 0
        self._in_doubt: set[UUID] = set()
        # By window how many assets this program noted late, and when it last opened the window again. If either is
        # wrong, as after a restart, windows are made sooner or more often than need be, and no bucket is wrong.
        self._late: Counter[int] = Counter()
        self._reopened_us: dict[int, int] = {}
        self._no_commit = asyncio.Lock()
        self._one_writer = asyncio.Lock()

    async def open(self) -> None:
        """Learn what was stored before, which memory knows nothing of."""
        async with self._database.connection() as connection:
            through: datetime = await connection.fetchval(_SQL["through"])
            newest: datetime | None = await connection.fetchval(_JOURNAL_SQL["newest_stored"])
        self._through_us = microseconds(through)
        self._newest_us = max(self._through_us - 1, microseconds(newest or EPOCH))
        self._tally = None

    @asynccontextmanager
    async def storing(self, batch_id: UUID, samples: Sequence[Rows]) -> AsyncIterator[None]:
        """Within this a batch is committed, once more if need be; afterwards its samples are counted."""
        async with self._no_commit:
            self._in_doubt.add(batch_id)
            yield
            await self._count(samples)
            self._in_doubt.discard(batch_id)

    def refused(self, batch_id: UUID) -> None:
        """Nothing of a batch is stored, nor will be."""
        self._in_doubt.discard(batch_id)

    async def note_late(self, connection: Connection, samples: Sequence[Rows]) -> None:
        """Note what of some samples lies before the frontier, which stays where it is for their transaction."""
        through: datetime = await connection.fetchval(_SQL["hold_frontier"])
        self._through_us = microseconds(through)
        windows, slots = _before(samples, self._through_us)
        if not windows.shape[0]:
            return
        numbers, counts = np.unique(windows, return_counts=True)
        self._late.update(dict(zip(numbers.tolist(), counts.tolist(), strict=True)))
        few = self._catalogue.keys.shape[0] * _FEW
        many = [window_us for window_us in numbers.tolist() if self._late[window_us] > few]
        if many:
            await connection.execute(_SQL["open_again"], [moment(window_us) for window_us in many])
            self._reopened_us |= dict.fromkeys(many, microseconds(self._clock.now()))
        rest = ~np.isin(windows, many)
        if rest.any():
            await self._put_late(connection, [_late(windows[rest], self._catalogue.keys[slots[rest]])])

    async def keep_up(self, now: datetime) -> None:
        """Make all buckets that can be made by now."""
        through = self._pace.frontier(now)
        await self._close(through)
        await self._advance(through)
        while await self._next_window(now):
            pass
        while await self._next_late(now):
            pass

    async def write_finished(self) -> None:
        """Write the buckets that are finished in memory.

        Raises:
            Unavailable, Defect: they were not written, and will be made from samples.
        """
        async with self._one_writer:
            while finished := tuple(self._finished):
                try:
                    await self._write(finished)
                except (Unavailable, Defect):
                    self._finished.clear()
                    if self._tally is not None:
                        self._tally.restart()
                    raise
                del self._finished[: len(finished)]

    async def _close(self, through: datetime) -> None:
        """Finish what the tally has of the time before the frontier that is to be."""
        while self._tally is not None and (finished := self._tally.close(microseconds(through))):
            self._finished += finished
            await self.write_finished()
        await self.write_finished()

    async def _write(self, finished: Sequence[Finished]) -> None:
        for width_us, table in TABLES.items():
            some = [buckets for width, buckets in finished if width == width_us]
            if not some:
                continue
            minutes = np.unique(np.concatenate([buckets.begins_us for buckets in some]))
            await self._partitions.provide(self._database, table, map(moment, minutes.tolist()))
            async with self._database.transaction(limit_s=_WRITE_S) as connection:
                await self._copy(connection, table, some)

    async def _count(self, samples: Sequence[Rows]) -> None:
        """Add samples that were stored to the buckets in memory."""
        columns = self._catalogue.columns
        signals = len(CORE) + self._catalogue.others
        numbers = sorted(at for name, at in columns.items() if self._catalogue.to_stored(name) is None)
        if self._tally is None or not self._tally.fits(signals, numbers):
            self._tally = Tally(
                keys=self._catalogue.keys, signals=signals, numbers=numbers, newest_us=self._newest_us
            )
        self._tally.passed(self._through_us)  # what is older was noted as late, and is made from samples
        now = self._clock.now()
        breather = Breather(self._right_of_way)
        for rows in samples:
            self._pace.note(rows.timestamps_us, now)
            self._newest_us = max(self._newest_us, int(rows.timestamps_us.max()))
            for begin in range(0, rows.size, ROWS_AT_ONCE):
                part = rows.part(slice(begin, begin + ROWS_AT_ONCE))
                values = {
                    columns[name]: recode(column, self._catalogue.to_stored(name))
                    for name, column in part.columns.items()
                    if name in columns
                }
                self._finished += self._tally.add(part.slots, part.timestamps_us, values)
                await breather.pause()
        if sum(len(buckets) for _, buckets in self._finished) > _MOST_FINISHED:
            with suppress(Unavailable, Defect):  # the samples are stored, whatever becomes of their buckets
                await self.write_finished()

    async def _advance(self, through: datetime) -> None:
        if microseconds(through) <= self._through_us:
            return
        async with self._no_commit, self._database.transaction(limit_s=_WRITE_S) as connection:
            before: datetime = await connection.fetchval(_SQL["lock_frontier"])
            if through <= before or self._unwritten(through):
                return
            # Whoever held the frontier has finished, so this now includes what was written on its word.
            newest: datetime | None = await connection.fetchval(_JOURNAL_SQL["newest_stored"])
            others: datetime | None = await connection.fetchval(_SQL["newest_of_others"], self._writer_id)
            last = through if newest is None else min(through, newest + _FIVE_MINUTES)
            unmade: list[datetime] = []
            late: list[Record] = []
            for window in _windows(before, last):
                begins_us = microseconds(window)
                spoiled = self._spoiled(begins_us, others)
                if spoiled is None:
                    unmade.append(window)
                elif spoiled.shape[0]:
                    late.append(_late(np.full(spoiled.shape[0], begins_us), spoiled))
            await connection.execute(_SQL["advance"], through)
            await connection.execute(_SQL["open_windows"], unmade)
            if late:
                await self._put_late(connection, late)
        self._through_us = microseconds(through)
        if self._tally is not None:
            self._tally.passed(self._through_us)

    def _unwritten(self, through: datetime) -> bool:
        """Whether buckets of the time before are still to be written."""
        through_us = microseconds(through)
        return any((buckets.begins_us < through_us).any() for _, buckets in self._finished)

    def _spoiled(self, window_us: int, others: datetime | None) -> NDArray[np.int32] | None:
        """Of which assets, by key, the buckets of a window have to be made again; ``None``: of all."""
        if self._tally is None or self._in_doubt or not self._tally.whole(window_us):
            return None
        if others is not None and microseconds(others) >= window_us:
            return None
        spoiled = self._tally.spoiled(window_us)
        return None if spoiled.shape[0] > self._catalogue.keys.shape[0] * _FEW else spoiled

    async def _next_window(self, now: datetime) -> bool:
        """Make the buckets of some assets in the oldest window; whether there was one."""
        async with self._database.transaction() as connection:
            if not await connection.fetchval(_SQL["try_lock"]):
                return False
            window = await connection.fetchrow(_SQL["next_window"], *self._not_yet(now))
            if window is None:
                return False
            begins = window["begins"]
            if window["after_key"] == 0:  # all of it will be made, of what is stored by now
                await connection.execute(_SQL["forget_late"], begins)
                self._late.pop(microseconds(begins), None)
                self._reopened_us.pop(microseconds(begins), None)
            keys: list[int] = []
            there = await self._partitions.existing(connection, TABLE)
            if not self._partitions.dropped(TABLE, there, begins, now):  # else what was made of them stays
                records = await connection.fetch(_SQL["next_keys"], window["after_key"], _ASSETS_AT_ONCE)
                keys = [record["key"] for record in records]
                await self._make(connection, keys, begins)
            if len(keys) < _ASSETS_AT_ONCE:
                await connection.execute(_SQL["close_window"], begins)
            else:
                await connection.execute(_SQL["window_done_through"], begins, keys[-1])
        return True

    async def _next_late(self, now: datetime) -> bool:
        """Make some buckets again for which samples came late; whether there were any."""
        async with self._database.transaction() as connection:
            if not await connection.fetchval(_SQL["try_lock"]):
                return False
            late: dict[datetime, set[int]] = {}
            for record in await connection.fetch(_SQL["take_late"], *self._not_yet(now), _LATE_AT_ONCE):
                late.setdefault(record["begins"], set()).add(record["asset"])
                self._late.subtract((microseconds(record["begins"]),))
            self._late = +self._late  # without what is nought or, noted by others, below it
            there = await self._partitions.existing(connection, TABLE) if late else []
            for begins, keys in late.items():
                if self._partitions.dropped(TABLE, there, begins, now):
                    continue  # its samples are gone; what was made of them stays
                await self._make(connection, sorted(keys), begins)
        return bool(late)

    def _not_yet(self, now: datetime) -> tuple[list[datetime], list[datetime]]:
        """Of which times samples can't be read by asset yet, or late ones still come: beginnings and ends."""
        spans = [(partition.begins, partition.ends) for partition in self._partitions.unindexed(TABLE)]
        loud = [moment(w) for w, at in self._reopened_us.items() if microseconds(now) < at + _QUIET_US]
        spans += [(begins, begins + _FIVE_MINUTES) for begins in loud]
        return [begins for begins, _ in spans], [ends for _, ends in spans]

    async def _make(self, connection: Connection, keys: Sequence[int], begins: datetime) -> None:
        for table in TABLES.values():
            remove = _SQL["remove"].format(table=table)
            await connection.execute(remove, list(keys), begins, begins + _FIVE_MINUTES)
        others = self._catalogue.others
        await by_index(connection)
        samples = await samples_of_assets(
            connection, list(keys), begins, begins + _FIVE_MINUTES, others=others
        )
        if samples.keys.shape[0] == 0:
            return
        for width_us, table in TABLES.items():
            await self._partitions.provide(self._database, table, [begins])
            made = gather(samples.keys, samples.timestamps_us, samples.values, width_us)
            await self._copy(connection, table, [made])

    async def _put_late(self, connection: Connection, late: Iterable[Record]) -> None:
        source = chunks(late, self._right_of_way)
        await connection.copy_to_table(
            "rollup_late", source=source, columns=("begins", "asset"), format="binary"
        )

    async def _copy(self, connection: Connection, table: str, parts: Iterable[Buckets]) -> None:
        source = chunks(map(_encode, parts), self._right_of_way)
        await connection.copy_to_table(
            table, source=source, columns=("at", "asset", "stats"), format="binary"
        )


def _before(samples: Sequence[Rows], through_us: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Windows and slots, each pair once, of the samples that lie before a time."""
    late = [rows.only(rows.timestamps_us < through_us) for rows in samples]
    pairs = [rows.timestamps_us // FIVE_MINUTES_US << 32 | rows.slots for rows in late]
    unique = np.unique(np.concatenate([np.zeros(0, np.int64), *pairs]))
    return (unique >> 32) * FIVE_MINUTES_US, unique & 0xFFFF_FFFF


def _windows(begins: datetime, ends: datetime) -> Iterable[datetime]:
    return (begins + n * _FIVE_MINUTES for n in range((ends - begins) // _FIVE_MINUTES))


def _late(begins_us: NDArray[np.int64], keys: NDArray[np.int32]) -> Record:
    rows = _LATE_FORMAT.rows(begins_us.shape[0])
    rows["begins"] = postgres_time(begins_us)
    rows["asset"] = keys
    return rows


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
