"""An alarm for each agent that is lost: raised once it has been away for a while, cleared when nobody misses it.

Lost is an agent that is away, has not gone on purpose, and some of whose assets nobody has served since. One that is
back within ``GRACE_S`` leaves no event, so that neither a link that flaps nor a restart of the headend, after which all
come back, buries what else has happened. What is raised is compared with who is lost every few seconds, which also
takes care of the alarms of an earlier run.

The alarm is about a *place*: the site, for a gateway that serves all of it, or else the first of an agent's assets that
nobody has served since. No two lost agents have the same, so an alarm need not say of which it is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid4

from der_core.events import Event, EventKind, Severity
from der_headend.alarms import AGENT_DISCONNECTED, Alarms
from der_headend.ports import SessionRecord
from der_headend.sessions import CLOSED_BY_AGENT, AgentEntry, Sessions
from der_runtime.clock import Clock

GRACE_S = 120.0
LOOK_S = 5.0
RAISED_AT_ONCE = 1000
"""Of so many agents at most there are alarms: when more are lost it has one cause, and ``der_agents_lost`` has all."""

EVENTS_WAITING = 1000
"""While so many events wait for the store no alarm is raised; else agents that come and go would fill memory."""

Place = tuple[UUID, UUID | None]
"""A site, and one of its assets or ``None`` for all of it."""


class Events(Protocol):
    """Takes events of the headend's own; ``waiting`` has how many ``events`` are not stored yet."""

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many of each kind wait to be stored."""
        ...

    def note(self, event: Event, *, agent_id: str) -> None:
        """Have an event stored and announced."""
        ...


class Absences:
    """Compares who is lost with what is raised."""

    def __init__(self, *, sessions: Sessions, alarms: Alarms, events: Events, clock: Clock) -> None:
        self._sessions = sessions
        self._alarms = alarms
        self._events = events
        self._clock = clock
        self._raised: dict[Place, Event] = {}
        self.missed = 0
        """How many agents were lost for ``GRACE_S`` or longer at the last look."""

    async def run(self) -> None:
        """Look every few seconds, for as long as the headend runs; a look that is missed is not made up for."""
        began_at = self._clock.now()
        self.take_up()
        while True:
            await self._clock.sleep_until(self._clock.monotonic() + LOOK_S)
            self.look(since=began_at)

    def take_up(self) -> None:
        """Take up the alarms of an earlier run."""
        self._raised = {
            (alarm.event.site_id, alarm.event.asset_id): alarm.event
            for alarm in self._alarms.active()
            if alarm.event.code == AGENT_DISCONNECTED
        }

    def look(self, *, since: datetime) -> None:
        """Raise and clear; nobody is missed for what was before ``since``, but who was missed then already is."""
        lost = dict(self._lost())
        for place in self._raised.keys() - lost.keys():
            self._tell(self._cleared(self._raised.pop(place)))
        missed_before = self._clock.now() - timedelta(seconds=GRACE_S)
        missed = [
            place
            for place, last in lost.items()
            if place in self._raised or max(last.disconnected_at or since, since) <= missed_before
        ]
        self.missed = len(missed)
        room = min(RAISED_AT_ONCE - len(self._raised), EVENTS_WAITING - self._events.waiting["events"])
        for place in [place for place in missed if place not in self._raised][: max(room, 0)]:
            self._raised[place] = self._alarm(place, lost[place])
            self._tell(self._raised[place])

    def _lost(self) -> Iterator[tuple[Place, SessionRecord]]:
        """The places without their agent, each with its last session."""
        for entry in self._sessions.agents():
            last = entry.sessions[0]
            if entry.session is None and last.reason != CLOSED_BY_AGENT:
                asset_id = self._left_by(entry)
                if asset_id is not None:
                    whole = len(last.asset_ids) > 1 and self._sessions.whole_site(last)
                    yield (last.site_id, None if whole else asset_id), last

    def _left_by(self, entry: AgentEntry) -> UUID | None:
        """The first of an agent's assets that nobody has served since."""
        asset_ids = entry.sessions[0].asset_ids
        return next((each for each in asset_ids if self._sessions.last_agent_of(each) is entry), None)

    def _alarm(self, place: Place, last: SessionRecord) -> Event:
        site_id, asset_id = place
        return Event(
            id=uuid4(),
            at=self._clock.now(),
            site_id=site_id,
            asset_id=asset_id,
            severity=Severity.WARNING,
            kind=EventKind.RAISED,
            code=AGENT_DISCONNECTED,
            message=f"agent {last.agent_id} has not been back since its session ended ({last.reason}), "
            f"last heard {last.last_seen_at:%Y-%m-%d %H:%M:%S} UTC",
        )

    def _cleared(self, event: Event) -> Event:
        return replace(
            event,
            id=uuid4(),
            at=self._clock.now(),
            severity=Severity.INFO,
            kind=EventKind.CLEARED,
            message="the agent is back, or not missed any more",
        )

    def _tell(self, event: Event) -> None:
        self._events.note(event, agent_id="")  # its place says enough
