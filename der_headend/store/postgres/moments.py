"""Microseconds since 1970, datetimes, and the texts of records, as the database takes them."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIRST_US = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
_LAST_US = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND


def moment(us: int) -> datetime:
    """Aware UTC from microseconds since 1970; of what can't be written so the nearest that can."""
    return EPOCH + timedelta(microseconds=min(max(us, _FIRST_US), _LAST_US))


def microseconds(at: datetime) -> int:
    """Microseconds since 1970 from an aware time."""
    return (at - EPOCH) // _MICROSECOND


def plain(text: str) -> str:
    """A text that came from outside, without the one character that PostgreSQL has no place for."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def plain_or_none(text: str | None) -> str | None:
    """As ``plain``; ``None`` stays."""
    return None if text is None else plain(text)
