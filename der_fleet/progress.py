"""One line on stderr that says how far it is: in place on a terminal, line after line elsewhere."""

import sys

from der_fleet.tally import Tally


class Progress:
    """A line that is replaced by the next; call ``end`` before anything else is printed."""

    def __init__(self) -> None:
        self.in_place = sys.stderr.isatty()
        self._open = False

    def show(self, text: str) -> None:
        """The line as it is now."""
        sys.stderr.write(f"\r{text}\x1b[K" if self.in_place else f"{text}\n")
        sys.stderr.flush()
        self._open = self.in_place

    def end(self) -> None:
        """Leave the last line standing."""
        if self._open:
            sys.stderr.write("\n")
            self._open = False


def words(tally: Tally, elapsed_s: float) -> str:
    """A run's ledger for people."""
    parts = [
        f"{elapsed_s:4.0f} s",
        f"{tally.connected}/{tally.agents} agents",
        f"sent {tally.sent:,}",
        f"acknowledged {tally.acknowledged:,}",
        f"waiting {tally.waiting:,}",
        f"lag {tally.lag_s:.1f} s",
    ]
    if tally.dropped:
        parts.append(f"dropped {tally.dropped:,}")
    if tally.refused:
        parts.append(f"refused {sum(tally.refused.values())} ({', '.join(tally.refused)})")
    return "  ".join(parts)
