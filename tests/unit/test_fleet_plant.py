"""The simulated fleet's assets: plausible together, commanded one by one."""

from datetime import UTC, datetime
from uuid import UUID

import numpy as np
import pytest

from der_core.assets import Asset, AssetType
from der_core.signals import CATALOGUE, STATUS_STATES
from der_fleet.plant import Plant
from der_fleet.template import Values

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
ALL = slice(0, 5)
BESS, PV, WIND, EV, METER = range(5)


@pytest.fixture
def plant() -> Plant:
    assets = [
        Asset(
            id=UUID(int=at),
            name=kind.value,
            site_id=UUID(int=99),
            capacity_mwhr=2.0 if kind is AssetType.BESS else 0.0,
            max_mw=0.0 if kind is AssetType.EV_CHARGER else 1.0,
            min_mw=0.0 if kind in {AssetType.PV, AssetType.WIND} else -1.0,
            efficiency=0.9,
            ramp_rate_mw_per_min=600.0,
            min_soc_pct=10.0,
            max_soc_pct=90.0,
            asset_type=kind,
        )
        for at, kind in enumerate(AssetType)
    ]
    return Plant(assets, seed=(1, 0))


def step(plant: Plant, elapsed_s: float = 0.0, seconds: float = 1.0) -> dict[str, Values]:
    shown = plant.step(ALL, seconds=seconds, elapsed_s=elapsed_s, utc=NOON)
    shown |= plant.others(ALL, elapsed_s=elapsed_s, utc=NOON)
    return {CATALOGUE[place].name: values for place, values in shown.items()}


def test_what_an_asset_has_not_got_is_unknown(plant: Plant) -> None:
    shown = step(plant)
    assert set(shown) == {signal.name for signal in CATALOGUE}
    known = {name: set(np.flatnonzero(~np.isnan(values)).tolist()) for name, values in shown.items()}
    assert known["current_mw"] == known["voltage_v"] == {BESS, PV, WIND, EV, METER}
    assert known["soc_pct"] == known["soc_mwhr"] == {BESS}
    assert known["available_mw"] == {PV, WIND}
    assert known["setpoint_mw"] == {BESS, EV}
    assert (known["irradiance_w_m2"], known["wind_speed_m_s"]) == ({PV}, {WIND})


def test_stored_energy_follows_power_and_keeps_its_bounds(plant: Plant) -> None:
    for charge, factor in ((1.0, 1 / 0.9), (-1.0, 0.9)):
        assert plant.command(BESS, charge) == charge
        step(plant)
        before = plant.soc_mwhr[BESS]
        step(plant)
        assert before - plant.soc_mwhr[BESS] == pytest.approx(charge * factor / 3600)
    plant.command(BESS, 1.0)
    for hour in range(4):
        step(plant, 3600.0 * hour, seconds=3600.0)
    assert (plant.mw[BESS], plant.soc_mwhr[BESS]) == (0.0, pytest.approx(0.2))
    assert plant.command(BESS, 1.0) == 0.0
    assert plant.command(BESS, -5.0) == -1.0


def test_sun_and_wind_are_capped_and_released(plant: Plant) -> None:
    step(plant)
    assert plant.mw[PV] == plant.available_mw(PV) == pytest.approx(0.7, abs=0.31)
    assert plant.command(PV, 0.1) == 0.1
    shown = step(plant, 1.0)
    assert shown["setpoint_mw"][PV] == shown["current_mw"][PV].round(9) == 0.1
    assert STATUS_STATES[int(shown["status"][PV])] == "curtailed"
    plant.command(PV, None)
    shown = step(plant, 2.0)
    assert shown["current_mw"][PV] == shown["available_mw"][PV]
    assert np.isnan(shown["setpoint_mw"][PV])


def test_a_tripped_asset_gives_nothing(plant: Plant) -> None:
    plant.tripped[WIND] = True
    shown = step(plant)
    assert (shown["current_mw"][WIND], STATUS_STATES[int(shown["status"][WIND])]) == (0.0, "fault")


def test_nothing_leaves_its_limits_over_a_day(plant: Plant) -> None:
    for minute in range(1440):
        step(plant, 60.0 * minute, seconds=60.0)
        assert (plant.mw <= plant.max_mw).all()
        assert (plant.mw >= plant.min_mw).all()
