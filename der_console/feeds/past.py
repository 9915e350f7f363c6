"""What was measured, as columns for a chart: of an asset, or summed over the assets of a site.

The longer the time, the coarser the buckets, so that a chart never has more than about a thousand points.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import cast

from der_client import AsyncHeadendClient
from der_client.models import Asset, Bucket, Sample
from der_client.routes import Resolution
from der_console.cells import seconds
from der_console.trends import KEPT_S, Columns

MOST_SUMMED = 40
"""The past of more assets than this is not summed up here."""

PAST_HOLDS_S = 150.0
"""What was measured by the minute is joined to what follows within this time."""

_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Span:
    """A time to look at; ``live`` goes on with what comes."""

    label: str
    span_s: int
    resolution: Resolution
    step_s: int
    live: bool = False


LIVE = Span("Live", round(KEPT_S), "raw", 30, live=True)
SPANS = (
    LIVE,
    Span("1 h", 3600, "1m", 60),
    Span("24 h", 86_400, "5m", 300),
    Span("7 d", 604_800, "1h", 3600),
    Span("30 d", 2_592_000, "1h", 3600),
)

Point = tuple[float | None, float | None, float | None, float | None, float | None]
"""Power, its lowest and highest, setpoint (MW), state of charge (%)."""

Part = tuple[Asset, dict[float, Point]]
"""An asset, and what was measured when."""

_NOTHING: Point = (None, None, None, None, None)


async def asset_past(headend: AsyncHeadendClient, asset: Asset, span: Span) -> Columns:
    """Lowest and highest power, power, setpoint, limits, state of charge: the series of ``pages.power``."""
    return _columns([(asset, await _points(headend, asset["id"], span, span.resolution))], span)


async def site_past(headend: AsyncHeadendClient, assets: Sequence[Asset], span: Span) -> Columns:
    """The same, summed over assets; of the live time by the minute, in which all of them were heard."""
    return _columns(await _all_points(headend, assets[:MOST_SUMMED], span), span)


async def fleet_past(headend: AsyncHeadendClient, site_ids: Sequence[str]) -> Columns:
    """The power of all assets together, then of each site, over the live time by the minute; for small fleets."""
    every = await _all_points(headend, [asset async for asset in headend.assets()], LIVE)
    groups = [every, *([part for part in every if part[0]["site_id"] == site_id] for site_id in site_ids)]
    times = _times(every, LIVE)
    return {
        "t": times,
        "s": [[_sum(points.get(at, _NOTHING)[0] for _, points in group) for at in times] for group in groups],
    }


async def _all_points(headend: AsyncHeadendClient, assets: Iterable[Asset], span: Span) -> list[Part]:
    resolution: Resolution = "1m" if span.resolution == "raw" else span.resolution
    room = asyncio.Semaphore(_AT_ONCE)

    async def points(asset: Asset) -> Part:
        async with room:
            return asset, await _points(headend, asset["id"], span, resolution)

    return await asyncio.gather(*map(points, assets))


async def _points(
    headend: AsyncHeadendClient, asset_id: str, span: Span, resolution: Resolution
) -> dict[float, Point]:
    end = datetime.now(UTC)
    found = headend.history(
        asset_id, start=end - timedelta(seconds=span.span_s), end=end, resolution=resolution
    )
    return {cast("float", seconds(entry["timestamp"])): _point(entry) async for entry in found}


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


def _columns(parts: Sequence[Part], span: Span) -> Columns:
    several = len(parts) > 1
    upper, lower = sum(a["max_mw"] for a, _ in parts), sum(a["min_mw"] for a, _ in parts)
    capacity = [asset["capacity_mwhr"] for asset, _ in parts]
    times = _times(parts, span)
    rows: list[tuple[float | None, ...]] = []
    for at in times:
        found = [points.get(at, _NOTHING) for _, points in parts]
        power, low, high, setpoint = (_sum(point[i] for point in found) for i in range(4))
        soc = _mean([point[4] for point in found], capacity)
        band = (None, None) if several else (low, high)
        rows.append((*band, power, setpoint, upper, lower, soc))
    return {"t": times, "s": [[row[place] for row in rows] for place in range(7)]}


def _times(parts: Iterable[Part], span: Span) -> list[float]:
    """When anything was measured, and in every gap one moment of which nobody knows anything."""
    times: list[float] = []
    for at in sorted({at for _, points in parts for at in points}):
        if times and at - times[-1] > 2.5 * span.step_s:
            times.append(times[-1] + span.step_s)
        times.append(at)
    return times


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None


def _mean(values: Sequence[float | None], weights: Sequence[float]) -> float | None:
    known = [(value, weight) for value, weight in zip(values, weights, strict=True) if value is not None]
    weight = sum(weight for _, weight in known)
    return sum(value * weight for value, weight in known) / weight if weight else None
