"""Events in memory: the newest ten thousand."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from der_core.events import Event, EventKind
from der_headend.ports import EventQuery, Page, StoredEvent
from der_headend.timeline import Timeline

EVENTS_KEPT = 10_000


class MemoryEvents:
    """An ``EventStore``."""

    def __init__(self, *, kept: int = EVENTS_KEPT) -> None:
        self._kept = kept
        self._records: dict[UUID, StoredEvent] = {}
        self._timeline = Timeline()

    def add(self, event: Event) -> None:
        """Store an event; one whose id is known already changes nothing."""
        if event.id in self._records:
            return
        self._records[event.id] = StoredEvent(event)
        self._timeline.add(event.at, event.id)
        if len(self._timeline) > self._kept:
            del self._records[self._timeline.pop_oldest()]

    async def page(self, query: EventQuery) -> Page[StoredEvent]:
        """Some events, newest first."""
        return self._timeline.page(self._records, query)

    async def acknowledge(self, event_id: UUID, at: datetime) -> StoredEvent | None:
        """Note that an operator has seen it; a second time changes nothing."""
        record = self._records.get(event_id)
        if record is None or record.acknowledged_at is not None:
            return record
        self._records[event_id] = replace(record, acknowledged_at=at)
        return self._records[event_id]

    async def open_alarms(self) -> Sequence[StoredEvent]:
        """The ``raised`` events that no ``cleared`` one stored later has ended, oldest first."""
        alarms: dict[tuple[UUID, UUID | None, str], StoredEvent] = {}
        for record in self._records.values():
            event = record.event
            key = (event.site_id, event.asset_id, event.code)
            if event.kind is EventKind.CLEARED:
                alarms.pop(key, None)
            elif event.kind is EventKind.RAISED:
                alarms[key] = record
        return sorted(alarms.values(), key=lambda record: record.event.at)
