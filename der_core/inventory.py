"""From what a file says to an ``Inventory``, or to the list of everything that is wrong with it.

The document is what a YAML or JSON reader returns: plain dicts, lists and scalars. A reader that knows on which
line an entry began may hand in dicts with a ``line`` attribute; problems then carry it. All problems of a
document are found in one pass, so that whoever wrote it mends it in one go. A reader of large files hands each entry
to ``parse_entry`` when it has read it and puts what that returns in its place, so that it need not keep what it read.
"""

import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import lru_cache
from reprlib import Repr
from typing import Any
from uuid import UUID

from der_core.assets import LARGEST, Asset, AssetType, Inventory, Site


class _Shown(Repr):
    """Values cut short, also an integer with more digits than Python is willing to print."""

    def repr_int(self, x: int, level: int) -> str:
        return super().repr_int(x, level) if abs(x) < _ENORMOUS else "an enormous number"


_ENORMOUS = 10**100
_REPR = _Shown()
_REPR.maxstring = _REPR.maxother = 60
_REPR.maxlevel = 2
_REPR.maxdict = _REPR.maxlist = 3


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: the entry it is in, the field, and what was expected.

    >>> str(Problem("assets[2] (B1)", "efficiency", "1.2 is out of range; expected a number in (0, 1]", 14))
    'line 14: assets[2] (B1): efficiency: 1.2 is out of range; expected a number in (0, 1]'
    """

    entry: str
    field: str | None
    message: str
    line: int | None = None

    def __str__(self) -> str:
        line = f"line {self.line}: " if self.line is not None else ""
        name = f"{self.field}: " if self.field is not None else ""
        return f"{line}{self.entry}: {name}{self.message}"


class InventoryInvalid(ValueError):
    """The document is no inventory; ``problems`` says all that is wrong with it."""

    def __init__(self, problems: Collection[Problem]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(slots=True)
class Parsed:
    """What became of an entry: the site or asset that it describes, or else its problems.

    Its ids are known, as far as they are ids, also where it has problems. ``line`` is where it began.
    """

    name: str
    line: int | None
    id: UUID | None = None
    site_id: UUID | None = None
    made: Site | Asset | None = None
    problems: tuple[Problem, ...] = ()

    def complain(self, key: str | None, message: str) -> None:
        """Note a problem."""
        self.problems += (Problem(self.name, key, message, self.line),)


class _Entry:
    """One mapping under validation: gives out its fields one by one and notes what is wrong with them."""

    def __init__(self, name: str, values: Mapping[Any, Any]) -> None:
        self.values = values
        self.parsed = Parsed(name, getattr(values, "line", None))
        self.complain = self.parsed.complain

    def refuse_unknown(self, known: Collection[str]) -> None:
        for key in self.values:
            if key in known:
                continue
            near = get_close_matches(key, known, n=1) if isinstance(key, str) else []
            hint = f"; did you mean {near[0]!r}?" if near else f"; known keys are {', '.join(known)}"
            self.complain(None, f"unknown key {_REPR.repr(key)}{hint}")

    def _present(self, key: str, expected: str) -> bool:
        if self.values.get(key) is not None:
            return True
        self.complain(key, f"is missing; expected {expected}")
        return False

    def text(self, key: str) -> str:
        if not self._present(key, "a text"):
            return ""
        value = self.values[key]
        if isinstance(value, str) and (text := sound_text(value)):
            return text
        self.complain(key, f"{_REPR.repr(value)} is not a text of 1 to {_LONGEST_TEXT} printable characters")
        return ""

    def uuid(self, key: str) -> UUID | None:
        expected = "a UUID such as 7ba7b810-9dad-11d1-80b4-00c04fd430c8"
        if not self._present(key, expected):
            return None
        value = self.values[key]
        if isinstance(value, str):
            try:
                return _to_uuid(value)
            except ValueError:
                pass
        self.complain(key, f"{_REPR.repr(value)} is not a UUID; expected {expected}")
        return None

    def number(self, key: str, rule: "NumberRule") -> float | None:
        if rule.default is not None and self.values.get(key) is None:
            return rule.default
        if not self._present(key, rule.expected):
            return None
        value = self.values[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.complain(key, f"{_REPR.repr(value)} is not a number; expected {rule.expected}")
        elif not math.isfinite(number := _to_float(value)):
            self.complain(key, f"{_REPR.repr(value)} is not finite; expected {rule.expected}")
        elif not rule.holds(number):
            self.complain(key, f"{_REPR.repr(value)} is out of range; expected {rule.expected}")
        else:
            return number
        return None

    def asset_type(self, key: str) -> AssetType:
        value = self.values.get(key)
        if value is None:
            return AssetType.BESS
        try:
            return AssetType(value)
        except ValueError:
            self.complain(key, f"{_REPR.repr(value)} is unknown; expected one of {', '.join(AssetType)}")
            return AssetType.BESS


# Most numbers, and the ids of sites, come again and again: a large inventory keeps each once.
_to_uuid = lru_cache(maxsize=4096)(UUID)


@lru_cache(maxsize=4096)
def _to_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


@dataclass(frozen=True, slots=True)
class NumberRule:
    """What a number must be, and thereby finite; without a ``default`` it must be given."""

    expected: str
    holds: Callable[[float], bool]
    default: float | None = None


_LONGEST_TEXT = 200
_POWER = NumberRule("a power in MW from -1e9 to 1e9", lambda v: abs(v) <= LARGEST)
_ENERGY = NumberRule("an energy in MWh from 0 to 1e9", lambda v: 0 <= v <= LARGEST)
_RAMP = NumberRule("a ramp in MW per minute, above 0 and up to 1e9", lambda v: 0 < v <= LARGEST)
_PERCENT = NumberRule("a percentage from 0 to 100", lambda v: 0 <= v <= 100)  # noqa: PLR2004 - a percentage
_EFFICIENCY = NumberRule("a number in (0, 1]", lambda v: 0 < v <= 1)

NUMBER_RULES: Mapping[str, NumberRule] = {
    "capacity_mwhr": _ENERGY,
    "max_mw": _POWER,
    "min_mw": _POWER,
    "min_soc_pct": replace(_PERCENT, default=0.0),
    "max_soc_pct": replace(_PERCENT, default=100.0),
    "efficiency": _EFFICIENCY,
    "ramp_rate_mw_per_min": _RAMP,
    "failsafe_mw": replace(_POWER, default=0.0),
}
"""The number fields of an asset."""

SITE_KEYS = ("id", "name", "location")
ASSET_KEYS = ("id", "name", "site_id", *NUMBER_RULES, "asset_type")


def sound_text(text: str) -> str:
    """A name or location without the blanks around it; empty if it is too long or does not print."""
    stripped = text.strip()
    return stripped if len(stripped) <= _LONGEST_TEXT and stripped.isprintable() else ""


def parse_inventory(document: object) -> Inventory:
    """The inventory that a document describes: a mapping with the lists ``sites`` and ``assets``.

    Raises:
        InventoryInvalid: with every problem of the document.
    """
    if not isinstance(document, Mapping):
        kind = "empty" if document is None else f"a {type(document).__name__}"
        raise InventoryInvalid(
            [Problem("inventory", None, f"is {kind}; expected the two lists 'sites' and 'assets'")]
        )
    top = _Entry("inventory", document)
    top.refuse_unknown(("sites", "assets"))
    sites, assets = list(_entries(top, "sites")), list(_entries(top, "assets"))
    known_sites = _unique(sites)
    _unique(assets)
    for asset in assets:
        if asset.site_id is not None and asset.site_id not in known_sites:
            asset.complain("site_id", f"{asset.site_id} is not one of the sites in this file")
    problems = [problem for parsed in (top.parsed, *sites, *assets) for problem in parsed.problems]
    if problems:
        raise InventoryInvalid(problems)
    return Inventory(
        (site.made for site in sites if isinstance(site.made, Site)),
        (asset.made for asset in assets if isinstance(asset.made, Asset)),
    )


def parse_entry(list_name: str, place: int, values: Mapping[Any, Any]) -> object:
    """What may stand in an entry's place in the document of ``parse_inventory``."""
    if list_name not in _PARSERS:
        return values
    label = values.get("name")
    suffix = f" ({_REPR.repr(label)[1:-1]})" if isinstance(label, str) and label else ""
    entry = _Entry(f"{list_name}[{place}]{suffix}", values)
    entry.parsed.made = _PARSERS[list_name](entry)
    return entry.parsed


