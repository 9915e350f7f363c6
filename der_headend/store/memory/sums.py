"""Buckets of several assets summed up, one asset after the other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from der_headend.ports import History, SiteHistory


@dataclass(slots=True)
class _Sum:
    """What is known of one bucket; ``weighted_pct`` is the sum of states of charge times ``weight_mwhr``."""

    assets: int = 0
    current_mw: float = math.nan
    setpoint_mw: float = math.nan
    soc_mwhr: float = math.nan
    weighted_pct: float = math.nan
    weight_mwhr: float = 0.0

    @property
    def soc_pct(self) -> float:
        return self.weighted_pct / self.weight_mwhr if self.weight_mwhr else math.nan


class Sums:
    """Sums by bucket."""

    def __init__(self) -> None:
        self._by_begin: dict[int, _Sum] = {}

    def add(self, found: History, capacity_mwhr: float) -> None:
        """Add the buckets of one asset."""
        current_mw = _finite(found, "current_mw", "mean")
        setpoint_mw, soc_mwhr, soc_pct = (
            _finite(found, name, "last") for name in ("setpoint_mw", "soc_mwhr", "soc_pct")
        )
        for row, begin_us in enumerate(found.timestamps_us.tolist()):
            total = self._by_begin.setdefault(begin_us, _Sum())
            total.assets += not math.isnan(current_mw[row])
            total.current_mw = _plus(total.current_mw, current_mw[row])
            total.setpoint_mw = _plus(total.setpoint_mw, setpoint_mw[row])
            total.soc_mwhr = _plus(total.soc_mwhr, soc_mwhr[row])
            if not math.isnan(soc_pct[row]):
                total.weighted_pct = _plus(total.weighted_pct, soc_pct[row] * capacity_mwhr)
                total.weight_mwhr += capacity_mwhr

    def newest(self, limit: int) -> SiteHistory:
        """The newest ``limit`` buckets."""
        begins_us = sorted(self._by_begin)
        shown = begins_us[-limit:]
        rows = [self._by_begin[begin_us] for begin_us in shown]
        return SiteHistory(
            np.array(shown, np.int64),
            np.array([row.assets for row in rows], np.int64),
            np.array([row.current_mw for row in rows], np.float64),
            np.array([row.setpoint_mw for row in rows], np.float64),
            np.array([row.soc_mwhr for row in rows], np.float64),
            np.array([row.soc_pct for row in rows], np.float64),
            earlier_us=shown[0] if len(begins_us) > limit else None,
        )


def _finite(found: History, signal: str, statistic: str) -> Sequence[float]:
    """A column; NaN where nothing is known, or what is known is beyond all numbers."""
    values = found.columns.get(signal, {}).get(statistic)
    if values is None:
        return [math.nan] * found.timestamps_us.shape[0]
    finite: list[float] = np.where(np.isfinite(values), values, np.nan).tolist()
    return finite


def _plus(total: float, value: float) -> float:
    if math.isnan(value):
        return total
    return value if math.isnan(total) else total + value
