"""Past telemetry: samples as they are, or buckets: those that are made, and the others from samples.

All of one answer is read as of one moment, so that a bucket is never seen twice or not at all while it is made.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from der_headend.ports import History, HistoryQuery, SiteHistory, SiteHistoryQuery
from der_headend.store.postgres import queries, site_history
from der_headend.store.postgres.buckets import LAST, STATISTICS, Buckets, gather, widen
from der_headend.store.postgres.catalogue import Catalogue, recode
from der_headend.store.postgres.connection import Connection, Database
from der_headend.store.postgres.moments import microseconds, moment
from der_headend.store.postgres.partitions import Partitions
from der_headend.store.postgres.reading import buckets_of_asset, by_index, samples_of_asset
from der_headend.store.postgres.rollups import FIVE_MINUTES_US, ONE_MINUTE_US, TABLES
from der_headend.store.postgres.samples import TABLE, Samples, joined
from der_headend.store.postgres.spans import Span, merged, next_multiple

SAMPLES_PER_ANSWER = 100_000
"""From how many samples one answer makes buckets at most; if there are more, the page ends there."""

_SQL = queries.load("rollups.sql")


class PostgresTelemetry:
    """A ``TelemetryStore``."""

    def __init__(self, *, database: Database, catalogue: Catalogue, partitions: Partitions) -> None:
        self._database = database
        self._catalogue = catalogue
        self._partitions = partitions

    async def history(self, query: HistoryQuery) -> History:
        """Samples or buckets of one asset; a sample that was stored twice is shown once."""
        key = int(self._catalogue.keys[query.slot])
        async with self._database.transaction(snapshot=True) as connection:
            await by_index(connection)
            if query.bucket_us is None:
                return await self._samples(connection, key, query)
            return await self._buckets(connection, key, query, query.bucket_us)

    async def site_history(self, query: SiteHistoryQuery) -> SiteHistory:
        """Buckets summed over some assets by the database."""
        keys = self._catalogue.keys[query.slots]
        async with self._database.transaction(snapshot=True) as connection:
            await by_index(connection)
            return await site_history.sums(connection, keys, query, self._partitions)

    async def _samples(self, connection: Connection, key: int, query: HistoryQuery) -> History:
        found = await self._read(connection, key, (query.start_us, query.end_us), query.limit + 1)
        shown = slice(-query.limit, None)
        columns = {
            name: {"last": recode(found.values[shown, column], self._catalogue.to_fleet(name))}
            for name, column in self._catalogue.columns.items()
        }
        return History(found.timestamps_us[shown], columns, _earlier(found.timestamps_us, query.limit))

    async def _buckets(self, connection: Connection, key: int, query: HistoryQuery, width_us: int) -> History:
        source_us = FIVE_MINUTES_US if width_us % FIVE_MINUTES_US == 0 else ONE_MINUTE_US
        needed = (query.limit + 1) * (width_us // source_us)
        start_us = query.start_us
        made = await buckets_of_asset(
            connection,
            TABLES[source_us],
            key,
            moment(start_us),
            moment(query.end_us),
            limit=needed,
            others=self._catalogue.others,
        )
        if len(made) == needed:  # there are more, so the oldest of the wider buckets may lack some
            start_us = next_multiple(int(made.begins_us[0]), width_us)
        unmade = await self._unmade(connection, key, (start_us, query.end_us))
        parts = [made.chosen(~_within(made.begins_us, unmade))]
        left = SAMPLES_PER_ANSWER
        for span in reversed(unmade):
            samples = await self._read(connection, key, span, left + 1)
            fresh = gather(samples.keys, samples.timestamps_us, samples.values, source_us)
            parts.append(fresh)
            if samples.keys.shape[0] > left:
                # Not all of them could be read: the oldest bucket lacks some, and what comes before it lacks all.
                newest_us = (query.end_us - 1) // width_us * width_us
                start_us = min(next_multiple(int(fresh.begins_us[0]) + 1, width_us), newest_us)
                break
            left -= samples.keys.shape[0]
        buckets = widen(_joined(parts, start_us), width_us)
        earlier = _earlier(buckets.begins_us, query.limit)
        if earlier is None and start_us > query.start_us:
            earlier = start_us
        shown = buckets.stats[-query.limit :]
        columns = {
            name: self._statistics(name, shown[:, :, n]) for name, n in self._catalogue.columns.items()
        }
        return History(buckets.begins_us[-query.limit :], columns, earlier)

    def _statistics(self, name: str, stats: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        codes = self._catalogue.to_fleet(name)
        if codes is not None:  # a state has no mean
            return {"last": recode(stats[:, LAST], codes)}
        return {statistic: stats[:, row] for row, statistic in enumerate(STATISTICS)}

    async def _unmade(self, connection: Connection, key: int, within: Span) -> list[Span]:
        """Where in a span this asset's buckets have to be computed from samples, oldest first."""
        spans: list[Span] = []
        for record in await connection.fetch(_SQL["unmade"], key):
            begin_us = max(microseconds(record["begins"]), within[0])
            end_us = min(microseconds(record["ends"]), within[1])
            if begin_us < end_us:
                spans.append((begin_us, end_us))
        return merged(sorted(spans))

    async def _read(self, connection: Connection, key: int, span: Span, limit: int) -> Samples:
        """The newest samples of a span, ``limit`` of them at most, in order of time."""
        parts: list[Samples] = []
        for begins, ends in self._partitions.spans(TABLE, moment(span[0]), moment(span[1])):
            left = limit - sum(part.keys.shape[0] for part in parts)
            if left > 0:
                others = self._catalogue.others
                part = await samples_of_asset(connection, key, begins, ends, limit=left, others=others)
                parts.insert(0, part)
        return joined(parts)


def _within(times_us: NDArray[np.int64], spans: Sequence[Span]) -> NDArray[np.bool_]:
    inside = np.zeros(times_us.shape, np.bool_)
    for begin_us, end_us in spans:
        inside |= (times_us >= begin_us) & (times_us < end_us)
    return inside


def _joined(parts: Sequence[Buckets], start_us: int) -> Buckets:
    """Buckets of one asset from several parts, from ``start_us`` on, in order of time."""
    begins_us = np.concatenate([part.begins_us for part in parts])
    order = np.argsort(begins_us, kind="stable")
    order = order[begins_us[order] >= start_us]
    keys = np.concatenate([part.keys for part in parts])
    stats = np.concatenate([part.stats for part in parts])
    return Buckets(keys[order], begins_us[order], stats[order])


def _earlier(times_us: NDArray[np.int64], limit: int) -> int | None:
    """Where the page before the newest ``limit`` of some times ends."""
    return int(times_us[-limit]) if times_us.shape[0] > limit else None