def parse_asset(values: Mapping[str, object], *, name: str = "asset") -> Asset:
    """One asset from its fields, held to the same rules as an asset in a file.

    Raises:
        InventoryInvalid: with every problem of the entry; ``Problem.field`` is the key.
    """
    entry = _Entry(name, values)
    asset = _parse_asset(entry)
    if asset is None:
        raise InventoryInvalid(entry.parsed.problems)
    return asset


def _entries(top: _Entry, key: str) -> Iterator[Parsed]:
    listed = top.values.get(key)
    if not isinstance(listed, list):
        what = "is missing" if listed is None else f"is {_REPR.repr(listed)}"
        top.complain(key, f"{what}; expected a list of {key}")
        return
    for place, item in enumerate(listed):
        parsed = parse_entry(key, place, item) if isinstance(item, Mapping) else item
        if isinstance(parsed, Parsed):
            yield parsed
        else:
            message = f"{_REPR.repr(item)} is not a mapping of fields"
            top.parsed.problems += (Problem(f"{key}[{place}]", None, message),)


def _parse_site(entry: _Entry) -> Site | None:
    entry.refuse_unknown(SITE_KEYS)
    site_id, name, location = entry.uuid("id"), entry.text("name"), entry.text("location")
    entry.parsed.id = site_id
    return Site(site_id, name, location) if site_id and not entry.parsed.problems else None


