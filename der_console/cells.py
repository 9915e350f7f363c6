"""What a page shows at one place: a text, and how it is to look. Pure.

A cell is the unit of what is sent to browsers, so its keys are short. Unknown is shown as a dash that is read out as
"unknown", never as 0. Power has its sign in the text (**+ discharge / export, − charge / import**) and as colour.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal, TypedDict

from der_client.digits import decimals_of
from der_client.heard import Heard

Look = Literal["ok", "quiet", "unknown", "off", "warn", "bad"]
Direction = Literal["out", "in", "zero"]

UNKNOWN = "–"
MINUS = "−"
_IDLE_MW = 0.00005
"""Up to this, power is shown as 0 and has no direction."""
_SIGNS: Mapping[Direction, str] = {"out": "+", "in": MINUS, "zero": ""}


class Cell(TypedDict, total=False):
    """``t``: text; ``s``: look; ``d``: direction of power; ``at``: when it was measured, seconds since 1970.

    ``b``: what is said below it; ``h``: where it links to; ``do``: what its button does; ``rows``: those of a listing,
    ``more``: there are more of them; ``gauge``: percent, and its bounds; ``bar``: places on a bar in percent of its
    width.
    """

    t: str
    s: Look
    d: Direction
    at: float
    b: str
    h: str
    do: str
    gauge: list[float]
    rows: list[Mapping[str, Any]]
    more: bool
    bar: Mapping[str, Any]


def text(words: str | None, *, look: Look | None = None, at: float | None = None) -> Cell:
    """Words, or unknown."""
    if words is None:
        return {"t": UNKNOWN, "s": "unknown"}
    return _cell(words, look, at)


def power(mw: float | None, *, look: Look | None = None, at: float | None = None) -> Cell:
    """Power in MW with its sign, without the unit."""
    if mw is None:
        return text(None)
    cell = _cell(signed(mw), look, at)
    cell["d"] = direction(mw)
    return cell


def asked(mw: float) -> Cell:
    """Power in MW as it was asked for."""
    cell = text(exact(mw))
    cell["d"] = direction(mw, idle_mw=0.0)
    return cell


def amount(value: float | None, *, look: Look | None = None, at: float | None = None) -> Cell:
    """An amount that has no direction: energy, headroom, a limit."""
    return text(None if value is None else number(value), look=look, at=at)


def percent(value: float | None, *, look: Look | None = None, at: float | None = None) -> Cell:
    """Percent, without the sign for it."""
    return text(None if value is None else f"{value:.1f}", look=look, at=at)


def left_out(heard: Heard, at: float) -> Cell:
    """What sums as of ``at`` leave out, as a sentence; empty if they are complete."""
    return text(f"Sums are {heard.statement(moment(at))}." if heard.missing else "", look="warn")


def alarms(count: int, *, critical: bool, at: float | None = None) -> Cell:
    """How many alarms are raised: red only if one of them is critical."""
    return text(f"{count:,}", look=("bad" if critical else "warn") if count else "quiet", at=at)


def direction(mw: float, *, idle_mw: float = _IDLE_MW) -> Direction:
    """Which way power flows."""
    if abs(mw) <= idle_mw:
        return "zero"
    return "out" if mw > 0 else "in"


def word(mw: float | None, *, site: bool = False) -> str:
    """The direction in a word: of a site (or several) export and import, of an asset discharge and charge."""
    if mw is None:
        return "unknown"
    names = {"out": "exporting", "in": "importing"} if site else {"out": "discharging", "in": "charging"}
    return names.get(direction(mw), "idle")


def signed(mw: float) -> str:
    """A power as text: ``+7.20``, ``−4.00``, ``0.00``."""
    sign = _SIGNS[direction(mw)]
    return sign + number(abs(mw) if sign else 0.0)


def exact(mw: float) -> str:
    """A power as text with every digit it has, two decimals at least: ``+12.00``, ``−0.0074``, ``+123.456``."""
    return f"{_SIGNS[direction(mw, idle_mw=0.0)]}{abs(mw):,.{decimals_of(mw)}f}"


def number(value: float) -> str:
    """As many decimals as anybody reads: four below 0.1 (but 0), two below 100, one below 10,000, then none."""
    size = round(abs(value), 4)
    decimals = 4 if 0 < size < 0.1 else 2 if size < 100 else 1 if size < 10_000 else 0  # noqa: PLR2004 - said above
    return f"{value:,.{decimals}f}".replace("-", MINUS)


def seconds(timestamp: str | None) -> float | None:
    """RFC 3339 text as seconds since 1970, or ``None`` as it was."""
    return None if timestamp is None else datetime.fromisoformat(timestamp).timestamp()


def time_text(at: float, *, now: float) -> str:
    """A moment of seconds since 1970 as time of day in UTC; with its date, if that is not today's."""
    return f"{moment(at):%H:%M:%S} UTC" if moment(at).date() == moment(now).date() else date_text(at)


def date_text(at: float) -> str:
    """The same, always with its date."""
    return f"{moment(at):%Y-%m-%d %H:%M:%S} UTC"


def moment(at: float) -> datetime:
    """A moment of seconds since 1970 as aware UTC."""
    return datetime.fromtimestamp(at, UTC)


def _cell(words: str, look: Look | None, at: float | None) -> Cell:
    cell: Cell = {"t": words}
    if look is not None:
        cell["s"] = look
    if at is not None:
        cell["at"] = round(at, 1)
    return cell
