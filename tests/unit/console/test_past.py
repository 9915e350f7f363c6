"""What was measured, as columns for a chart, with a headend that is scripted."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from der_console.feeds.past import LIVE, fleet_past, site_past

ASSETS = [
    {"id": name, "site_id": site, "max_mw": 5.0, "min_mw": -5.0, "capacity_mwhr": capacity}
    for name, site, capacity in (("a", "north", 1.0), ("b", "north", 3.0), ("c", "south", 1.0))
]
MW = {"a": {0: 1.0, 60: 2.0}, "b": {0: 10.0, 60: 20.0, 600: 30.0}, "c": {60: -4.0}}


class Headend:
    """Three assets, of which the power was measured at the seconds of ``MW``."""

    async def assets(self) -> AsyncIterator[Any]:
        for each in ASSETS:
            yield each

    async def history(self, asset_id: str, **_: Any) -> AsyncIterator[Any]:
        for at, mw in MW[asset_id].items():
            yield {
                "timestamp": datetime.fromtimestamp(at, UTC).isoformat(),
                "current_mw": {"mean": mw, "min": mw, "max": mw, "last": mw},
                "setpoint_mw": {"last": mw},
                "soc_pct": {"last": 10.0 if asset_id == "a" else 50.0},
            }


def test_the_past_of_a_fleet_is_summed_by_site_and_gaps_stay_gaps() -> None:
    past = asyncio.run(fleet_past(Headend(), ["south", "north"]))  # type: ignore[arg-type]
    assert past["t"] == [0, 60, 60 + LIVE.step_s, 600]
    assert past["s"] == [[11.0, 18.0, None, 30.0], [None, -4.0, None, None], [11.0, 22.0, None, 30.0]]


def test_the_past_of_a_site_has_its_limits_and_a_charge_weighted_by_capacity() -> None:
    past = asyncio.run(site_past(Headend(), ASSETS[:2], LIVE))  # type: ignore[arg-type]
    _, _, power, setpoint, upper, lower, soc = past["s"]
    assert power == setpoint == [11.0, 22.0, None, 30.0]
    assert (set(upper), set(lower)) == ({10.0}, {-10.0})
    assert soc == [40.0, 40.0, None, 50.0]
