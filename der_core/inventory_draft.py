"""The quick way to an ``Inventory``: for entries that are in order, which in a large file is all of them.

It takes fields as texts, holds them to the rules of ``der_core.inventory``, and does as little as it can per asset:
numbers and ids that come again, as most do, are looked up and not made again, and share one object. It does not say
what is wrong with an entry; that is ``parse_inventory``'s, which is asked when this fails.
"""

from collections.abc import Mapping
from uuid import UUID

from der_core.assets import Asset, AssetType, Inventory, Site
from der_core.inventory import NUMBER_RULES, NumberRule, sound_text

_SHARED_NUMBERS = 10_000


class InventoryDraft:
    """Gathers sites and assets, in any order.

    ``fields`` are by key the texts of an entry, each key known. A number field must be written as Python writes
    numbers; every other field's text is meant as text.
    """

    def __init__(self) -> None:
        self._sites: list[Site] = []
        self._assets: list[Asset] = []
        self._site_ids = _SharedIds()
        self._types = {str(kind): kind for kind in AssetType}
        self._numbers = {key: _SharedNumbers(rule) for key, rule in NUMBER_RULES.items()}
        self._defaults = {key: rule.default for key, rule in NUMBER_RULES.items() if rule.default is not None}

    def add_site(self, fields: Mapping[str, str]) -> None:
        """Take a site.

        Raises:
            ValueError, KeyError: something about it is not in order.
        """
        site_id = self._site_ids[fields["id"]]
        self._sites.append(Site(site_id, _text(fields["name"]), _text(fields["location"])))

    def add_asset(self, fields: Mapping[str, str]) -> None:
        """Take an asset.

        Raises:
            ValueError, KeyError: something about it is not in order.
        """
        given = {key: known[fields[key]] for key, known in self._numbers.items() if key in fields}
        numbers = self._defaults | given
        asset = Asset(
            id=UUID(fields["id"]),
            name=_text(fields["name"]),
            site_id=self._site_ids[fields["site_id"]],
            asset_type=self._types[fields.get("asset_type", AssetType.BESS)],
            capacity_mwhr=numbers["capacity_mwhr"],
            max_mw=numbers["max_mw"],
            min_mw=numbers["min_mw"],
            min_soc_pct=numbers["min_soc_pct"],
            max_soc_pct=numbers["max_soc_pct"],
            efficiency=numbers["efficiency"],
            ramp_rate_mw_per_min=numbers["ramp_rate_mw_per_min"],
            failsafe_mw=numbers["failsafe_mw"],
        )
        if asset.min_mw > asset.max_mw or asset.min_soc_pct > asset.max_soc_pct:
            raise ValueError("limits reversed")
        if "failsafe_mw" in given and asset.clamp(asset.failsafe_mw) != asset.failsafe_mw:
            raise ValueError("fail-safe power outside the limits")
        self._assets.append(asset)

    def inventory(self) -> Inventory:
        """What was taken, as an inventory.

        Raises:
            ValueError: an id is there twice, or an asset's site is not there.
        """
        sites = {site.id for site in self._sites}
        if len(sites) < len(self._sites) or not sites.issuperset(self._site_ids.values()):
            raise ValueError("sites are there twice, or not at all")
        return Inventory(self._sites, self._assets)


class _SharedIds(dict[str, UUID]):
    def __missing__(self, text: str) -> UUID:
        identity = self[text] = UUID(text)
        return identity


class _SharedNumbers(dict[str, float]):
    """By its text a number that keeps to a rule."""

    def __init__(self, rule: NumberRule) -> None:
        super().__init__()
        self._rule = rule

    def __missing__(self, text: str) -> float:
        number = float(text)
        if not self._rule.holds(number):
            raise ValueError(f"expected {self._rule.expected}")
        if len(self) < _SHARED_NUMBERS:
            self[text] = number
        return number


def _text(written: str) -> str:
    if not (text := sound_text(written)):
        raise ValueError("not a name")
    return text
