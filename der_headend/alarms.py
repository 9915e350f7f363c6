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
from der_headend.ports import EventQuery, Page, StoredEvent
from der_headend.timeline import Timeline

ALARMS_PER_SITE = 10_000
AGENT_DISCONNECTED = "agent_disconnected"
"""The code of an alarm about an agent, raised by the headend (``absences``), so none that an agent leaves behind."""

LEFT_BEHIND = "the agent has started anew, without memory of this alarm; what still holds is raised again"

_Key = tuple[UUID | str | None, str]
"""Of which asset, or else of which agent (``None``: of one of an earlier run), and the code."""


class Alarms:
    """The raised alarms of every site."""

    def __init__(self) -> None:
        self._raised: dict[UUID, dict[_Key, UUID]] = {}
        self._by_id: dict[UUID, StoredEvent] = {}
        self._by_time = Timeline()

    def note(self, event: Event, *, agent_id: str) -> None:
        """Take an event into account; one of no asset is an event of that agent."""
        if event.kind is EventKind.NOTICE:
            return
        raised = self._raised.setdefault(event.site_id, {})
        if event.asset_id is None:
            # What is left of an earlier run does not say of which agent it is.
            self._drop(raised, (None, event.code))
        key = (event.asset_id or agent_id, event.code)
        if event.kind is EventKind.CLEARED:
            self._drop(raised, key)
        else:
            self._put(raised, key, StoredEvent(event))

    def restore(self, standing: Iterable[StoredEvent]) -> None:
        """Take up the alarms of an earlier run."""
        for alarm in standing:
            raised = self._raised.setdefault(alarm.event.site_id, {})
            self._put(raised, (alarm.event.asset_id, alarm.event.code), alarm)

    def acknowledged(self, seen: StoredEvent) -> None:
        """Note that an operator has seen an event, if it is one of the raised."""
        if self.holds(seen.event.id):
            self._by_id[seen.event.id] = seen

    def left_behind(
        self,
        site_id: UUID,
        asset_ids: Sequence[UUID],
        *,
        agent_id: str,
        whole_site: bool,
        heard_at: datetime | None,
    ) -> list[Event]:
        """The events that clear what the predecessor of an agent has raised.

        What is left of an earlier run and of no asset does not say of which agent it is: it is taken for this one's if
        it serves the ``whole_site``. The events are of ``heard_at``, when that agent was last heard, and not of now:
        what still holds may have been raised again before it could connect.
        """
        theirs: set[UUID | str | None] = {*asset_ids, agent_id}
        if whole_site:
            theirs.add(None)
        alarms = (
            self._by_id[id]
            for (of, code), id in self._raised.get(site_id, {}).items()
            if of in theirs and code != AGENT_DISCONNECTED
        )
        return [
            replace(
                alarm.event,
                id=uuid4(),
                at=max(alarm.event.at, heard_at or alarm.event.at),
                kind=EventKind.CLEARED,
                severity=Severity.INFO,
                message=LEFT_BEHIND,
            )
            for alarm in alarms
        ]

    def holds(self, event_id: UUID) -> bool:
        """Whether a raised alarm is this event."""
        return event_id in self._by_id

    def page(self, query: EventQuery) -> Page[StoredEvent]:
        """Those of the raised alarms that are asked for, newest first."""
        return self._by_time.page(self._by_id, query)

    def active(self) -> Iterator[StoredEvent]:
        """The raised alarms of all sites."""
        return iter(self._by_id.values())

    def count(self, site_id: UUID) -> int:
        """How many alarms are raised at a site."""
        return len(self._raised.get(site_id, ()))

    def _put(self, raised: dict[_Key, UUID], key: _Key, alarm: StoredEvent) -> None:
        self._drop(raised, key)
        id = alarm.event.id
        if len(raised) < ALARMS_PER_SITE and id not in self._by_id:
            raised[key] = id
            self._by_id[id] = alarm
            self._by_time.add(alarm.event.at, id)

    def _drop(self, raised: dict[_Key, UUID], key: _Key) -> None:
        id = raised.pop(key, None)
        if id is not None:
            self._by_time.discard(self._by_id.pop(id).event.at, id)
