"""Times as operators type them: ``2026-01-31T08:00Z``, ``2026-01-31 08:00``, ``08:00``, ``15min`` ago, ``now``."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import typer

FORMS = "2026-01-31T08:00Z, 08:00 (today, UTC), 15min (ago) or now"

_UNITS_S = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86_400}
_AGO = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)(?:\s+ago)?", re.IGNORECASE)
_CLOCK = re.compile(r"\d{1,2}:\d\d(?::\d\d)?")


def TimeOption(*names: str, help: str) -> Any:  # noqa: A002, N802 - as typer.Option has it
    """An option that takes a time; ``moment`` reads it."""
    return typer.Option(*names, metavar="TIME", help=f"{help} {FORMS}.")


def moment(text: str, now: datetime, *, option: str) -> datetime:
    """The time that is meant; without a zone it is UTC.

    Raises:
        typer.BadParameter: it is none of the forms.
    """
    given = text.strip()
    if given.lower() == "now":
        return now
    try:
        if ago := _AGO.fullmatch(given):
            return now - timedelta(seconds=float(ago[1]) * _UNITS_S[ago[2].lower()])
        if _CLOCK.fullmatch(given):
            given = f"{now.astimezone(UTC):%Y-%m-%d}T{given:0>5}"
        told = datetime.fromisoformat(given)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is no time; expected {FORMS}", param_hint=option) from None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


class Span(NamedTuple):
    """From ``start`` until before ``end``, both aware; ``None``: not bounded on that side."""

    start: datetime | None = None
    end: datetime | None = None


def span(start: str | None, end: str | None, now: datetime) -> Span:
    """The span that ``--start`` and ``--end`` mean.

    Raises:
        typer.BadParameter: one of them is no time, or they are the wrong way round.
    """
    meant = Span(
        None if start is None else moment(start, now, option="--start"),
        None if end is None else moment(end, now, option="--end"),
    )
    if meant.start is not None and meant.end is not None and meant.start >= meant.end:
        raise typer.BadParameter("the start must be before the end", param_hint="--start / --end")
    return meant
