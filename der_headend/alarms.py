"""Which alarms are raised at this moment, by asset and by site, and which of them an operator has seen.

An alarm begins with a ``raised`` event and ends with a ``cleared`` one of the same asset and code. An agent that
restarts raises again what still holds; what its predecessor raised is cleared by the headend when a new spool
registers, for nobody else is left to do so, and what was raised of an asset when its agent comes without the asset.

What an agent says of itself is at a place (``sessions``) that may change while an alarm is raised: an inventory grows,
say. It ends at every place where the agent may have said it.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID, uuid4

from der_core.events import Event, EventKind, Severity
from der_headend.ports import EventQuery, Page, StoredEvent
from der_headend.timeline import Timeline

ALARMS_PER_SITE = 10_000
AGENT_DISCONNECTED, REFUSED, LIMITS_DIFFER = "agent_disconnected", "refused_", "limits_differ"
OWN = (AGENT_DISCONNECTED, REFUSED, LIMITS_DIFFER)
"""How the codes begin of alarms that the headend raises itself (``own_alarms``): no agent has a say in those."""

LEFT_BEHIND = "the agent has started anew, without memory of this alarm; what still holds is raised again"
GIVEN_UP = "its agent does not serve this asset any more"

_Key = tuple[UUID | None, str]
"""Of which asset (``None``: of the site, or the gateway that serves all of it), and the code."""


class Alarms:
    """The raised alarms of every site."""

    def __init__(self) -> None:
        self._raised: dict[UUID, dict[_Key, UUID]] = {}
        self._by_id: dict[UUID, StoredEvent] = {}
        self._by_time = Timeline()

    def note(self, event: Event) -> None:
        """Take an event into account."""
        if event.kind is EventKind.RAISED:
            self._put(StoredEvent(event))
        elif event.kind is EventKind.CLEARED:
            self._drop(event)

    def restore(self, standing: Iterable[StoredEvent]) -> None:
        """Take up the alarms of an earlier run."""
        for alarm in standing:
            self._put(alarm)

    def acknowledged(self, seen: StoredEvent) -> None:
        """Note that an operator has seen an event, if it is one of the raised."""
        if seen.event.id in self._by_id:
            self._by_id[seen.event.id] = seen

    def acknowledge(self, event_id: UUID, at: datetime) -> StoredEvent | None:
        """As an ``EventStore``, for a raised alarm that the store has not kept."""
        alarm = self._by_id.get(event_id)
        if alarm is not None and alarm.acknowledged_at is None:
            alarm = self._by_id[event_id] = replace(alarm, acknowledged_at=at)
        return alarm

    def places(self, site_id: UUID, code: str) -> Sequence[UUID | None]:
        """Of which assets of a site (``None``: of the site) an alarm of this code is raised."""
        return [asset_id for asset_id, raised in self._raised.get(site_id, ()) if raised == code]

    def end(
        self, site_id: UUID, places: Collection[UUID | None], *, why: str, heard_at: datetime | None
    ) -> Sequence[Event]:
        """The events that clear what agents have raised at some places of a site.

        They are of ``heard_at``, when the agent was last heard, and not of now: what still holds may have happened
        again before it could connect.
        """
        alarms = (
            self._by_id[id]
            for (asset_id, code), id in self._raised.get(site_id, {}).items()
            if asset_id in places and not code.startswith(OWN)
        )
        return [
            replace(
                alarm.event,
                id=uuid4(),
                at=max(alarm.event.at, heard_at or alarm.event.at),
                kind=EventKind.CLEARED,
                severity=Severity.INFO,
                message=why,
            )
            for alarm in alarms
        ]

    def page(self, query: EventQuery) -> Page[StoredEvent]:
        """Those of the raised alarms that are asked for, newest first."""
        return self._by_time.page(self._by_id, query)

    def active(self) -> Iterator[StoredEvent]:
        """The raised alarms of all sites."""
        return iter(self._by_id.values())

    def count(self, site_id: UUID) -> int:
        """How many alarms are raised at a site."""
        return len(self._raised.get(site_id, ()))

    def _put(self, alarm: StoredEvent) -> None:
        event = alarm.event
        self._drop(event)
        raised = self._raised.setdefault(event.site_id, {})
        if len(raised) < ALARMS_PER_SITE and event.id not in self._by_id:
            raised[event.asset_id, event.code] = event.id
            self._by_id[event.id] = alarm
            self._by_time.add(event.at, event.id)

    def _drop(self, event: Event) -> None:
        """Take out what is raised of the asset and code of an event."""
        raised = self._raised.get(event.site_id, {})
        id = raised.pop((event.asset_id, event.code), None)
        if id is not None:
            self._by_time.discard(self._by_id.pop(id).event.at, id)
        if not raised:
            self._raised.pop(event.site_id, None)
