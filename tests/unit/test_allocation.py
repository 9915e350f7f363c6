"""The split: it adds up, stays within limits, and is the same whoever asks in whatever order."""

import math
import random
from dataclasses import replace
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from der_core.allocation import TOLERANCE_MW, Candidate, Split, Weighting, split
from der_core.assets import Limits
from kit.calls import calls_of


def asset_id(number: int) -> UUID:
    return UUID(int=number)


def battery(number: int, capacity_mwhr: float, mw: float) -> Candidate:
    return Candidate(asset_id=asset_id(number), capacity_mwhr=capacity_mwhr, limits=Limits(-mw, mw))


GATEWAY_TEST = (battery(7, 120, 60), battery(8, 40, 20), battery(9, 40, 20))

any_limits = st.tuples(st.floats(-200, 200), st.floats(-200, 200)).map(
    lambda pair: Limits(min(pair), max(pair))
)
natural_limits = st.builds(Limits, st.floats(-200, 0), st.floats(0, 200))
capacities = st.just(0.0) | st.floats(0, 1000)
weightings = st.sampled_from(Weighting)
powers = st.floats(-3000, 3000)


def fleets(limits: st.SearchStrategy[Limits], *, fewest: int = 0) -> st.SearchStrategy[list[Candidate]]:
    return st.lists(
        st.builds(
            Candidate,
            asset_id=st.integers(0, 50).map(asset_id),
            capacity_mwhr=capacities,
            limits=limits,
            soc_pct=st.none() | st.floats(0, 100),
            min_soc_pct=st.floats(0, 40),
            max_soc_pct=st.floats(60, 100),
        ),
        min_size=fewest,
        max_size=8,
        unique_by=lambda candidate: candidate.asset_id,
    )


def given_mw(made: Split) -> list[float]:
    return [share.mw for share in made.shares]


def test_the_runbooks_twelve_megawatts() -> None:
    made = split(12, GATEWAY_TEST)
    assert given_mw(made) == pytest.approx([7.2, 2.4, 2.4], abs=1e-12)
    assert [share.weight for share in made.shares] == pytest.approx([0.6, 0.2, 0.2])
    assert made.unserved_mw == 0.0


@pytest.mark.parametrize("sign", [1, -1])
def test_more_than_a_site_can_do_is_clamped_and_the_rest_is_unserved(sign: int) -> None:
    made = split(sign * 150, GATEWAY_TEST)
    assert given_mw(made) == [sign * 60, sign * 20, sign * 20]
    assert made.unserved_mw == pytest.approx(sign * 50)
    assert made.allocated_mw == sign * 100


def test_what_clamping_cuts_goes_to_those_with_room_in_proportion() -> None:
    fleet = (battery(1, 100, 10), battery(2, 100, 70), battery(3, 100, 50))
    made = split(90, fleet)
    assert [share.clamped_mw for share in made.shares] == [10, 30, 30]
    assert [share.residual_mw for share in made.shares] == pytest.approx([0, 20 * 40 / 60, 20 * 20 / 60])
    assert given_mw(made) == pytest.approx([10, 30 + 20 * 40 / 60, 30 + 20 * 20 / 60])


def test_by_headroom() -> None:
    fleet = (battery(1, 10, 30), battery(2, 500, 10))
    assert given_mw(split(20, fleet, weighting=Weighting.HEADROOM)) == pytest.approx([15, 5])


@pytest.mark.parametrize(("mw", "expected"), [(8, [6, 2]), (-8, [-2, -6])])
def test_by_soc_states_of_charge_draw_together(mw: float, expected: list[float]) -> None:
    fleet = (replace(battery(1, 100, 50), soc_pct=75.0), replace(battery(2, 100, 50), soc_pct=25.0))
    assert given_mw(split(mw, fleet, weighting=Weighting.SOC)) == pytest.approx(expected)


def test_by_soc_an_unknown_one_counts_as_half_full() -> None:
    fleet = (battery(1, 100, 50), replace(battery(2, 100, 50), soc_pct=50.0))
    assert given_mw(split(8, fleet, weighting=Weighting.SOC)) == pytest.approx([4, 4])


