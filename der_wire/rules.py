"""Rules of the link beside its messages, which both ends or all kinds of agents keep to alike."""

import math
import random
from uuid import UUID

MISSED_HEARTBEATS = 3
"""Who was not heard for so many heartbeats is taken for gone."""

ANSWER_WITHIN_S = 30.0
"""Long enough for a headend to which ten thousand agents come back at once: whoever gives up and tries again only
makes its queue longer. One that is gone is noticed without it."""

STEADY_AFTER_S = 1.0
"""A session that lasted so long counts as a success, after which the next attempt is immediate."""

BUNDLE_BYTES = 1 << 16
"""Records go together in one message up to this size. Nothing counts as heard before it has come whole, so on a slow
link a message must not take as long as the heartbeats that may be missed."""

_SHOWN_EVERY = 0.75
_SHOWN_EVERY_S = 7.5
_PHASES = 1_000
_SOON = 0.6
_LONGEST_DRAIN_S = 300.0
_DRAIN_SPREAD = 1.5


def shown_every_s(heartbeat_s: float) -> float:
    """How long a turn is in which one frame is shown: three quarters of a heartbeat, or 7.5 s.

    That is half of the age at which a value counts as stale.
    """
    return min(_SHOWN_EVERY * heartbeat_s, _SHOWN_EVERY_S)


def to_show(at_s: float, *, shown_s: float, heartbeat_s: float, spool_id: UUID) -> bool:
    """Whether a frame of ``at_s`` is to go ahead as a copy if the newest that the headend was sent is of ``shown_s``.

    So it is once in each turn, but not soon after another: a short wait causes no copy. The turns of different agents
    begin at different moments: after an outage thousands are behind at once, and their copies would else come all
    together, again and again.
    """
    every_s = shown_every_s(heartbeat_s)
    phase = spool_id.int % _PHASES / _PHASES
    turn, shown_turn = (math.floor(moment_s / every_s + phase) for moment_s in (at_s, shown_s))
    return turn != shown_turn and abs(at_s - shown_s) >= _SOON * every_s


def away_s(asked_s: float, rng: random.Random) -> float:
    """For how long an agent stays away that a headend has asked to: what was asked, within reason and spread out."""
    wait_s = min(max(asked_s, 0.0), _LONGEST_DRAIN_S) if math.isfinite(asked_s) else _LONGEST_DRAIN_S
    return wait_s * rng.uniform(1.0, _DRAIN_SPREAD)
