"""What was measured, as columns for a chart, with a headend that is scripted."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from der_client import Invalid
from der_client.routes import Resolution, Width
from der_console.feeds.past import LIVE, MOST_SITES, SPANS, WIDTH, asset_past, fleet_past, site_past
from der_console.pages.power import SERIES

ASSETS: Any = [
    {"id": name, "site_id": site, "max_mw": 5.0, "min_mw": -5.0, "capacity_mwhr": capacity}
    for name, site, capacity in (("a", "north", 1.0), ("b", "north", 3.0), ("c", "south", 1.0))
]
SITES: Any = [
    {"id": "north", "assets": ASSETS[:2], "assets_total": 2},
    {"id": "south", "assets": ASSETS[2:], "assets_total": 1},
]
MW: dict[str, dict[float, float]] = {
    "a": {0: 1.0, 60: 2.0},
    "b": {0: 10.0, 60: 20.0, 600: 30.0},
    "c": {60: -4.0},
}


class Headend:
    """Three assets, of which the power was measured at the given seconds; ``asked``: of which sites the past was."""

    def __init__(self, mw: dict[str, dict[float, float]], *, too_large: str = "") -> None:
        self._mw = mw
        self._too_large = too_large
        self.asked: list[str] = []

    async def history(self, asset_id: str, *, resolution: Resolution, **_: Any) -> AsyncIterator[Any]:
        for at, mw in self._mw.get(asset_id, {}).items():
            raw = {"current_mw": mw, "setpoint_mw": mw, "soc_pct": 10.0}
            bucket = {
                name: dict.fromkeys(("mean", "min", "max", "last"), value) for name, value in raw.items()
            }
            yield {
                "timestamp": datetime.fromtimestamp(at, UTC).isoformat(),
                **(raw if resolution == "raw" else bucket),
            }

    async def site_history(self, site_id: str, *, resolution: Width, **_: Any) -> AsyncIterator[Any]:
        assert resolution == "1m"
        self.asked.append(site_id)
        if site_id == self._too_large:
            raise Invalid(code="site_too_large", status=422, title="", detail="too many assets")
        members = [asset["id"] for asset in ASSETS if asset["site_id"] == site_id]
        for at in sorted({at for name in members for at in self._mw.get(name, {})}, reverse=True):
            powers = [self._mw[name][at] for name in members if at in self._mw.get(name, {})]
            yield {
                "timestamp": datetime.fromtimestamp(at, UTC).isoformat(),
                "assets": len(powers),
                "current_mw": {"mean": sum(powers)},
                "setpoint_mw": sum(powers),
                "soc_pct": 40.0,
            }


def of_fleet(headend: Headend, sites: list[Any], charted: list[str]) -> Any:
    return asyncio.run(fleet_past(headend, sites, charted))  # type: ignore[arg-type]


def drawn(columns: Any, series: int) -> list[Any]:
    return list(zip(columns["t"], columns["s"][series], strict=True))


def test_the_past_of_a_fleet_is_summed_by_site_and_gaps_stay_gaps() -> None:
    past = of_fleet(Headend(MW), SITES, ["south", "north"])
    assert past["t"] == pytest.approx([0, 60, 60, 120, 120, 600, 660, 660], abs=0.01)
    assert past["s"] == [
        [11.0, 11.0, 18.0, 18.0, None, 30.0, 30.0, None],
        [None, None, -4.0, -4.0, None, None, None, None],
        [11.0, 11.0, 22.0, 22.0, None, 30.0, 30.0, None],
        [1, 1, 0, 0, 3, 2, 2, 3],
    ]


def test_of_many_sites_only_the_past_of_those_that_are_drawn_is_read() -> None:
    headend = Headend(MW)
    others: Any = [{"id": str(n), "assets": [], "assets_total": 1} for n in range(MOST_SITES)]
    past = of_fleet(headend, SITES + others, ["south"])
    assert headend.asked == ["south"]
    assert past["s"] == [[None, None, None], [-4.0, -4.0, None], [0, 0, 1]]


def test_a_site_too_large_to_be_summed_up_is_missing_in_the_past_of_the_fleet() -> None:
    past = of_fleet(Headend(MW, too_large="north"), SITES, ["south", "north"])
    assert past["s"] == [[-4.0, -4.0, None], [-4.0, -4.0, None], [None, None, None], [2, 2, 3]]


def test_a_mean_is_drawn_over_its_whole_minute_and_no_further() -> None:
    past = asyncio.run(asset_past(Headend(MW), ASSETS[0], SPANS[1]))  # type: ignore[arg-type]
    assert past["t"] == pytest.approx([0, 59.999, 60, 119.999, 120], abs=1e-6)
    assert all(earlier < later for earlier, later in zip(past["t"], past["t"][1:], strict=False))
    assert past["s"][2] == [1.0, 1.0, 2.0, 2.0, None]


@pytest.mark.parametrize(("begun_s", "points"), [(2.0, 0), (30.0, 2)])
def test_a_minute_counts_once_every_asset_could_be_heard_in_it_and_ends_now(
    begun_s: float, points: int
) -> None:
    began = time.time() - begun_s
    past = asyncio.run(site_past(Headend({"a": {began: 7.0}}), SITES[0], LIVE))  # type: ignore[arg-type]
    assert len(past["t"]) == points
    assert all(at <= time.time() for at in past["t"])


def test_samples_are_joined_within_three_of_their_usual_steps() -> None:
    samples: dict[float, float] = dict.fromkeys((0, 10, 20, 45, 100), 1.0)
    past = asyncio.run(asset_past(Headend({"a": samples}), ASSETS[0], LIVE))  # type: ignore[arg-type]
    assert [(round(at), mw) for at, mw in drawn(past, 2)] == [
        (0, 1.0),
        (10, 1.0),
        (20, 1.0),
        (45, 1.0),
        (45, None),
        (100, 1.0),
        (100, None),
    ]


def test_the_past_of_a_site_has_its_limits_and_says_how_many_are_missing() -> None:
    past = asyncio.run(site_past(Headend(MW), SITES[0], LIVE))  # type: ignore[arg-type]
    _, _, power, setpoint, upper, lower, soc, missing = past["s"]
    assert power == setpoint == [11.0, 11.0, 22.0, 22.0, None, 30.0, 30.0, None]
    assert (set(upper), set(lower)) == ({10.0}, {-10.0})
    assert soc == [40.0, 40.0, 40.0, 40.0, None, 40.0, 40.0, None]
    assert missing == [0, 0, 0, 0, 2, 1, 1, 2]


def test_every_chart_has_a_column_for_each_of_its_series() -> None:
    assert len(SERIES) == WIDTH
    assert {span.resolution for span in SPANS} == set(get_args(Resolution))
