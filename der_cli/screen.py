"""How values look on a terminal: numbers with their sign, ages, unknown as a dash, and how fresh a value is.

Positive MW = discharge / export, negative MW = charge / import; the sign is always shown.
"""

import json
import os
import sys
from datetime import datetime
from enum import Enum
from functools import lru_cache
from typing import Any, TextIO

from rich.console import Console
from rich.text import Text

from der_client.digits import decimals_of
from der_client.models import Asset
from der_core.freshness import STALE_AFTER_S
from der_runtime.display import one_line

UNKNOWN = "\u2013"
SIGN_CONVENTION = f"MW: positive = discharge / export, negative = charge / import. {UNKNOWN} = unknown."

_AS_WIDE_AS_IT_TAKES = 10_000
_MINUTE_S, _HOUR_S, _DAY_S = 60, 3600, 86_400


class Freshness(Enum):
    """How far a live value can be trusted; the value is its style."""

    LIVE = "green"
    STALE = "yellow"
    OFFLINE = "red"
    UNHEARD = "dim"


def out() -> Console:
    """The console on stdout as it is now."""
    return Console(highlight=False, markup=False, emoji=False)


def wide_out() -> Console:
    """The same for tables: a terminal or COLUMNS bounds them, a pipe or a file does not."""
    console = out()
    if not (console.is_terminal or os.environ.get("COLUMNS")):
        console.width = _AS_WIDE_AS_IT_TAKES
    return console


def err() -> Console:
    """The console on stderr as it is now: the one, so that what is printed while a spinner turns goes above it."""
    return _console_on(sys.stderr)


@lru_cache(maxsize=1)
def _console_on(stream: TextIO) -> Console:
    return Console(highlight=False, markup=False, emoji=False, file=stream)


def print_json(value: Any) -> None:
    """The JSON as the headend served it, indented."""
    sys.stdout.write(f"{json.dumps(value, indent=2, ensure_ascii=False)}\n")


def print_json_line(value: Any) -> None:
    """The JSON on one line, at once."""
    sys.stdout.write(f"{json.dumps(value, ensure_ascii=False)}\n")
    sys.stdout.flush()


def mw(value: float | None) -> str:
    """Power with its sign, to 10 kW; below 100 kW to 0.1 kW."""
    if value is None:
        return UNKNOWN
    size = round(abs(value), 4)
    if not size:
        return "0.00"
    return f"{value:+.{4 if size < 0.1 else 2}f}"  # noqa: PLR2004 - said above


def exact_mw(value: float) -> str:
    """Power with its sign and every digit it has, two decimals at least: what is sent, or was."""
    return f"{value:+.{decimals_of(value)}f}" if value else "0.00"


def number(value: float | None, digits: int = 1) -> str:
    """A quantity without a sign of its own."""
    return UNKNOWN if value is None else f"{round(value, digits) + 0.0:.{digits}f}"


def words(value: object) -> str:
    """Text from elsewhere, fit for one line of a terminal."""
    return UNKNOWN if value is None or value == "" else one_line(str(value))


def instant(text: str) -> datetime:
    """A time of the REST API."""
    return datetime.fromisoformat(text)


def age(seconds: float) -> str:
    """A length of time in its largest unit; a clock that is a little ahead does not make it negative."""
    whole = max(int(seconds), 0)
    for unit_s, unit in ((_DAY_S, "d"), (_HOUR_S, "h"), (_MINUTE_S, "min")):
        if whole >= unit_s:
            return f"{whole // unit_s} {unit}"
    return f"{whole} s"


def since(text: str | None, now: datetime) -> str:
    """How long ago a time of the REST API was."""
    return UNKNOWN if text is None else age((now - instant(text)).total_seconds())


def clock(at: datetime, now: datetime) -> str:
    """A time of day in UTC; with its date, if that is not today's."""
    return f"{at:%H:%M:%S}" if at.date() == now.date() else f"{at:%Y-%m-%d %H:%M:%S}"


def freshness(asset: Asset, now: datetime) -> Freshness:
    """Whether an asset's live values are live."""
    if asset["updated_at"] is None:
        return Freshness.UNHEARD
    if not asset["online"]:
        return Freshness.OFFLINE
    old = (now - instant(asset["updated_at"])).total_seconds() > STALE_AFTER_S
    return Freshness.STALE if old else Freshness.LIVE


def status(asset: Asset, now: datetime) -> Text:
    """What an asset is doing or, if that can't be known, since when."""
    how = freshness(asset, now)
    match how:
        case Freshness.UNHEARD:
            return Text("never heard", style=how.value)
        case Freshness.LIVE:
            return Text(words(asset["status"]), style=how.value)
        case _:
            return Text(f"{how.name.lower()} {since(asset['updated_at'], now)}", style=how.value)


def live(value: str, asset: Asset, now: datetime) -> Text:
    """A live value, dimmed if it is not live any more."""
    return Text(value, style="" if freshness(asset, now) is Freshness.LIVE else "dim")
