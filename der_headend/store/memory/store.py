"""The way into the memory store, and its parts, one per port."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from uuid import UUID

from der_headend.ports import Batch
from der_headend.store.memory.dispatches import MemoryDispatches
from der_headend.store.memory.events import MemoryEvents
from der_headend.store.memory.heartbeats import MemoryHeartbeats
from der_headend.store.memory.sessions import MemorySessions
from der_headend.store.memory.telemetry import MemoryTelemetry

MARKS_KEPT = 100_000
"""Of how many spools the mark is kept; an agent that restarts without a spool on disk begins a new one."""


class MemoryStore:
    """A ``Journal`` whose parts answer the reading ports.

    ``assets`` is the size of the fleet, ``history_samples`` how many samples (one moment of one asset) are kept in all.
    Session records are not stored: whoever asks for sessions asks ``der_headend.sessions``, and after a restart there
    would be none.
    """

    def __init__(self, *, assets: int, history_samples: int = 1_000_000) -> None:
        self.dispatches = MemoryDispatches()
        self.events = MemoryEvents()
        self.heartbeats = MemoryHeartbeats()
        self.sessions = MemorySessions()
        self.samples_too_old = 0
        self.telemetry = MemoryTelemetry(assets=assets, history_samples=history_samples)
        self._marks: OrderedDict[UUID, int] = OrderedDict()

    @property
    def summary(self) -> str:
        """Where it stores, for people."""
        return "in memory (lost at a restart)"

    async def open(self, *, reset: str | None = None) -> None:
        """Nothing to open or to empty."""

    async def run(self) -> None:
        """Nothing to keep up."""
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing to close."""

    def health(self) -> tuple[bool, str]:
        """Always well."""
        return True, self.summary

    def partitions(self) -> Mapping[str, int]:
        """There are none."""
        return {}

    async def commit(self, batch: Batch) -> None:
        """Store a batch; nobody sees half of it, as nothing here gives way to another task."""
        for rows in batch.rows:
            self.telemetry.add(rows)
        for event in batch.events:
            self.events.add(event)
        for heartbeat in batch.heartbeats:
            self.heartbeats.add(heartbeat)
        for dispatch in batch.dispatches.values():
            self.dispatches.put(dispatch)
        for spool_id, seq in batch.marks.items():
            self._marks[spool_id] = max(seq, self._marks.get(spool_id, 0))
            self._marks.move_to_end(spool_id)
        while len(self._marks) > MARKS_KEPT:
            self._marks.popitem(last=False)

    async def mark(self, spool_id: UUID) -> int:
        """The highest sequence number stored of a spool; 0 if none."""
        return self._marks.get(spool_id, 0)
