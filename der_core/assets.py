"""The inventory: sites, the assets on them, and the limits within which an asset may be driven.

These are the validated values; ``der_core.inventory`` makes them out of what a file or the environment says.
"""

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import compress
from operator import attrgetter, eq
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

from der_core.errors import NotFound
from der_core.packed import Ids, Packed, Places, Texts

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


class Rating(NamedTuple):
    """What bounds an asset's power, before anything is measured; all as in ``Asset``."""

    asset_type: AssetType
    min_mw: float
    max_mw: float
    min_soc_pct: float
    max_soc_pct: float


@dataclass(frozen=True, slots=True)
class Limits:
    """Between which powers (MW) an asset can be driven at this moment, and why less than its rating."""

    min_mw: float
    max_mw: float
    reason: str | None = None


_SOC_TOLERANCE_PCT = 0.01


def limits_now(
    asset: Asset | Rating, *, soc_pct: float | None = None, available_mw: float | None = None
) -> Limits:
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


NUMBERS = (
    "capacity_mwhr",
    "max_mw",
    "min_mw",
    "efficiency",
    "ramp_rate_mw_per_min",
    "min_soc_pct",
    "max_soc_pct",
    "failsafe_mw",
)
"""The fields of an asset that are numbers."""

_TYPES = tuple(AssetType)
_CODES = {kind: code for code, kind in enumerate(_TYPES)}
_NUMBERS_OF = attrgetter(*NUMBERS)
_PER_ASSET = len(NUMBERS)
_rating = partial(tuple.__new__, Rating)
"""``Rating._make``, without its call of a Python function for each."""


class Columns:
    """What is said of assets, field by field: a hundred bytes of each, where objects take four hundred.

    ``ids`` are in order. All else is as it came: by place in order, ``rows`` says where that is. ``numbers`` are the
    ``NUMBERS`` of one asset behind those of the other, ``types`` the places of the types in ``AssetType``, ``sites``
    those of the sites in ``site_ids``.

    Raises:
        ValueError: two assets have the same id.
    """

    def __init__(self, assets: Iterable[Asset]) -> None:
        ids: list[bytes] = []
        places: dict[UUID, int] = {}
        self.names, self.numbers, self.types, self.sites = Texts(), array("d"), bytearray(), array("I")
        for asset in assets:
            ids.append(asset.id.bytes)
            self.names.append(asset.name)
            self.numbers.extend(_NUMBERS_OF(asset))
            self.types.append(_CODES[asset.asset_type])
            self.sites.append(places.setdefault(asset.site_id, len(places)))
        self.rows = array("I", sorted(range(len(ids)), key=ids.__getitem__))
        ordered = [ids[row] for row in self.rows]
        if any(map(eq, ordered, ordered[1:])):
            raise ValueError("assets are there twice")
        self.ids = Ids(b"".join(ordered))
        self.site_ids = tuple(places)

    def site_id(self, place: int) -> UUID:
        """At which site the asset at a place is."""
        return self.site_ids[self.sites[self.rows[place]]]

    def asset(self, place: int) -> Asset:
        """The asset at a place."""
        row = self.rows[place]
        numbers = self.numbers[row * _PER_ASSET : (row + 1) * _PER_ASSET]
        capacity_mwhr, max_mw, min_mw, efficiency, ramp, min_soc_pct, max_soc_pct, failsafe_mw = numbers
        return Asset(
            id=self.ids.item(place),
            name=self.names.item(row),
            site_id=self.site_id(place),
            asset_type=_TYPES[self.types[row]],
            capacity_mwhr=capacity_mwhr,
            max_mw=max_mw,
            min_mw=min_mw,
            efficiency=efficiency,
            ramp_rate_mw_per_min=ramp,
            min_soc_pct=min_soc_pct,
            max_soc_pct=max_soc_pct,
            failsafe_mw=failsafe_mw,
        )


