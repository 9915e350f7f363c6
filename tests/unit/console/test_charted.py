"""Which sites the chart of the fleet shows."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from der_client import AsyncHeadendClient
from der_client.fake import FakeHeadend
from der_console.console import Console
from der_console.feeds.fleet import SITES_CHARTED, FleetFeed, largest_of
from der_core.assets import Inventory, Site
from kit.scripted_headend import until


def place(name: str, capacity_mwhr: float) -> Any:
    return {"id": name, "name": name, "capacity_mwhr": capacity_mwhr}


async def test_the_largest_are_those_that_can_do_the_most_mw_whether_or_not_they_store() -> None:
    batteries = [place(f"b{n}", 400.0) for n in range(SITES_CHARTED)]
    assets: Any = {site["id"]: {"site_id": site["id"], "min_mw": -2.0, "max_mw": 2.0} for site in batteries}
    assets |= {
        "wind": {"site_id": "wind", "min_mw": 0.0, "max_mw": 90.0},
        "charger": {"site_id": "charger", "min_mw": -3.0, "max_mw": 0.0},
    }
    sites: list[Any] = [*batteries, place("charger", 0.0), place("wind", 0.0)]
    largest = await largest_of(sites, assets)
    assert [site["name"] for site in largest] == ["wind", "charger", *(f"b{n}" for n in range(6))]
    of_many = await largest_of(sites, {})
    assert [site["name"] for site in of_many] == [site["name"] for site in batteries]


class Told:
    """Stands in for a topic, and keeps what charts are told to begin anew with."""

    def __init__(self) -> None:
        self.begun: list[list[str]] = []
        self.published = 0

    def publish(self, _cells: Any) -> None:
        self.published += 1

    def send(self, _channel: str, change: dict[str, Any]) -> None:
        if "series" in change:
            self.begun.append([one["name"] for one in change["series"]][1:-1])


@pytest.fixture
async def fleet(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[FakeHeadend, Told]]:
    """What the fleet page is told of a headend that has no sites at first."""
    for pause in ("_TICK_S", "_SITES_S"):
        monkeypatch.setattr(f"der_console.hub.{pause}", 0.01)
    headend = FakeHeadend(Inventory([], []))
    told: Any = Told()
    async with AsyncHeadendClient("http://headend", transport=headend.async_transport) as client:
        console = Console(client, url="http://headend")
        feed = FleetFeed(console)
        running = [asyncio.create_task(work) for work in (console.hub.run(lambda _: None), feed(told))]
        yield headend, told
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def test_they_are_chosen_again_when_the_sites_change_and_only_then(
    fleet: tuple[FakeHeadend, Told],
) -> None:
    headend, told = fleet
    await until(lambda: told.published > 5)
    assert told.begun == [[]]
    site = Site(id=UUID(int=1), name="North", location="Here")
    headend.plant.inventory = headend.inventory = Inventory([site], [])
    await until(lambda: len(told.begun) == 2)
    before = told.published
    await until(lambda: told.published > before + 5)
    assert told.begun == [[], ["North"]]


async def test_live_values_do_not_wait_for_a_past_that_does_not_come(
    fleet: tuple[FakeHeadend, Told], monkeypatch: pytest.MonkeyPatch
) -> None:
    headend, told = fleet
    await until(lambda: told.published > 0)
    asked = asyncio.Event()

    async def never(*_: Any) -> Any:
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("der_console.feeds.fleet.fleet_past", never)
    monkeypatch.setattr("der_console.feeds.fleet._PAST_WITHIN_S", 0.05)
    site = Site(id=UUID(int=1), name="North", location="Here")
    headend.plant.inventory = headend.inventory = Inventory([site], [])
    await asked.wait()
    before = told.published
    await until(lambda: told.published > before + 5)
    assert told.begun == [[], ["North"]]
