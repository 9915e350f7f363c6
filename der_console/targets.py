"""What a dispatch or a list is about: a site or an asset, found by its name. Pure but for ``find`` and ``members``."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Literal

from der_client import AsyncHeadendClient
from der_client.models import Asset, Site
from der_console.picture import Picture

OFFERED = 12
"""So many targets are offered for what a person has typed."""

Kind = Literal["site", "asset"]


@dataclass(frozen=True, slots=True)
class Target:
    """A site or an asset; ``about`` tells it from others of its name."""

    kind: Kind
    id: str
    name: str
    about: str

    @property
    def key(self) -> str:
        """One text for it."""
        return f"{self.kind}/{self.id}"

    @property
    def asset_id(self) -> str | None:
        """As the API takes it."""
        return self.id if self.kind == "asset" else None

    @property
    def site_id(self) -> str | None:
        """As the API takes it."""
        return self.id if self.kind == "site" else None


def of_site(site: Site) -> Target:
    """A site as a target."""
    count = site["assets_total"]
    return Target("site", site["id"], site["name"], f"site, {count:,} asset{'' if count == 1 else 's'}")


def of_asset(asset: Asset) -> Target:
    """An asset as a target."""
    return Target("asset", asset["id"], asset["name"], f"{asset['asset_type']}, {asset['site_name']}")


def search(picture: Picture, typed: str) -> list[Target]:
    """The targets whose name, site or id has every word that was typed; the best first, sites before assets."""
    words = typed.casefold().split()
    sites = (s for s in picture.sites.values() if _has(words, s["name"], s["id"]))
    assets = (a for a in picture.assets.values() if _has(words, a["name"], a["id"], a["site_name"]))

    def rank(entry: Site | Asset) -> tuple[int, str]:
        return _rank(entry["name"], words), entry["name"]

    best = [
        *((rank(site)[0], of_site(site)) for site in heapq.nsmallest(OFFERED, sites, key=rank)),
        *((rank(asset)[0], of_asset(asset)) for asset in heapq.nsmallest(OFFERED, assets, key=rank)),
    ]
    return [target for _, target in sorted(best, key=itemgetter(0))[:OFFERED]]


def meant(found: Sequence[Target], typed: str) -> list[Target]:
    """Those of ``found`` that bear exactly the name that was typed, in any case; if none does, all of them."""
    name = typed.strip().casefold()
    return [target for target in found if target.name.casefold() == name] or list(found)


async def find(headend: AsyncHeadendClient, picture: Picture, kind: Kind, id_: str) -> Target:
    """The target of an id.

    Raises:
        HeadendError: there is none, or nobody answers.
    """
    if kind == "site":
        return of_site(picture.sites.get(id_) or await headend.site(id_))
    return of_asset(picture.assets.get(id_) or await headend.asset(id_))


async def members(headend: AsyncHeadendClient, picture: Picture, target: Target) -> list[Asset]:
    """The assets that a target consists of.

    Raises:
        HeadendError: it is not there any more, or nobody answers.
    """
    if target.kind == "asset":
        return [picture.assets.get(target.id) or await headend.asset(target.id)]
    if picture.whole and picture.assets:
        return [asset for asset in picture.assets.values() if asset["site_id"] == target.id]
    return [asset async for asset in headend.assets(site_id=target.id)]


def _has(words: list[str], *texts: str) -> bool:
    text = "\n".join(texts).casefold()
    return all(word in text for word in words)


def _rank(name: str, words: list[str]) -> int:
    """0 if it is the name that was typed, 1 if the name begins so, 2 if it has it, 3 if it was found elsewhere."""
    folded = name.casefold()
    if folded.split() == words:
        return 0
    if not words or folded.startswith(words[0]):
        return 1
    return 2 if words[0] in folded else 3
