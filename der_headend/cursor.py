"""Where the next page of a list begins, as text that callers hand back as they got it.

A cursor is the sort key of the last entry they have seen, not an offset: entries that come or go meanwhile make no
page skip or repeat one.
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from der_core.errors import Rejected

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def encode(parts: Sequence[str]) -> str:
    """A cursor that holds some texts, none of them empty or with a line break."""
    return base64.urlsafe_b64encode("\n".join(parts).encode()).decode().rstrip("=")


def decode(cursor: str, count: int) -> Sequence[str]:
    """The ``count`` texts that a cursor holds.

    Raises:
        Rejected: ``invalid_cursor``, it is not one that ``encode`` made of so many texts.
    """
    try:
        parts = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise invalid_cursor() from None
    texts = parts.split("\n")
    if len(texts) != count or not all(texts):
        raise invalid_cursor()
    return texts


def encode_moment(at: datetime, id: UUID) -> str:
    """The cursor of an entry in a list ordered by time, then id."""
    return encode((str((at - _EPOCH) // _MICROSECOND), id.hex))


def decode_moment(cursor: str) -> tuple[datetime, UUID]:
    """What ``encode_moment`` was given.

    Raises:
        Rejected: ``invalid_cursor``.
    """
    microseconds, id = decode(cursor, 2)
    try:
        return _EPOCH + timedelta(microseconds=int(microseconds)), UUID(hex=id)
    except (ValueError, OverflowError):
        raise invalid_cursor() from None


def invalid_cursor() -> Rejected:
    """The error for a cursor that this headend did not give out."""
    return Rejected(
        "invalid_cursor",
        "the cursor is not one of this list; take it as it was from X-Next-Cursor, or leave it out to begin anew",
        field="cursor",
    )
