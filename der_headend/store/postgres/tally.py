"""The buckets of the five minutes that are open, added up in memory as samples are stored, to spare reading them back.

Two minutes are open at a time, and the five minutes they belong to. When a minute has been over for a while its buckets
are given out, some assets at a time and spread over most of a minute, and so are those of five minutes with the last
of their minutes. What is given out is right as far as this was told of each stored sample, once, in order of time:

- A five-minute window counts only if it began after every sample that was stored before the tally did (``whole``).
- An asset with a sample that came out of order, twice, or after its minute was given out is **spoiled** in that window.

For all others the samples themselves are the truth. Memory is bounded: 110 bytes per asset and signal.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from der_headend.store.postgres.buckets import KNOWN, LAST, MAX, MEAN, MIN, Buckets, Floats, Integers

MINUTE_US, WINDOW_US = 60_000_000, 300_000_000
GRACE_US = 10_000_000
"""So long after its end a minute waits for samples that are still on their way."""

SPREAD_US = 35_000_000
"""So long it takes to give out a minute."""

ASSETS_AT_ONCE = 5_000
MEMORY_BYTES = 1_300_000_000

_MINUTES_OPEN = 2
_NEVER = 2**63 - 1
_BLANK = np.array([[0.0], [np.nan], [np.nan], [np.nan]])


class Given(NamedTuple):
    """Buckets to write: of one minute, and of the five that end with it if there are any."""

    begins_us: int
    one_minute: Buckets
    five_minutes: Buckets | None


class _Totals:
    """What came of each asset so far.

    ``stats``: shape (assets, 4, signals): sum, min, max, last. ``known``: shape (assets, signals), how many samples had
    a value. ``newest``: shape (assets,), when the last was, in microseconds from the beginning plus one; 0: there was
    none yet, and the rest means nothing.
    """

    def __init__(self, assets: int, signals: int) -> None:
        self.stats = np.empty((assets, 4, signals))
        self.known = np.empty((assets, signals), np.uint32)
        self.newest = np.zeros(assets, np.int32)

    def of(self, slots: Integers) -> tuple[Floats, NDArray[np.uint32]]:
        """Copies of ``stats`` and ``known`` of some assets, made blank where there was nothing yet."""
        stats, known = self.stats.take(slots, axis=0), self.known.take(slots, axis=0)
        fresh = self.newest[slots] == 0
        if fresh.any():
            stats[fresh] = _BLANK
            known[fresh] = 0
        return stats, known

    def add(
        self, slots: Integers, more: Floats, count: NDArray[np.uint32], newest: NDArray[np.int32]
    ) -> None:
        """Add statistics of later samples, shapes as above, to those of some assets; ``slots`` has none twice."""
        stats, known = self.of(slots)
        with np.errstate(over="ignore", invalid="ignore"):
            stats[:, MEAN] += more[:, MEAN]
        np.fmin(stats[:, MIN], more[:, MIN], out=stats[:, MIN])
        np.fmax(stats[:, MAX], more[:, MAX], out=stats[:, MAX])
        np.copyto(stats[:, LAST], more[:, LAST], where=count > 0)
        known += count
        self.stats[slots], self.known[slots], self.newest[slots] = stats, known, newest


class Tally:
    """``keys``, shape (assets,): by slot the asset's key; ``signals``: how many columns the values have."""

    def __init__(self, *, keys: NDArray[np.int32], signals: int, newest_us: int, now_us: int) -> None:
        self._keys = keys
        self._order = np.argsort(keys, kind="stable")
        self._signals = signals
        self._fits = keys.shape[0] * signals * 110 <= MEMORY_BYTES
        self._scratch = np.zeros(keys.shape[0], np.int32)
        self._newest_us = newest_us
        self._spare: list[_Totals] = []
        self.restart(now_us)

    def restart(self, now_us: int) -> None:
        """Forget everything: what was stored so far is not known any more."""
        self._first_us = (self._newest_us // WINDOW_US + 1) * WINDOW_US if self._fits else _NEVER
        self._open: dict[int, _Totals] = {}
        self._window = _Totals(self._keys.shape[0] if self._fits else 0, self._signals)
        self._spoiled: dict[int, NDArray[np.bool_]] = {}
        self._minute_us = max(self._first_us, self._due_us(now_us))
        self._given = 0

    def fits(self, signals: int) -> bool:
        """Whether values still have so many columns."""
        return signals == self._signals

    def whole(self, window_us: int) -> bool:
        """Whether the buckets of a window have all been given out, and count."""
        return self._first_us <= window_us <= self._minute_us - WINDOW_US

    def unfinished(self, window_us: int) -> bool:
        """Whether some of the buckets of a window that count are still to be given out."""
        return self._first_us <= window_us and not self.whole(window_us)

    def spoiled(self, window_us: int) -> Integers:
        """The assets, by slot, whose buckets of a window are not right."""
        spoiled = self._spoiled.get(window_us)
        return np.zeros(0, np.int64) if spoiled is None else np.flatnonzero(spoiled)

    def passed(self, through_us: int) -> None:
        """What was before need not be known any more."""
        self._first_us = max(self._first_us, through_us)
        self._spoiled = {w: spoiled for w, spoiled in self._spoiled.items() if w >= through_us}

    def add(self, slots: Integers, timestamps_us: Integers, values: Floats, now_us: int) -> None:
        """Take samples that were stored: shapes (n,), (n,), (n, signals); NaN is unknown."""
        self._newest_us = max(self._newest_us, int(timestamps_us.max()))
        minutes_us = timestamps_us // MINUTE_US * MINUTE_US
        while minutes_us.shape[0]:
            minute_us = int(minutes_us[0])
            here = minutes_us == minute_us
            if here.all():
                self._add_to(minute_us, slots, timestamps_us, values, now_us)
                return
            self._add_to(minute_us, slots[here], timestamps_us[here], values[here], now_us)
            rest = ~here
            slots, timestamps_us, values = slots[rest], timestamps_us[rest], values[rest]
            minutes_us = minutes_us[rest]

    def next_due(self, now_us: int) -> Given | None:
        """What is to be written next, if it is due; whoever fails to write it calls ``restart``."""
        assets = self._keys.shape[0]
        while self._minute_us < self._due_us(now_us):
            if not self._open and not self._window.newest.any():  # nothing has come for a while
                self._minute_us, self._given = self._due_us(now_us), 0
                return None
            if self._given < assets:
                over_us = now_us - self._minute_us - MINUTE_US - GRACE_US
                if self._given * SPREAD_US >= assets * over_us:
                    return None
                chosen = self._order[self._given : self._given + ASSETS_AT_ONCE]
                self._given += ASSETS_AT_ONCE
                return self._give(chosen)
            if (totals := self._open.pop(self._minute_us, None)) is not None:
                self._spare.append(totals)
            self._minute_us, self._given = self._minute_us + MINUTE_US, 0
        return None

    def _due_us(self, now_us: int) -> int:
        """Where the first minute begins that can't be given out yet."""
        return (now_us - GRACE_US) // MINUTE_US * MINUTE_US

    def _add_to(
        self, minute_us: int, slots: Integers, timestamps_us: Integers, values: Floats, now_us: int
    ) -> None:
        if minute_us < self._first_us:
            return
        totals = self._opened(minute_us, now_us)
        if totals is None:
            self._spoil(minute_us, slots)
            return
        offsets = (timestamps_us - minute_us + 1).astype(np.int32)
        while slots.shape[0]:
            places = np.arange(slots.shape[0], dtype=np.int32)
            self._scratch[slots[::-1]] = places[::-1]
            first = self._scratch[slots] == places  # of each asset the first of its samples, then the next
            later = first & (offsets > totals.newest[slots])
            self._spoil(minute_us, slots[first & ~later])
            if later.all():
                self._count(totals, slots, offsets, values)
                return
            self._count(totals, slots[later], offsets[later], values[later])
            slots, offsets, values = slots[~first], offsets[~first], values[~first]

    def _count(self, totals: _Totals, slots: Integers, offsets: NDArray[np.int32], values: Floats) -> None:
        known = ~np.isnan(values)
        more = np.repeat(values[:, np.newaxis], 4, axis=1)
        more[:, MEAN][~known] = 0.0
        totals.add(slots, more, known.astype(np.uint32), offsets)

    def _opened(self, minute_us: int, now_us: int) -> _Totals | None:
        """Where to add up a minute; ``None`` if it is being given out, or there is no room for it."""
        if minute_us < self._minute_us or (minute_us == self._minute_us and self._given):
            return None
        if minute_us in self._open:
            return self._open[minute_us]
        if len(self._open) == _MINUTES_OPEN:
            if minute_us <= now_us:  # giving out does not keep up
                self.restart(now_us)
            return None
        self._open[minute_us] = self._spare.pop() if self._spare else self._new()
        self._open[minute_us].newest[:] = 0
        return self._open[minute_us]

    def _new(self) -> _Totals:
        return _Totals(self._keys.shape[0], self._signals)

    def _spoil(self, minute_us: int, slots: Integers) -> None:
        window_us = minute_us // WINDOW_US * WINDOW_US
        if slots.shape[0] and window_us >= self._first_us:
            self._spoiled.setdefault(window_us, np.zeros(self._keys.shape[0], np.bool_))[slots] = True

    def _give(self, chosen: Integers) -> Given:
        """The buckets of some assets, of the minute that is given out; they are added to the window's."""
        totals = self._open.get(self._minute_us)
        ends_window = (self._minute_us + MINUTE_US) % WINDOW_US == 0
        slots = chosen[:0] if totals is None else chosen[totals.newest[chosen] > 0]
        one_minute = self._buckets(totals or self._window, slots, self._minute_us)
        if totals is not None and slots.shape[0]:
            self._window.add(slots, *totals.of(slots), totals.newest[slots])
        five_minutes = None
        if ends_window:
            active = chosen[self._window.newest[chosen] > 0]
            five_minutes = self._buckets(self._window, active, self._minute_us + MINUTE_US - WINDOW_US)
            self._window.newest[active] = 0
        return Given(self._minute_us, one_minute, five_minutes)

    def _buckets(self, totals: _Totals, slots: Integers, begins_us: int) -> Buckets:
        stats = np.empty((slots.shape[0], 5, self._signals))
        stats[:, :KNOWN], known = totals.of(slots)
        stats[:, MEAN] = np.where(known > 0, stats[:, MEAN] / np.maximum(known, 1), np.nan)
        stats[:, KNOWN] = known
        begins = np.full(slots.shape[0], begins_us)
        return Buckets(self._keys[slots].astype(np.int64), begins, stats)
