"""Telemetry in memory: of each asset its last samples, in rings laid side by side.

Times, and each signal, have an array of ``depth`` rows with one column per asset; every asset has its own place in the
rings, so that assets which report at different times do not push each other out. Samples are stored with a few array
operations, however many they are. They stand in the order in which they came; reading puts them in order of time.
"""

import asyncio

import numpy as np

from der_core.telemetry import occurrences
from der_headend.ports import History, HistoryQuery, Rows, SiteHistory, SiteHistoryQuery
from der_headend.store.memory.buckets import Floats, Integers, gather, statistics
from der_headend.store.memory.sums import Sums

DEPTH_MAX = 10_800
"""Twelve hours at one sample every four seconds."""


class MemoryTelemetry:
    """A ``TelemetryStore``.

    ``history_samples`` is shared out evenly over the assets, between one and ``DEPTH_MAX`` each.
    """

    def __init__(self, *, assets: int, history_samples: int) -> None:
        depth = min(max(history_samples // max(assets, 1), 1), DEPTH_MAX)
        self._depth = depth
        self._timestamps_us: Integers = np.zeros((depth, assets), np.int64)
        self._stored: Integers = np.zeros(assets, np.int64)
        self._rings: dict[str, Floats] = {}

    def add(self, rows: Rows) -> None:
        """Store some samples, at the cost of the ones that came first where a ring is full."""
        places = (self._stored[rows.slots] + occurrences(rows.slots)) % self._depth
        np.add.at(self._stored, rows.slots, 1)
        self._timestamps_us[places, rows.slots] = rows.timestamps_us
        for name in rows.columns.keys() - self._rings.keys():
            self._rings[name] = np.full(self._timestamps_us.shape, np.nan)
        for name, ring in self._rings.items():
            ring[places, rows.slots] = rows.columns.get(name, np.nan)

    async def history(self, query: HistoryQuery) -> History:
        """Samples or buckets of one asset; a sample that was stored twice is shown once."""
        times, places = self._in_order(query)
        if query.bucket_us is None:
            shown = places[-query.limit :]
            columns = {name: {"last": ring[shown, query.slot]} for name, ring in self._rings.items()}
            return History(times[-query.limit :], columns, _earlier(times, query.limit))
        buckets = gather(times, query.bucket_us)
        begins_us = buckets.begins_us[-query.limit :]
        if begins_us.shape[0] == 0:
            return History(begins_us, {name: {} for name in self._rings})
        columns = {}
        for name, ring in self._rings.items():
            whole = statistics(ring[places, query.slot], buckets)
            columns[name] = {statistic: values[-query.limit :] for statistic, values in whole.items()}
        return History(begins_us, columns, _earlier(buckets.begins_us, query.limit))

    async def site_history(self, query: SiteHistoryQuery) -> SiteHistory:
        """Buckets summed over some assets, one after the other; between them others have their turn."""
        sums = Sums()
        for slot, capacity_mwhr in zip(query.slots.tolist(), query.capacity_mwhr.tolist(), strict=True):
            found = await self.history(
                HistoryQuery(
                    slot=slot,
                    start_us=query.start_us,
                    end_us=query.end_us,
                    limit=query.limit + 1,
                    bucket_us=query.bucket_us,
                )
            )
            sums.add(found, capacity_mwhr)
            await asyncio.sleep(0)
        return sums.newest(query.limit)

    def _in_order(self, query: HistoryQuery) -> tuple[Integers, Integers]:
        """The times within the query's range in ascending order, each once, and their places in the rings."""
        filled = min(int(self._stored[query.slot]), self._depth)
        times = self._timestamps_us[:filled, query.slot]
        within = np.flatnonzero((times >= query.start_us) & (times < query.end_us))
        unique, first = np.unique(times[within], return_index=True)
        return unique, within[first]


def _earlier(times: Integers, limit: int) -> int | None:
    """Where the page before the newest ``limit`` of some times ends."""
    return int(times[-limit]) if times.shape[0] > limit else None
