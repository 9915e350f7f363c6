"""What the pages say while agents are away: sums of what is heard, and in words what they leave out."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from der_client import AsyncHeadendClient
from der_client.fake import BATTERY_A, CAMPUS_A, CAMPUS_SITE, EXAMPLE, GATEWAY_SITE, FakeHeadend
from der_client.models import Site
from der_console import cells
from der_console.console import Console, shell_cells
from der_console.feeds.fleet import FleetFeed, fleet_cells, power_series
from der_console.feeds.measured import asset_cells, site_cells
from der_console.feeds.order import site_cells as target_cells
from der_console.picture import Picture, Totals
from der_console.topics import Topic
from kit.fake_headend import asset
from kit.scripted_headend import until

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp()
LAST_HEARD = "2026-01-01T11:41:07Z"


def site(name: str, heard: int, total: int, **values: Any) -> Site:
    made: Any = {
        "id": name,
        "name": name,
        "location": "Here",
        "current_mw": 12.0 if heard else None,
        "soc_mwhr": 20.0 if heard else None,
        "soc_pct": 50.0 if heard else None,
        "capacity_mwhr": 40.0 * total,
        "headroom_up_mw": 8.0 if heard else None,
        "headroom_down_mw": 32.0 if heard else None,
        "assets_online": heard,
        "assets_heard": heard,
        "assets_total": total,
        "unheard_since": LAST_HEARD if heard < total else None,
        "alarms": 0,
        "assets": [],
    }
    return made | values  # type: ignore[no-any-return]


def picture(*sites: Site, alarms: Mapping[str, str] | None = None) -> Picture:
    """What is known of these sites; ``alarms``: the severity of the one that is raised, by site."""
    totals = Totals()
    for each in sites:
        totals = totals.plus(each)
    raised: Any = {name: {"site_id": name, "severity": severity} for name, severity in (alarms or {}).items()}
    known = {each["id"]: each for each in sites}
    return Picture(sites=known, sites_at=NOW, totals=totals, alarms=raised)


def fleet(known: Picture) -> dict[str, Any]:
    return fleet_cells(known, sites=known.sites.values())


def test_sums_of_the_fleet_say_what_they_leave_out() -> None:
    shown = fleet(picture(site("North", 3, 3), site("South", 0, 2)))
    assert shown["net"]["t"] == "+12.00"
    assert shown["left_out"]["t"] == "Sums are from 3 of 5 assets; 2 not heard since 11:41:07 UTC."
    assert shown["part"]["t"] == "from 3 of 5 assets"
    assert shown["energy_of"]["t"] == "of 200.0 MWh in all"
    north, south = shown["sites"]["rows"]
    assert (north["mw"]["t"], north["name"]["b"]) == ("+12.00", "")
    assert (south["mw"]["s"], south["soc"]["s"]) == ("unknown", "unknown")
    assert south["name"]["b"] == "2 not heard since 11:41:07 UTC"


@pytest.mark.parametrize("whole", [True, False])
def test_stale_is_what_is_online_and_in_no_sum_in_a_fleet_of_any_size(whole: bool) -> None:
    known = picture(site("North", 1, 4, assets_online=3))
    known.whole = whole
    shown = fleet(known)
    assert shown["stale"] == {"t": "of 4, 1 disconnected, 2 stale", "s": "warn"}
    assert shown["part"]["t"] == "from 1 of 4 assets"


def test_complete_sums_say_nothing_of_it() -> None:
    shown = fleet(picture(site("North", 3, 3)))
    assert (shown["left_out"]["t"], shown["part"]["t"]) == ("", "")
    assert shown["stale"]["t"] == "of 3, all live"
    assert shown["energy_of"]["t"] == "of 120.0 MWh"


def test_a_site_says_what_its_sums_leave_out_and_why() -> None:
    stale = asset("a", "A", updated_at="2026-01-01T11:59:30Z", setpoint_mw=5.0)
    away = asset("b", "B", online=False, setpoint_mw=7.0)
    live = asset("c", "C", setpoint_mw=2.0)
    shown = site_cells(site("North", 1, 3, assets_online=2, assets=[stale, away, live]), NOW, critical=False)
    assert shown["left_out"]["t"] == "Sums are from 1 of 3 assets; 2 not heard since 11:41:07 UTC."
    assert shown["setpoint"]["t"] == "+2.00"
    assert shown["away"]["t"] == "1 disconnected, 1 stale"
    assert shown["soc"]["t"] == "50.0"
    target = target_cells(site("North", 2, 3), [], NOW)
    assert target["online"]["t"] == "2 / 3 assets; 1 not heard since 11:41:07 UTC"


@pytest.mark.parametrize(
    ("values", "data", "word"),
    [
        ({}, "live", "discharging"),
        ({"updated_at": "2026-01-01T11:59:30Z"}, "stale", "last known: discharging"),
        ({"online": False}, "disconnected", "last known: discharging"),
        (
            {"online": False, "updated_at": None, "current_mw": None, "status": None},
            "disconnected",
            "unknown",
        ),
    ],
)
def test_what_an_asset_did_last_is_not_said_to_be_now(values: Any, data: str, word: str) -> None:
    shown = asset_cells(asset("a", "A", **values), NOW)
    assert (shown["data"]["t"], shown["word"]["t"]) == (data, word)
    assert ("s" in shown["power"]) == ("s" in shown["word"]) == (data != "live")


@pytest.mark.parametrize(
    ("alarms", "look"), [({}, "quiet"), ({"North": "warning"}, "warn"), ({"North": "critical"}, "bad")]
)
def test_alarms_are_red_only_if_one_is_critical(alarms: dict[str, str], look: str) -> None:
    known = picture(site("North", 3, 3, alarms=len(alarms)), site("South", 2, 2), alarms=alarms)
    shown = fleet(known)
    assert shell_cells(known)["alarms"]["s"] == shown["alarms"]["s"] == look
    assert [row["alarms"]["s"] for row in shown["sites"]["rows"]] == [look, "quiet"]
    assert cells.alarms(3, critical=False)["t"] == "3"


@pytest.fixture
def headend() -> FakeHeadend:
    """One that began three minutes ago, and whose campus fell silent in the first of them."""
    now = time.time()
    fake = FakeHeadend(now=lambda: datetime.fromtimestamp(now - now % 60 - 180, UTC))
    fake.measure(CAMPUS_A, current_mw=5.0)
    fake.disconnect(CAMPUS_SITE)
    for mw in (10.0, 12.0):
        fake.advance(60)
        for each in EXAMPLE.assets_of(UUID(GATEWAY_SITE)):
            fake.measure(str(each.id), current_mw=mw if str(each.id) == BATTERY_A else 0.0)
    return fake


async def test_both_parts_of_the_chart_leave_out_who_is_silent(
    headend: FakeHeadend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("der_console.hub._TICK_S", 0.01)
    async with AsyncHeadendClient("http://headend", transport=headend.async_transport) as client:
        console = Console(client, url="http://headend")
        feed = FleetFeed(console)
        topic = Topic("fleet", feed)
        running = [asyncio.create_task(work) for work in (console.hub.run(lambda _: None), feed(topic))]
        await until(lambda: bool(feed.charted_names) and "left_out" in topic.cells)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    assert [one.look for one in power_series(feed.charted_names)] == ["sum", "one", "one", "missing"]
    assert feed.charted_names == ["Gateway-Test", "Campus-Test"]
    chart = feed.trend.columns()
    everything, gateway, campus, missing = chart["s"]
    rows = zip(everything, gateway, campus, missing, strict=True)
    drawn: list[Any] = [row for row in rows if row[0] is not None]
    assert drawn[0] == (2.5, 0.0, 2.5, 0)
    assert drawn[2:4] == [(10.0, 10.0, None, 2)] * 2  # both ends of the second minute
    assert drawn[4:6] == [(12.0, 12.0, None, 2)] * 2
    assert set(drawn[6:]) == {(12.0, 12.0, None, 2)}  # live
    assert topic.cells["left_out"]["t"].startswith("Sums are from 3 of 5 assets; 2 not heard since ")