class Assets(Packed[Asset]):
    """Some assets of an inventory, each made when it is asked for; equal to nothing but itself.

    ``places`` are their places in the inventory, in order of id unless somebody asked for another order. Who wants one
    field of all of them asks for that, which takes a tenth.
    """

    __slots__ = ("_columns", "_ids", "places")

    def __init__(self, columns: Columns, places: Sequence[int]) -> None:
        self.places = places
        self._columns = columns
        self._ids: Ids | None = None

    def __len__(self) -> int:
        return len(self.places)

    @property
    def ids(self) -> Ids:
        """Their ids; whoever asks gets the same object."""
        if self._ids is None:
            every = self._columns.ids
            self._ids = every if self.places == range(len(every)) else every.at(self.places)
        return self._ids

    @property
    def names(self) -> list[str]:
        """Their names."""
        return self._columns.names.at(self._rows())

    @property
    def site_ids(self) -> list[UUID]:
        """At which sites they are."""
        return [*map(self._columns.site_id, self.places)]

    @property
    def types(self) -> list[AssetType]:
        """What kinds of DER they are."""
        types = self._columns.types
        return [_TYPES[types[row]] for row in self._rows()]

    def numbers(self, field: str) -> list[float]:
        """One of ``NUMBERS`` of each."""
        numbers, column = self._columns.numbers, NUMBERS.index(field)
        return [numbers[row * _PER_ASSET + column] for row in self._rows()]

    def ratings(self) -> Iterator[Rating]:
        """What bounds the power of each."""
        _, *numbers = Rating._fields
        return map(_rating, zip(self.types, *map(self.numbers, numbers), strict=True))

    def where(self, chosen: Iterable[object]) -> "Assets":
        """Those for which there is a true value."""
        return Assets(self._columns, array("q", compress(self.places, chosen)))

    def item(self, place: int) -> Asset:
        """The asset at a place among these, counted from 0."""
        return self._columns.asset(self.places[place])

    def _rows(self) -> Iterator[int]:
        return map(self._columns.rows.__getitem__, self.places)


class _ById(Mapping[UUID, Asset]):
    """Assets by id."""

    def __init__(self, columns: Columns, places: Places) -> None:
        self._columns = columns
        self._places = places

    def __getitem__(self, asset_id: UUID) -> Asset:
        return self._columns.asset(self._places[asset_id])

    def __iter__(self) -> Iterator[UUID]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


class Inventory:
    """All sites and assets that a program knows, by id and in order of id. Immutable.

    ``in_order`` are the assets in order of id, ``places`` their places there, by id. They are kept in ``columns``; an
    ``Asset`` or an id of one is made whenever somebody asks for it.

    Raises:
        ValueError: two sites or two assets have the same id, or an asset's site is not there.
    """

    def __init__(self, sites: Iterable[Site], assets: Iterable[Asset]) -> None:
        self.columns = Columns(assets)  # first, for the sites may become known as the assets are read
        ordered = sorted(sites, key=attrgetter("id.int"))
        self.sites: Mapping[UUID, Site] = MappingProxyType({site.id: site for site in ordered})
        if len(self.sites) < len(ordered) or not self.sites.keys() >= set(self.columns.site_ids):
            raise ValueError("sites are there twice, or not at all")
        self.places = Places(self.columns.ids)
        self.in_order = Assets(self.columns, range(len(self.places)))
        self.assets: Mapping[UUID, Asset] = _ById(self.columns, self.places)
        places = [array("q") for _ in self.columns.site_ids]
        for place, row in enumerate(self.columns.rows):
            places[self.columns.sites[row]].append(place)
        self._by_site = {
            site_id: Assets(self.columns, here)
            for site_id, here in zip(self.columns.site_ids, places, strict=True)
        }
        self._nowhere = Assets(self.columns, array("q"))

    def assets_of(self, site_id: UUID) -> Assets:
        """The assets of a site, the same object each time; empty for a site it does not know."""
        return self._by_site.get(site_id, self._nowhere)

    def at(self, places: Sequence[int]) -> Assets:
        """The assets at some places, in the order of these."""
        return Assets(self.columns, places)

    def those(self, asset_ids: Iterable[UUID]) -> Assets:
        """The assets with these ids, in order of id.

        Raises:
            KeyError: it does not know one.
        """
        return Assets(self.columns, sorted(map(self.places.__getitem__, asset_ids)))

    def name_of(self, asset_id: UUID) -> str | None:
        """The name of an asset, if it knows that."""
        place = self.places.get(asset_id)
        return None if place is None else self.columns.names.item(self.columns.rows[place])

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
