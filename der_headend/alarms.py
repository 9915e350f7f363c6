"""Which alarms are raised at this moment, by asset and by site.

An alarm begins with a ``raised`` event and ends with a ``cleared`` one of the same asset and code. An agent that
restarts raises again what still holds, so what its predecessor raised is dropped when a new spool registers.
"""

from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from der_core.events import Event, EventKind

ALARMS_PER_SITE = 10_000


class Alarms:
    """The raised alarms of every site."""

    def __init__(self) -> None:
        self._raised: dict[UUID, dict[tuple[UUID | str | None, str], Event]] = {}

    def note(self, event: Event, *, agent_id: str | None) -> None:
        """Take an event into account; one of no asset is an event of that agent."""
        raised = self._raised.setdefault(event.site_id, {})
        key = (event.asset_id or agent_id, event.code)
        if event.kind is EventKind.CLEARED:
            raised.pop(key, None)
        elif event.kind is EventKind.RAISED and len(raised) < ALARMS_PER_SITE:
            raised[key] = event

    def restore(self, raised: Iterable[Event]) -> None:
        """Take up the alarms of an earlier run."""
        for event in raised:
            self.note(event, agent_id=None)

    def forget(self, site_id: UUID, asset_ids: Sequence[UUID], *, agent_id: str) -> None:
        """Drop the alarms of some assets and of their agent: nobody is left who would clear them."""
        gone = {*asset_ids, agent_id, None}
        raised = self._raised.get(site_id, {})
        self._raised[site_id] = {key: event for key, event in raised.items() if key[0] not in gone}

    def active(self) -> Iterator[Event]:
        """The raised alarms of all sites."""
        return (event for raised in self._raised.values() for event in raised.values())

    def active_by_site(self, site_id: UUID) -> Sequence[Event]:
        """The raised alarms of a site, oldest first."""
        return tuple(self._raised.get(site_id, {}).values())
