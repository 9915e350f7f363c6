"""PV, wind, chargers and meters of the simulator: what the weather allows, what a setpoint curtails."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from der_core.assets import Asset, AssetType
from der_core.signals import STATUS_STATES
from edge_agent.drivers.simulator import environment, simulated_driver
from edge_agent.drivers.simulator.machine import Condition, Moment
from edge_agent.drivers.simulator.plant import Plant, Weather
from edge_agent.ports import Driver, DriverFailed

NOON = datetime(2026, 6, 21, 12, tzinfo=UTC)
PV = Asset(
    id=UUID("7ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    name="PV-1",
    site_id=UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    capacity_mwhr=0.0,
    max_mw=10.0,
    min_mw=0.0,
    efficiency=1.0,
    ramp_rate_mw_per_min=60.0,
    asset_type=AssetType.PV,
)


class Clock:
    def __init__(self, start: datetime = NOON) -> None:
        self.now = 1000.0
        self._start = start

    def monotonic(self) -> float:
        return self.now

    def utcnow(self) -> datetime:
        return self._start + timedelta(seconds=self.now - 1000.0)


def driver_of(asset: Asset, clock: Clock, seed: int = 1) -> Driver:
    return simulated_driver(
        asset, monotonic=clock.monotonic, utcnow=clock.utcnow, seed=seed, fault_rate_per_hour=0.0
    )


async def values_of(driver: Driver) -> Mapping[str, float | str]:
    return (await driver.read()).values


def steady(fraction: float) -> Plant:
    return Plant(asset=PV, weather=lambda _: Weather(fraction, {}), cap_mw=PV.max_mw)


MOMENT = Moment(0.0, NOON)


def show(plant: Plant, condition: Condition = Condition.NORMAL) -> tuple[object, object]:
    values = plant.values(MOMENT, condition)
    return values["current_mw"], values["status"]


def test_a_plant_exports_what_the_weather_allows() -> None:
    assert show(steady(0.8)) == (8.0, "generating")
    assert show(steady(0.0)) == (0.0, "idle")
    assert "setpoint_mw" not in steady(0.8).values(MOMENT, Condition.NORMAL)


def test_a_setpoint_curtails_at_the_ramp_rate_from_where_the_plant_stands() -> None:
    plant = steady(0.8).told(3.0, MOMENT)
    assert plant.accepted_mw == 3.0
    assert show(plant.after(2.0, Condition.NORMAL)) == (6.0, "curtailed")
    curtailed = plant.after(5.0, Condition.NORMAL)
    assert show(curtailed) == (3.0, "curtailed")
    assert curtailed.values(MOMENT, Condition.NORMAL)["available_mw"] == 8.0
    released = curtailed.told(None, MOMENT)
    assert released.accepted_mw == 10.0
    assert show(released.after(60.0, Condition.NORMAL)) == (8.0, "generating")


def test_a_setpoint_above_what_there_is_curtails_nothing() -> None:
    plant = steady(0.5).told(9.0, MOMENT).after(60.0, Condition.NORMAL)
    assert show(plant) == (5.0, "generating")


def test_a_setpoint_is_clamped_to_the_limits() -> None:
    assert steady(0.5).told(50.0, MOMENT).accepted_mw == 10.0
    assert steady(0.5).told(-5.0, MOMENT).accepted_mw == 0.0


def test_a_tripped_plant_comes_back_at_the_ramp_rate() -> None:
    tripped = steady(0.8).after(1.0, Condition.TRIPPED)
    assert show(tripped, Condition.TRIPPED) == (0.0, "fault")
    assert tripped.values(MOMENT, Condition.TRIPPED)["available_mw"] == 0.0
    assert show(tripped.after(3.0, Condition.NORMAL)) == (3.0, "generating")


@given(
    st.floats(0, 1),
    st.lists(st.tuples(st.none() | st.floats(0, 12), st.floats(0, 30), st.floats(0.1, 0.9)), max_size=5),
)
def test_a_plant_does_not_depend_on_how_often_it_is_looked_at(
    fraction: float, plan: list[tuple[float | None, float, float]]
) -> None:
    once = often = steady(fraction)
    for setpoint, seconds, cut in plan:
        once = once.told(setpoint, MOMENT).after(seconds, Condition.NORMAL)
        often = often.told(setpoint, MOMENT).after(seconds * cut, Condition.NORMAL)
        often = often.after(seconds - seconds * cut, Condition.NORMAL)
        assert once.cap_mw == pytest.approx(often.cap_mw)
        mw = float(once.values(MOMENT, Condition.NORMAL)["current_mw"])
        assert 0.0 <= mw <= fraction * PV.max_mw


async def test_pv_follows_the_sun() -> None:
    noon = await values_of(driver_of(PV, Clock(NOON)))
    night = await values_of(driver_of(PV, Clock(NOON - timedelta(hours=12))))
    assert float(noon["current_mw"]) > 1.0
    assert float(noon["irradiance_w_m2"]) > 100.0
    assert (night["current_mw"], night["irradiance_w_m2"], night["status"]) == (0.0, 0.0, "idle")


async def test_wind_gusts() -> None:
    clock = Clock()
    driver = driver_of(replace(PV, asset_type=AssetType.WIND), clock)
    seen = []
    for _ in range(50):
        clock.now += 30
        values = await values_of(driver)
        assert 0.0 <= float(values["current_mw"]) <= 10.0
        assert values["current_mw"] == values["available_mw"]
        seen.append(float(values["wind_speed_m_s"]))
    assert max(seen) - min(seen) > 1.0


async def test_a_charger_only_charges() -> None:
    clock = Clock()
    driver = driver_of(replace(PV, asset_type=AssetType.EV_CHARGER, min_mw=-2.0, max_mw=2.0), clock)
    assert await driver.write(1.0) == 0.0
    assert await driver.write(-5.0) == -2.0
    clock.now += 60
    values = await values_of(driver)
    assert (values["current_mw"], values["status"]) == (-2.0, "charging")
    assert not {"soc_pct", "soc_mwhr"} & values.keys()


async def test_a_battery_of_unknown_capacity_runs_without_a_state_of_charge() -> None:
    clock = Clock()
    driver = driver_of(replace(PV, asset_type=AssetType.BESS, min_mw=-5.0), clock)
    assert await driver.write(5.0) == 5.0
    clock.now += 60
    values = await values_of(driver)
    assert (values["current_mw"], values["status"]) == (5.0, "discharging")
    assert "soc_pct" not in values


async def test_a_meter_measures_a_load_and_takes_no_setpoint() -> None:
    clock = Clock()
    driver = driver_of(replace(PV, asset_type=AssetType.METER, min_mw=-10.0), clock)
    seen = set()
    for _ in range(24):
        clock.now += 3600
        seen.add(float((await values_of(driver))["current_mw"]))
    assert -10.0 <= min(seen) < max(seen) < 0.0
    assert await driver.write(None) == 0.0
    with pytest.raises(DriverFailed, match="PV-1 is a meter"):
        await driver.write(1.0)


@pytest.mark.parametrize("asset_type", AssetType)
async def test_what_is_shown_is_plausible_and_differs_per_asset(asset_type: AssetType) -> None:
    clock = Clock()
    one = replace(PV, asset_type=asset_type, capacity_mwhr=20.0, min_mw=-10.0)
    other = replace(one, id=UUID(int=one.id.int + 1))
    drivers = [driver_of(asset, clock) for asset in (one, other)]
    for _ in range(20):
        clock.now += 60
        first, second = [await values_of(driver) for driver in drivers]
        assert first["status"] in STATUS_STATES
        assert 380.0 < float(first["voltage_v"]) < 420.0
        assert 49.9 < float(first["frequency_hz"]) < 50.1
        assert first["voltage_v"] != second["voltage_v"]
        assert first["frequency_hz"] == pytest.approx(float(second["frequency_hz"]), abs=0.003)
        if asset_type.controllable:
            assert 15.0 < float(first["temperature_c"]) < 45.0
            assert first["temperature_c"] != second["temperature_c"]


@given(st.text(max_size=5), st.floats(0, 1e7))
def test_noise_is_bounded_and_has_no_jumps(seed: str, seconds: float) -> None:
    here = environment.noise(seed, seconds, 60.0)
    assert -1.0 <= here <= 1.0
    assert environment.noise(seed, seconds + 0.001, 60.0) == pytest.approx(here, abs=1e-3)


def test_the_power_curve_rises_from_cut_in_to_rated_speed() -> None:
    curve = [environment.wind_fraction(speed / 10) for speed in range(300)]
    assert curve[29] == 0.0
    assert curve[30:121] == sorted(curve[30:121])
    assert curve[120] == curve[249] == 1.0
    assert curve[250] == 0.0
