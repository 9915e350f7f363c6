"""An inventory of any size, written line by line: the same seed gives the same lines.

Nothing is kept: a million assets take as little memory as ten.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from uuid import UUID

from der_core.assets import AssetType

_REGIONS = ("North", "East", "South", "West", "Coast", "Hills", "Valley", "Harbour")
_SHORT = {
    AssetType.BESS: "BESS",
    AssetType.PV: "PV",
    AssetType.WIND: "WIND",
    AssetType.EV_CHARGER: "EV",
    AssetType.METER: "METER",
}
_RATINGS_MW: Mapping[AssetType, Sequence[float]] = {
    AssetType.BESS: (0.5, 1, 2, 5),
    AssetType.PV: (0.5, 1, 2, 4),
    AssetType.WIND: (2, 3, 5),
    AssetType.EV_CHARGER: (0.15, 0.35, 1),
    AssetType.METER: (1, 2),
}
"""Largest power of an asset, one of these."""
_HOURS = (1, 2, 4)


def lines(*, sites: int, assets_per_site: int, mix: Mapping[AssetType, float], seed: int) -> Iterator[str]:
    """The inventory as YAML, a site or an asset at a time, each with its line ends."""
    rng = random.Random(seed)
    site_ids = [_uuid(rng) for _ in range(sites)]
    width = len(str(sites))
    types, shares = tuple(mix), tuple(mix.values())
    yield f"# {sites} sites with {assets_per_site} assets each, seed {seed}. MW: positive = discharge / export.\n"
    yield "sites:\n"
    for number, site_id in enumerate(site_ids, 1):
        yield f"  - id: {site_id}\n    name: Site-{number:0{width}}\n    location: {rng.choice(_REGIONS)}\n"
    yield "assets:\n"
    for number, site_id in enumerate(site_ids, 1):
        chosen = rng.choices(types, shares, k=assets_per_site)
        for place, asset_type in enumerate(chosen, 1):
            name = f"S{number:0{width}}-{_SHORT[asset_type]}-{place:03}"
            yield _asset(rng, asset_type, name, site_id)


def _asset(rng: random.Random, asset_type: AssetType, name: str, site_id: UUID) -> str:
    rating_mw = rng.choice(_RATINGS_MW[asset_type])
    capacity_mwhr = rating_mw * rng.choice(_HOURS) if asset_type.stores_energy else 0
    storing = "    min_soc_pct: 10\n    max_soc_pct: 90\n" if asset_type.stores_energy else ""
    exports = asset_type is not AssetType.EV_CHARGER
    imports = asset_type not in {AssetType.PV, AssetType.WIND}
    return (
        f"  - id: {_uuid(rng)}\n"
        f"    name: {name}\n"
        f"    site_id: {site_id}\n"
        f"    capacity_mwhr: {capacity_mwhr:g}\n"
        f"    max_mw: {rating_mw if exports else 0:g}\n"
        f"    min_mw: {-rating_mw if imports else 0:g}\n"
        f"{storing}"
        f"    efficiency: {0.01 * rng.randint(88, 97):.2f}\n"
        f"    ramp_rate_mw_per_min: {rating_mw * 20:g}\n"
        f"    asset_type: {asset_type.value}\n"
    )


def _uuid(rng: random.Random) -> UUID:
    return UUID(int=rng.getrandbits(128), version=4)
