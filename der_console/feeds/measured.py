"""What the pages of one asset and of one site show: live values, from a stream of their own."""

import asyncio
from collections.abc import Coroutine, Iterable
from contextlib import aclosing
from typing import Any, NoReturn

from der_client import Connected, HeadendError, LinkChanged, Missed, Telemetry
from der_client.heard import heard_of
from der_client.models import Asset, Sample, Site
from der_console import cells
from der_console.cells import Cell, Look
from der_console.console import Console
from der_console.feeds.fleet import asset_table
from der_console.parts.listing import rows
from der_console.picture import Freshness, freshness, stale_before, with_sample
from der_console.topics import Topic

_SITE_S = 2.0
_ASSETS_PER_S = 500
_UNITS = {
    "v": "V", "kv": "kV", "a": "A", "hz": "Hz", "c": "°C", "pct": "%", "mw": "MW", "kw": "kW", "mvar": "Mvar",
    "mwh": "MWh", "mwhr": "MWh", "w_m2": "W/m²", "m_s": "m/s", "s": "s",
}  # fmt: skip


class AssetFeed:
    """Keeps the topic of one asset's page; ``asset`` is its entry, ``None`` until it was read."""

    def __init__(self, console: Console, asset_id: str) -> None:
        self._headend = console.headend
        self._hub = console.hub
        self._id = asset_id
        self.asset: Asset | None = None

    async def __call__(self, topic: Topic) -> None:
        """Keep it for as long as it is shown.

        Raises:
            HeadendError: there is no such asset, or the headend is away.
        """
        await self._read(topic)
        await _together(asset_samples=self._follow(topic), asset_age=self._age(topic))

    async def _follow(self, topic: Topic) -> None:
        async with aclosing(self._headend.stream(asset_id=self._id, telemetry_s=1.0)) as events:
            async for event in events:
                match event:
                    case Telemetry(samples):
                        for sample in samples:
                            self._measured(topic, sample)
                    case Connected() | LinkChanged() | Missed():
                        await self._read(topic)

    async def _age(self, topic: Topic) -> NoReturn:
        """What was live becomes stale though nothing more is heard."""
        while True:
            await self._hub.moved()
            if self.asset is not None:
                topic.publish(asset_cells(self.asset, self._hub.now()))

    async def _read(self, topic: Topic) -> None:
        self.asset = await self._headend.asset(self._id)
        topic.publish(asset_cells(self.asset, self._hub.now()))

    def _measured(self, topic: Topic, sample: Sample) -> None:
        if self.asset is None:
            return
        self.asset = asset = with_sample(self.asset, sample)
        topic.publish(asset_cells(asset, self._hub.now()) | {"signals": _signals(sample)})
        at = cells.seconds(sample["timestamp"])
        values = (
            None,
            None,
            asset["current_mw"],
            asset["setpoint_mw"],
            asset["max_mw"],
            asset["min_mw"],
            asset["soc_pct"],
            0,
        )
        topic.send(f"power-{self._id}", {"t": [at], "s": [[value] for value in values]})


class SiteFeed:
    """Keeps the topic of one site's page; ``site`` is its entry, ``assets`` are its table's rows."""

    def __init__(self, console: Console, site_id: str) -> None:
        self._headend = console.headend
        self._hub = console.hub
        self._tables = console.tables
        self._id = site_id
        self.assets = asset_table(f"site-{site_id}")
        self.site: Site | None = None
        self._known: dict[str, Asset] = {}

    async def __call__(self, topic: Topic) -> None:
        """Keep it for as long as it is shown.

        Raises:
            HeadendError: there is no such site, or the headend is away.
        """
        await _together(site_sums=self._sums(topic), site_samples=self._samples(topic))

    async def _sums(self, topic: Topic) -> NoReturn:
        while True:
            site = await self._headend.site(self._id)
            if self.site is None:  # whoever asks for a site that is not there leaves no table behind
                self._tables[self.assets.name] = self.assets
                topic.at_end(lambda: self._tables.pop(self.assets.name, None))
            self.site = site
            self._known = {
                asset["id"]: _newer(self._known.get(asset["id"]), asset) for asset in site["assets"]
            }
            now, critical = self._hub.now(), self._id in self._hub.picture.critical_sites()
            topic.publish(site_cells(site, now, critical=critical))
            await self.assets.show(topic, self._known)
            values = (
                None,
                None,
                site["current_mw"],
                _setpoint(site["assets"], now),
                sum(asset["max_mw"] for asset in site["assets"]),
                sum(asset["min_mw"] for asset in site["assets"]),
                site["soc_pct"],
                heard_of([site]).missing,
            )
            topic.send(f"power-{self._id}", {"t": [now], "s": [[value] for value in values]})
            await asyncio.sleep(max(_SITE_S, len(self._known) / _ASSETS_PER_S))

    async def _samples(self, topic: Topic) -> None:
        async with aclosing(self._headend.stream(site_id=self._id, telemetry_s=1.0)) as events:
            async for event in events:
                if isinstance(event, Telemetry):
                    for sample in event.samples:
                        if (known := self._known.get(sample["asset_id"])) is not None:
                            self._known[sample["asset_id"]] = with_sample(known, sample)
                    await self.assets.show(topic, self._known)


