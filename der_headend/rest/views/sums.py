"""What the assets of a site are together, added up some assets at a time.

Only those count that are **heard**: online, and their newest sample is not older than ``STALE_AFTER_S``. What an asset
did when it was last heard says nothing of now. The age is that by the agent's time of the sample, as all screens show
it, so an agent whose clock is slow may not be heard. Power in MW, positive = discharge / export; energy in MWh.
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
        self._online = self._heard = self._telling = 0
        self._power_mw = self._up_mw = self._down_mw = 0.0
        self._stored_mwhr = self._room_mwhr = 0.0
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
        able = list(zip(fleet.limits_of(fleet.at(heard)), powers_mw, strict=True))
        self._heard += len(powers_mw)
        self._power_mw += math.fsum(powers_mw)
        self._up_mw += math.fsum(max(limits.max_mw - now_mw, 0.0) for limits, now_mw in able)
        self._down_mw += math.fsum(max(now_mw - limits.min_mw, 0.0) for limits, now_mw in able)
        telling = heard[np.isfinite(fleet.columns["soc_mwhr"][heard])]
        self._telling += len(telling)
        self._stored_mwhr += math.fsum(fleet.columns["soc_mwhr"][telling])
        self._room_mwhr += math.fsum(fleet.at(telling).numbers("capacity_mwhr"))

    def fields(self) -> Mapping[str, float | str | None]:
        """What is known of them, by the names of the REST API; ``None``: of no asset."""
        heard = self._heard > 0
        return {
            "current_mw": self._power_mw if heard else None,
            "soc_mwhr": self._stored_mwhr if self._telling else None,
            "soc_pct": self._stored_mwhr / self._room_mwhr * 100 if self._room_mwhr else None,
            "headroom_up_mw": self._up_mw if heard else None,
            "headroom_down_mw": self._down_mw if heard else None,
            "assets_online": self._online,
            "assets_heard": self._heard,
            "unheard_since": _moment(self._newest_gone_us),
        }


def _moment(timestamp_us: int) -> str | None:
    return moments(np.array([timestamp_us]))[0] if timestamp_us else None
