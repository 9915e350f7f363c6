"""When a simulated asset is well and when it is not: an endless sequence of spans, fixed by a seed.

Healthy times are exponentially distributed, so faults come without memory, at a rate per hour of good health; each
lasts half a minute to three minutes and goes away by itself.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum

from der_core.events import Severity
from edge_agent.drivers.simulator.machine import Condition
from edge_agent.ports import Fault

SHORTEST_S = 30.0
LONGEST_S = 180.0


class FaultKind(Enum):
    """What can break, and what the agent is told of it."""

    INVERTER_TRIP = Fault("inverter_trip", Severity.CRITICAL, "The inverter has tripped; power is 0 MW.")
    RACK = Fault("rack_fault", Severity.WARNING, "A rack is out; the power limits are halved.")
    HVAC = Fault("hvac_fault", Severity.WARNING, "The air conditioning is out; temperature is rising.")
    COMMS = Fault("comms_lost", Severity.WARNING, "The asset does not answer.")

    @property
    def condition(self) -> Condition:
        """What it does to the machine; a lost connection and a warm room do nothing to it."""
        return _CONDITIONS.get(self, Condition.NORMAL)


_CONDITIONS = {FaultKind.INVERTER_TRIP: Condition.TRIPPED, FaultKind.RACK: Condition.DERATED}


@dataclass(frozen=True, slots=True)
class Span:
    """A time, in seconds since the simulation began, with one fault or none."""

    since_s: float
    until_s: float
    fault: FaultKind | None

    @property
    def condition(self) -> Condition:
        """In which shape the machine is meanwhile."""
        return self.fault.condition if self.fault else Condition.NORMAL


def spans(*, seed: str, rate_per_hour: float, kinds: Sequence[FaultKind]) -> Iterator[Span]:
    """One span after the other without gaps, beginning with a healthy one; with no rate it lasts for ever."""
    if rate_per_hour <= 0.0 or not kinds:
        yield Span(0.0, math.inf, None)
        return
    chance = random.Random(seed)
    at_s = 0.0
    while True:
        begin_s = at_s + chance.expovariate(rate_per_hour / 3600.0)
        end_s = begin_s + chance.uniform(SHORTEST_S, LONGEST_S)
        yield Span(at_s, begin_s, None)
        yield Span(begin_s, end_s, chance.choice(kinds))
        at_s = end_s
