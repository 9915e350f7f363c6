"""Buckets summed over the assets of a site: those that are made, and the others from samples, summed by the database.

An answer is bounded: ``BUCKETS_PER_ANSWER`` bounds what is read of the buckets that are made, ``SAMPLED_S_PER_ANSWER``
and ``SPANS_PER_ANSWER`` what is read of samples. A page that would need more ends earlier, after one bucket at least.
"""

from collections import defaultdict
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

BUCKETS_PER_ANSWER = 500_000
"""So many buckets of single assets are read for one answer at most: half a second's work."""

SAMPLED_S_PER_ANSWER = 2_000_000
"""So many seconds of single assets are read from samples at most: half a million samples, one every four seconds."""

SPANS_PER_ANSWER = 32
"""In so many spans of time at most, each of which is a part of the statement."""

_SQL = queries.load("sites.sql")
_ROLLUPS_SQL = queries.load("rollups.sql")


@dataclass(frozen=True, slots=True)
class _Unmade:
    """Where buckets have to be computed from samples.

    ``frontier_us``: from where on for every asset. ``windows_us``: five minutes before it, for every asset likewise.
    ``late``: by the beginning of other five minutes, for which assets.
    """

    frontier_us: int
    windows_us: Sequence[int]
    late: Mapping[int, Sequence[int]]

    def spans(self, within: Span) -> Iterator[tuple[Span, Sequence[int] | None]]:
        """What of a span is to be read from samples, the newest first, and of which assets; ``None``: of all."""
        of_all: list[Span] = [*map(_window, sorted(self.windows_us)), (self.frontier_us, within[1])]
        found: list[tuple[Span, Sequence[int] | None]] = [(span, None) for span in merged(of_all)]
        found += [(_window(begin_us), keys) for begin_us, keys in self.late.items()]
        for span, keys in sorted(found, key=lambda one: one[0], reverse=True):
            if (part := clipped(span, within)) is not None:
                yield part, keys


async def sums(
    connection: Connection, keys: NDArray[np.int32], query: SiteHistoryQuery, partitions: Partitions
) -> SiteHistory:
    """Buckets summed over the assets with these ``keys``, in the order of the query's; by index (``by_index``)."""
    source_us = FIVE_MINUTES_US if query.bucket_us % FIVE_MINUTES_US == 0 else ONE_MINUTE_US
    narrow = query.bucket_us // source_us
    limit = max(min(query.limit, BUCKETS_PER_ANSWER // (max(keys.shape[0], 1) * narrow)), 1)
    unmade = await _unmade(connection, keys, query)
    start_us = _start(unmade, keys.shape[0], query, partitions)
    late = [(key, begin_us) for begin_us, of_late in unmade.late.items() for key in of_late]
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
        [key for key, _ in late],
        [moment(begin_us) for _, begin_us in late],
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
    windows_us: list[int] = []
    late: defaultdict[int, list[int]] = defaultdict(list)
    asked = keys.tolist(), moment(query.start_us), moment(query.end_us)
    for record in await connection.fetch(_SQL["unmade"], *asked):
        if record["asset"] is None:
            windows_us.append(microseconds(record["begins"]))
        else:
            late[microseconds(record["begins"])].append(record["asset"])
    apart = {begin_us: of for begin_us, of in late.items() if begin_us not in windows_us}
    return _Unmade(microseconds(frontier), windows_us, apart)


def _start(unmade: _Unmade, assets: int, query: SiteHistoryQuery, partitions: Partitions) -> int:
    """From where on the answer is: later than asked for if too much of it would have to be read from samples."""
    newest_us = (query.end_us - 1) // query.bucket_us * query.bucket_us
    left_us, left_spans = SAMPLED_S_PER_ANSWER * 1_000_000, SPANS_PER_ANSWER
    for wanted, keys in unmade.spans((query.start_us, query.end_us)):
        count = assets if keys is None else len(keys)
        for begin_us, end_us in _stored(partitions, wanted):
            if left_spans == 0 or count * (end_us - begin_us) > left_us:
                from_us = end_us - left_us // count if left_spans else end_us
                return min(next_multiple(from_us, query.bucket_us), newest_us)
            left_us -= count * (end_us - begin_us)
            left_spans -= 1
    return query.start_us


def _samples(unmade: _Unmade, within: Span, partitions: Partitions) -> str:
    """The parts of the statement that read samples."""
    return "\n".join(
        _SQL["samples"].format(
            begins=moment(begin_us).isoformat(),
            ends=moment(end_us).isoformat(),
            whose="true" if keys is None else f"w.key = any ('{{{','.join(map(str, keys))}}}')",
        )
        for wanted, keys in unmade.spans(within)
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
