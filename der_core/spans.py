"""Spans of time that a caller names."""

from datetime import datetime

from der_core.errors import Rejected


def check_span(start: datetime | None, end: datetime | None) -> None:
    """Refuse a span, open on a side that is ``None``, in which there is nothing.

    Raises:
        Rejected: ``invalid_range``, ``start`` is not before ``end``.
    """
    if start is not None and end is not None and start >= end:
        raise Rejected("invalid_range", "start must be before end", field="start")
