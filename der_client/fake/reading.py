"""What a request says, read as strictly as the headend reads it."""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

import httpx

from der_core.dispatch import MAX_DURATION_S
from der_core.errors import Rejected
from der_core.request import DispatchRequest
from der_core.spans import check_span

T = TypeVar("T")

MAX_LIMIT = 1000
MAX_TTL_S = 7 * 86_400.0
_TARGETS = ("asset_id", "site_id", "id")
_TIMES = {"duration_s": MAX_DURATION_S, "ttl_s": MAX_TTL_S}


def order(request: httpx.Request) -> DispatchRequest:
    """The body of a dispatch or a preview.

    Raises:
        Rejected: it does not fit its schema.
    """
    try:
        body = json.loads(request.content)
    except ValueError:
        raise Rejected("malformed_json", "the body could not be read as JSON in UTF-8") from None
    if not isinstance(body, dict):
        raise Rejected("invalid_body", "the body must be a JSON object")
    given = {name: value for name, value in body.items() if value is not None or name == "mw"}
    for name in given:
        if name not in {"mw", *_TARGETS, *_TIMES}:
            raise Rejected("unknown_field", f"{name}: is not a field of this request", field=name)
    if "mw" not in given:
        raise Rejected("missing_field", "mw: is required", field="mw")
    read: dict[str, Any] = {"mw": _number("mw", given.pop("mw"))}
    for name, value in given.items():
        read[name] = identity(name, value) if name in _TARGETS else _span(name, value)
    return DispatchRequest(**read)


def identity(name: str, value: Any) -> UUID:
    """A UUID.

    Raises:
        Rejected: ``invalid_uuid``.
    """
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise Rejected("invalid_uuid", f"{name}: must be a UUID", field=name) from None


def number(params: Mapping[str, str], name: str, default: float, *, low: float, high: float) -> float:
    """A number of the query, within ``[low, high]``.

    Raises:
        Rejected: ``invalid_value`` or ``not_finite``.
    """
    try:
        value = float(params.get(name, default))
    except ValueError:
        raise _invalid(name, "must be a number") from None
    if not math.isfinite(value):
        raise Rejected("not_finite", f"{name}: must be a finite number", field=name)
    if not low <= value <= high:
        raise _invalid(name, f"must be from {low:g} to {high:g}")
    return value


def flag(params: Mapping[str, str], name: str) -> bool | None:
    """A truth value of the query, if it is there."""
    return {"true": True, "false": False}[params[name]] if name in params else None


def moment(params: Mapping[str, str], name: str) -> datetime | None:
    """An aware time of the query, if it is there.

    Raises:
        Rejected: ``invalid_value``.
    """
    if name not in params:
        return None
    try:
        at = datetime.fromisoformat(params[name])
    except ValueError:
        at = datetime.min  # noqa: DTZ901 - naive, and so refused
    if at.tzinfo is None:
        raise _invalid(name, "must be a time with its zone, such as 2026-01-31T08:00:00Z")
    return at


def within(
    params: Mapping[str, str], default: tuple[datetime, datetime] | None = None
) -> Callable[[str], bool]:
    """Whether a time, as text, is from ``start`` to before ``end``; from and to ``default`` if neither is given.

    Raises:
        Rejected: ``invalid_value``, or ``invalid_range``: ``start`` is not before ``end``.
    """
    start, end = moment(params, "start"), moment(params, "end")
    check_span(start, end)
    if start is None and end is None and default is not None:
        start, end = default

    def includes(text: str) -> bool:
        at = datetime.fromisoformat(text)
        return (start is None or at >= start) and (end is None or at < end)

    return includes


def page(
    params: Mapping[str, str], entries: Sequence[T], key: Callable[[T], str], *, limit: int
) -> tuple[Sequence[T], str | None]:
    """The entries that are asked for, and the cursor of the next page.

    Raises:
        Rejected: ``invalid_value`` or ``invalid_cursor``.
    """
    size = int(number(params, "limit", limit, low=1, high=MAX_LIMIT))
    first = 0
    if (cursor := params.get("cursor")) is not None:
        keys = [key(entry) for entry in entries]
        if cursor not in keys:
            raise Rejected("invalid_cursor", "the cursor is not one of this list", field="cursor")
        first = keys.index(cursor) + 1
    shown = entries[first : first + size]
    return shown, key(shown[-1]) if first + size < len(entries) else None


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _invalid(name, "must be a number")
    if not math.isfinite(value):
        raise Rejected("not_finite", f"{name}: must be a finite number", field=name)
    return float(value)


def _span(name: str, value: Any) -> float:
    seconds = _number(name, value)
    if not 0 < seconds <= _TIMES[name]:
        raise _invalid(name, f"must be above 0 and at most {_TIMES[name]:g}")
    return seconds


def _invalid(name: str, what: str) -> Rejected:
    return Rejected("invalid_value", f"{name}: {what}", field=name)
