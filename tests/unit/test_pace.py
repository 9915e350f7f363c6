"""Up to where buckets may be made: what the clock says, or what the samples say that still come."""

from datetime import UTC, datetime, timedelta

import numpy as np

from der_headend.store.postgres.moments import microseconds
from der_headend.store.postgres.pace import MOST_BEHIND, Pace

START = datetime(2026, 1, 1, tzinfo=UTC)


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def stored(pace: Pace, now: datetime, lag: timedelta, count: int = 100) -> None:
    pace.note(np.full(count, microseconds(now - lag)), now)


def test_without_samples_the_clock_says() -> None:
    assert Pace().frontier(START + minutes(5.9)) == START
    assert Pace().frontier(START + minutes(6)) == START + minutes(5)


def test_samples_that_lag_hold_it_until_no_more_come() -> None:
    pace = Pace()
    now = START + minutes(20)
    stored(pace, now, lag=minutes(8))
    assert pace.frontier(now) == START + minutes(10)
    now += minutes(0.5)
    stored(pace, now, lag=minutes(0))
    assert pace.frontier(now) == START + minutes(10)
    now += minutes(0.5)
    assert pace.frontier(now) == START + minutes(20)


def test_the_few_that_are_later_than_the_others_do_not_hold_it() -> None:
    pace = Pace()
    now = START + minutes(20)
    stored(pace, now, lag=minutes(0), count=96)
    stored(pace, now, lag=minutes(8), count=4)
    assert pace.frontier(now) == START + minutes(15)
    stored(pace, now, lag=minutes(8), count=4)
    assert pace.frontier(now) == START + minutes(10)


def test_it_is_held_for_no_longer_than_it_may_be_behind() -> None:
    pace = Pace()
    now = START + MOST_BEHIND + minutes(20)
    stored(pace, now, lag=2 * MOST_BEHIND)
    assert pace.frontier(now) == START + minutes(20)
