"""The past of an asset in buckets, newest first."""

from collections.abc import Iterable, Sequence
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
