"""The live state of assets and sites as JSON values, taken from the fleet's columns a page at a time."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from der_core.assets import Asset, Site
from der_core.errors import NotFound
from der_core.signals import CORE_SIGNALS
from der_headend.alarms import Alarms
from der_headend.fleet import Fleet
from der_headend.history import plain_numbers
from der_headend.rest.views.moments import moments
from der_headend.sessions import Sessions

Json = dict[str, Any]
Slots = NDArray[np.int64]

CORE_NAMES = tuple(signal.name for signal in CORE_SIGNALS)
"""The signals that are fields of their own; the others go under ``signals``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """Reads the live state; positive MW = discharge / export."""

    fleet: Fleet
    sessions: Sessions
    alarms: Alarms

    def slot(self, asset_id: UUID) -> int:
        """The slot of an asset.

        Raises:
            NotFound: ``unknown_asset``.
        """
        slot = self.fleet.slot_of.get(asset_id)
        if slot is None:
            raise NotFound(
                "unknown_asset",
                f"asset {asset_id} is not in the inventory; GET /assets lists those that are",
                field="asset_id",
            )
        return slot

    def known_site(self, site_id: UUID) -> Site:
        """A site of the inventory.

        Raises:
            NotFound: ``unknown_site``.
        """
        site = self.fleet.inventory.sites.get(site_id)
        if site is None:
            raise NotFound(
                "unknown_site",
                f"site {site_id} is not in the inventory; GET /sites lists those that are",
                field="site_id",
            )
        return site

    def assets(self, slots: Slots) -> list[Json]:
        """Inventory and live state of some assets."""
        live = self._core(slots)
        updated = self._updated(slots)
        sites = self.fleet.inventory.sites
        return [
            {
                **_inventory(asset, sites[asset.site_id]),
                **{name: values[place] for name, values in live.items()},
                "online": self._online(asset.id, live["current_mw"][place]),
                "updated_at": updated[place],
            }
            for place, asset in enumerate(self._assets_in(slots))
        ]

    def site(self, site: Site) -> Json:
        """A site, its assets and what they are together."""
        members = self.fleet.inventory.assets_of(site.id)
        slots = np.array([self.fleet.slot_of[asset.id] for asset in members], np.int64)
        assets = self.assets(slots)
        online = [slot for slot, asset in zip(slots.tolist(), assets, strict=True) if asset["online"]]
        up, down = self._headroom(online)
        return {
            "id": str(site.id),
            "name": site.name,
            "location": site.location,
            "current_mw": _sum_of_known(asset["current_mw"] for asset in assets),
            "soc_mwhr": _sum_of_known(asset["soc_mwhr"] for asset in assets),
            "capacity_mwhr": math.fsum(asset.capacity_mwhr for asset in members),
            "headroom_up_mw": up,
            "headroom_down_mw": down,
            "assets_online": len(online),
            "assets_total": len(members),
            "alarms": len(self.alarms.active_by_site(site.id)),
            "assets": assets,
        }

    def latest(self, asset_id: UUID) -> Json:
        """The newest sample of one asset.

        Raises:
            NotFound: ``unknown_asset``, or ``no_telemetry_yet`` if it was never heard from.
        """
        slot = self.slot(asset_id)
        if self.fleet.timestamp_us[slot] == 0:
            raise NotFound(
                "no_telemetry_yet",
                f"no telemetry has come of asset {asset_id}; GET /agents shows whether its agent is connected",
                field="asset_id",
            )
        return self.samples(np.array([slot]))[0]

    def samples(self, slots: Slots) -> list[Json]:
        """The newest samples of assets that have been heard from."""
        live = self._core(slots)
        others = {name: self._values(name, slots) for name in self.fleet.columns if name not in CORE_NAMES}
        times = moments(self.fleet.timestamp_us[slots])
        return [
            sample(
                asset,
                timestamp=times[place],
                core={name: values[place] for name, values in live.items()},
                signals={name: values[place] for name, values in others.items() if values[place] is not None},
                online=self._online(asset.id, live["current_mw"][place]),
            )
            for place, asset in enumerate(self._assets_in(slots))
        ]

    def _assets_in(self, slots: Slots) -> Iterable[Asset]:
        return (self.fleet.assets[slot] for slot in slots.tolist())

    def _core(self, slots: Slots) -> Mapping[str, Sequence[float | str | None]]:
        return {name: self._values(name, slots) for name in CORE_NAMES}

    def _values(self, name: str, slots: Slots) -> Sequence[float | str | None]:
        column = self.fleet.columns[name][slots]
        if name in self.fleet.states:
            return [self.fleet.state_name(name, code) for code in column.tolist()]
        return plain_numbers(column)

    def _updated(self, slots: Slots) -> list[str | None]:
        timestamps_us = self.fleet.timestamp_us[slots]
        heard = (timestamps_us > 0).tolist()
        return [text if known else None for text, known in zip(moments(timestamps_us), heard, strict=True)]

    def _online(self, asset_id: UUID, current_mw: float | str | None) -> bool:
        return current_mw is not None and self.sessions.serving(asset_id) is not None

    def _headroom(self, online: Sequence[int]) -> tuple[float | None, float | None]:
        """How much the online assets can go up and down from where they are, in MW; both at least 0."""
        if not online:
            return None, None
        up, down = [], []
        for slot in online:
            limits = self.fleet.limits(slot)
            now_mw = self.fleet.number("current_mw", slot) or 0.0
            up.append(max(limits.max_mw - now_mw, 0.0))
            down.append(max(now_mw - limits.min_mw, 0.0))
        return math.fsum(up), math.fsum(down)


def sample(
    asset: Asset, *, timestamp: str, core: Mapping[str, Any], signals: Mapping[str, Any], online: bool
) -> Json:
    """One sample of an asset; ``core`` by the names in ``CORE_NAMES``."""
    return {
        "asset_id": str(asset.id),
        "site_id": str(asset.site_id),
        "asset_type": asset.asset_type,
        "timestamp": timestamp,
        "current_mw": core["current_mw"],
        "setpoint_mw": core["setpoint_mw"],
        "soc_mwhr": core["soc_mwhr"],
        "soc_pct": core["soc_pct"],
        "capacity_mwhr": asset.capacity_mwhr,
        "max_mw": asset.max_mw,
        "min_mw": asset.min_mw,
        "status": core["status"],
        "online": online,
        "signals": signals,
    }


def _inventory(asset: Asset, site: Site) -> Json:
    return {
        "id": str(asset.id),
        "name": asset.name,
        "site_id": str(site.id),
        "site_name": site.name,
        "location": site.location,
        "asset_type": asset.asset_type,
        "capacity_mwhr": asset.capacity_mwhr,
        "max_mw": asset.max_mw,
        "min_mw": asset.min_mw,
        "min_soc_pct": asset.min_soc_pct,
        "max_soc_pct": asset.max_soc_pct,
        "efficiency": asset.efficiency,
        "ramp_rate_mw_per_min": asset.ramp_rate_mw_per_min,
        "failsafe_mw": asset.failsafe_mw,
    }


def _sum_of_known(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if known else None
