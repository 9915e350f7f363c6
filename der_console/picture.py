"""What the console knows of the fleet, and what follows from it. Pure: the hub brings it up to date."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from der_client.heard import Heard
from der_client.models import Asset, Event, Sample, Site
from der_core.events import Severity
from der_core.freshness import STALE_AFTER_S

MOST_ASSETS = 10_000
"""Fleets of more assets are shown by site; their assets are shown one site at a time."""

MOST_SITES = 10_000
"""More sites than this are not listed; the sums are still of all."""

MOST_ALARMS = 1000
"""Raised alarms that are listed at most; how many there are is known from the sites."""

Freshness = Literal["live", "stale", "disconnected", "unknown"]


@dataclass(slots=True)
class Link:
    """How the console gets on with the headend; ``since`` in seconds since 1970."""

    up: bool = False
    since: float | None = None
    why: str = "not connected yet"

    def came(self, now: float) -> None:
        """The headend answered."""
        if not self.up:
            self.up, self.since, self.why = True, now, ""

    def went(self, now: float, why: str) -> None:
        """It did not."""
        if self.up or self.since is None:
            self.since = now
        self.up, self.why = False, why


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """Sums over sites; ``None`` where no site knows. Power in MW, + discharge / export, − charge / import; MWh.

    They are of the assets that are ``heard``; ``capacity_mwhr`` is of all.
    """

    heard: Heard = field(default_factory=Heard)
    current_mw: float | None = None
    soc_mwhr: float | None = None
    capacity_mwhr: float = 0.0
    headroom_up_mw: float | None = None
    headroom_down_mw: float | None = None
    assets_online: int = 0
    assets_total: int = 0
    alarms: int = 0
    sites: int = 0

    def plus(self, site: Site) -> "Totals":
        """With one more site; what it does not know is left out."""
        return Totals(
            heard=self.heard.plus(site),
            current_mw=_plus(self.current_mw, site["current_mw"]),
            soc_mwhr=_plus(self.soc_mwhr, site["soc_mwhr"]),
            capacity_mwhr=self.capacity_mwhr + site["capacity_mwhr"],
            headroom_up_mw=_plus(self.headroom_up_mw, site["headroom_up_mw"]),
            headroom_down_mw=_plus(self.headroom_down_mw, site["headroom_down_mw"]),
            assets_online=self.assets_online + site["assets_online"],
            assets_total=self.assets_total + site["assets_total"],
            alarms=self.alarms + site["alarms"],
            sites=self.sites + 1,
        )


@dataclass(slots=True)
class Picture:
    """The fleet as it was heard of last. ``whole``: every asset is followed; otherwise there are too many.

    ``sites`` has the first ``MOST_SITES``, without their assets; ``totals`` are of all.
    """

    link: Link = field(default_factory=Link)
    sites: dict[str, Site] = field(default_factory=dict)
    sites_at: float | None = None
    totals: Totals = field(default_factory=Totals)
    assets: dict[str, Asset] = field(default_factory=dict)
    alarms: dict[str, Event] = field(default_factory=dict)
    whole: bool = True

    @property
    def critical(self) -> bool:
        """Whether a critical alarm is raised, or there are too many alarms to know all of them."""
        return bool(self.critical_sites()) or self.totals.alarms > MOST_ALARMS

    def critical_sites(self) -> Collection[str]:
        """The sites at which a critical alarm is raised, as far as the raised alarms are known."""
        return {event["site_id"] for event in self.alarms.values() if event["severity"] == Severity.CRITICAL}

    def measured(self, samples: Iterable[Sample]) -> None:
        """Take in what was measured. An asset's entry is replaced, never changed: ``is`` tells what is new."""
        for sample in samples:
            known = self.assets.get(sample["asset_id"])
            if known is not None:
                self.assets[sample["asset_id"]] = with_sample(known, sample)


def with_sample(asset: Asset, sample: Sample) -> Asset:
    """The asset with its live values brought up to date."""
    return {
        **asset,
        "current_mw": sample["current_mw"],
        "setpoint_mw": sample["setpoint_mw"],
        "soc_mwhr": sample["soc_mwhr"],
        "soc_pct": sample["soc_pct"],
        "status": sample["status"],
        "online": sample["online"],
        "updated_at": sample["timestamp"],
    }


def freshness(asset: Asset, stale_before: str) -> Freshness:
    """How far an asset's values can be trusted; ``stale_before`` is of ``stale_before``."""
    if not asset["online"]:
        return "disconnected"
    if asset["updated_at"] is None:
        return "unknown"
    return "live" if asset["updated_at"][: len(stale_before)] >= stale_before else "stale"


def stale_before(now: float) -> str:
    """The second before which a value is stale, as the headend writes times: text of UTC that sorts as they do."""
    return f"{datetime.fromtimestamp(now - STALE_AFTER_S, UTC):%Y-%m-%dT%H:%M:%S}"


def _plus(sum_: float | None, value: float | None) -> float | None:
    return sum_ if value is None else value + (sum_ or 0.0)
