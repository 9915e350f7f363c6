"""A site's history against the histories of its assets, added up by hand."""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from der_headend.ports import HistoryQuery, SiteHistory, SiteHistoryQuery, TelemetryStore

ALL = 100_000
"""More buckets than any test has."""


def site_query(
    slots: Sequence[int], *, start_us: int, end_us: int, bucket_us: int, limit: int = ALL
) -> SiteHistoryQuery:
    """Assets with capacities of 1, 2, 3 … MWh, by slot."""
    return SiteHistoryQuery(
        slots=np.array(slots, np.int64),
        capacity_mwhr=np.array(slots, np.float64) + 1,
        start_us=start_us,
        end_us=end_us,
        limit=limit,
        bucket_us=bucket_us,
    )


async def assert_sum_of_assets(store: TelemetryStore, query: SiteHistoryQuery) -> SiteHistory:
    """Have a site's history read, and compare it with those of its assets in the same store."""
    found = await store.site_history(query)
    known: defaultdict[int, list[dict[str, float]]] = defaultdict(list)
    for slot in query.slots.tolist():
        of_asset = HistoryQuery(
            slot=slot, start_us=query.start_us, end_us=query.end_us, limit=ALL, bucket_us=query.bucket_us
        )
        asset = await store.history(of_asset)
        for row, begin_us in enumerate(asset.timestamps_us.tolist()):
            bucket = {"capacity": slot + 1.0}
            for name, statistics in asset.columns.items():
                bucket[name] = float(
                    statistics.get("mean" if name == "current_mw" else "last", {row: math.nan})[row]
                )
            known[begin_us].append(bucket)
    expected = sorted(known)[-query.limit :]
    assert found.timestamps_us.tolist() == expected
    assert found.earlier_us == (expected[0] if len(known) > query.limit else None)
    for row, begin_us in enumerate(expected):
        powers = _known(known[begin_us], "current_mw")
        assert found.assets[row] == len(powers)
        assert found.current_mw[row] == _about(sum(powers) if powers else math.nan)
        for name, values in (("setpoint_mw", found.setpoint_mw), ("soc_mwhr", found.soc_mwhr)):
            terms = _known(known[begin_us], name)
            assert values[row] == _about(sum(terms) if terms else math.nan), name
        told = [one for one in known[begin_us] if not math.isnan(one.get("soc_pct", math.nan))]
        weights = sum(one["capacity"] for one in told)
        weighted = sum(one["soc_pct"] * one["capacity"] for one in told)
        assert found.soc_pct[row] == _about(weighted / weights if told else math.nan)
    return found


def _known(buckets: Iterable[dict[str, float]], name: str) -> list[float]:
    return [one[name] for one in buckets if not math.isnan(one.get(name, math.nan))]


def _about(value: float) -> object:
    return pytest.approx(value, rel=1e-9, abs=1e-9, nan_ok=True)
