"""What was measured, as columns for a chart: of an asset, of a site, or of several sites.

The longer the time, the coarser the buckets, so that a chart never has more than about fifteen hundred points. A bucket
is two of them, its beginning and its end, so that its mean is drawn as a step as wide as the time it is of. A sum is of
the assets that were heard, as a live one is; how many were not stands beside it.
"""

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import NamedTuple, cast

from der_client import AsyncHeadendClient, Invalid
from der_client.models import Asset, Bucket, Sample, Site, SiteBucket
from der_client.routes import Resolution, Width
from der_console.cells import seconds
from der_console.trends import KEPT_S, Columns
from der_core.freshness import STALE_AFTER_S

MOST_SITES = 40
"""Of more sites than this only the past of those that are drawn is read."""

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


class Point(NamedTuple):
    """What is known of a moment or a bucket; ``missing``: how many assets are not in the power."""

    missing: int
    mw: float | None = None
    lowest_mw: float | None = None
    highest_mw: float | None = None
    setpoint_mw: float | None = None
    soc_pct: float | None = None


Points = Mapping[float, Point]
"""By time."""


async def asset_past(headend: AsyncHeadendClient, asset: Asset, span: Span) -> Columns:
    """Lowest and highest power, power, setpoint, limits, state of charge: the series of ``pages.power``."""
    end = datetime.now(UTC)
    found = headend.history(
        asset["id"], start=end - timedelta(seconds=span.span_s), end=end, resolution=span.resolution
    )
    points = {_at(entry): _point(entry) async for entry in found}
    return _columns([asset], points, _drawn(sorted(points), _BUCKETS_S[span.resolution], end.timestamp()))


async def site_past(headend: AsyncHeadendClient, site: Site, span: Span) -> Columns:
    """The same of a site as a whole; of the live time by the minute, in which all of its assets were heard."""
    end, width = datetime.now(UTC), _summed(span)
    points = await _of_site(headend, site, span, end)
    return _columns(site["assets"], points, _drawn(sorted(points), _BUCKETS_S[width], end.timestamp()))


async def fleet_past(headend: AsyncHeadendClient, sites: Collection[Site], charted: Sequence[str]) -> Columns:
    """The power of all sites, then of each that is charted, then how many assets were not heard, over the live time.

    Of more than ``MOST_SITES`` sites that of all is not known, and what was not heard is of those that are charted.
    """
    end, few = datetime.now(UTC), len(sites) <= MOST_SITES
    read = [site for site in sites if few or site["id"] in charted]
    room = asyncio.Semaphore(_AT_ONCE)

    async def past(site: Site) -> Points:
        async with room:
            with suppress(Invalid):  # the headend does not sum up a site as large as this one
                return await _of_site(headend, site, LIVE, end)
        return {}

    by_site = dict(zip([site["id"] for site in read], await asyncio.gather(*map(past, read)), strict=True))
    times = sorted({at for points in by_site.values() for at in points})
    columns: Columns = {"t": [], "s": [[] for _ in range(len(charted) + 2)]}
    for at, heard in _drawn(times, _BUCKETS_S[_summed(LIVE)], end.timestamp()):
        found = {
            site["id"]: _heard(by_site[site["id"]], heard, missing=site["assets_total"]) for site in read
        }
        every = _sum(point.mw for point in found.values()) if few else None
        missing = sum(point.missing for point in found.values())
        row = [every, *(found[id].mw if id in found else None for id in charted), missing]
        columns["t"].append(at)
        for series, value in zip(columns["s"], row, strict=True):
            series.append(value)
    return columns


def no_past() -> Columns:
    """That of which nothing is known, with all of its series."""
    return {"t": [], "s": [[] for _ in range(WIDTH)]}


async def _of_site(headend: AsyncHeadendClient, site: Site, span: Span, end: datetime) -> Points:
    found = headend.site_history(
        site["id"], start=end - timedelta(seconds=span.span_s), end=end, resolution=_summed(span)
    )
    return {_at(bucket): _site_point(bucket, site["assets_total"]) async for bucket in found}


def _heard(points: Points, at: float | None, *, missing: int) -> Point:
    return Point(missing) if at is None else points.get(at, Point(missing))


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


def _summed(span: Span) -> Width:
    """Samples of several assets are not of one time, so what is summed up is buckets."""
    return "1m" if span.resolution == "raw" else span.resolution


def _at(entry: Sample | Bucket | SiteBucket) -> float:
    return cast("float", seconds(entry["timestamp"]))


def _point(entry: Sample | Bucket) -> Point:
    power = entry["current_mw"]
    if isinstance(power, Mapping):
        bucket = cast("Bucket", entry)
        setpoint_mw, soc_pct = bucket["setpoint_mw"]["last"], bucket["soc_pct"]["last"]
        return Point(0, power["mean"], power["min"], power["max"], setpoint_mw, soc_pct)
    sample = cast("Sample", entry)
    return Point(0, mw=power, setpoint_mw=sample["setpoint_mw"], soc_pct=sample["soc_pct"])


def _site_point(bucket: SiteBucket, assets: int) -> Point:
    return Point(
        # An asset that has left the site since then, or come to it, makes it one too few or too many.
        max(assets - bucket["assets"], 0),
        mw=bucket["current_mw"]["mean"],
        setpoint_mw=bucket["setpoint_mw"],
        soc_pct=bucket["soc_pct"],
    )


def _columns(assets: Sequence[Asset], points: Points, drawn: Iterable[tuple[float, float | None]]) -> Columns:
    upper, lower = sum(a["max_mw"] for a in assets), sum(a["min_mw"] for a in assets)
    times, rows = [], []
    for at, heard in drawn:
        missing, mw, low, high, setpoint, soc = _heard(points, heard, missing=len(assets))
        times.append(at)
        rows.append((low, high, mw, setpoint, upper, lower, soc, missing if len(assets) > 1 else 0))
    return {"t": times, "s": [[row[place] for row in rows] for place in range(WIDTH)]}


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
