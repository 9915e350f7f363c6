"""The inventory: sites, the assets on them, and the limits within which an asset may be driven.

These are the validated values; ``der_core.inventory`` makes them out of what a file or the environment says.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter
from types import MappingProxyType
from uuid import UUID

from der_core.errors import NotFound

LARGEST = 1e9
"""No power (MW), energy (MWh) or ramp (MW per minute) of an inventory is larger, so no power asked for need be."""


class AssetType(StrEnum):
    """What kind of DER an asset is."""

    BESS = "bess"
    PV = "pv"
    WIND = "wind"
    EV_CHARGER = "ev_charger"
    METER = "meter"

    @property
    def controllable(self) -> bool:
        """Whether a setpoint can be sent to it; a meter only measures."""
        return self is not AssetType.METER

    @property
    def stores_energy(self) -> bool:
        """Whether it has a state of charge."""
        return self is AssetType.BESS


@dataclass(frozen=True, slots=True)
class Site:
    """A place with assets."""

    id: UUID
    name: str
    location: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One controllable or measured DER.

    Power limits in MW, positive = discharge / export: ``min_mw`` is the strongest charge (usually negative),
    ``max_mw`` the strongest discharge. ``efficiency`` in (0, 1] applies on each leg, charging and discharging.
    """

    id: UUID
    name: str
    site_id: UUID
    capacity_mwhr: float
    max_mw: float
    min_mw: float
    efficiency: float
    ramp_rate_mw_per_min: float
    min_soc_pct: float = 0.0
    max_soc_pct: float = 100.0
    asset_type: AssetType = AssetType.BESS
    failsafe_mw: float = 0.0

    def clamp(self, mw: float) -> float:
        """``mw`` brought within ``[min_mw, max_mw]``."""
        return min(max(mw, self.min_mw), self.max_mw)


@dataclass(frozen=True, slots=True)
class Limits:
    """Between which powers (MW) an asset can be driven at this moment, and why less than its rating."""

    min_mw: float
    max_mw: float
    reason: str | None = None


_SOC_TOLERANCE_PCT = 0.01


def limits_now(asset: Asset, *, soc_pct: float | None = None, available_mw: float | None = None) -> Limits:
    """What an asset can do now: its rating, cut by its state of charge and by the sun or wind there is.

    At ``min_soc_pct`` it cannot discharge, at ``max_soc_pct`` it cannot charge. ``available_mw`` is what a PV or
    wind plant could export if nothing curtailed it. Unknown (``None``) cuts nothing.
    """
    low, high, reason = asset.min_mw, asset.max_mw, None
    if soc_pct is not None and asset.asset_type.stores_energy:
        if soc_pct <= asset.min_soc_pct + _SOC_TOLERANCE_PCT:
            high, reason = min(high, 0.0), "soc_at_minimum"
        elif soc_pct >= asset.max_soc_pct - _SOC_TOLERANCE_PCT:
            low, reason = max(low, 0.0), "soc_at_maximum"
    if available_mw is not None and available_mw < high:
        high, reason = max(available_mw, low), "available_power"
    return Limits(min(low, high), high, reason)


_NOWHERE = array("q")
_BY_ID = attrgetter("id.int")  # the order of UUIDs, without asking each pair of them in Python


class _ById(Mapping[UUID, Asset]):
    """Assets by id, by way of their places: a dict of its own would be 40 bytes more of each."""

    def __init__(self, in_order: tuple[Asset, ...], places: Mapping[UUID, int]) -> None:
        self._in_order = in_order
        self._places = places

    def __getitem__(self, asset_id: UUID) -> Asset:
        return self._in_order[self._places[asset_id]]

    def __iter__(self) -> Iterator[UUID]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._in_order)


class Inventory:
    """All sites and assets that a program knows, by id and in order of id. Immutable.

    ``in_order`` are the assets in order of id, ``places`` their places there, by id.

    Raises:
        ValueError: two assets have the same id.
    """

    def __init__(self, sites: Iterable[Site], assets: Iterable[Asset]) -> None:
        self.sites: Mapping[UUID, Site] = MappingProxyType({s.id: s for s in sorted(sites, key=_BY_ID)})
        self.in_order: tuple[Asset, ...] = tuple(sorted(assets, key=_BY_ID))
        self.places: Mapping[UUID, int] = MappingProxyType(
            {asset.id: place for place, asset in enumerate(self.in_order)}
        )
        if len(self.places) < len(self.in_order):
            raise ValueError("assets are there twice")
        self.assets: Mapping[UUID, Asset] = _ById(self.in_order, self.places)
        self._places_of = {site_id: array("q") for site_id in self.sites}
        for place, asset in enumerate(self.in_order):
            self._places_of[asset.site_id].append(place)
        self._by_site = {
            site_id: tuple(map(self.in_order.__getitem__, places))
            for site_id, places in self._places_of.items()
        }

    def assets_of(self, site_id: UUID) -> tuple[Asset, ...]:
        """The assets of a site in order of id; empty for a site it does not know."""
        return self._by_site.get(site_id, ())

    def known_asset(self, asset_id: UUID) -> Asset:
        """The asset that a caller names.

        Raises:
            NotFound: ``unknown_asset``.
        """
        asset = self.assets.get(asset_id)
        if asset is None:
            raise NotFound(
                "unknown_asset",
                f"asset {asset_id} is not in the inventory; GET /assets lists those that are",
                field="asset_id",
            )
        return asset

    def known_site(self, site_id: UUID) -> Site:
        """The site that a caller names.

        Raises:
            NotFound: ``unknown_site``.
        """
        site = self.sites.get(site_id)
        if site is None:
            raise NotFound(
                "unknown_site",
                f"site {site_id} is not in the inventory; GET /sites lists those that are",
                field="site_id",
            )
        return site

    def places_of(self, site_id: UUID) -> Sequence[int]:
        """The places of a site's assets in ``in_order``, as an array of 64-bit numbers."""
        return self._places_of.get(site_id, _NOWHERE)
