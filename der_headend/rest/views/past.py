"""A page of an asset's history as JSON values: samples, or buckets."""

from collections.abc import Mapping, Sequence
from typing import Any

from der_core.assets import Asset
from der_headend.history import HistoryPage, Resolution, Values
from der_headend.rest.views.live import CORE_NAMES, Json, sample
from der_headend.rest.views.moments import moments

_STATISTICS = ("mean", "min", "max", "last")
_STATES = frozenset({"status"})


def history(page: HistoryPage) -> list[Json]:
    """The entries of a page, newest first."""
    times = moments(page.timestamps_us)
    entries = _samples if page.resolution is Resolution.RAW else _buckets
    return entries(page.asset, times, page.columns)[::-1]


def _samples(asset: Asset, times: Sequence[str], columns: Mapping[str, Mapping[str, Values]]) -> list[Json]:
    unknown: Values = [None] * len(times)
    last = {name: statistics["last"] for name, statistics in columns.items()}
    core = {name: last.get(name, unknown) for name in CORE_NAMES}
    others = {name: values for name, values in last.items() if name not in core}
    return [
        sample(
            asset,
            timestamp=time,
            core={name: values[place] for name, values in core.items()},
            signals={name: values[place] for name, values in others.items() if values[place] is not None},
            online=core["current_mw"][place] is not None,
        )
        for place, time in enumerate(times)
    ]


def _buckets(asset: Asset, times: Sequence[str], columns: Mapping[str, Mapping[str, Values]]) -> list[Json]:
    others = [name for name in columns if name not in CORE_NAMES]
    return [
        {
            "asset_id": str(asset.id),
            "site_id": str(asset.site_id),
            "asset_type": asset.asset_type,
            "timestamp": time,
            **{name: _in_bucket(name, columns.get(name, {}), place) for name in CORE_NAMES},
            "signals": {name: _in_bucket(name, columns[name], place) for name in others},
        }
        for place, time in enumerate(times)
    ]


def _in_bucket(name: str, statistics: Mapping[str, Values], place: int) -> Mapping[str, Any]:
    if not statistics:
        return dict.fromkeys(("last",) if name in _STATES else _STATISTICS)
    return {statistic: values[place] for statistic, values in statistics.items()}