def _parse_asset(entry: _Entry) -> Asset | None:
    entry.refuse_unknown(ASSET_KEYS)
    ids = {key: entry.uuid(key) for key in ("id", "site_id")}
    entry.parsed.id, entry.parsed.site_id = ids["id"], ids["site_id"]
    numbers = {key: entry.number(key, rule) for key, rule in NUMBER_RULES.items()}
    name, asset_type = entry.text("name"), entry.asset_type("asset_type")
    _check_order(entry, numbers, "min_mw", "max_mw")
    _check_order(entry, numbers, "min_soc_pct", "max_soc_pct")
    low, high, failsafe = numbers["min_mw"], numbers["max_mw"], numbers["failsafe_mw"]
    explicit = entry.values.get("failsafe_mw") is not None
    if explicit and None not in (low, high, failsafe) and not low <= failsafe <= high:  # type: ignore[operator]
        entry.complain("failsafe_mw", f"{failsafe} is outside [min_mw, max_mw] = [{low}, {high}]")
    if entry.parsed.problems:
        return None
    fields: dict[str, Any] = {**ids, **numbers, "name": name, "asset_type": asset_type}
    return Asset(**fields)


_PARSERS: Mapping[str, Callable[[_Entry], Site | Asset | None]] = {
    "sites": _parse_site,
    "assets": _parse_asset,
}


def _check_order(entry: _Entry, numbers: Mapping[str, float | None], low_key: str, high_key: str) -> None:
    low, high = numbers[low_key], numbers[high_key]
    if low is not None and high is not None and low > high:
        entry.complain(low_key, f"{low} is above {high_key} {high}")


def _unique(entries: Iterable[Parsed]) -> dict[UUID, str]:
    first: dict[UUID, str] = {}
    for parsed in entries:
        if parsed.id is None:
            continue
        if parsed.id in first:
            parsed.complain("id", f"{parsed.id} is already used by {first[parsed.id]}; ids must be unique")
        else:
            first[parsed.id] = parsed.name
    return first
