"""The lease policy: how long a setpoint may stay in force at the edge.

A setpoint with a duration runs to its end, link or no link: its operator said when it is over. An open-ended one is
a lease that the headend renews by being there; once the headend has been away for ``failsafe_after_s`` nobody stands
behind it and the asset goes to its fail-safe power.

All times are readings of one monotonic clock, in seconds.
"""

from dataclasses import dataclass
from enum import StrEnum


class LeaseEnd(StrEnum):
    """Why a setpoint ends without anybody saying so."""

    DURATION_OVER = "duration_over"
    LINK_LOST_FAILSAFE = "link_lost_failsafe"


@dataclass(frozen=True, slots=True)
class Deadline:
    """When a setpoint ends (monotonic seconds), and why."""

    at_s: float
    end: LeaseEnd


def lease_deadline(
    *, active_since_s: float, duration_s: float | None, link_lost_at_s: float | None, failsafe_after_s: float
) -> Deadline | None:
    """When a setpoint that became active at ``active_since_s`` must end; ``None`` while nothing limits it.

    ``link_lost_at_s`` is when the headend was last heard, or ``None`` while the link is up. A setpoint that became
    active after the link was lost (it can't, unless it was on its way) has the full ``failsafe_after_s``.
    """
    if duration_s is not None:
        return Deadline(active_since_s + duration_s, LeaseEnd.DURATION_OVER)
    if link_lost_at_s is not None:
        return Deadline(max(active_since_s, link_lost_at_s) + failsafe_after_s, LeaseEnd.LINK_LOST_FAILSAFE)
    return None
