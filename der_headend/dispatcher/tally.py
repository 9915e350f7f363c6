"""How many dispatches there are, what became of the others, and how long they took to become active."""

from collections import Counter
from datetime import datetime

from der_core.dispatch import Dispatch
from der_core.lifecycle import State
from der_headend.measures import Distribution

_LATENCY_S = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)


class Tally:
    """Since the headend started.

    ``open``: those that have not ended. ``ended``: by the state in which they did. ``latency_s``: from when a dispatch
    was submitted until the headend knew it to be active, by the headend's clock.
    """

    def __init__(self) -> None:
        self.open = 0
        self.ended: Counter[State] = Counter()
        self.latency_s = Distribution(_LATENCY_S)

    def changed(self, before: Dispatch | None, record: Dispatch, now: datetime) -> None:
        """A record has changed, or come if there is none from before; one that ended does not change any more."""
        if before is None:
            self.open += not record.state.final
        elif before.active_at is None and record.active_at is not None:
            self.latency_s.add((now - record.submitted_at).total_seconds())
        if record.state.final:
            self.open -= before is not None
            self.ended[record.state] += 1
