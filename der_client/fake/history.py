"""The past of an asset, or of a site, in buckets, newest first."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from math import fsum

from der_client import models
from der_client.fake.views import moment

WIDTHS_S = {"1m": 60, "5m": 300, "1h": 3600}


def buckets(samples: Iterable[models.Sample], width_s: int) -> list[models.Bucket]:
    """Buckets of samples that are in order of time, newest bucket first."""

    def begins_s(sample: models.Sample) -> float:
        return datetime.fromisoformat(sample["timestamp"]).timestamp() // width_s * width_s

    made = [_bucket(begin_s, list(members)) for begin_s, members in groupby(samples, begins_s)]
    return made[::-1]


def site_buckets(
    site_id: str, by_asset: Iterable[Sequence[models.Bucket]], capacity_mwhr: Mapping[str, float]
) -> list[models.SiteBucket]:
    """Buckets of the assets of a site, of each its own, summed up; the newest first."""
    by_time: defaultdict[str, list[models.Bucket]] = defaultdict(list)
    for made in by_asset:
        for bucket in made:
            by_time[bucket["timestamp"]].append(bucket)
    return [
        _site_bucket(site_id, timestamp, by_time[timestamp], capacity_mwhr)
        for timestamp in sorted(by_time, reverse=True)
    ]


def _site_bucket(
    site_id: str, timestamp: str, members: Sequence[models.Bucket], capacity_mwhr: Mapping[str, float]
) -> models.SiteBucket:
    powers = [bucket["current_mw"]["mean"] for bucket in members]
    weights = [
        (soc_pct, capacity_mwhr[bucket["asset_id"]])
        for bucket in members
        if (soc_pct := bucket["soc_pct"]["last"]) is not None
    ]
    weight = fsum(weight for _, weight in weights)
    return {
        "site_id": site_id,
        "timestamp": timestamp,
        "assets": sum(mw is not None for mw in powers),
        "current_mw": {"mean": _sum(powers)},
        "setpoint_mw": _sum(bucket["setpoint_mw"]["last"] for bucket in members),
        "soc_mwhr": _sum(bucket["soc_mwhr"]["last"] for bucket in members),
        "soc_pct": fsum(value * weight for value, weight in weights) / weight if weight else None,
    }


def _sum(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fsum(known) if known else None


def _bucket(begin_s: float, samples: Sequence[models.Sample]) -> models.Bucket:
    newest = samples[-1]
    names = sorted({name for sample in samples for name in sample["signals"]})
    return {
        "asset_id": newest["asset_id"],
        "site_id": newest["site_id"],
        "asset_type": newest["asset_type"],
        "timestamp": moment(datetime.fromtimestamp(begin_s, UTC)),
        "current_mw": _statistics([sample["current_mw"] for sample in samples]),
        "setpoint_mw": _statistics([sample["setpoint_mw"] for sample in samples]),
        "soc_mwhr": _statistics([sample["soc_mwhr"] for sample in samples]),
        "soc_pct": _statistics([sample["soc_pct"] for sample in samples]),
        "status": {"last": newest["status"]},
        "signals": {name: _signal([sample["signals"].get(name) for sample in samples]) for name in names},
    }


def _signal(values: Sequence[float | str | None]) -> models.Statistics | models.LastState:
    states = [value for value in values if isinstance(value, str)]
    if states:
        return {"last": states[-1]}
    return _statistics([value for value in values if not isinstance(value, str)])


def _statistics(values: Iterable[float | None]) -> models.Statistics:
    known = [value for value in values if value is not None]
    if not known:
        return {"mean": None, "min": None, "max": None, "last": None}
    return {"mean": fsum(known) / len(known), "min": min(known), "max": max(known), "last": known[-1]}
