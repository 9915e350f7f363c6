"""What the fleet page shows."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from heapq import nsmallest
from itertools import chain

from der_client import HeadendError
from der_client.heard import heard_of
from der_client.models import Asset, Site
from der_console import cells
from der_console.cells import Cell
from der_console.console import Console
from der_console.feeds.past import PAST_HOLDS_S, fleet_past
from der_console.parts.chart import Series
from der_console.parts.listing import rows
from der_console.picture import MOST_ASSETS, Picture
from der_console.tables import Row, Table
from der_console.topics import Topic
from der_console.trends import Trend
from der_console.turns import LOOKED_AT_AT_ONCE, in_turns
from der_core.freshness import STALE_AFTER_S

SITES_LISTED = 40
_PAST_WITHIN_S = 3.0
SITES_CHARTED = 8

_SITE_HOLDS_S = 0.01  # the hub needs a fifth of that for each site to read them all


class FleetFeed:
    """Keeps the topic of the fleet page; ``assets`` are the rows of its table, ``trend`` the lines of its chart."""

    def __init__(self, console: Console) -> None:
        self.assets: Table[Asset] = console.tables.setdefault("assets", asset_table("assets"))
        self.trend = Trend(2)
        self.charted_names: list[str] = []
        self._charted: list[str] = []
        self._chosen_from: frozenset[str] | None = None
        self._hub = console.hub
        self._headend = console.headend

    async def __call__(self, topic: Topic) -> None:
        """Keep it for as long as it is shown."""
        while True:
            picture = await self._hub.moved()
            if picture.sites_at is None:
                continue
            topic.publish(fleet_cells(picture, sites=await listed(picture.sites.values())))
            await self.assets.show(topic, picture.assets)
            if self._chosen_from != picture.sites.keys() and _known(picture):
                await self._begin(topic, picture)
            self._follow(topic, picture)

    async def _begin(self, topic: Topic, picture: Picture) -> None:
        """Choose the largest sites for the chart, and begin with their past."""
        sites = picture.sites
        largest = await largest_of(sites.values(), picture.assets)
        ids = [site["id"] for site in largest]
        trend = Trend(len(ids) + 2)
        # A headend whose database is away or slow has values, but no past.
        with contextlib.suppress(HeadendError, TimeoutError):
            async with asyncio.timeout(_PAST_WITHIN_S):
                past = await fleet_past(self._headend, sites.values(), ids)
            for at, *values in zip(past["t"], *past["s"], strict=True):
                trend.add(at, values, holds_s=PAST_HOLDS_S)
        self._charted, self._chosen_from, self.trend = ids, frozenset(sites), trend
        self.charted_names = [site["name"] for site in largest]
        series = [asdict(one) for one in power_series(self.charted_names)]
        topic.send("fleet-power", {"series": series, **trend.columns()})

    def _follow(self, topic: Topic, picture: Picture) -> None:
        """Go on with the chart."""
        sites = [picture.sites.get(site_id) for site_id in self._charted]
        mw = [site and site["current_mw"] for site in sites]
        at, total = picture.sites_at or 0.0, picture.totals
        holds_s = max(STALE_AFTER_S, total.sites * _SITE_HOLDS_S)
        more = self.trend.add(at, [total.current_mw, *mw, total.heard.missing], holds_s=holds_s)
        if more is not None:
            topic.send("fleet-power", more)


def power_series(names: Iterable[str]) -> list[Series]:
    """The lines of the chart: of all sites together, then of each; at last how many assets are in none of them."""
    return [Series("All sites", "sum"), *map(Series, names), Series("Not heard", "missing")]


def fleet_cells(picture: Picture, *, sites: Iterable[Site]) -> dict[str, Cell]:
    """The sums and the list of ``sites``. An asset is stale that is online and in no sum."""
    total, at, critical = picture.totals, picture.sites_at or 0.0, picture.critical_sites()
    away = total.assets_total - total.assets_online
    stale = total.assets_online - total.heard.heard
    silent = [f"{count:,} {why}" for count, why in ((away, "disconnected"), (stale, "stale")) if count]
    part = total.heard.part()
    return {
        "read": cells.text("", at=at),
        "left_out": cells.left_out(total.heard, at),
        "part": cells.text(part, look="warn"),
        "net": cells.power(total.current_mw, at=at),
        "net_word": cells.text(cells.word(total.current_mw, site=True)),
        "energy": cells.amount(total.soc_mwhr, at=at),
        "energy_of": cells.text(f"of {cells.number(total.capacity_mwhr)} MWh{' in all' if part else ''}"),
        "up": cells.amount(total.headroom_up_mw, at=at),
        "down": cells.amount(total.headroom_down_mw, at=at),
        "connected": cells.text(f"{total.assets_online:,}", look="warn" if away else None, at=at),
        "stale": cells.text(
            ", ".join([f"of {total.assets_total:,}", *(silent or ["all live"])]),
            look="warn" if silent else "quiet",
        ),
        "alarms": cells.alarms(total.alarms, critical=picture.critical, at=at),
        "alarms_word": cells.text("see Events" if total.alarms else "none raised"),
        "sites": rows(_site_row(site, at, critical) for site in sites),
        "more_sites": cells.text(
            f"{SITES_LISTED} of {total.sites:,} sites, those with alarms or assets away first"
            if total.sites > SITES_LISTED
            else ""
        ),
        "assets_note": cells.text(
            ""
            if picture.whole
            else f"{total.assets_total:,} assets: more than {MOST_ASSETS:,} are shown one site at a time."
        ),
    }


def _known(picture: Picture) -> bool:
    """Whether there is enough to tell which sites are the largest."""
    return not picture.whole or len(picture.assets) == picture.totals.assets_total


async def largest_of(sites: Iterable[Site], assets: Mapping[str, Asset]) -> list[Site]:
    """The sites for the chart: those that can do the most MW, as far as their assets are known, then by MWh."""
    able_mw: defaultdict[str, float] = defaultdict(float)
    async for some in in_turns(assets.values(), LOOKED_AT_AT_ONCE):
        for asset in some:
            able_mw[asset["site_id"]] += max(abs(asset["min_mw"]), abs(asset["max_mw"]))

    def rank(site: Site) -> tuple[float, float]:
        return -able_mw[site["id"]], -site["capacity_mwhr"]

    return nsmallest(SITES_CHARTED, sites, key=rank)


def asset_table(name: str) -> Table[Asset]:
    """A table with the rows of assets; its columns are ``pages.fleet.ASSET_COLUMNS``."""
    return Table(name, fixed=_fixed, live=_live)


async def listed(sites: Iterable[Site]) -> list[Site]:
    """The sites that are listed: those that need attention first, then by name."""
    found: list[Site] = []
    async for some in in_turns(sites, LOOKED_AT_AT_ONCE):
        found = nsmallest(SITES_LISTED, chain(found, some), key=_rank)
    return found


def _rank(site: Site) -> tuple[bool, bool, str]:
    return site["alarms"] == 0, site["assets_online"] == site["assets_total"], site["name"]


def _site_row(site: Site, at: float, critical: Collection[str]) -> dict[str, str | Cell]:
    away = site["assets_online"] < site["assets_total"]
    left_out = heard_of([site]).left_out(cells.moment(at))
    name: Cell = {"t": site["name"], "h": f"/ui/site/{site['id']}", "b": left_out}
    return {
        "id": site["id"],
        "name": name,
        "mw": cells.power(site["current_mw"]),
        "soc": cells.percent(site["soc_pct"]),
        "up": cells.amount(site["headroom_up_mw"]),
        "down": cells.amount(site["headroom_down_mw"]),
        "online": cells.text(
            f"{site['assets_online']} / {site['assets_total']}", look="warn" if away else None
        ),
        "alarms": cells.alarms(site["alarms"], critical=site["id"] in critical),
    }


def _fixed(asset: Asset) -> Row:
    return asset["name"], asset["site_name"], asset["asset_type"], asset["max_mw"], asset["min_mw"]


def _live(asset: Asset) -> Row:
    at = cells.seconds(asset["updated_at"])
    return (
        int(asset["online"]),
        _short(asset["current_mw"]),
        _short(asset["setpoint_mw"]),
        _short(asset["soc_pct"], 1),
        asset["status"],
        None if at is None else round(at),
    )


def _short(value: float | None, digits: int = 3) -> float | None:
    return None if value is None else round(value, digits)
