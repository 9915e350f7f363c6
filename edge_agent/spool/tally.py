"""Which records a spool has and how many bytes they take, reckoned without looking at the disk. Pure.

Numbers leave at the front alone (acknowledged, or dropped for want of space), so the spool is a range of numbers with
a size for each; a size of 0 is a gap: a record that never reached the disk. Four bytes per record.
"""

from array import array

OVERHEAD_BYTES = 150
"""About what a record takes beside its body, wherever it is kept."""

_TIDY_AFTER = 4096


class Tally:
    """A range of record numbers within a budget of bytes, bodies and overhead together."""

    def __init__(self, *, max_bytes: int, first_seq: int = 1, dropped: int = 0) -> None:
        self._max_bytes = max_bytes
        self._sizes = array("I")
        self._gone = 0
        self.first_seq = first_seq
        self.records = 0
        self.bytes = 0
        self.dropped = dropped

    @property
    def next_seq(self) -> int:
        """The number that the next record will get."""
        return self.first_seq + len(self._sizes) - self._gone

    def add(self, body_bytes: int) -> int:
        """Take a record in; returns its number."""
        size = body_bytes + OVERHEAD_BYTES
        self._sizes.append(size)
        self.records += 1
        self.bytes += size
        return self.next_seq - 1

    def skip_to(self, seq: int) -> None:
        """Leave a gap up to, and without, this number."""
        self._sizes.extend([0] * (seq - self.next_seq))
        self._advance_to(self.first_seq)

    def drop_excess(self) -> None:
        """Drop the oldest records until the rest is within the budget, and count them."""
        while self.bytes > self._max_bytes:
            self.dropped += 1
            self._advance_to(self.first_seq + 1)

    def lose(self, seq: int) -> None:
        """This record never reached the disk: it counts as dropped, its number stays used up."""
        place = self._gone + seq - self.first_seq
        if place >= self._gone and self._sizes[place]:
            self.dropped += 1
            self.records -= 1
            self.bytes -= self._sizes[place]
            self._sizes[place] = 0
            self._advance_to(self.first_seq)

    def acknowledge(self, through_seq: int) -> None:
        """Everything up to and including this number is stored elsewhere."""
        self._advance_to(min(through_seq + 1, self.next_seq))

    def _advance_to(self, seq: int) -> None:
        """Let go of all below this number, and of the gap that may begin there."""
        while self._gone < len(self._sizes) and (self.first_seq < seq or not self._sizes[self._gone]):
            size = self._sizes[self._gone]
            self._gone += 1
            self.first_seq += 1
            self.records -= size > 0
            self.bytes -= size
        if self._gone >= _TIDY_AFTER:
            del self._sizes[: self._gone]
            self._gone = 0
