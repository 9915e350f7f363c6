"""From readings to columns, and from faults to alarms."""

import math
from datetime import UTC, datetime

import pytest

from der_core.events import EventKind, Severity
from der_core.signals import CATALOGUE, CURRENT_MW, SOC_PCT, STATUS
from der_wire.codec import UNKNOWN_CODE
from edge_agent.frames import columns, fault_events
from edge_agent.ports import Fault, Reading
from kit.control_bench import SITE, A

AT = datetime(2026, 1, 1, tzinfo=UTC)
PLACE = {signal.name: place for place, signal in enumerate(CATALOGUE)}


def test_only_signals_that_an_asset_shows_have_a_column() -> None:
    readings = [
        Reading({"current_mw": 1.5, "status": "charging"}),
        None,
        Reading({"current_mw": -2, "soc_pct": 50.0}),
    ]
    made = columns(readings, CATALOGUE)
    assert set(made) == {PLACE[CURRENT_MW.name], PLACE[STATUS.name], PLACE[SOC_PCT.name]}
    power, status, soc = (made[PLACE[signal.name]] for signal in (CURRENT_MW, STATUS, SOC_PCT))
    assert (power[0], power[2]) == (1.5, -2)
    assert math.isnan(power[1])
    assert status == [STATUS.states.index("charging"), UNKNOWN_CODE, UNKNOWN_CODE]
    assert math.isnan(soc[0])


def test_what_is_no_value_is_unknown() -> None:
    reading = Reading({"current_mw": math.inf, "soc_pct": "full", "status": "dancing"})
    made = columns([reading], CATALOGUE)
    assert math.isnan(made[PLACE["current_mw"]][0])
    assert math.isnan(made[PLACE["soc_pct"]][0])
    assert made[PLACE["status"]] == [UNKNOWN_CODE]


def test_no_reading_at_all_is_a_frame_without_columns() -> None:
    assert columns([None, None], CATALOGUE) == {}


def test_change_of_faults_raises_and_clears() -> None:
    trip = Fault("inverter_trip", Severity.CRITICAL, "the inverter tripped")
    hvac = Fault("hvac", Severity.WARNING, "too warm")
    events = fault_events({"inverter_trip": trip}, {"hvac": hvac}, at=AT, site_id=SITE, asset_id=A)
    assert [(e.code, e.kind, e.severity) for e in events] == [
        ("inverter_trip", EventKind.CLEARED, Severity.INFO),
        ("hvac", EventKind.RAISED, Severity.WARNING),
    ]
    assert fault_events({"hvac": hvac}, {"hvac": hvac}, at=AT, site_id=SITE, asset_id=A) == []


@pytest.mark.parametrize("value", [0xFFFFFFFF, -2e9, math.inf, math.nan, "none"])
def test_a_number_that_no_asset_can_show_is_unknown(value: float | str) -> None:
    made = columns([Reading({"voltage_v": value}), Reading({"voltage_v": 400.0})], CATALOGUE)
    ((first, second),) = made.values()
    assert math.isnan(first)
    assert second == 400.0
