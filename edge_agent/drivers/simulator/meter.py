"""A meter: it measures the load of a site through the day and takes no setpoint."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from der_core.signals import CURRENT_MW, STATUS
from edge_agent.drivers.simulator.machine import Condition, Moment
from edge_agent.ports import DriverRefused


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter of a load of up to ``peak_mw``, shown as import (negative MW)."""

    name: str
    peak_mw: float
    load: Callable[[Moment], float]

    @property
    def accepted_mw(self) -> float:
        """Nothing is asked of it."""
        return 0.0

    def told(self, setpoint_mw: float | None, _moment: Moment) -> "Meter":
        """It, as it was: releasing a meter changes nothing, anything else is refused.

        Raises:
            DriverRefused: a setpoint was given.
        """
        if setpoint_mw is not None:
            raise DriverRefused(f"{self.name} is a meter; it only measures and takes no setpoint")
        return self

    def after(self, _seconds: float, _condition: Condition) -> "Meter":
        """It, as it was."""
        return self

    def values(self, moment: Moment, _condition: Condition) -> Mapping[str, float | str]:
        """What it shows, by signal name."""
        return {CURRENT_MW.name: -self.peak_mw * self.load(moment), STATUS.name: "idle"}
