"""Buckets added up as samples come are those that the samples give when all are there."""

import math
from dataclasses import dataclass, field

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from der_headend.store.postgres.buckets import Buckets, gather
from der_headend.store.postgres.tally import ASSETS_AT_ONCE, GRACE_US, MINUTE_US, SPREAD_US, WINDOW_US, Tally

ASSETS, SIGNALS = 5, 2
KEYS = np.array([12, 11, 15, 14, 13], np.int32)
BEGIN_US = 6_000 * WINDOW_US

Sample = tuple[int, int, tuple[float, float]]
"""Slot, time, values."""


@dataclass
class Counted:
    """A tally, all samples it was told, and the buckets it gave out."""

    tally: Tally = field(
        default_factory=lambda: Tally(keys=KEYS, signals=SIGNALS, newest_us=BEGIN_US - 1, now_us=BEGIN_US)
    )
    samples: list[Sample] = field(default_factory=list)
    given: dict[int, dict[tuple[int, int], np.ndarray]] = field(
        default_factory=lambda: {MINUTE_US: {}, WINDOW_US: {}}
    )

    def add(self, samples: list[Sample], now_us: int) -> None:
        slots, times_us, values = zip(*samples, strict=True)
        self.tally.add(np.array(slots), np.array(times_us), np.array(values), now_us)
        self.samples += samples

    def give(self, now_us: int) -> None:
        while (given := self.tally.next_due(now_us)) is not None:
            self._note(given.one_minute, MINUTE_US)
            if given.five_minutes is not None:
                self._note(given.five_minutes, WINDOW_US)

    def _note(self, buckets: Buckets, width_us: int) -> None:
        for key, begins_us, stats in zip(buckets.keys, buckets.begins_us, buckets.stats, strict=True):
            assert (key, begins_us) not in self.given[width_us]
            self.given[width_us][key, begins_us] = stats

    def check(self, now_us: int) -> int:
        """How many windows count; in each every asset that is not spoiled has the buckets its samples give."""
        whole = 0
        for window_us in range(BEGIN_US, now_us, WINDOW_US):
            if not self.tally.whole(window_us):
                continue
            whole += 1
            spoiled = set(self.tally.spoiled(window_us).tolist())
            for slot in set(range(ASSETS)) - spoiled:
                for width_us in (MINUTE_US, WINDOW_US):
                    self._check(slot, window_us, width_us)
        return whole

    def _check(self, slot: int, window_us: int, width_us: int) -> None:
        mine = sorted(
            (t, v) for s, t, v in self.samples if s == slot and window_us <= t < window_us + WINDOW_US
        )
        times_us = np.array([t for t, _ in mine], np.int64)
        values = np.array([v for _, v in mine]).reshape(-1, SIGNALS)
        expected = gather(np.full(len(mine), KEYS[slot]), times_us, values, width_us)
        found = {
            begins_us: stats
            for (key, begins_us), stats in self.given[width_us].items()
            if key == KEYS[slot] and window_us <= begins_us < window_us + WINDOW_US
        }
        assert found.keys() == set(expected.begins_us.tolist())
        for begins_us, stats in zip(expected.begins_us.tolist(), expected.stats, strict=True):
            np.testing.assert_allclose(found[begins_us], stats, rtol=1e-9, atol=1e-9)


NUMBERS = st.one_of(st.just(math.nan), st.floats(-100, 100))
LAGS_US = st.sampled_from([0, 0, 0, 0, 1_000_000, 8_000_000, 40_000_000, 200_000_000])
TICKS = st.lists(
    st.lists(st.tuples(st.integers(0, ASSETS - 1), LAGS_US, st.tuples(NUMBERS, NUMBERS)), max_size=8),
    min_size=1,
    max_size=150,
)


