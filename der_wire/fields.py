"""Checks of single fields: each returns the value in the core's terms or says what was wrong with it.

A peer is another program, perhaps another team's, perhaps broken. So each refusal names the field, shows what was
there (cut short) and says what is expected.
"""

import re
from collections.abc import Hashable, Iterable
from datetime import UTC, datetime, timedelta
from reprlib import Repr
from uuid import UUID

from der_core.errors import Rejected

LARGEST = 1e9
"""No power, energy or duration, and no measured value, is larger than this; sums of them stay finite."""

MAX_TEXT = 512
"""Longest text, in characters, that is taken from the wire."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_REPR = Repr()
_REPR.maxstring = 60


class WireInvalid(Rejected):
    """A message that can't be taken; ``field`` is its place in the message, such as ``assets[3].name``.

    ``code`` is ``invalid`` unless a more telling one is documented where it is raised.
    """


def invalid(field: str, value: object, expected: str) -> WireInvalid:
    """The error for a field that holds something else than expected."""
    return WireInvalid("invalid", f"{field}: {_REPR.repr(value)}; expected {expected}", field=field)


def read_uuid(field: str, value: str) -> UUID:
    """An id in its canonical text form."""
    try:
        parsed = UUID(value)
    except ValueError:
        parsed = None
    if parsed is None or str(parsed) != value.lower():
        raise invalid(field, value, "a UUID such as 7ba7b810-9dad-11d1-80b4-00c04fd430c8")
    return parsed


def read_text(field: str, value: str, *, shortest: int = 0, longest: int = MAX_TEXT) -> str:
    """A text of one line, without control characters."""
    if not shortest <= len(value) <= longest or _CONTROL.search(value):
        raise invalid(field, value, f"{shortest} to {longest} characters on one line")
    return value


def read_number(field: str, value: float, *, low: float = -LARGEST, high: float = LARGEST) -> float:
    """A number in ``[low, high]``."""
    if low <= value <= high:
        return value
    raise invalid(field, value, f"a number from {low:g} to {high:g}")


def read_time(field: str, value_us: int) -> datetime:
    """A moment, from microseconds since 1970-01-01 UTC; 0 is what a peer sends that forgot it."""
    try:
        if value_us > 0:
            return _EPOCH + timedelta(microseconds=value_us)
    except OverflowError:
        pass
    raise invalid(
        field, value_us, "microseconds since 1970-01-01T00:00:00Z, above 0 and before the year 10000"
    )


def read_place(field: str, value: int, size: int) -> int:
    """A place in a list of ``size`` that was sent at registration."""
    if value < size:
        return value
    raise invalid(field, value, f"a place in a list of {size}, counted from 0")


def refuse_repeats(field: str, values: Iterable[Hashable]) -> None:
    """Refuse a list that has the same thing twice."""
    seen: set[Hashable] = set()
    for value in values:
        if value in seen:
            raise invalid(field, value, "each only once")
        seen.add(value)


def micros(moment: datetime) -> int:
    """Microseconds since 1970-01-01 UTC, exactly.

    Raises:
        ValueError: if the moment is naive.
    """
    if moment.tzinfo is None:
        raise ValueError(f"{moment} has no time zone")
    return (moment - _EPOCH) // _MICROSECOND


def for_people(text: str) -> str:
    """A text for people as it may go over the wire: on one line, not too long, and such as UTF-8 can write."""
    return _CONTROL.sub(" ", text)[:MAX_TEXT].encode("utf-8", "replace").decode()