def test_an_asset_whose_soc_forbids_the_direction_gets_nothing() -> None:
    empty = replace(GATEWAY_TEST[0], limits=Limits(-60, 0, "soc_at_minimum"))
    made = split(12, (empty, *GATEWAY_TEST[1:]))
    assert given_mw(made) == pytest.approx([0, 6, 6])
    assert made.shares[0].reason == "soc_at_minimum"
    assert given_mw(split(-12, (empty, *GATEWAY_TEST[1:])))[0] == pytest.approx(-7.2)


def test_without_known_capacities_the_shares_are_equal() -> None:
    fleet = [battery(number, 0, 50) for number in (1, 2, 3)]
    assert given_mw(split(12, fleet)) == pytest.approx([4, 4, 4])


def test_with_nobody_there_all_is_unserved() -> None:
    assert split(5, ()) == Split(5, (), 5)


@pytest.mark.parametrize("mw", [1.0, 1e5])
@pytest.mark.parametrize("weighting", Weighting)
def test_no_python_function_is_called_per_asset(mw: float, weighting: Weighting) -> None:
    """So that ten thousand assets take milliseconds, clamped or not."""
    few, many = ([battery(number, 4, number % 7) for number in range(size)] for size in (10, 1000))
    assert calls_of(lambda: split(mw, many, weighting=weighting)) <= calls_of(
        lambda: split(mw, few, weighting=weighting)
    )


def test_a_request_beyond_all_reason_is_split_like_any_other() -> None:
    made = split(1e308, GATEWAY_TEST)
    assert given_mw(made) == [60, 20, 20]
    assert made.unserved_mw == 1e308


@given(powers, fleets(any_limits), weightings)
def test_allocations_and_unserved_add_up(mw: float, fleet: list[Candidate], weighting: Weighting) -> None:
    made = split(mw, fleet, weighting=weighting)
    assert math.fsum([*given_mw(made), made.unserved_mw]) == pytest.approx(mw, abs=TOLERANCE_MW)
    assert [share.asset_id for share in made.shares] == sorted(c.asset_id for c in fleet)


@given(powers, fleets(any_limits), weightings)
def test_everybody_stays_within_limits(mw: float, fleet: list[Candidate], weighting: Weighting) -> None:
    limits = {candidate.asset_id: candidate.limits for candidate in fleet}
    for share in split(mw, fleet, weighting=weighting).shares:
        assert limits[share.asset_id].min_mw <= share.mw <= limits[share.asset_id].max_mw


@given(powers, fleets(any_limits), weightings, st.randoms())
def test_order_does_not_matter_to_the_last_bit(
    mw: float, fleet: list[Candidate], weighting: Weighting, chance: random.Random
) -> None:
    shuffled = list(fleet)
    chance.shuffle(shuffled)
    assert split(mw, shuffled, weighting=weighting) == split(mw, fleet, weighting=weighting)


@given(powers, fleets(natural_limits), weightings)
def test_nobody_is_driven_the_other_way(mw: float, fleet: list[Candidate], weighting: Weighting) -> None:
    for share in split(mw, fleet, weighting=weighting).shares:
        assert share.mw * mw >= 0.0


@given(powers, fleets(natural_limits, fewest=1), weightings)
def test_something_is_unserved_only_if_everybody_is_full(
    mw: float, fleet: list[Candidate], weighting: Weighting
) -> None:
    made = split(mw, fleet, weighting=weighting)
    able = math.fsum(c.limits.max_mw if mw >= 0 else c.limits.min_mw for c in fleet)
    assert abs(made.allocated_mw) == pytest.approx(min(abs(mw), abs(able)), abs=TOLERANCE_MW)


@given(st.lists(powers, min_size=2, max_size=5).map(sorted), fleets(natural_limits), weightings)
def test_more_asked_is_never_less_for_anybody(
    asked: list[float], fleet: list[Candidate], weighting: Weighting
) -> None:
    for less, more in pairwise(split(mw, fleet, weighting=weighting) for mw in asked):
        for before, after in zip(less.shares, more.shares, strict=True):
            assert after.mw >= before.mw - TOLERANCE_MW
