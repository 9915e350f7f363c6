"""Buckets summed over the assets of a site: those that are made, and the others from samples, summed by the database.

An answer is bounded: ``BUCKETS_PER_ANSWER`` bounds what is read of the buckets that are made, ``SAMPLED_S_PER_ANSWER``
and ``SPANS_PER_ANSWER`` what is read of samples. A page that would need more ends earlier, after one bucket at least.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from der_headend.ports import SiteHistory, SiteHistoryQuery
from der_headend.store.postgres import queries
from der_headend.store.postgres.connection import Connection
from der_headend.store.postgres.moments import microseconds, moment
from der_headend.store.postgres.partitions import Partitions
from der_headend.store.postgres.rollups import FIVE_MINUTES_US, ONE_MINUTE_US, TABLES
from der_headend.store.postgres.samples import TABLE
from der_headend.store.postgres.spans import Span, clipped, merged, next_multiple

BUCKETS_PER_ANSWER = 250_000
"""So many buckets of single assets are read for one answer at most: less than a second's work."""

SAMPLED_S_PER_ANSWER = 500_000
"""So many seconds of single assets are read from samples at most: with a sample each second a second's work."""

SPANS_PER_ANSWER = 32
"""In so many spans of time at most, each of which is a part of the statement."""

_SQL = queries.load("sites.sql")
_ROLLUPS_SQL = queries.load("rollups.sql")


@dataclass(frozen=True, slots=True)
class _Unmade:
    """Where buckets have to be computed from samples.

    ``frontier_us``: from where on for every asset. ``windows_us``: five minutes before it, for every asset likewise.
    ``late``: by the beginning of other five minutes, for how many assets; known from ``known_from_us`` on.
    """

    frontier_us: int
    windows_us: Sequence[int]
    late: Mapping[int, int]
    known_from_us: int

    def spans(self, within: Span) -> Iterator[tuple[Span, int | None]]:
        """What of a span is to be read from samples, the newest first; of all assets (``None``), or in which late."""
        of_all: list[Span] = [*map(_window, sorted(self.windows_us)), (self.frontier_us, within[1])]
        found: list[tuple[Span, int | None]] = [(span, None) for span in merged(of_all)]
        found += [(_window(begin_us), begin_us) for begin_us in self.late]
        for span, late_us in sorted(found, key=lambda one: one[0], reverse=True):
            if (part := clipped(span, within)) is not None:
                yield part, late_us


async def sums(
    connection: Connection, keys: NDArray[np.int32], query: SiteHistoryQuery, partitions: Partitions
) -> SiteHistory:
    """Buckets summed over the assets with these ``keys``, in the order of the query's; by index (``by_index``)."""
    source_us = FIVE_MINUTES_US if query.bucket_us % FIVE_MINUTES_US == 0 else ONE_MINUTE_US
    narrow = query.bucket_us // source_us
    readable = BUCKETS_PER_ANSWER // (max(keys.shape[0], 1) * narrow)
    limit = max(min(query.limit, readable - 1), 1)  # one more is read, to see whether there is more
    unmade = await _unmade(connection, keys, query)
    start_us = _start(unmade, keys.shape[0], query, partitions)
    records = await connection.fetch(
        _SQL["sums"].format(
            table=TABLES[source_us], samples=_samples(unmade, (start_us, query.end_us), partitions)
        ),
        keys.tolist(),
        query.capacity_mwhr.tolist(),
        moment(start_us),
        moment(query.end_us),
        (limit + 1) * narrow,
        moment(unmade.frontier_us),
        [moment(begin_us) for begin_us in unmade.windows_us],
        timedelta(microseconds=query.bucket_us),
        limit + 1,
    )
    rows = [(microseconds(record["begins"]), *tuple(record)[1:]) for record in records]
    more = start_us if start_us > query.start_us else None
    return _history(rows[limit - 1 :: -1], rows[limit - 1][0] if len(rows) > limit else more)


def _history(rows: Sequence[tuple[float | None, ...]], earlier_us: int | None) -> SiteHistory:
    begins_us, assets, *sums = np.array(rows, np.float64).reshape(-1, 6).T
    return SiteHistory(
        begins_us.astype(np.int64),
        assets.astype(np.int64),
        current_mw=sums[0],
        setpoint_mw=sums[1],
        soc_mwhr=sums[2],
        soc_pct=sums[3],
        earlier_us=earlier_us,
    )


async def _unmade(connection: Connection, keys: NDArray[np.int32], query: SiteHistoryQuery) -> _Unmade:
    frontier: datetime = await connection.fetchval(_ROLLUPS_SQL["through"])
    asked = moment(query.start_us), moment(query.end_us)
    windows = await connection.fetch(_SQL["windows"], *asked)
    most = (
        SPANS_PER_ANSWER + 1 + query.bucket_us // FIVE_MINUTES_US
    )  # the newest bucket is among them in any case
    late = {
        microseconds(record["begins"]): int(record["assets"])
        for record in await connection.fetch(_SQL["late"], keys.tolist(), *asked, most)
    }
    return _Unmade(
        frontier_us=microseconds(frontier),
        windows_us=[microseconds(record["begins"]) for record in windows],
        late=late,
        known_from_us=min(late) if len(late) == most else query.start_us,
    )


def _start(unmade: _Unmade, assets: int, query: SiteHistoryQuery, partitions: Partitions) -> int:
    """From where on the answer is: later than asked for if too much of it would have to be read from samples."""
    newest_us = (query.end_us - 1) // query.bucket_us * query.bucket_us
    known_us = min(max(next_multiple(unmade.known_from_us, query.bucket_us), query.start_us), newest_us)
    left_us, left_spans = SAMPLED_S_PER_ANSWER * 1_000_000, SPANS_PER_ANSWER
    for wanted, late_us in unmade.spans((known_us, query.end_us)):
        count = assets if late_us is None else unmade.late[late_us]
        for begin_us, end_us in _stored(partitions, wanted):
            if left_spans == 0 or count * (end_us - begin_us) > left_us:
                from_us = end_us - left_us // count if left_spans else end_us
                return min(next_multiple(from_us, query.bucket_us), newest_us)
            left_us -= count * (end_us - begin_us)
            left_spans -= 1
    return known_us


def _samples(unmade: _Unmade, within: Span, partitions: Partitions) -> str:
    """The parts of the statement that read samples."""
    return "\n".join(
        _SQL["samples"].format(
            begins=moment(begin_us).isoformat(),
            ends=moment(end_us).isoformat(),
            whose="true" if late_us is None else f"'{moment(late_us).isoformat()}' = any (l.begins)",
        )
        for wanted, late_us in unmade.spans(within)
        for begin_us, end_us in _stored(partitions, wanted)
    )


def _stored(partitions: Partitions, span: Span) -> Iterator[Span]:
    """Where in a span there may be samples, in parts that one query can do with, the newest first."""
    for begins, ends in partitions.spans(TABLE, moment(span[0]), moment(span[1])):
        reach = partitions.reach(TABLE, begins, ends)
        if reach is not None:
            yield microseconds(reach[0]), microseconds(reach[1])


def _window(begin_us: int) -> Span:
    return begin_us, begin_us + FIVE_MINUTES_US
