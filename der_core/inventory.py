"""From what a file says to an ``Inventory``, or to the list of everything that is wrong with it.

The document is what a YAML or JSON reader returns: plain dicts, lists and scalars. A reader that knows on which
line an entry began may hand in dicts with a ``line`` attribute; problems then carry it. All problems of a
document are found in one pass, so that whoever wrote it mends it in one go.
"""

import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from reprlib import Repr
from typing import Any
from uuid import UUID

from der_core.assets import Asset, AssetType, Inventory, Site


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
class _Entry:
    """One mapping under validation: takes its fields out one by one and notes what is wrong with them."""

    name: str
    values: Mapping[Any, Any]
    problems: list[Problem] = field(default_factory=list)

    def complain(self, key: str | None, message: str) -> None:
        self.problems.append(Problem(self.name, key, message, getattr(self.values, "line", None)))

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
        if isinstance(value, str):
            text = value.strip()
            if 0 < len(text) <= _LONGEST_TEXT and text.isprintable():
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
                return UUID(value)
            except ValueError:
                pass
        self.complain(key, f"{_REPR.repr(value)} is not a UUID; expected {expected}")
        return None

    def number(self, key: str, check: "_Range", default: float | None = None) -> float | None:
        if default is not None and self.values.get(key) is None:
            return default
        if not self._present(key, check.expected):
            return None
        value = self.values[key]
        if isinstance(value, bool) or not isinstance(value, int | float):
            self.complain(key, f"{_REPR.repr(value)} is not a number; expected {check.expected}")
        elif not math.isfinite(number := _to_float(value)):
            self.complain(key, f"{_REPR.repr(value)} is not finite; expected {check.expected}")
        elif not check.holds(number):
            self.complain(key, f"{_REPR.repr(value)} is out of range; expected {check.expected}")
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


def _to_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


@dataclass(frozen=True, slots=True)
class _Range:
    expected: str
    holds: Callable[[float], bool]


_LARGEST = 1e9
_LONGEST_TEXT = 200
_POWER = _Range("a power in MW from -1e9 to 1e9", lambda v: abs(v) <= _LARGEST)
_ENERGY = _Range("an energy in MWh from 0 to 1e9", lambda v: 0 <= v <= _LARGEST)
_RAMP = _Range("a ramp in MW per minute, above 0 and up to 1e9", lambda v: 0 < v <= _LARGEST)
_PERCENT = _Range("a percentage from 0 to 100", lambda v: 0 <= v <= 100)  # noqa: PLR2004 - a percentage
_EFFICIENCY = _Range("a number in (0, 1]", lambda v: 0 < v <= 1)

SITE_KEYS = ("id", "name", "location")
ASSET_KEYS = (
    "id",
    "name",
    "site_id",
    "capacity_mwhr",
    "max_mw",
    "min_mw",
    "min_soc_pct",
    "max_soc_pct",
    "efficiency",
    "ramp_rate_mw_per_min",
    "asset_type",
    "failsafe_mw",
)


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
    problems = top.problems
    sites = [_parse_site(entry) for entry in _entries(top, "sites")]
    assets = [_parse_asset(entry) for entry in _entries(top, "assets")]
    known_sites = _unique(sites)
    _unique(assets)
    for entry, _, asset in assets:
        site_id = asset.site_id if asset else _uuid_or_none(entry.values.get("site_id"))
        if site_id is not None and site_id not in known_sites:
            entry.complain("site_id", f"{site_id} is not one of the sites in this file")
    for entry, _, _ in (*sites, *assets):
        problems.extend(entry.problems)
    if problems:
        raise InventoryInvalid(problems)
    return Inventory((s for _, _, s in sites if s), (a for _, _, a in assets if a))


def parse_asset(values: Mapping[str, object], *, name: str = "asset") -> Asset:
    """One asset from its fields, held to the same rules as an asset in a file.

    Raises:
        InventoryInvalid: with every problem of the entry; ``Problem.field`` is the key.
    """
    entry, _, asset = _parse_asset(_Entry(name, values))
    if asset is None:
        raise InventoryInvalid(entry.problems)
    return asset


def _entries(top: _Entry, key: str) -> Iterable[_Entry]:
    listed = top.values.get(key)
    if not isinstance(listed, list):
        what = "is missing" if listed is None else f"is {_REPR.repr(listed)}"
        top.complain(key, f"{what}; expected a list of {key}")
        return
    for position, values in enumerate(listed):
        if isinstance(values, Mapping):
            label = values.get("name")
            suffix = f" ({_REPR.repr(label)[1:-1]})" if isinstance(label, str) and label else ""
            yield _Entry(f"{key}[{position}]{suffix}", values)
        else:
            top.problems.append(
                Problem(f"{key}[{position}]", None, f"{_REPR.repr(values)} is not a mapping of fields")
            )


def _parse_site(entry: _Entry) -> tuple[_Entry, UUID | None, Site | None]:
    entry.refuse_unknown(SITE_KEYS)
    site_id, name, location = entry.uuid("id"), entry.text("name"), entry.text("location")
    site = Site(site_id, name, location) if site_id and not entry.problems else None
    return entry, site_id, site


def _parse_asset(entry: _Entry) -> tuple[_Entry, UUID | None, Asset | None]:
    entry.refuse_unknown(ASSET_KEYS)
    ids = {key: entry.uuid(key) for key in ("id", "site_id")}
    numbers = {
        "capacity_mwhr": entry.number("capacity_mwhr", _ENERGY),
        "max_mw": entry.number("max_mw", _POWER),
        "min_mw": entry.number("min_mw", _POWER),
        "min_soc_pct": entry.number("min_soc_pct", _PERCENT, 0.0),
        "max_soc_pct": entry.number("max_soc_pct", _PERCENT, 100.0),
        "efficiency": entry.number("efficiency", _EFFICIENCY),
        "ramp_rate_mw_per_min": entry.number("ramp_rate_mw_per_min", _RAMP),
        "failsafe_mw": entry.number("failsafe_mw", _POWER, 0.0),
    }
    name, asset_type = entry.text("name"), entry.asset_type("asset_type")
    _check_order(entry, numbers, "min_mw", "max_mw")
    _check_order(entry, numbers, "min_soc_pct", "max_soc_pct")
    low, high, failsafe = numbers["min_mw"], numbers["max_mw"], numbers["failsafe_mw"]
    explicit = entry.values.get("failsafe_mw") is not None
    if explicit and None not in (low, high, failsafe) and not low <= failsafe <= high:  # type: ignore[operator]
        entry.complain("failsafe_mw", f"{failsafe} is outside [min_mw, max_mw] = [{low}, {high}]")
    if entry.problems:
        return entry, ids["id"], None
    fields: dict[str, Any] = {**ids, **numbers, "name": name, "asset_type": asset_type}
    return entry, ids["id"], Asset(**fields)


def _check_order(entry: _Entry, numbers: Mapping[str, float | None], low_key: str, high_key: str) -> None:
    low, high = numbers[low_key], numbers[high_key]
    if low is not None and high is not None and low > high:
        entry.complain(low_key, f"{low} is above {high_key} {high}")


def _unique(parsed: Iterable[tuple[_Entry, UUID | None, object]]) -> dict[UUID, str]:
    first: dict[UUID, str] = {}
    for entry, identity, _ in parsed:
        if identity is None:
            continue
        if identity in first:
            entry.complain("id", f"{identity} is already used by {first[identity]}; ids must be unique")
        else:
            first[identity] = entry.name
    return first


def _uuid_or_none(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