@given(ticks=TICKS, tick_us=st.sampled_from([3_000_000, 7_000_000, 31_000_000, 97_000_000]))
def test_what_is_given_out_is_what_the_samples_give(
    ticks: list[list[tuple[int, int, tuple[float, float]]]], tick_us: int
) -> None:
    counted = Counted()
    now_us = BEGIN_US
    for tick in ticks:
        now_us += tick_us
        samples = [(slot, now_us - lag_us, values) for slot, lag_us, values in tick]
        samples = [sample for sample in samples if sample[1] >= BEGIN_US]
        if samples:
            counted.add(samples, now_us)
        counted.give(now_us)
    now_us += 2 * WINDOW_US
    counted.give(now_us)
    counted.check(now_us)


def stream(counted: Counted, minutes: float, tick_us: int = 4_000_000) -> int:
    """Every asset reports every tick; the end."""
    end_us = BEGIN_US + int(minutes * MINUTE_US)
    for now_us in range(BEGIN_US, end_us, tick_us):
        counted.add([(slot, now_us + slot, (slot * 1.5, now_us % 7.0)) for slot in range(ASSETS)], now_us)
        counted.give(now_us)
    return end_us


def test_a_steady_stream_is_given_out_whole() -> None:
    counted = Counted()
    end_us = stream(counted, 11.5)
    assert counted.check(end_us) == 2
    assert counted.tally.spoiled(BEGIN_US).tolist() == []
    assert len(counted.given[WINDOW_US]) == 2 * ASSETS


def test_a_sample_that_comes_twice_or_late_spoils_its_asset_alone() -> None:
    counted = Counted()
    end_us = stream(counted, 3.0)
    counted.tally.add(
        np.array([1, 2]), np.array([end_us - 4_000_000 + 1, BEGIN_US]), np.zeros((2, 2)), end_us
    )
    assert counted.tally.spoiled(BEGIN_US).tolist() == [1, 2]


def test_a_window_that_had_begun_does_not_count() -> None:
    counted = Counted(tally=Tally(keys=KEYS, signals=SIGNALS, newest_us=BEGIN_US, now_us=BEGIN_US))
    end_us = stream(counted, 6.0)
    counted.give(end_us)
    assert not counted.tally.whole(BEGIN_US)
    assert counted.given[MINUTE_US].keys() == set()


def test_a_minute_is_given_out_little_by_little() -> None:
    assets = 10 * ASSETS_AT_ONCE
    keys = np.arange(1, assets + 1, dtype=np.int32)
    tally = Tally(keys=keys, signals=1, newest_us=BEGIN_US - 1, now_us=BEGIN_US)
    tally.add(np.arange(assets), np.full(assets, BEGIN_US), np.ones((assets, 1)), BEGIN_US)
    due_us = BEGIN_US + MINUTE_US + GRACE_US
    given = []
    for step in range(11):
        while tally.next_due(due_us + step * SPREAD_US // 10) is not None:
            given.append(step)
    assert sorted(set(given)) == list(range(1, 11))
    assert len(given) == 10


def test_a_tally_that_is_not_emptied_gives_up_and_begins_again() -> None:
    counted = Counted()
    for now_us in range(BEGIN_US, BEGIN_US + 3 * MINUTE_US, 4_000_000):
        counted.add([(0, now_us, (1.0, 1.0))], now_us)
    counted.give(now_us + 2 * WINDOW_US)
    assert not counted.tally.whole(BEGIN_US)
    assert counted.given[WINDOW_US].keys() == set()


def test_a_fleet_that_does_not_fit_into_memory_is_left_alone() -> None:
    keys = np.broadcast_to(np.int32(1), (1_000_000,))
    tally = Tally(keys=keys, signals=40, newest_us=BEGIN_US - 1, now_us=BEGIN_US)
    tally.add(np.array([0]), np.array([BEGIN_US]), np.zeros((1, 40)), BEGIN_US)
    assert tally.next_due(BEGIN_US + 10 * WINDOW_US) is None
    assert not tally.whole(BEGIN_US)
    assert not tally.unfinished(BEGIN_US)
