"""Signals of an asset, with their units."""

import pytest

from der_console.feeds.measured import signal_row
from der_core.signals import CATALOGUE, Signal


@pytest.mark.parametrize("signal", [each for each in CATALOGUE if each.unit], ids=lambda each: each.name)
def test_every_signal_of_ours_has_its_unit(signal: Signal) -> None:
    row = signal_row(signal.name, 7.25)
    assert row["value"] == f"7.25 {signal.unit}"
    assert "_" not in row["name"]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("wind_speed_m_s", 7.25, {"name": "Wind speed", "value": "7.25 m/s"}),
        ("irradiance_w_m2", 812.0, {"name": "Irradiance", "value": "812.0 W/m²"}),
        ("door", "open", {"name": "Door", "value": "open"}),
        ("cycles", 3.0, {"name": "Cycles", "value": "3.00"}),
    ],
)
def test_what_a_signal_is_called(name: str, value: float | str, shown: dict[str, str]) -> None:
    assert signal_row(name, value) == shown
