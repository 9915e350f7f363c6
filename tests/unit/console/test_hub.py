"""The hub against a headend that is scripted: what it shows, and what it does not ask."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from der_client import Connected, HeadendUnreachable, Interrupted, LinkChanged, Missed, Telemetry
from der_console.hub import Hub
from der_console.picture import MOST_ASSETS, Picture, freshness, stale_before
from kit.scripted_headend import until

AT = "2026-11-23T12:00:00Z"
NOW = 1_795_435_200.0


def site(name: str, assets: int) -> dict[str, Any]:
    return {
        "id": name,
        "name": name,
        "location": "Here",
        "current_mw": 1.5,
        "soc_mwhr": None,
        "soc_pct": None,
        "capacity_mwhr": 10.0,
        "headroom_up_mw": 2.0,
        "headroom_down_mw": 3.0,
        "assets_online": assets,
        "assets_heard": assets,
        "assets_total": assets,
        "unheard_since": None,
        "alarms": 1,
        "assets": [],
    }


def asset(name: str) -> dict[str, Any]:
    return {"id": name, "name": name, "online": True, "updated_at": AT, "current_mw": 0.0}


class Headend:
    """Answers with what it is given; ``away`` makes it not answer, all assets but the first wait for ``go_on``."""

    def __init__(self, sites: list[dict[str, Any]], assets: list[dict[str, Any]]) -> None:
        self._sites, self._assets = sites, assets
        self.away = False
        self.happened: asyncio.Queue[Any] = asyncio.Queue()
        self.assets_asked = self.assets_read = 0
        self.site_asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def sites(self, **_: Any) -> AsyncIterator[Any]:
        if self.away:
            raise HeadendUnreachable("http://here", "connection refused")
        for each in self._sites:
            yield each

    async def assets(self) -> AsyncIterator[Any]:
        self.assets_asked += 1
        for each in self._assets:
            yield each
            await self.go_on.wait()
        self.assets_read += 1

    async def site(self, site_id: str) -> Any:
        self.site_asked.set()
        return {"id": site_id, "assets": [each | {"online": False} for each in self._assets]}

    async def events(self, **_: Any) -> AsyncIterator[Any]:
        nothing: tuple[Any, ...] = ()
        for each in nothing:
            yield each

    async def stream(self, **_: Any) -> AsyncIterator[Any]:
        while True:
            yield await self.happened.get()


@asynccontextmanager
async def following(headend: Headend) -> AsyncIterator[Hub]:
    """A hub that runs until the block is left."""
    hub = Hub(headend, now=lambda: NOW)  # type: ignore[arg-type]  # as much of a client as is used
    running = asyncio.create_task(hub.run(lambda _: None))
    yield hub
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running


async def pictures(headend: Headend, wanted: Callable[[Picture], bool]) -> Picture:
    """Run a hub until its picture is as wanted."""
    async with following(headend) as hub:
        await until(lambda: wanted(hub.picture))
        return hub.picture


def sample_of(name: str) -> Any:
    sample = asset(name) | {"asset_id": name, "timestamp": AT, "current_mw": 7.5, "setpoint_mw": 7.5}
    return sample | {"soc_mwhr": 1.0, "soc_pct": 50.0, "status": "discharging"}


async def test_picture_of_a_fleet(monkeypatch: Any) -> None:
    _hasten(monkeypatch)
    headend = Headend([site("north", 1), site("south", 1)], [asset("a"), asset("b")])

    def loaded(picture: Picture) -> bool:
        if len(picture.assets) == 2 and headend.happened.empty():
            headend.happened.put_nowait(Telemetry([sample_of("a")]))
        return len(picture.assets) == 2 and picture.assets["a"]["current_mw"] == 7.5

    picture = await pictures(headend, loaded)
    assert (picture.totals.current_mw, picture.totals.alarms, picture.totals.assets_total) == (3.0, 2, 2)
    assert picture.totals.soc_mwhr is None
    assert picture.link.up


async def test_a_sample_that_comes_while_assets_are_read_stays(monkeypatch: Any) -> None:
    _hasten(monkeypatch)
    headend = Headend([site("north", 2)], [asset("a"), asset("b")])
    async with following(headend) as hub:
        await until(lambda: len(hub.picture.assets) == 2)
        headend.go_on.clear()
        headend.happened.put_nowait(Missed(None))
        await until(lambda: headend.assets_asked == 2)
        headend.happened.put_nowait(Telemetry([sample_of("a")]))
        await until(lambda: hub.picture.assets["a"]["current_mw"] == 7.5)
        headend.go_on.set()
        await until(lambda: headend.assets_read == 2)
        assert hub.picture.assets["a"]["current_mw"] == 7.5


async def test_a_link_that_changes_while_assets_are_read_is_looked_up_after(monkeypatch: Any) -> None:
    _hasten(monkeypatch)
    headend = Headend([site("north", 2)], [asset("a"), asset("b")])
    headend.go_on.clear()
    async with following(headend) as hub:
        await until(lambda: headend.assets_asked == 1)
        headend.happened.put_nowait(LinkChanged({"site_id": "north"}))  # type: ignore[typeddict-item]
        with suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await headend.site_asked.wait()
        headend.go_on.set()
        await until(lambda: len(hub.picture.assets) == 2 and not hub.picture.assets["a"]["online"])


async def test_large_fleet_is_shown_by_site(monkeypatch: Any) -> None:
    _hasten(monkeypatch)
    headend = Headend([site("large", MOST_ASSETS), site("more", 1)], [])
    picture = await pictures(headend, lambda picture: picture.sites_at is not None and not picture.whole)
    assert picture.totals.assets_total == MOST_ASSETS + 1
    assert picture.assets == {}
    assert headend.assets_asked == 0


async def test_lost_link_is_known_and_heals(monkeypatch: Any) -> None:
    _hasten(monkeypatch)
    headend = Headend([site("north", 1)], [asset("a")])
    lost: list[str] = []

    def healed(picture: Picture) -> bool:
        if picture.link.up and not headend.away and not lost:
            headend.away = True
            headend.happened.put_nowait(Interrupted("connection refused"))
        if not picture.link.up and headend.away:
            lost.append(picture.link.why)
            headend.away = False
            headend.happened.put_nowait(Connected())
        return picture.link.up and bool(lost)

    picture = await pictures(headend, healed)
    assert lost == ["connection refused"]
    assert picture.link.up


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({}, "live"),
        ({"updated_at": "2026-11-23T11:59:44.9Z"}, "stale"),
        ({"online": False}, "disconnected"),
        ({"updated_at": None}, "unknown"),
    ],
)
def test_freshness(known: dict[str, Any], expected: str) -> None:
    entry: Any = asset("a") | known
    assert freshness(entry, stale_before(NOW)) == expected


def _hasten(monkeypatch: Any) -> None:
    for pause in ("_TICK_S", "_SITES_S", "_GATHER_S"):
        monkeypatch.setattr(f"der_console.hub.{pause}", 0.01)
