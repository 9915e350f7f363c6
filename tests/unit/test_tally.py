"""Buckets added up as samples come are those that the samples give when all are there."""

import math
import random
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from der_headend.store.postgres.buckets import LAST, gather
from der_headend.store.postgres.tally import MINUTE_US, ROWS_AT_ONCE, WINDOW_US, Finished, Tally
from kit.calls import cost_of

ASSETS, SIGNALS = 5, 3
NUMBERS = (0, 2)
"""The columns that are numbers; the one between them is a state."""

KEYS = np.array([12, 11, 15, 14, 13], np.int32)
BEGIN_US = 6_000 * WINDOW_US

MOST_CALLS = 200
"""A little more than adding takes for two signals when it ends a minute."""

Sample = tuple[int, int, tuple[float, float, float]]
"""Slot, time, values."""


def columns(values: object) -> dict[int, np.ndarray]:
    """An array of shape (n, signals) as the tally takes it."""
    return dict(enumerate(np.array(values).T))


def new_tally(newest_us: int = BEGIN_US - 1) -> Tally:
    return Tally(keys=KEYS, signals=SIGNALS, numbers=NUMBERS, newest_us=newest_us)


@dataclass
class Counted:
    """A tally, all samples it was told, the buckets it gave out, and the end of the windows that are closed."""

    tally: Tally = field(default_factory=new_tally)
    samples: list[Sample] = field(default_factory=list)
    given: dict[int, dict[tuple[int, int], np.ndarray]] = field(
        default_factory=lambda: {MINUTE_US: {}, WINDOW_US: {}}
    )
    closed_us: int = BEGIN_US

    def add(self, samples: list[Sample]) -> None:
        in_order = sorted(samples, key=lambda sample: (KEYS[sample[0]], sample[1]))
        slots, times_us, values = zip(*in_order, strict=True)
        self._note(self.tally.add(np.array(slots), np.array(times_us), columns(values)))
        self.samples += samples

    def close(self, through_us: int) -> None:
        self.closed_us = max(self.closed_us, through_us // WINDOW_US * WINDOW_US)
        while finished := self.tally.close(self.closed_us):
            self._note(finished)

    def _note(self, finished: list[Finished]) -> None:
        for width_us, buckets in finished:
            assert (np.diff(buckets.keys) > 0).all()
            for key, begins_us, stats in zip(buckets.keys, buckets.begins_us, buckets.stats, strict=True):
                assert (key, begins_us) not in self.given[width_us]
                self.given[width_us][key, begins_us] = stats

    def check(self) -> int:
        """How many windows count; in each every asset that is not spoiled has the buckets its samples give."""
        whole = 0
        for window_us in range(BEGIN_US, self.closed_us, WINDOW_US):
            if not self.tally.whole(window_us):
                continue
            whole += 1
            spoiled = self.tally.spoiled(window_us)
            for slot in np.flatnonzero(~np.isin(KEYS, spoiled)).tolist():
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
        expected.stats[:, :LAST, 1] = np.nan
        found = {
            begins_us: stats
            for (key, begins_us), stats in self.given[width_us].items()
            if key == KEYS[slot] and window_us <= begins_us < window_us + WINDOW_US
        }
        assert found.keys() == set(expected.begins_us.tolist())
        for begins_us, stats in zip(expected.begins_us.tolist(), expected.stats, strict=True):
            np.testing.assert_allclose(found[begins_us], stats, rtol=1e-9, atol=1e-9)


VALUES = st.one_of(st.just(math.nan), st.floats(-100, 100))
LAGS_US = st.sampled_from([0, 0, 0, 0, 1_000_000, 8_000_000, 40_000_000, 200_000_000])
TICKS = st.lists(
    st.lists(st.tuples(st.integers(0, ASSETS - 1), LAGS_US, st.tuples(VALUES, VALUES, VALUES)), max_size=8),
    min_size=1,
    max_size=150,
)


@given(
    ticks=TICKS,
    tick_us=st.sampled_from([3_000_000, 7_000_000, 31_000_000, 97_000_000]),
    behind_us=st.sampled_from([0, 60_000_000, 200_000_000]),
)
def test_what_is_given_out_is_what_the_samples_give(
    ticks: list[list[tuple[int, int, tuple[float, float, float]]]], tick_us: int, behind_us: int
) -> None:
    counted = Counted()
    now_us = BEGIN_US
    for tick in ticks:
        now_us += tick_us
        samples = [(slot, now_us - lag_us, values) for slot, lag_us, values in tick]
        samples = [sample for sample in samples if sample[1] >= BEGIN_US]
        if samples:
            counted.add(samples)
        counted.close(now_us - behind_us)
    counted.close(now_us + WINDOW_US)
    counted.check()


@settings(max_examples=20)
@given(lags_s=st.lists(st.integers(0, 3600), min_size=ASSETS, max_size=ASSETS), order=st.randoms())
def test_assets_that_lag_each_at_its_own_pace_spoil_nothing(lags_s: list[int], order: random.Random) -> None:
    counted = Counted()
    waiting = {
        slot: [BEGIN_US + (lag_s + n * 17) * 1_000_000 for n in range(40)]
        for slot, lag_s in enumerate(lags_s)
    }
    while waiting:
        slot = order.choice(list(waiting))
        counted.add([(slot, waiting[slot].pop(0), (float(slot), 1.0, float(len(waiting[slot]))))])
        waiting = {slot: times_us for slot, times_us in waiting.items() if times_us}
    counted.close(BEGIN_US + 20 * WINDOW_US)
    assert counted.check() == 20
    assert all(counted.tally.spoiled(w).tolist() == [] for w in range(BEGIN_US, counted.closed_us, WINDOW_US))
    assert {key for key, _ in counted.given[WINDOW_US]} == set(KEYS.tolist())


def stream(counted: Counted, minutes: float, tick_us: int = 4_000_000) -> int:
    """Every asset reports every tick; the end."""
    end_us = BEGIN_US + int(minutes * MINUTE_US)
    for now_us in range(BEGIN_US, end_us, tick_us):
        counted.add([(slot, now_us + slot, (slot * 1.5, 1.0, now_us % 7.0)) for slot in range(ASSETS)])
        counted.close(now_us - MINUTE_US)
    return end_us


def test_a_steady_stream_is_given_out_whole() -> None:
    counted = Counted()
    stream(counted, 11.5)
    assert counted.check() == 2
    assert counted.tally.spoiled(BEGIN_US).tolist() == []
    assert len(counted.given[WINDOW_US]) == 2 * ASSETS


def test_a_sample_that_comes_twice_or_late_spoils_its_asset_alone() -> None:
    counted = Counted()
    end_us = stream(counted, 3.0)
    counted.add([(1, end_us - 4_000_000 + 1, (0.0, 0.0, 0.0)), (2, BEGIN_US, (0.0, 0.0, 0.0))])
    assert counted.tally.spoiled(BEGIN_US).tolist() == sorted(KEYS[[1, 2]])
    counted.add([(3, end_us, (0.0, 0.0, 0.0))] * 2)
    assert counted.tally.spoiled(BEGIN_US).tolist() == sorted(KEYS[[1, 2, 3]])


def test_a_sample_of_a_closed_window_spoils_its_asset() -> None:
    counted = Counted()
    end_us = stream(counted, 1.0)
    counted.close(BEGIN_US + WINDOW_US)
    counted.add([(3, end_us, (1.0, 1.0, 1.0))])
    assert counted.tally.spoiled(BEGIN_US).tolist() == [KEYS[3]]
    assert counted.check() == 1


def test_more_samples_than_can_be_counted_spoil_their_asset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("der_headend.store.postgres.tally._MOST_KNOWN", 20)
    tally = new_tally()
    for step in range(21):
        assert tally.spoiled(BEGIN_US).tolist() == []
        tally.add(np.array([2]), np.array([BEGIN_US + step * 100]), columns(np.ones((1, SIGNALS))))
    assert tally.spoiled(BEGIN_US).tolist() == [KEYS[2]]


def test_minutes_that_together_have_more_than_can_be_counted_spoil_their_asset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("der_headend.store.postgres.tally._MOST_KNOWN", 20)
    tally = new_tally()
    for minute in range(3):
        times_us = BEGIN_US + minute * MINUTE_US + np.arange(15)
        tally.add(np.full(15, 2), times_us, columns(np.ones((15, SIGNALS))))
        assert tally.spoiled(BEGIN_US).tolist() == ([KEYS[2]] if minute == 2 else [])


def test_a_window_that_had_begun_does_not_count() -> None:
    counted = Counted(tally=new_tally(newest_us=BEGIN_US))
    stream(counted, 6.5)
    assert not counted.tally.whole(BEGIN_US)
    assert counted.tally.whole(BEGIN_US + WINDOW_US)
    assert {begins_us for _, begins_us in counted.given[MINUTE_US]} == {BEGIN_US + WINDOW_US}


def test_what_is_added_costs_the_same_calls_however_much_it_is() -> None:
    """A step of a tally: each asset's next sample, a minute later than the one before."""

    def calls(assets: int) -> int:
        tally = Tally(keys=np.arange(assets, dtype=np.int32), signals=2, numbers=(0,), newest_us=BEGIN_US - 1)
        slots, values = np.arange(assets), {0: np.ones(assets), 1: np.zeros(assets)}
        tally.add(slots, np.full(assets, BEGIN_US), values)
        return cost_of(lambda: tally.add(slots, np.full(assets, BEGIN_US + MINUTE_US), values)).calls

    assert calls(ROWS_AT_ONCE) == calls(10) <= MOST_CALLS


def test_old_samples_cost_the_same_calls_however_many_they_are() -> None:
    def calls(old: int) -> int:
        tally = new_tally()
        tally.add(np.array([2]), np.array([BEGIN_US + MINUTE_US]), columns(np.ones((1, SIGNALS))))
        times_us = BEGIN_US + np.arange(old)
        values = columns(np.ones((old, SIGNALS)))
        return cost_of(lambda: tally.add(np.full(old, 2), times_us, values)).calls

    assert calls(500) == calls(5)


def test_signals_that_nobody_has_a_value_of_and_states_take_no_room() -> None:
    """What is never written of an array of zeros is never given any memory: so it must stay zero, not NaN."""
    tally = new_tally()
    values = {0: np.ones(1), 1: np.ones(1), 2: np.full(1, np.nan)}
    tally.add(np.array([0]), np.array([BEGIN_US]), values)
    tally.add(np.array([0]), np.array([BEGIN_US + MINUTE_US]), values)
    tally.close(BEGIN_US + WINDOW_US)
    for totals in (tally._minute, tally._window):
        assert totals._stats[0].any()
        assert not totals._stats[1:].any()
    assert tally._last.any(axis=1).tolist() == [True, True, False]


def test_closing_goes_little_by_little() -> None:
    assets = 3 * ROWS_AT_ONCE
    tally = Tally(keys=np.arange(assets, dtype=np.int32), signals=1, numbers=(0,), newest_us=BEGIN_US - 1)
    tally.add(np.arange(assets), np.full(assets, BEGIN_US), {0: np.ones(assets)})
    for _ in range(3):
        assert [len(buckets) for _, buckets in tally.close(BEGIN_US + WINDOW_US)] == [ROWS_AT_ONCE] * 2
    assert tally.close(BEGIN_US + WINDOW_US) == []


def test_a_tally_that_begins_again_knows_nothing_of_what_was() -> None:
    counted = Counted()
    end_us = stream(counted, 2.0)
    counted.tally.restart()
    counted.add([(0, end_us, (1.0, 1.0, 1.0)), (1, BEGIN_US + WINDOW_US, (1.0, 1.0, 1.0))])
    counted.close(BEGIN_US + 2 * WINDOW_US)
    assert not counted.tally.whole(BEGIN_US)
    assert counted.check() == 1


def test_what_was_passed_is_not_counted_even_if_it_begins_again() -> None:
    tally = new_tally()
    tally.passed(BEGIN_US + 2 * WINDOW_US)
    tally.restart()
    times_us = np.array([BEGIN_US, BEGIN_US + WINDOW_US])
    assert tally.add(np.array([1, 0]), times_us, columns(np.ones((2, SIGNALS)))) == []
    assert tally.close(BEGIN_US + 3 * WINDOW_US) == []


def test_a_fleet_that_does_not_fit_into_memory_is_left_alone() -> None:
    keys = np.broadcast_to(np.int32(1), (1_000_000,))
    tally = Tally(keys=keys, signals=40, numbers=range(40), newest_us=BEGIN_US - 1)
    assert tally.add(np.array([0]), np.array([BEGIN_US]), {0: np.zeros(1)}) == []
    assert tally.close(BEGIN_US + 10 * WINDOW_US) == []
    assert not tally.whole(BEGIN_US)
