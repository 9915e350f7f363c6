"""What the headend has not stored yet, per agent: in memory, or in memory and in an agent's real file behind it.

Numbers without gaps; records leave at the front alone, acknowledged or dropped for want of space, and the ledger hears
of either.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from typing import NamedTuple
from uuid import UUID, uuid4

from der_fleet.tally import Tally
from edge_agent.spool.sqlite import SqliteSpool
from edge_agent.spool.tally import OVERHEAD_BYTES

Notes = Mapping[str, bytes | None]


class Held(NamedTuple):
    """A serialised ``Record`` without its number, how many samples it has, and when (monotonic) it was made."""

    body: bytes
    samples: int
    at_s: float


class MemorySpool:
    """Records of one agent within ``max_bytes``, oldest dropped first."""

    __slots__ = ("_bytes", "_held", "_max_bytes", "_tally", "dropped", "first_seq", "spool_id")

    def __init__(self, *, max_bytes: int, tally: Tally) -> None:
        self.spool_id: UUID = uuid4()
        self.first_seq = 1
        self.dropped = 0
        self._held: deque[Held] = deque()
        self._bytes = 0
        self._max_bytes = max_bytes
        self._tally = tally

    @property
    def last_seq(self) -> int:
        """The highest number that may be sent."""
        return self.first_seq + len(self._held) - 1

    @property
    def held_bytes(self) -> int:
        """What the records take."""
        return self._bytes

    @property
    def oldest_s(self) -> float | None:
        """When (monotonic) the oldest record was made; ``None`` if there is none."""
        return self._held[0].at_s if self._held else None

    def __len__(self) -> int:
        return len(self._held)

    def append(self, body: bytes, samples: int, at_s: float, notes: Notes | None = None) -> None:  # noqa: ARG002 - of the file
        """Keep a record; it gets the next number."""
        self.take(Held(body, samples, at_s))
        while self._bytes > self._max_bytes:
            self._drop()

    def take(self, held: Held) -> None:
        """Add a record at the end, whatever there is room for."""
        self._held.append(held)
        self._bytes += len(held.body) + OVERHEAD_BYTES
        self._tally.generated += held.samples
        self._tally.records_generated += 1

    def record(self, seq: int) -> Held:
        """One of the records it has."""
        return self._held[seq - self.first_seq]

    def acknowledge(self, through_seq: int, now_s: float) -> None:
        """The headend has stored everything up to and including this."""
        tally = self._tally
        if self._held and self.first_seq <= through_seq:
            tally.max_lag_s = max(tally.max_lag_s, now_s - self._held[0].at_s)
        while self._held and self.first_seq <= through_seq:
            tally.acknowledged += self._leave()
            tally.records_acknowledged += 1

    @property
    def trouble(self) -> str | None:
        """Why it cannot keep records, if it cannot."""
        return None

    async def close(self) -> None:
        """Nothing to be done."""

    def _drop(self) -> None:
        self._tally.dropped += self._leave()
        self._tally.records_dropped += 1
        self.dropped += 1

    def _leave(self) -> int:
        held = self._held.popleft()
        self._bytes -= len(held.body) + OVERHEAD_BYTES
        self.first_seq += 1
        return held.samples


class FileSpool(MemorySpool):
    """The same with an agent's own spool behind it: what is in it outlives this process.

    A record may be sent once it is on the disk; ``written`` is called then. What of it is dropped the file decides.
    """

    __slots__ = ("_file", "_tasks", "_written", "_written_seq")

    def __init__(self, *, file: SqliteSpool, tally: Tally, written: Callable[[], None]) -> None:
        super().__init__(max_bytes=0, tally=tally)
        self.spool_id = file.spool_id
        self.first_seq = file.status().first_seq
        self._written_seq = file.status().next_seq - 1
        self._file = file
        self._written = written
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def last_seq(self) -> int:
        """The highest number that is on the disk."""
        return self._written_seq

    async def recover(self, samples_of: Callable[[bytes], int]) -> None:
        """Take over what an earlier run left."""
        seq = self._file.status().first_seq - 1
        while records := await self._file.read(seq, 1000):
            for record in records:
                seq = record.seq
                samples = samples_of(record.body)
                self._tally.recovered += samples
                self.take(Held(record.body, samples, time.monotonic()))

    def append(self, body: bytes, samples: int, at_s: float, notes: Notes | None = None) -> None:
        """Keep a record; it gets the next number, and can be sent once it is on the disk."""
        self.take(Held(body, samples, at_s))
        self._start(self._write(body, notes))

    def acknowledge(self, through_seq: int, now_s: float) -> None:
        """The headend has stored everything up to and including this."""
        super().acknowledge(through_seq, now_s)
        self._start(self._file.acknowledge(through_seq))

    @property
    def trouble(self) -> str | None:
        """Why it cannot keep records, if it cannot."""
        return self._file.status().trouble

    async def close(self) -> None:
        """Write what there is still to write, and let go of the file."""
        await asyncio.gather(*self._tasks)
        await self._file.close()

    async def _write(self, body: bytes, notes: Notes | None) -> None:
        self._written_seq = max(self._written_seq, await self._file.append([body], notes))
        while self.first_seq < self._file.status().first_seq:
            self._drop()
        self._written()

    def _start(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work, name="spool")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
