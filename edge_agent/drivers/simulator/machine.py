"""What every simulated machine can do, and the ramp they share.

Power in MW, positive = discharge / export.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

STATUS_THRESHOLD_MW = 0.1
"""Above this a battery discharges, below its negative it charges, between the two it is idle."""

DERATED_TO = 0.5
"""Share of its limits that is left to a derated machine."""


class Condition(Enum):
    """In which shape a machine is."""

    NORMAL = "normal"
    DERATED = "derated"
    TRIPPED = "tripped"


@dataclass(frozen=True, slots=True)
class Moment:
    """A reading of both clocks: seconds since the simulation began, and aware UTC."""

    elapsed_s: float
    utc: datetime


class Machine(Protocol):
    """The physics of one asset, as a frozen state: each change makes a new one."""

    @property
    def accepted_mw(self) -> float:
        """The setpoint it goes by."""
        ...

    def told(self, setpoint_mw: float | None, moment: Moment) -> "Machine":
        """It, with a new setpoint; ``None`` releases it to rest."""
        ...

    def after(self, seconds: float, condition: Condition) -> "Machine":
        """It, some seconds later, if it was in one condition for all of them."""
        ...

    def values(self, moment: Moment, condition: Condition) -> Mapping[str, float | str]:
        """What it shows, by signal name."""
        ...


def ramped(mw: float, target_mw: float, rate_mw_per_min: float, seconds: float) -> float:
    """``mw`` after moving towards ``target_mw`` for some seconds, arriving exactly."""
    reach = rate_mw_per_min / 60.0 * seconds
    if abs(target_mw - mw) <= reach:
        return target_mw
    return mw + reach if target_mw > mw else mw - reach


def within(setpoint_mw: float, min_mw: float, max_mw: float, condition: Condition) -> float:
    """The power that a machine goes for: its setpoint, as far as its condition leaves room. It can always rest."""
    share = DERATED_TO if condition is Condition.DERATED else 1.0
    return min(max(setpoint_mw, share * min(min_mw, 0.0)), share * max(max_mw, 0.0))


def storage_status(mw: float, condition: Condition) -> str:
    """The state of something that charges and discharges, from its measured power."""
    if condition is Condition.TRIPPED:
        return "fault"
    if mw > STATUS_THRESHOLD_MW:
        return "discharging"
    return "charging" if mw < -STATUS_THRESHOLD_MW else "idle"
