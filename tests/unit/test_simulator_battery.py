"""The physics of the simulated battery: limits, ramp, energy balance and SOC bounds, however time is cut up."""

import math
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from der_core.assets import Asset
from edge_agent.drivers.simulator.battery import Battery
from edge_agent.drivers.simulator.machine import Condition, Moment

NOW = Moment(0.0, datetime(2026, 6, 1, 12, tzinfo=UTC))
ASSET = Asset(
    id=UUID("7ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    name="GT-BESS-A",
    site_id=UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    capacity_mwhr=120.0,
    max_mw=60.0,
    min_mw=-60.0,
    efficiency=0.92,
    ramp_rate_mw_per_min=60.0,
    min_soc_pct=10.0,
    max_soc_pct=90.0,
)

assets = st.builds(
    replace,
    st.just(ASSET),
    capacity_mwhr=st.floats(0.1, 500),
    max_mw=st.floats(0, 100),
    min_mw=st.floats(-100, 0),
    efficiency=st.floats(0.5, 1),
    ramp_rate_mw_per_min=st.floats(0.1, 2000),
    min_soc_pct=st.floats(0, 40),
    max_soc_pct=st.floats(40, 100),
)
setpoints = st.none() | st.floats(-150, 150)
conditions = st.sampled_from(Condition)
stretches = st.lists(st.tuples(setpoints, st.floats(0, 4 * 3600), conditions), min_size=1, max_size=6)


def run(battery: Battery, seconds: float, condition: Condition = Condition.NORMAL) -> Battery:
    return battery.after(seconds, condition)


def test_it_starts_at_rest_in_the_middle_of_its_range() -> None:
    battery = Battery.at_rest(ASSET)
    assert (battery.mw, battery.setpoint_mw, battery.soc_mwhr) == (0.0, 0.0, 60.0)


def test_it_ramps_to_its_setpoint_and_stays() -> None:
    battery = Battery.at_rest(ASSET).told(30.0, NOW)
    assert run(battery, 10).mw == pytest.approx(10.0)
    assert run(battery, 30).mw == 30.0
    assert run(battery, 31).mw == 30.0


def test_discharging_takes_more_out_of_the_store_than_it_gives() -> None:
    steady = replace(Battery.at_rest(ASSET), mw=9.2, setpoint_mw=9.2)
    assert run(steady, 3600).soc_mwhr == pytest.approx(50.0)


def test_charging_puts_less_into_the_store_than_it_takes() -> None:
    steady = replace(Battery.at_rest(ASSET), mw=-10.0, setpoint_mw=-10.0)
    assert run(steady, 3600).soc_mwhr == pytest.approx(69.2)


def test_a_ramp_through_zero_counts_each_leg_for_itself() -> None:
    # 60 s from +60 to 0 and 60 s from 0 to -60: half a MWh out, half a MWh in, each with its loss.
    battery = replace(Battery.at_rest(ASSET), mw=60.0, setpoint_mw=-60.0)
    after = run(battery, 120)
    assert after.mw == -60.0
    assert after.soc_mwhr == pytest.approx(60.0 - 0.5 / 0.92 + 0.5 * 0.92)


@pytest.mark.parametrize(("mw", "bound"), [(60.0, 12.0), (-60.0, 108.0)])
def test_at_a_bound_it_stops_and_its_setpoint_becomes_zero(mw: float, bound: float) -> None:
    battery = run(Battery.at_rest(ASSET).told(mw, NOW), 10 * 3600)
    assert (battery.mw, battery.setpoint_mw, battery.soc_mwhr) == (0.0, 0.0, bound)
    assert battery.told(mw, NOW).accepted_mw == 0.0
    assert run(battery.told(-mw, NOW), 60).mw == -mw


def test_turning_round_at_a_bound_keeps_the_setpoint_that_leads_away_from_it() -> None:
    nearly_empty = replace(Battery.at_rest(ASSET), mw=60.0, soc_mwhr=12.3, setpoint_mw=-30.0)
    after = run(nearly_empty, 60)
    assert (after.mw, after.setpoint_mw) == (-30.0, -30.0)
    # 60 t - t²/2 = 0.3 MWh x 0.92 when it is empty; from then on 30 s of ramp, and -30 MW for what is left.
    empty_s = 60.0 - math.sqrt(60.0**2 - 2.0 * 0.3 * 0.92 * 3600.0)
    charged_mw_s = 30.0 * 30.0 / 2.0 + 30.0 * (30.0 - empty_s)
    assert after.soc_mwhr == pytest.approx(12.0 + charged_mw_s * 0.92 / 3600.0)


def test_a_trip_is_zero_at_once_and_the_setpoint_comes_back_at_the_ramp_rate() -> None:
    steady = replace(Battery.at_rest(ASSET), mw=30.0, setpoint_mw=30.0)
    tripped = run(steady, 5, Condition.TRIPPED)
    assert (tripped.mw, tripped.soc_mwhr) == (0.0, 60.0)
    assert tripped.values(NOW, Condition.TRIPPED)["status"] == "fault"
    assert run(tripped, 10).mw == pytest.approx(10.0)


def test_derated_it_has_half_its_limits() -> None:
    steady = replace(Battery.at_rest(ASSET), mw=60.0, setpoint_mw=60.0)
    assert run(steady, 60, Condition.DERATED).mw == 30.0


@pytest.mark.parametrize(
    ("mw", "status"),
    [(0.11, "discharging"), (0.1, "idle"), (0.0, "idle"), (-0.1, "idle"), (-0.11, "charging")],
)
def test_the_status_follows_the_measured_power(mw: float, status: str) -> None:
    battery = replace(Battery.at_rest(ASSET), mw=mw, setpoint_mw=60.0)
    assert battery.values(NOW, Condition.NORMAL)["status"] == status


def test_released_it_goes_to_zero() -> None:
    battery = replace(Battery.at_rest(ASSET), mw=60.0, setpoint_mw=60.0).told(None, NOW)
    assert battery.values(NOW, Condition.NORMAL)["setpoint_mw"] == 0.0
    assert run(battery, 60).mw == 0.0


@given(assets, stretches)
def test_it_stays_within_its_limits(asset: Asset, plan: list[tuple[float | None, float, Condition]]) -> None:
    battery = Battery.at_rest(asset)
    for setpoint, seconds, condition in plan:
        battery = battery.told(setpoint, NOW).after(seconds, condition)
        assert battery.min_mwhr <= battery.soc_mwhr <= battery.max_mwhr
        assert asset.min_mw <= battery.mw <= asset.max_mw
        assert asset.min_mw <= battery.setpoint_mw <= asset.max_mw
        if battery.soc_mwhr == battery.min_mwhr:
            assert max(battery.mw, battery.setpoint_mw) <= 0.0
        if battery.soc_mwhr == battery.max_mwhr:
            assert min(battery.mw, battery.setpoint_mw) >= 0.0


@given(assets, setpoints, st.lists(st.floats(0.001, 60), min_size=1, max_size=20))
def test_it_never_ramps_faster_than_it_may_except_to_a_stop(
    asset: Asset, setpoint: float | None, steps: list[float]
) -> None:
    battery = Battery.at_rest(asset).told(setpoint, NOW)
    for seconds in steps:
        following = battery.after(seconds, Condition.NORMAL)
        reach = asset.ramp_rate_mw_per_min / 60.0 * seconds
        assert abs(following.mw - battery.mw) <= reach + 1e-9 or following.mw == 0.0
        battery = following


@given(assets, stretches, st.lists(st.floats(0.01, 0.99), max_size=6))
def test_it_does_not_matter_how_often_it_is_looked_at(
    asset: Asset, plan: list[tuple[float | None, float, Condition]], cuts: list[float]
) -> None:
    once = often = Battery.at_rest(asset)
    for setpoint, seconds, condition in plan:
        once = once.told(setpoint, NOW).after(seconds, condition)
        often = often.told(setpoint, NOW)
        for since, until in pairwise([0.0, *sorted(cuts), 1.0]):
            often = often.after((until - since) * seconds, condition)
    assert often.soc_mwhr == pytest.approx(once.soc_mwhr, abs=1e-6)
    at_a_bound = min(once.soc_mwhr - once.min_mwhr, once.max_mwhr - once.soc_mwhr) < 1e-6
    assert at_a_bound or often.mw == pytest.approx(once.mw, abs=1e-6)


@given(assets, st.lists(st.tuples(setpoints, st.floats(0, 600)), min_size=1, max_size=5))
def test_the_energy_balance_holds(asset: Asset, plan: list[tuple[float | None, float]]) -> None:
    battery = Battery.at_rest(replace(asset, capacity_mwhr=500.0, min_soc_pct=0.0, max_soc_pct=100.0))
    expected = battery.soc_mwhr
    error = 0.0
    for setpoint, seconds in plan:
        battery = battery.told(setpoint, NOW)
        steps = 200
        for _ in range(steps):
            following = battery.after(seconds / steps, Condition.NORMAL)
            for mw in (battery.mw, following.mw):
                expected -= (
                    (mw / asset.efficiency if mw > 0 else mw * asset.efficiency) * seconds / steps / 7200
                )
            # A step with a corner in it (the end of a ramp, zero) is off by less than its own trapezium.
            corner = max(abs(battery.mw), abs(following.mw)) * seconds / steps / 3600 / asset.efficiency
            error += corner if battery.mw != following.mw else 0.0
            battery = following
    assert battery.soc_mwhr == pytest.approx(expected, abs=error + 1e-6)
