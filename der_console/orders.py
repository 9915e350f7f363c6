"""What a person wants to send, made of what was typed. Pure.

Positive MW = discharge / export, negative MW = charge / import.
"""

import math
from dataclasses import dataclass
from uuid import uuid4

from der_console import cells
from der_console.targets import Target
from der_core.dispatch import MAX_DURATION_S

_MOST_MINUTES = MAX_DURATION_S / 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A dispatch to be; its ``id`` is its own from the preview on, so that it can't be sent twice."""

    id: str
    target: Target
    mw: float
    duration_s: float | None


class Unfit(ValueError):
    """It is no order yet; the text says what is missing."""


def order_of(target: Target | None, mw: str, minutes: str | None) -> Order:
    """The order; ``minutes`` is ``None`` for one until further notice.

    Raises:
        Unfit: something is missing or makes no sense.
    """
    if target is None:
        raise Unfit("Choose a target: type a part of its name and pick it from the list.")
    power_mw = number_of(mw)
    if power_mw is None:
        raise Unfit("Enter the power in MW, such as 12 to discharge or −5 to charge.")
    duration_s = None
    if minutes is not None:
        length = number_of(minutes)
        if length is None or not 0 < length <= _MOST_MINUTES:
            raise Unfit(
                f"Enter the duration in minutes, above 0 and at most {_MOST_MINUTES:,.0f}, "
                "or choose “Until further notice”."
            )
        duration_s = length * 60
    return Order(id=str(uuid4()), target=target, mw=power_mw, duration_s=duration_s)


def number_of(typed: str) -> float | None:
    """A finite number as people type it, with any of the minus signs; ``None`` if it is none."""
    try:
        value = float(typed.strip().replace(cells.MINUS, "-").replace("–", "-"))
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def sense(target: Target | None, mw: float | None) -> str:
    """What a power means for a target: its direction in words."""
    if mw is None:
        return "+ discharges / exports, − charges / imports"
    site = target is not None and target.kind == "site"
    name = target.name if target else "the target"
    verbs = {"out": "export" if site else "discharge", "in": "import" if site else "charge", "zero": "hold"}
    return f"{cells.exact(mw)} MW: {name} is to {verbs[cells.direction(mw, idle_mw=0.0)]}"


def sentence(order: Order) -> str:
    """The order in words, as on the button that sends it."""
    length = "until further notice" if order.duration_s is None else f"for {span(order.duration_s)}"
    return f"Send {cells.exact(order.mw)} MW to {order.target.name} {length}"


def span(seconds: float) -> str:
    """A length of time as people say it: ``15 min``, ``2 h``, ``45 s``."""
    for unit_s, unit in ((3600, "h"), (60, "min")):
        if seconds >= unit_s and seconds % unit_s == 0:
            return f"{seconds / unit_s:g} {unit}"
    return f"{seconds / 60:.1f} min" if seconds >= 60 else f"{seconds:g} s"  # noqa: PLR2004 - a minute
