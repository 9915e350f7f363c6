"""The quick way to an ``Inventory``: for entries that are in order, which in a large file is all of them.

It takes fields as texts, holds them to the rules of ``der_core.inventory``, and does as little as it can per asset:
numbers and ids that come again, as most do, are looked up and not made again; an asset goes at once into the columns
of the inventory, and nothing else of it stays. It does not say what is wrong with an entry; that is
``parse_inventory``'s, which is asked when this fails.
"""

from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

from der_core.assets import Asset, AssetType, Inventory, Site
from der_core.inventory import NUMBER_RULES, NumberRule, sound_text

_SHARED_NUMBERS = 10_000


class InventoryDraft:
    """Makes sites and assets of entries as they come, in any order, and keeps no asset."""

    def __init__(self) -> None:
        self._sites: list[Site] = []
        self._site_ids = _SharedIds()
        self._types = {None: AssetType.BESS} | {str(kind): kind for kind in AssetType}
        self._numbers = {key: _SharedNumbers(rule) for key, rule in NUMBER_RULES.items()}

    def inventory(self, entries: Iterable[tuple[str, Mapping[str, str]]]) -> Inventory:
        """What entries describe, each a name of its list and by key its texts, every key known.

        A number field must be written as Python writes numbers; every other field's text is meant as text.

        Raises:
            ValueError, KeyError: something is not in order.
        """
        return Inventory(self._sites, self._assets(entries))

    def _assets(self, entries: Iterable[tuple[str, Mapping[str, str]]]) -> Iterator[Asset]:
        for name, fields in entries:
            if name == "assets":
                yield self._asset(fields)
            else:
                self._sites.append(self._site(fields))

    def _site(self, fields: Mapping[str, str]) -> Site:
        return Site(self._site_ids[fields["id"]], _text(fields["name"]), _text(fields["location"]))

    def _asset(self, fields: Mapping[str, str]) -> Asset:
        asset = Asset(
            id=UUID(fields["id"]),
            name=_text(fields["name"]),
            site_id=self._site_ids[fields["site_id"]],
            asset_type=self._types[fields.get("asset_type")],
            **{key: known[fields.get(key)] for key, known in self._numbers.items()},
        )
        if asset.min_mw > asset.max_mw or asset.min_soc_pct > asset.max_soc_pct:
            raise ValueError("limits reversed")
        if "failsafe_mw" in fields and asset.clamp(asset.failsafe_mw) != asset.failsafe_mw:
            raise ValueError("fail-safe power outside the limits")
        return asset


class _SharedIds(dict[str, UUID]):
    def __missing__(self, text: str) -> UUID:
        identity = self[text] = UUID(text)
        return identity


class _SharedNumbers(dict[str | None, float]):
    """By its text a number that keeps to a rule; by ``None`` what it is unless given, if it need not be."""

    def __init__(self, rule: NumberRule) -> None:
        super().__init__({} if rule.default is None else {None: rule.default})
        self._rule = rule

    def __missing__(self, text: str | None) -> float:
        if text is None:
            raise KeyError
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
