"""Which faults come when, as a pure function of a seed.

Each part of the system has at most one fault at a time, different parts may have theirs together: a headend that is
killed while its database stands still is where things go wrong. Every kind comes once before any comes again.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

CALM_S = 2.0
"""Nothing happens so soon after the start."""


class Kind(StrEnum):
    """What can be done to the system."""

    KILL_HEADEND = "kill-headend"
    KILL_AGENT = "kill-agent"
    KILL_POSTGRES = "kill-postgres"
    STALL_POSTGRES = "stall-postgres"
    CUT_POSTGRES = "cut-postgres"
    BLACKHOLE_POSTGRES = "blackhole-postgres"
    CUT_LINK = "cut-link"
    BLACKHOLE_LINK = "blackhole-link"
    MUTE_LINK = "mute-link"
    FULL_SPOOL = "full-spool"

    @property
    def what(self) -> str:
        """What happens, for ``--help``."""
        return _WHAT[self]


_WHAT = {
    Kind.KILL_HEADEND: "SIGKILL to the headend, which starts again after a while",
    Kind.KILL_AGENT: "SIGKILL to an agent, which starts again after a while",
    Kind.KILL_POSTGRES: "SIGKILL to every process of PostgreSQL",
    Kind.STALL_POSTGRES: "PostgreSQL stands still with its connections open",
    Kind.CUT_POSTGRES: "the connections to PostgreSQL are reset and new ones refused",
    Kind.BLACKHOLE_POSTGRES: "the connections to PostgreSQL stay open and carry nothing",
    Kind.CUT_LINK: "an agent's link is reset and new ones are refused",
    Kind.BLACKHOLE_LINK: "an agent's link stays open and carries nothing",
    Kind.MUTE_LINK: "an agent hears the headend and is not heard",
    Kind.FULL_SPOOL: "the link of the gateway with the small spool is cut until that overflows",
}

_LASTS_S = {
    Kind.KILL_HEADEND: (0.1, 4.0),
    Kind.KILL_AGENT: (0.1, 5.0),
    Kind.KILL_POSTGRES: (0.1, 6.0),
    Kind.STALL_POSTGRES: (1.0, 10.0),
    Kind.CUT_POSTGRES: (0.1, 6.0),
    Kind.BLACKHOLE_POSTGRES: (1.0, 10.0),
    Kind.CUT_LINK: (0.0, 6.0),
    Kind.BLACKHOLE_LINK: (0.5, 8.0),
    Kind.MUTE_LINK: (0.5, 6.0),
    Kind.FULL_SPOOL: (30.0, 45.0),
}


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """What is done to what, when (seconds after the start) and for how long. ``gateway`` is the agent's number."""

    at_s: float
    kind: Kind
    for_s: float
    gateway: int = 0

    @property
    def victim(self) -> str:
        """The part of the system that has the fault."""
        match self.kind:
            case Kind.KILL_HEADEND:
                return "headend"
            case Kind.KILL_AGENT:
                return f"gateway {self.gateway}"
            case Kind.CUT_LINK | Kind.BLACKHOLE_LINK | Kind.MUTE_LINK | Kind.FULL_SPOOL:
                return f"link {self.gateway}"
            case _:
                return "database"


def plan(
    *, seed: int, duration_s: float, kinds: Sequence[Kind], gateways: int, every_s: float
) -> list[Fault]:
    """The faults of a run, in order of time; all of them are over by ``duration_s``."""
    chance = random.Random(f"{seed}:faults")
    busy_until_s: dict[str, float] = {}
    faults = []
    at_s = CALM_S
    for kind in _order(chance, kinds):
        at_s = round(at_s + every_s * chance.uniform(0.2, 1.8), 2)
        if at_s >= duration_s:
            break
        for_s = min(chance.uniform(*_LASTS_S[kind]), (duration_s - at_s) * 0.9)
        # The last gateway is the one with the small spool.
        gateway = gateways - 1 if kind is Kind.FULL_SPOOL else chance.randrange(gateways)
        fault = Fault(at_s, kind, for_s, gateway)
        if busy_until_s.get(fault.victim, 0.0) <= at_s:
            busy_until_s[fault.victim] = at_s + for_s
            faults.append(fault)
    return faults


def _order(chance: random.Random, kinds: Sequence[Kind]) -> Iterator[Kind]:
    while kinds:
        yield from chance.sample(list(kinds), len(kinds))
