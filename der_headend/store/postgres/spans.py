"""Spans of time in microseconds since 1970, from a beginning to before an end."""

from collections.abc import Sequence

Span = tuple[int, int]


def merged(spans: Sequence[Span]) -> list[Span]:
    """The same time, in order, without what touches or overlaps; ``spans`` are in order of their beginnings."""
    found: list[Span] = []
    for begin_us, end_us in spans:
        if found and begin_us <= found[-1][1]:
            found[-1] = (found[-1][0], max(end_us, found[-1][1]))
        else:
            found.append((begin_us, end_us))
    return found


def clipped(span: Span, to: Span) -> Span | None:
    """What of a span lies within another."""
    begin_us, end_us = max(span[0], to[0]), min(span[1], to[1])
    return (begin_us, end_us) if begin_us < end_us else None


def next_multiple(time_us: int, width_us: int) -> int:
    """The first whole multiple of a width that is not before a time."""
    return -(-time_us // width_us) * width_us
