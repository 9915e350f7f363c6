"""Backoff: at once the first time, then longer and longer within bounds; after a success from the start."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from der_runtime.backoff import Backoff


@given(
    first_s=st.floats(0.001, 10), factor=st.floats(1, 1000), seed=st.integers(), attempts=st.integers(1, 200)
)
def test_every_wait_is_within_half_of_its_base_and_its_base(
    first_s: float, factor: float, seed: int, attempts: int
) -> None:
    cap_s = first_s * factor
    backoff = Backoff(first_s=first_s, cap_s=cap_s, rng=random.Random(seed))

    for _ in range(2):
        assert backoff.next_s() == 0.0
        for attempt in range(attempts):
            base_s = min(first_s * 2.0**attempt, cap_s)
            assert base_s / 2 <= backoff.next_s() <= base_s
        backoff.reset()


def test_the_defaults_are_half_a_second_up_to_thirty() -> None:
    backoff = Backoff(rng=random.Random(1))

    waits = [backoff.next_s() for _ in range(10_000)]

    assert 0.25 <= waits[1] <= 0.5
    assert min(waits[8:]) >= 15.0
    assert 29.9 < max(waits) <= 30.0


def test_a_fleet_is_spread_out() -> None:
    fleet = [Backoff(rng=random.Random(seed)) for seed in range(1000)]
    for backoff in fleet:
        backoff.next_s()

    seconds = sorted(backoff.next_s() for backoff in fleet)

    assert seconds[100] < 0.30
    assert seconds[900] > 0.45


@pytest.mark.parametrize(
    ("first_s", "cap_s"), [(0, 1), (-1, 1), (2, 1), (1, float("inf")), (float("nan"), 1)]
)
def test_bounds_that_make_no_sense_are_refused(first_s: float, cap_s: float) -> None:
    with pytest.raises(ValueError, match="expected 0 < first_s"):
        Backoff(first_s=first_s, cap_s=cap_s)
