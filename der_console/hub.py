"""One listener to the headend for all open pages: it keeps the picture that they show up to date.

It runs while pages are open. Telemetry comes by the stream; sums of sites and alarms are asked for at a steady pace,
that of sites slower the more there are; what a stream event says of a link is looked up, gathered for a moment first.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import NoReturn

from der_client import (
    AsyncHeadendClient,
    Connected,
    DispatchChanged,
    EventRaised,
    HeadendError,
    HeadendUnreachable,
    Interrupted,
    LinkChanged,
    Missed,
    Telemetry,
)
from der_client.models import Asset, Dispatch, Site
from der_client.stream_events import StreamEvent
from der_console.log import log
from der_console.picture import MOST_ALARMS, MOST_ASSETS, MOST_SITES, Picture, Totals

_TICK_S = 1.0
_SITES_S = 2.0
_SITES_AT_ONCE = 1000
_ALARMS_S = 5.0
_SILENT_S = 12.0
_GATHER_S = 0.5
_TELEMETRY_S = 1.0
_SAMPLES_PER_ROUND = 1000
_TURN_S = 4.0
_SLOWEST_S = 60.0
_SITES_READ_SINGLY = 10
_DISPATCHES_HEARD = 200


class Hub:
    """The picture, and when it has moved on.

    ``heard`` are the dispatches that changed lately, newest last; ``dispatches_heard``, ``events_heard`` and
    ``links_heard`` count what was heard of.
    """

    def __init__(self, headend: AsyncHeadendClient, *, now: Callable[[], float] = time.time) -> None:
        self.picture = Picture()
        self.heard: dict[str, Dispatch] = {}
        self.dispatches_heard = 0
        self.events_heard = 0
        self.links_heard = 0
        self.now = now
        self._headend = headend
        self._heard_at = 0.0
        self._moved = asyncio.Event()
        self._alarms_due = asyncio.Event()
        self._reload = asyncio.Event()
        self._links_changed = asyncio.Event()
        self._changed_sites: set[str] = set()
        self._reading_assets = asyncio.Lock()

    async def moved(self) -> Picture:
        """The picture, once a second has passed."""
        await self._moved.wait()
        return self.picture

    async def run(self, publish: Callable[[Picture], None]) -> None:
        """Follow the headend until cancelled; ``publish`` is called about once a second."""
        async with asyncio.TaskGroup() as tasks:
            for work in (self._sites, self._assets, self._alarms, self._links, self._follow):
                tasks.create_task(work(), name=f"console hub {work.__name__}")
            tasks.create_task(self._tick(publish), name="console hub tick")

    async def _tick(self, publish: Callable[[Picture], None]) -> NoReturn:
        while True:
            if self.picture.link.up and self.now() - self._heard_at > _SILENT_S:
                self._lost(f"no answer for {_SILENT_S:.0f} s")
            publish(self.picture)
            moved, self._moved = self._moved, asyncio.Event()
            moved.set()
            await asyncio.sleep(_TICK_S)

    async def _sites(self) -> NoReturn:
        while True:
            await self._asked(self._read_sites)
            await asyncio.sleep(_SITES_S)

    async def _read_sites(self) -> None:
        sites: dict[str, Site] = {}
        totals = Totals()
        async for site in self._headend.sites(with_assets=False):
            totals = totals.plus(site)
            if totals.sites <= MOST_SITES:
                sites[site["id"]] = site
            if totals.sites % _SITES_AT_ONCE == 0:
                await asyncio.sleep(_SITES_S)
        picture = self.picture
        picture.sites, picture.totals, picture.sites_at = sites, totals, self.now()
        whole = totals.assets_total <= MOST_ASSETS
        if whole != picture.whole or (whole and totals.assets_total != len(picture.assets)):
            picture.whole = whole
            self._reload.set()

    async def _assets(self) -> NoReturn:
        while True:
            await self._reload.wait()
            self._reload.clear()
            if not await self._asked(self._read_assets):
                self._reload.set()
            await asyncio.sleep(_SITES_S)

    async def _read_assets(self) -> None:
        """Read all anew. What is known already is replaced as it comes, so that later samples find it and stay."""
        read: dict[str, Asset] = {}
        async with self._reading_assets:
            known = self.picture.assets
            if self.picture.whole:
                async for asset in self._headend.assets():
                    read[asset["id"]] = asset
                    if asset["id"] in known:
                        known[asset["id"]] = asset
            self.picture.assets = {id_: known.get(id_, asset) for id_, asset in read.items()}

    async def _alarms(self) -> NoReturn:
        while True:
            self._alarms_due.clear()
            await self._asked(self._read_alarms)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_ALARMS_S):
                    await self._alarms_due.wait()
            await asyncio.sleep(_GATHER_S)

    async def _read_alarms(self) -> None:
        self.picture.alarms = {
            event["id"]: event async for event in self._headend.events(active=True, limit=MOST_ALARMS)
        }

    async def _links(self) -> NoReturn:
        """Look up the assets of sites whose link has changed: whether they are online comes with no sample."""
        while True:
            await self._links_changed.wait()
            await asyncio.sleep(_GATHER_S)
            self._links_changed.clear()
            sites, self._changed_sites = self._changed_sites, set()
            if len(sites) > _SITES_READ_SINGLY:
                self._reload.set()
                continue
            async with self._reading_assets:  # which would not have what changed meanwhile
                for site_id in sites & self.picture.sites.keys():
                    await self._asked(partial(self._read_site, site_id))

    async def _read_site(self, site_id: str) -> None:
        for asset in (await self._headend.site(site_id))["assets"]:
            if asset["id"] in self.picture.assets:
                self.picture.assets[asset["id"]] = asset

    async def _follow(self) -> NoReturn:
        """The stream: of all assets if they are followed, else of what concerns no asset's values."""
        while True:
            pace_s = self._pace_s()
            async with aclosing(self._headend.stream(telemetry_s=pace_s)) as events:
                async for event in events:
                    self._take(event)
                    if pace_s != self._pace_s():
                        break

    def _pace_s(self) -> float:
        """How often telemetry is to come, so that every asset has its turn within about one tick of the agents.

        The headend sends so many samples in a round and no more.
        """
        if not self.picture.whole:
            return _SLOWEST_S
        return min(
            _TELEMETRY_S, max(0.2, _TURN_S * _SAMPLES_PER_ROUND / max(self.picture.totals.assets_total, 1))
        )

    def _take(self, event: StreamEvent) -> None:
        match event:
            case Telemetry(samples):
                self.picture.measured(samples)
            case DispatchChanged(dispatch):
                self.dispatches_heard += 1
                self.heard.pop(dispatch["id"], None)
                self.heard[dispatch["id"]] = dispatch
                if len(self.heard) > _DISPATCHES_HEARD:
                    del self.heard[next(iter(self.heard))]
            case EventRaised():
                self.events_heard += 1
                self._alarms_due.set()
            case LinkChanged(session):
                self.links_heard += 1
                self._changed_sites.add(session["site_id"])
                self._links_changed.set()
            case Missed():
                self._reload.set()
                self._alarms_due.set()
            case Interrupted(why):
                self._reload.set()
                self._lost(why)
                return
            case Connected():
                pass
        self._answered()

    async def _asked(self, question: Callable[[], Awaitable[None]]) -> bool:
        """Whether the headend answered; if not, that is noted and shown."""
        try:
            await question()
        except HeadendUnreachable as error:
            self._lost(error.why)
            return False
        except HeadendError as error:
            log.warning("the headend refused: %s", error)
            return False
        self._answered()
        return True

    def _answered(self) -> None:
        self._heard_at = self.now()
        self.picture.link.came(self._heard_at)

    def _lost(self, why: str) -> None:
        self.picture.link.went(self.now(), why)
