"""A PV or wind plant: it exports what the weather allows, up to a cap that follows the setpoint at the ramp rate.

A setpoint curtails; without one the cap is the rating. After a trip the plant comes back from 0 at the ramp rate.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from der_core.assets import Asset
from der_core.signals import AVAILABLE_MW, CURRENT_MW, SETPOINT_MW, STATUS
from edge_agent.drivers.simulator.machine import Condition, Moment, ramped, within

_NOTICEABLE = 0.01
"""Share of the rating below which a plant counts as idle, or as not curtailed."""


@dataclass(frozen=True, slots=True)
class Weather:
    """How much of its rating a plant could export, in [0, 1], and the measurements that show it."""

    fraction: float
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """A plant. Power in MW, positive = export; ``cap_mw`` is on its way to the setpoint."""

    asset: Asset
    weather: Callable[[Moment], Weather]
    cap_mw: float
    setpoint_mw: float | None = None

    @property
    def accepted_mw(self) -> float:
        """The setpoint it goes by; its rating where nothing curtails it."""
        return self.asset.max_mw if self.setpoint_mw is None else self.setpoint_mw

    def told(self, setpoint_mw: float | None, moment: Moment) -> "Plant":
        """It, curtailed to a setpoint within its limits, or released.

        A ramp down begins where the plant stands, not at a cap that it does not reach.
        """
        if setpoint_mw is None:
            return replace(self, setpoint_mw=None)
        standing = min(self.cap_mw, self._available_mw(self.weather(moment)))
        setpoint = max(self.asset.clamp(setpoint_mw), 0.0)
        return replace(self, setpoint_mw=setpoint, cap_mw=max(standing, min(setpoint, self.cap_mw)))

    def after(self, seconds: float, condition: Condition) -> "Plant":
        """It, some seconds later, if it was in one condition for all of them."""
        if condition is Condition.TRIPPED:
            return replace(self, cap_mw=0.0)
        target = within(self.accepted_mw, self.asset.min_mw, self.asset.max_mw, condition)
        return replace(self, cap_mw=ramped(self.cap_mw, target, self.asset.ramp_rate_mw_per_min, seconds))

    def values(self, moment: Moment, condition: Condition) -> Mapping[str, float | str]:
        """What it shows, by signal name; while nothing curtails it, its setpoint is unknown."""
        weather = self.weather(moment)
        tripped = condition is Condition.TRIPPED
        available = 0.0 if tripped else self._available_mw(weather)
        mw = min(available, self.cap_mw)
        shown: dict[str, float | str] = {
            CURRENT_MW.name: mw,
            AVAILABLE_MW.name: available,
            STATUS.name: "fault" if tripped else self._status(mw, available),
            **weather.values,
        }
        if self.setpoint_mw is not None:
            shown[SETPOINT_MW.name] = self.setpoint_mw
        return shown

    def _available_mw(self, weather: Weather) -> float:
        return max(self.asset.max_mw, 0.0) * weather.fraction

    def _status(self, mw: float, available_mw: float) -> str:
        threshold = _NOTICEABLE * self.asset.max_mw
        if self.setpoint_mw is not None and available_mw - mw > threshold:
            return "curtailed"
        return "generating" if mw > threshold else "idle"