async def _together(**works: Coroutine[Any, Any, None]) -> None:
    """Do all of it, by names for people who look at the tasks, until the headend is away."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for name, work in works.items():
                tasks.create_task(work, name=f"console {name}")
    except* HeadendError as errors:
        raise errors.exceptions[0] from None


def asset_cells(asset: Asset, now: float) -> dict[str, Cell]:
    """One asset's values, faded and said to be the last known ones while they are not live."""
    at = cells.seconds(asset["updated_at"])
    state = freshness(asset, stale_before(now))
    off: Look | None = None if state == "live" else "off"
    last = "" if state == "live" or asset["current_mw"] is None else "last known: "
    looks: dict[Freshness, Look] = {
        "live": "ok",
        "stale": "warn",
        "disconnected": "bad",
        "unknown": "unknown",
    }
    soc = asset["soc_pct"]
    return {
        "title": cells.text(asset["name"]),
        "power": cells.power(asset["current_mw"], look=off, at=at),
        "word": cells.text(last + cells.word(asset["current_mw"]), look=off),
        "setpoint": cells.power(asset["setpoint_mw"], look=off, at=at),
        "soc": cells.percent(soc, look=off, at=at),
        "energy": cells.amount(asset["soc_mwhr"], look=off, at=at),
        "status": cells.text(asset["status"] and last + asset["status"], look=off),
        "data": cells.text(state, look=looks[state]),
        "updated": {"t": "last sample", "at": at} if at is not None else cells.text("no sample yet"),
        "gauge": _gauge(soc, asset["min_soc_pct"], asset["max_soc_pct"], live=state == "live"),
        "facts": rows(_facts(asset)),
    }


def site_cells(site: Site, now: float, *, critical: bool) -> dict[str, Cell]:
    """One site's sums; ``critical``: one of its raised alarms is."""
    heard, total, soc = heard_of([site]), site["assets_total"], site["soc_pct"]
    away, stale = total - site["assets_online"], site["assets_online"] - site["assets_heard"]
    part = heard.part()
    silent = [f"{count} {why}" for count, why in ((away, "disconnected"), (stale, "stale")) if count]
    return {
        "title": cells.text(site["name"]),
        "left_out": cells.left_out(heard, now),
        "part": cells.text(part, look="warn"),
        "power": cells.power(site["current_mw"], at=now),
        "word": cells.text(cells.word(site["current_mw"], site=True)),
        "setpoint": cells.power(_setpoint(site["assets"], now), at=now),
        "energy": cells.amount(site["soc_mwhr"], at=now),
        "energy_of": cells.text(f"of {cells.number(site['capacity_mwhr'])} MWh{' in all' if part else ''}"),
        "up": cells.amount(site["headroom_up_mw"], at=now),
        "down": cells.amount(site["headroom_down_mw"], at=now),
        "online": cells.text(f"{site['assets_online']} / {total}", look="warn" if away else None, at=now),
        "away": cells.text(", ".join(silent) or "all connected", look="warn" if silent else None),
        "alarms": cells.alarms(site["alarms"], critical=critical, at=now),
        "alarms_word": cells.text("see Events" if site["alarms"] else "none raised"),
        "soc": cells.percent(soc, at=now),
        "gauge": _gauge(soc, 0.0, 100.0, live=True),
    }


def _facts(asset: Asset) -> Iterable[dict[str, str]]:
    limits = f"{cells.signed(asset['min_mw'])} … {cells.signed(asset['max_mw'])} MW"
    for name, value in (
        ("Type", asset["asset_type"]),
        ("Limits", limits),
        ("Capacity", f"{cells.number(asset['capacity_mwhr'])} MWh"),
        ("SOC range", f"{asset['min_soc_pct']:g} … {asset['max_soc_pct']:g} %"),
        ("Efficiency", f"{asset['efficiency']:g} one way"),
        ("Ramp", f"{asset['ramp_rate_mw_per_min']:g} MW/min"),
        ("Fail-safe", f"{cells.signed(asset['failsafe_mw'])} MW"),
        ("Location", asset["location"]),
    ):
        yield {"id": name, "name": name, "value": value}


def _signals(sample: Sample) -> Cell:
    return rows({"id": name, **signal_row(name, value)} for name, value in sample["signals"].items())


def signal_row(name: str, value: float | str) -> dict[str, str]:
    """A signal's name says its unit at its end, as in ``voltage_v``."""
    ending = next((each for each in _UNITS if name.endswith(f"_{each}")), None)
    label = name.removesuffix(f"_{ending}").replace("_", " ").capitalize()
    shown = value if isinstance(value, str) else cells.number(value)
    return {"name": label, "value": f"{shown} {_UNITS[ending]}" if ending else shown}


def _gauge(soc: float | None, low: float, high: float, *, live: bool) -> Cell:
    if soc is None:
        return cells.text(None)
    return {"t": f"{soc:.1f}", "s": "ok" if live else "off", "gauge": [soc, low, high]}


def _setpoint(assets: Iterable[Asset], now: float) -> float | None:
    """The setpoints of those assets together whose power is in the site's."""
    limit = stale_before(now)
    heard = (asset["setpoint_mw"] for asset in assets if freshness(asset, limit) == "live")
    known = [mw for mw in heard if mw is not None]
    return sum(known) if known else None


def _newer(known: Asset | None, read: Asset) -> Asset:
    """What was read, unless it is what is known already: then that, so that nothing is sent again."""
    return known if known == read and known is not None else read
