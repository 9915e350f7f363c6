"""What the assets of a site are together, added up some assets at a time.

Only those count that are **heard**: online, and their newest sample is not older than ``STALE_AFTER_S``. What an asset
did when it was last heard says nothing of now. Power in MW, positive = discharge / export; energy in MWh.
"""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from der_headend.fleet import Fleet
from der_headend.rest.views.moments import moments


class Sums:
    """Sums over assets; what is not newer than ``oldest_us`` (microseconds since 1970) is not heard."""

    def __init__(self, fleet: Fleet, *, oldest_us: float) -> None:
        self._fleet = fleet
        self._oldest_us = oldest_us
        self._online = 0
        self._powers_mw: list[float] = []
        self._up_mw: list[float] = []
        self._down_mw: list[float] = []
        self._stored_mwhr: list[float] = []
        self._room_mwhr: list[float] = []
        self._newest_gone_us = 0

    def add(self, slots: NDArray[np.int64], online: Sequence[bool]) -> None:
        """Add assets, of which those that are ``online`` have a power that is known."""
        fleet, connected = self._fleet, np.array(online, np.bool_)
        fresh = connected & (fleet.timestamp_us[slots] >= self._oldest_us)
        heard, known = slots[fresh], np.isfinite(fleet.columns["current_mw"][slots])
        gone_us = fleet.timestamp_us[slots[known & ~fresh]]
        self._online += int(np.count_nonzero(connected))
        self._newest_gone_us = max(self._newest_gone_us, int(gone_us.max(initial=0)))
        powers_mw: list[float] = fleet.columns["current_mw"][heard].tolist()
        self._powers_mw += powers_mw
        for limits, now_mw in zip(fleet.limits_of(heard), powers_mw, strict=True):
            self._up_mw.append(max(limits.max_mw - now_mw, 0.0))
            self._down_mw.append(max(now_mw - limits.min_mw, 0.0))
        for slot, stored_mwhr in zip(heard.tolist(), fleet.numbers("soc_mwhr", heard), strict=True):
            if stored_mwhr is not None:
                self._stored_mwhr.append(stored_mwhr)
                self._room_mwhr.append(fleet.assets[slot].capacity_mwhr)

    def fields(self) -> Mapping[str, float | str | None]:
        """What is known of them, by the names of the REST API; ``None``: of no asset."""
        stored_mwhr, room_mwhr = _sum(self._stored_mwhr), math.fsum(self._room_mwhr)
        return {
            "current_mw": _sum(self._powers_mw),
            "soc_mwhr": stored_mwhr,
            "soc_pct": None if stored_mwhr is None or not room_mwhr else stored_mwhr / room_mwhr * 100,
            "headroom_up_mw": _sum(self._up_mw),
            "headroom_down_mw": _sum(self._down_mw),
            "assets_online": self._online,
            "assets_heard": len(self._powers_mw),
            "unheard_since": _moment(self._newest_gone_us),
        }


def _moment(timestamp_us: int) -> str | None:
    return moments(np.array([timestamp_us]))[0] if timestamp_us else None


def _sum(values: Sequence[float]) -> float | None:
    return math.fsum(values) if values else None
