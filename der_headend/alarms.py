"""Which alarms are raised at this moment, by asset and by site, and which of them an operator has seen.

An alarm begins with a ``raised`` event and ends with a ``cleared`` one of the same asset and code. An agent that
restarts raises again what still holds; what its predecessor raised is cleared by the headend when a new spool
registers, for nobody else is left to do so.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from der_core.events import Event, EventKind, Severity
from der_headend.cursor import newest
from der_headend.ports import EventQuery, Page, StoredEvent

ALARMS_PER_SITE = 10_000
AGENT_DISCONNECTED = "agent_disconnected"
"""The code of an alarm about an agent, raised by the headend (``absences``), so none that an agent leaves behind."""

LEFT_BEHIND = "the agent has started anew, without memory of this alarm; what still holds is raised again"


class Alarms:
    """The raised alarms of every site."""

    def __init__(self) -> None:
        self._raised: dict[UUID, dict[tuple[UUID | str | None, str], StoredEvent]] = {}

    def note(self, event: Event, *, agent_id: str) -> None:
        """Take an event into account; one of no asset is an event of that agent."""
        if event.kind is EventKind.NOTICE:
            return
        raised = self._raised.setdefault(event.site_id, {})
        if event.asset_id is None:
            raised.pop((None, event.code), None)  # what is left of an earlier run does not say of which agent
        key = (event.asset_id or agent_id, event.code)
        if event.kind is EventKind.CLEARED:
            raised.pop(key, None)
        elif len(raised) < ALARMS_PER_SITE:
            raised[key] = StoredEvent(event)

    def restore(self, standing: Iterable[StoredEvent]) -> None:
        """Take up the alarms of an earlier run."""
        for alarm in standing:
            raised = self._raised.setdefault(alarm.event.site_id, {})
            if len(raised) < ALARMS_PER_SITE:
                raised[alarm.event.asset_id, alarm.event.code] = alarm

    def acknowledged(self, seen: StoredEvent) -> None:
        """Note that an operator has seen an event, if it is one of the raised."""
        raised = self._raised.get(seen.event.site_id, {})
        for key, alarm in raised.items():
            if alarm.event.id == seen.event.id:
                raised[key] = seen
                return

    def left_behind(
        self, site_id: UUID, asset_ids: Sequence[UUID], *, agent_id: str, heard_at: datetime | None
    ) -> list[Event]:
        """The events that clear what the predecessor of an agent has raised.

        They are of the time ``heard_at`` which that was last heard, not of now: what still holds may have been raised
        again before the agent could connect.
        """
        theirs = {*asset_ids, agent_id, None}
        return [
            replace(
                alarm.event,
                id=uuid4(),
                at=max(alarm.event.at, heard_at or alarm.event.at),
                kind=EventKind.CLEARED,
                severity=Severity.INFO,
                message=LEFT_BEHIND,
            )
            for (of, code), alarm in self._raised.get(site_id, {}).items()
            if of in theirs and code != AGENT_DISCONNECTED
        ]

    def page(self, query: EventQuery) -> Page[StoredEvent]:
        """Those of the raised alarms that are asked for, newest first."""
        found, next_cursor = newest(
            filter(query.matches, self.active()),
            lambda alarm: (alarm.event.at, alarm.event.id),
            limit=query.limit,
            cursor=query.cursor,
        )
        return Page(found, next_cursor)

    def active(self) -> Iterator[StoredEvent]:
        """The raised alarms of all sites."""
        return (alarm for raised in self._raised.values() for alarm in raised.values())

    def count(self, site_id: UUID) -> int:
        """How many alarms are raised at a site."""
        return len(self._raised.get(site_id, ()))
