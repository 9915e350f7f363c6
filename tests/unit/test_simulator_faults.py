"""Faults of the simulator come by seed, do what they are called, and go away; virtual time throughout."""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from itertools import islice
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from der_core.assets import Asset
from der_core.events import Severity
from edge_agent.drivers.simulator import simulated_driver
from edge_agent.drivers.simulator.battery import Battery
from edge_agent.drivers.simulator.driver import SimulatedDriver
from edge_agent.drivers.simulator.faults import LONGEST_S, SHORTEST_S, FaultKind, Span, spans
from edge_agent.ports import DriverFailed

ASSET = Asset(
    id=UUID("7ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    name="GT-BESS-A",
    site_id=UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    capacity_mwhr=120.0,
    max_mw=60.0,
    min_mw=-60.0,
    efficiency=0.92,
    ramp_rate_mw_per_min=1000.0,
    min_soc_pct=10.0,
    max_soc_pct=90.0,
)
START = datetime(2026, 6, 21, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return 500.0 + self.now

    def utcnow(self) -> datetime:
        return START + timedelta(seconds=self.now)


def one_fault(kind: FaultKind) -> Iterator[Span]:
    return iter([Span(0.0, 60.0, None), Span(60.0, 120.0, kind), Span(120.0, math.inf, None)])


def driver_with(kind: FaultKind, clock: Clock) -> SimulatedDriver:
    return SimulatedDriver(
        asset=ASSET,
        machine=Battery.at_rest(ASSET),
        spans=one_fault(kind),
        seed="1",
        monotonic=clock.monotonic,
        utcnow=clock.utcnow,
    )


async def test_an_inverter_trip_stops_the_asset_until_it_clears() -> None:
    clock = Clock()
    driver = driver_with(FaultKind.INVERTER_TRIP, clock)
    await driver.write(30.0)
    clock.now = 90.0
    reading = await driver.read()
    assert (reading.values["current_mw"], reading.values["status"]) == (0.0, "fault")
    assert [(fault.code, fault.severity) for fault in reading.faults] == [
        ("inverter_trip", Severity.CRITICAL)
    ]
    assert driver.online()
    clock.now = 130.0
    reading = await driver.read()
    assert (reading.values["current_mw"], reading.values["status"], reading.faults) == (
        30.0,
        "discharging",
        (),
    )


async def test_a_rack_fault_halves_the_limits() -> None:
    clock = Clock()
    driver = driver_with(FaultKind.RACK, clock)
    await driver.write(50.0)
    clock.now = 90.0
    reading = await driver.read()
    assert reading.values["current_mw"] == 30.0
    assert reading.faults[0].code == "rack_fault"
    clock.now = 130.0
    assert (await driver.read()).values["current_mw"] == 50.0


async def test_a_broken_air_conditioning_only_warms() -> None:
    clock = Clock()
    driver = driver_with(FaultKind.HVAC, clock)
    await driver.write(50.0)
    clock.now = 59.0
    before = (await driver.read()).values
    clock.now = 119.0
    reading = await driver.read()
    assert reading.values["current_mw"] == 50.0
    assert float(reading.values["temperature_c"]) > float(before["temperature_c"]) + 1.0
    assert [(fault.code, fault.severity) for fault in reading.faults] == [("hvac_fault", Severity.WARNING)]


async def test_without_comms_the_asset_does_not_answer_and_goes_on() -> None:
    clock = Clock()
    driver = driver_with(FaultKind.COMMS, clock)
    await driver.write(9.2)
    clock.now = 90.0
    assert not driver.online()
    with pytest.raises(DriverFailed, match="GT-BESS-A: The asset does not answer"):
        await driver.read()
    with pytest.raises(DriverFailed):
        await driver.write(0.0)
    clock.now = 3600.0
    assert driver.online()
    values = (await driver.read()).values
    assert values["current_mw"] == 9.2
    assert values["soc_mwhr"] == pytest.approx(50.0, abs=0.01)


@given(st.text(max_size=4), st.floats(0.01, 100))
def test_spans_follow_each_other_and_every_fault_clears(seed: str, rate: float) -> None:
    at_s = 0.0
    for place, span in enumerate(islice(spans(seed=seed, rate_per_hour=rate, kinds=tuple(FaultKind)), 40)):
        assert span.since_s == at_s <= span.until_s < math.inf
        assert (span.fault is None) == (place % 2 == 0)
        if span.fault is not None:
            lasts_s = span.until_s - span.since_s
            assert SHORTEST_S - 1e-6 <= lasts_s <= LONGEST_S + 1e-6
        at_s = span.until_s


def test_the_rate_is_what_it_says() -> None:
    taken = list(islice(spans(seed="1", rate_per_hour=0.5, kinds=tuple(FaultKind)), 4000))
    healthy_h = sum(span.until_s - span.since_s for span in taken if span.fault is None) / 3600
    assert 2000 / healthy_h == pytest.approx(0.5, rel=0.1)
    assert {span.fault for span in taken} == {None, *FaultKind}


def test_without_a_rate_nothing_ever_breaks() -> None:
    assert list(spans(seed="1", rate_per_hour=0.0, kinds=tuple(FaultKind))) == [Span(0.0, math.inf, None)]


Shown = tuple[Mapping[str, float | str], str | None]


async def recorded(seed: int, step_s: float, *, until_s: float) -> list[Shown]:
    """What a driver with many faults shows at every step: its values, and the code of its fault."""
    clock = Clock()
    driver = simulated_driver(
        ASSET, monotonic=clock.monotonic, utcnow=clock.utcnow, seed=seed, fault_rate_per_hour=20.0
    )
    await driver.write(10.0)
    shown: list[Shown] = []
    while clock.now < until_s:
        clock.now += step_s
        try:
            reading = await driver.read()
        except DriverFailed:
            shown.append(({}, "comms_lost"))
        else:
            shown.append((reading.values, reading.faults[0].code if reading.faults else None))
    return shown


async def test_the_same_seed_gives_the_same_run() -> None:
    first = await recorded(1, 4.0, until_s=3600.0)
    assert {code for _, code in first} > {None, "comms_lost"}
    assert await recorded(1, 4.0, until_s=3600.0) == first
    assert await recorded(2, 4.0, until_s=3600.0) != first


@given(st.integers(0, 1000), st.sampled_from([7.5, 60.0, 450.0]))
@settings(max_examples=20, deadline=None)
async def test_a_run_does_not_depend_on_how_often_it_is_read(seed: int, step_s: float) -> None:
    coarse = await recorded(seed, 1800.0, until_s=1800.0)
    fine = await recorded(seed, step_s, until_s=1800.0)
    (coarse_values, coarse_fault), (fine_values, fine_fault) = coarse[-1], fine[-1]
    assert coarse_fault == fine_fault
    assert coarse_values.keys() == fine_values.keys()
    for name, value in coarse_values.items():
        assert fine_values[name] == (value if isinstance(value, str) else pytest.approx(value))
