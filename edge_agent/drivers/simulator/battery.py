"""A battery: power ramps to the setpoint, stored energy follows the power, and at its bounds it stops.

Time is cut into pieces in which power is a straight line that does not cross zero. Over such a piece energy is
``(p0 + p1) / 2 x t``; it leaves the store divided by the efficiency and enters it multiplied by the efficiency. When
the store would reach a bound within a piece, the piece ends at that very moment, so the result is exact and does not
depend on how time is cut up by whoever asks.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from der_core.assets import Asset
from der_core.signals import CURRENT_MW, SETPOINT_MW, SOC_MWHR, SOC_PCT, STATUS
from edge_agent.drivers.simulator.machine import Condition, Moment, ramped, storage_status, within

_SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Battery:
    """A battery of known capacity. Power in MW, positive = discharge; energy in MWh."""

    asset: Asset
    mw: float
    soc_mwhr: float
    setpoint_mw: float = 0.0

    @classmethod
    def at_rest(cls, asset: Asset) -> "Battery":
        """A battery that stands still in the middle of its SOC range."""
        middle_pct = (asset.min_soc_pct + asset.max_soc_pct) / 2
        return cls(asset, mw=0.0, soc_mwhr=asset.capacity_mwhr * middle_pct / 100.0)

    @property
    def accepted_mw(self) -> float:
        """The setpoint it goes by."""
        return self.setpoint_mw

    @property
    def min_mwhr(self) -> float:
        """Lower bound of the stored energy."""
        return self.asset.capacity_mwhr * self.asset.min_soc_pct / 100.0

    @property
    def max_mwhr(self) -> float:
        """Upper bound of the stored energy."""
        return self.asset.capacity_mwhr * self.asset.max_soc_pct / 100.0

    def told(self, setpoint_mw: float | None, _moment: Moment) -> "Battery":
        """It, with a new setpoint within its limits; 0 where the store forbids the direction."""
        setpoint = 0.0 if setpoint_mw is None else self.asset.clamp(setpoint_mw)
        return _stopped_at_bounds(replace(self, setpoint_mw=setpoint))

    def after(self, seconds: float, condition: Condition) -> "Battery":
        """It, some seconds later, if it was in one condition for all of them."""
        if condition is Condition.TRIPPED:
            return replace(self, mw=0.0)
        battery, left = _stopped_at_bounds(self), seconds
        while left > 0.0:
            battery, taken = _piece(battery, left, condition)
            battery, left = _stopped_at_bounds(battery), left - taken
        return battery

    def values(self, _moment: Moment, condition: Condition) -> Mapping[str, float | str]:
        """What it shows, by signal name."""
        return {
            CURRENT_MW.name: self.mw,
            SETPOINT_MW.name: self.setpoint_mw,
            SOC_MWHR.name: self.soc_mwhr,
            SOC_PCT.name: 100.0 * self.soc_mwhr / self.asset.capacity_mwhr,
            STATUS.name: storage_status(self.mw, condition),
        }


def _stopped_at_bounds(battery: Battery) -> Battery:
    """With what an empty or full store forbids at 0: the power and the setpoint."""
    low = -math.inf if battery.soc_mwhr < battery.max_mwhr else 0.0
    high = math.inf if battery.soc_mwhr > battery.min_mwhr else 0.0
    if low <= battery.mw <= high and low <= battery.setpoint_mw <= high:
        return battery
    mw, setpoint_mw = min(max(battery.mw, low), high), min(max(battery.setpoint_mw, low), high)
    return replace(battery, mw=mw, setpoint_mw=setpoint_mw)


def _piece(battery: Battery, longest_s: float, condition: Condition) -> tuple[Battery, float]:
    """The battery at the end of the next straight piece, and how many seconds that took."""
    asset, mw = battery.asset, battery.mw
    target = within(battery.setpoint_mw, asset.min_mw, asset.max_mw, condition)
    if mw * target < 0.0:
        target = 0.0
    mw_per_s = asset.ramp_rate_mw_per_min / 60.0
    seconds = longest_s
    if target != mw:
        seconds = min(longest_s, abs(target - mw) / mw_per_s)
    end_mw = target if seconds < longest_s else ramped(mw, target, asset.ramp_rate_mw_per_min, seconds)
    discharging = mw + end_mw > 0.0
    factor = 1.0 / asset.efficiency if discharging else asset.efficiency
    bound_mwhr = battery.min_mwhr if discharging else battery.max_mwhr
    room_mw_s = abs(battery.soc_mwhr - bound_mwhr) * _SECONDS_PER_HOUR / factor
    rising = (abs(target) > abs(mw)) - (abs(target) < abs(mw))
    until_bound_s = _time_to_use(room_mw_s, abs(mw), rising * mw_per_s)
    if until_bound_s <= seconds:
        return replace(battery, mw=0.0, soc_mwhr=bound_mwhr), until_bound_s
    drawn_mwhr = (mw + end_mw) / 2.0 * seconds * factor / _SECONDS_PER_HOUR
    soc_mwhr = min(max(battery.soc_mwhr - drawn_mwhr, battery.min_mwhr), battery.max_mwhr)
    return replace(battery, mw=end_mw, soc_mwhr=soc_mwhr), seconds


def _time_to_use(room_mw_s: float, mw: float, mw_per_s: float) -> float:
    """When ``mw x t + mw_per_s x t² / 2`` reaches ``room_mw_s``, for powers that stay at or above 0."""
    under_root = mw * mw + 2.0 * mw_per_s * room_mw_s
    if under_root < 0.0:
        return math.inf
    speed = mw + math.sqrt(under_root)
    return 2.0 * room_mw_s / speed if speed > 0.0 else math.inf
