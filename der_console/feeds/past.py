"""What was measured, as columns for a chart: of an asset, or summed over the assets of a site.

The longer the time, the coarser the buckets, so that a chart never has more than about fifteen hundred points. A bucket
is two of them, its beginning and its end, so that its mean is drawn as a step as wide as the time it is of. A sum is of
the assets that were heard, as a live one is; how many were not stands beside it.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import compress, pairwise
from statistics import median
from typing import cast

from der_client import AsyncHeadendClient
from der_client.models import Asset, Bucket, Sample
from der_client.routes import Resolution
from der_console.cells import seconds
from der_console.trends import KEPT_S, Columns
from der_core.freshness import STALE_AFTER_S

MOST_SUMMED = 40
"""The past of more assets than this is not summed up here."""

PAST_HOLDS_S = 150.0
"""What was measured by the minute is joined to what follows within this time."""

WIDTH = 8
"""So many series has the power of an asset or of a site."""

_AT_ONCE = 8
_EDGE_S = 0.001
"""So much before the next one begins a bucket ends, for a chart has one point at a time."""


@dataclass(frozen=True, slots=True)
class Span:
    """A time to look at; ``live`` goes on with what comes."""

    label: str
    span_s: int
    resolution: Resolution
    live: bool = False


LIVE = Span("Live", round(KEPT_S), "raw", live=True)
SPANS = (
    LIVE,
    Span("1 h", 3600, "1m"),
    Span("24 h", 86_400, "5m"),
    Span("7 d", 604_800, "1h"),
    Span("30 d", 2_592_000, "1h"),
)

_BUCKETS_S: Mapping[Resolution, float] = {"raw": 0, "1m": 60, "5m": 300, "1h": 3600}

Point = tuple[float | None, float | None, float | None, float | None, float | None]
"""Power, its lowest and highest, setpoint (MW), state of charge (%)."""

_NOTHING: Point = (None, None, None, None, None)


async def asset_past(headend: AsyncHeadendClient, asset: Asset, span: Span) -> Columns:
    """Lowest and highest power, power, setpoint, limits, state of charge: the series of ``pages.power``."""
    return _columns(await _measured(headend, [asset], span, span.resolution))


async def site_past(headend: AsyncHeadendClient, assets: Sequence[Asset], span: Span) -> Columns:
    """The same, summed over assets; of the live time by the minute, in which all of them were heard."""
    return _columns(await _measured(headend, assets[:MOST_SUMMED], span, _summed(span)))


async def fleet_past(headend: AsyncHeadendClient, site_ids: Sequence[str]) -> Columns:
    """The power of all assets, then of each site, then how many were not heard, over the live time by the minute."""
    assets = [asset async for asset in headend.assets()]
    past = await _measured(headend, assets, LIVE, _summed(LIVE))
    groups = [[asset["site_id"] == id_ for asset in assets] for id_ in site_ids]
    powers = [[point[0] for point in found] for found in past.points]
    return {
        "t": past.times,
        "s": [
            [_sum(row) for row in powers],
            *([_sum(compress(row, group)) for row in powers] for group in groups),
            [_missing(found) for found in past.points],
        ],
    }


def no_past() -> Columns:
    """That of which nothing is known, with all of its series."""
    return {"t": [], "s": [[] for _ in range(WIDTH)]}


@dataclass(frozen=True, slots=True)
class _Past:
    """What was measured of ``assets``: at each of the ``times`` one of the ``points`` per asset, in their order."""

    assets: Sequence[Asset]
    times: list[float]
    points: list[Sequence[Point]]


async def _measured(
    headend: AsyncHeadendClient, assets: Sequence[Asset], span: Span, resolution: Resolution
) -> _Past:
    room, end = asyncio.Semaphore(_AT_ONCE), datetime.now(UTC)

    async def read(asset_id: str) -> dict[float, Point]:
        async with room:
            found = headend.history(
                asset_id, start=end - timedelta(seconds=span.span_s), end=end, resolution=resolution
            )
            return {cast("float", seconds(entry["timestamp"])): _point(entry) async for entry in found}

    by_asset = await asyncio.gather(*(read(asset["id"]) for asset in assets))
    times = sorted({at for points in by_asset for at in points})
    nothing = [_NOTHING] * len(assets)
    drawn = [
        (at, nothing if heard is None else [points.get(heard, _NOTHING) for points in by_asset])
        for at, heard in _drawn(times, _BUCKETS_S[resolution], end.timestamp())
    ]
    return _Past(assets, [at for at, _ in drawn], [found for _, found in drawn])


def _drawn(times: Sequence[float], bucket_s: float, now: float) -> Iterator[tuple[float, float | None]]:
    """Where points are drawn, each with the time of what was measured; ``None`` where nobody knows anything.

    A bucket that has only just begun is left out: not every asset can have been heard in it yet.
    """
    holds_s = 2 * _EDGE_S if bucket_s else _holds_s(times)
    end: float | None = None
    for at in (at for at in times if not bucket_s or now - at >= STALE_AFTER_S):
        if end is not None and at - end > holds_s:
            yield end + _EDGE_S, None
        yield at, at
        end = at
        if bucket_s:
            end = min(at + bucket_s, now) - _EDGE_S
            yield end, at
    if end is not None and now - end > max(holds_s, STALE_AFTER_S):
        yield end + _EDGE_S, None


def _holds_s(times: Sequence[float]) -> float:
    """How long a sample holds until it is not known what came after it: three of the usual steps."""
    steps = [later - at for at, later in pairwise(times)]
    return max(STALE_AFTER_S, 3 * median(steps)) if steps else STALE_AFTER_S


def _summed(span: Span) -> Resolution:
    """Samples of several assets are not of one time, so what is summed up is buckets."""
    return "1m" if span.resolution == "raw" else span.resolution


def _point(entry: Sample | Bucket) -> Point:
    power = entry["current_mw"]
    if isinstance(power, Mapping):
        bucket = cast("Bucket", entry)
        return (
            power["mean"],
            power["min"],
            power["max"],
            bucket["setpoint_mw"]["last"],
            bucket["soc_pct"]["last"],
        )
    sample = cast("Sample", entry)
    return power, None, None, sample["setpoint_mw"], sample["soc_pct"]


def _columns(past: _Past) -> Columns:
    several = len(past.assets) > 1
    upper, lower = sum(a["max_mw"] for a in past.assets), sum(a["min_mw"] for a in past.assets)
    capacity = [asset["capacity_mwhr"] for asset in past.assets]
    rows: list[tuple[float | None, ...]] = []
    for found in past.points:
        power, low, high, setpoint = (_sum(point[i] for point in found) for i in range(4))
        soc = _mean([point[4] for point in found], capacity)
        band = (None, None) if several else (low, high)
        rows.append((*band, power, setpoint, upper, lower, soc, _missing(found) if several else 0))
    return {"t": past.times, "s": [[row[place] for row in rows] for place in range(WIDTH)]}


def _missing(found: Iterable[Point]) -> int:
    """How many assets are not in the power."""
    return sum(point[0] is None for point in found)


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _mean(values: Sequence[float | None], weights: Sequence[float]) -> float | None:
    known = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    weight = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / weight if weight else None
