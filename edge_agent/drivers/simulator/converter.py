"""Power electronics with nothing known behind them: an EV charger, or a battery whose capacity nobody told.

Power ramps to the setpoint within limits; there is no state of charge.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from der_core.signals import CURRENT_MW, SETPOINT_MW, STATUS
from edge_agent.drivers.simulator.machine import Condition, Moment, ramped, storage_status, within


@dataclass(frozen=True, slots=True, kw_only=True)
class Converter:
    """A converter between ``min_mw`` and ``max_mw`` (MW, positive = discharge / export)."""

    min_mw: float
    max_mw: float
    ramp_rate_mw_per_min: float
    mw: float = 0.0
    setpoint_mw: float = 0.0

    @property
    def accepted_mw(self) -> float:
        """The setpoint it goes by."""
        return self.setpoint_mw

    def told(self, setpoint_mw: float | None, _moment: Moment) -> "Converter":
        """It, with a new setpoint within its limits; released it goes to 0."""
        setpoint = 0.0 if setpoint_mw is None else min(max(setpoint_mw, self.min_mw), self.max_mw)
        return replace(self, setpoint_mw=setpoint)

    def after(self, seconds: float, condition: Condition) -> "Converter":
        """It, some seconds later, if it was in one condition for all of them."""
        if condition is Condition.TRIPPED:
            return replace(self, mw=0.0)
        target = within(self.setpoint_mw, self.min_mw, self.max_mw, condition)
        return replace(self, mw=ramped(self.mw, target, self.ramp_rate_mw_per_min, seconds))

    def values(self, _moment: Moment, condition: Condition) -> Mapping[str, float | str]:
        """What it shows, by signal name."""
        return {
            CURRENT_MW.name: self.mw,
            SETPOINT_MW.name: self.setpoint_mw,
            STATUS.name: storage_status(self.mw, condition),
        }
