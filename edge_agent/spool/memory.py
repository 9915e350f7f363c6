"""A spool in memory: lasts as long as the process, within a budget of bytes.

Each start of the agent makes a new spool with a new id, so the headend counts it from 1 again. Notes are for the next
start, so there is nothing to do for them here.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from uuid import UUID, uuid4

from edge_agent.ports import Spooled, SpoolStatus
from edge_agent.spool.tally import OVERHEAD_BYTES


class MemorySpool:
    """A ``ports.Spool`` of at most ``max_bytes``, bodies and bookkeeping together; oldest dropped first."""

    def __init__(self, *, max_bytes: int) -> None:
        self._spool_id = uuid4()
        self._max_bytes = max_bytes
        self._records: deque[Spooled] = deque()
        self._bytes = 0
        self._next_seq = 1
        self._dropped = 0

    @property
    def spool_id(self) -> UUID:
        """Names this sequence of numbers."""
        return self._spool_id

    async def append(self, bodies: Sequence[bytes], notes: Mapping[str, bytes | None] | None = None) -> int:  # noqa: ARG002 - the port's
        """Keep some records. Returns the sequence number of the last of them."""
        for body in bodies:
            self._records.append(Spooled(self._next_seq, body))
            self._next_seq += 1
            self._bytes += _size(body)
        while self._bytes > self._max_bytes and self._records:
            self._take_oldest()
            self._dropped += 1
        return self._next_seq - 1

    async def read(self, after_seq: int, limit: int) -> Sequence[Spooled]:
        """Up to ``limit`` records above ``after_seq``, in order."""
        if not self._records:
            return ()
        # The numbers in the queue have no gaps: records leave it at its front alone.
        start = max(after_seq + 1 - self._records[0].seq, 0)
        return tuple(islice(self._records, start, start + limit))

    async def acknowledge(self, through_seq: int) -> None:
        """Forget everything up to and including this."""
        while self._records and self._records[0].seq <= through_seq:
            self._take_oldest()

    def status(self) -> SpoolStatus:
        """How full it is."""
        return SpoolStatus(
            first_seq=self._records[0].seq if self._records else self._next_seq,
            next_seq=self._next_seq,
            records=len(self._records),
            bytes=self._bytes,
            dropped=self._dropped,
        )

    async def close(self) -> None:
        """Nothing to be done: it goes with the process."""

    def _take_oldest(self) -> None:
        self._bytes -= _size(self._records.popleft().body)


def _size(body: bytes) -> int:
    return len(body) + OVERHEAD_BYTES
