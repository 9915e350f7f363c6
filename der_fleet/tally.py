"""The ledger of a run: what was generated, and what became of it.

Every sample that is generated is in the end acknowledged by the headend (stored) or dropped for want of space in a
spool, or it is still waiting. Each process keeps a tally; added up they are the run's.
"""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Tally:
    """Counts of one process. A sample is one asset at one moment; a record is a frame, an event or a report.

    ``sent`` counts what was sent at least once, ``resent`` records that had to be sent again. ``recovered`` is the part
    of ``generated`` that was found in the spools at the start. ``frames_skipped``: frames that were due while the
    simulator was more than a tick behind. ``lag_s`` is the age of the oldest unacknowledged sample now, ``max_lag_s``
    the greatest it ever was.
    """

    agents: int = 0
    assets: int = 0
    connected: int = 0
    generated: int = 0
    sent: int = 0
    acknowledged: int = 0
    dropped: int = 0
    recovered: int = 0
    records_generated: int = 0
    records_acknowledged: int = 0
    records_dropped: int = 0
    resent: int = 0
    live_copies: int = 0
    frames_skipped: int = 0
    reconnects: int = 0
    setpoints: int = 0
    events: int = 0
    cpu_s: float = 0.0
    lag_s: float = 0.0
    max_lag_s: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: "Tally") -> "Tally":
        """Both together: counts add up, of the lags the greater counts."""
        return Tally(
            **{
                name: max(mine, theirs) if name in _GREATEST else mine + theirs
                for name in self.__slots__
                for mine, theirs in ((getattr(self, name), getattr(other, name)),)
            }
        )

    @property
    def waiting(self) -> int:
        """Samples that are neither acknowledged nor dropped."""
        return self.generated - self.acknowledged - self.dropped


_GREATEST = frozenset({"lag_s", "max_lag_s"})
