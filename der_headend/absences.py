"""An alarm for each agent that is lost: raised once it has been away for a while, cleared when nobody misses it.

An agent that is back within ``GRACE_S`` leaves no event, so that neither a link that flaps nor a restart of the
headend, after which all come back, buries what else has happened. One that went on purpose is not missed, nor one whose
assets another agent has taken over. What is raised is compared with who is lost every few seconds, which also takes
care of the alarms of an earlier run.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID, uuid4

from der_core.events import Event, EventKind, Severity
from der_headend.alarms import AGENT_DISCONNECTED, Alarms
from der_headend.sessions import AgentEntry, Sessions
from der_runtime.clock import Clock

GRACE_S = 120.0
LOOK_S = 5.0
RAISED_AT_ONCE = 1000
"""Of so many agents at most there are alarms: when more are lost it has one cause, and ``der_agents_lost`` has all."""


class Note(Protocol):
    """Takes an event of the headend's own."""

    def __call__(self, event: Event, *, agent_id: str) -> None:
        """Have it stored and announced."""
        ...


class Absences:
    """Compares who is lost with what is raised; ``note`` takes the events."""

    def __init__(self, *, sessions: Sessions, alarms: Alarms, note: Note, clock: Clock) -> None:
        self._sessions = sessions
        self._alarms = alarms
        self._note = note
        self._clock = clock
        self._raised: dict[str, Event] = {}

    async def run(self) -> None:
        """Look every few seconds, for as long as the headend runs; a look that is missed is not made up for."""
        began_at = self._clock.now()
        self.take_up()
        while True:
            await self._clock.sleep_until(self._clock.monotonic() + LOOK_S)
            self.look(since=began_at)

    def take_up(self) -> None:
        """Take up the alarms of an earlier run; those of agents that nobody misses any more are cleared."""
        standing = {
            (alarm.event.site_id, alarm.event.asset_id): alarm.event
            for alarm in self._alarms.active()
            if alarm.event.code == AGENT_DISCONNECTED
        }
        for entry in self._sessions.lost():
            if (event := standing.pop((entry.sessions[0].site_id, _asset_of(entry)), None)) is not None:
                self._raised[entry.agent_id] = event
        for event in standing.values():
            self._note(self._cleared(event), agent_id="")

    def look(self, *, since: datetime) -> None:
        """Raise and clear; nobody is missed for what was before ``since``."""
        lost = {entry.agent_id: entry for entry in self._sessions.lost()}
        for agent_id in self._raised.keys() - lost.keys():
            self._note(self._cleared(self._raised.pop(agent_id)), agent_id=agent_id)
        missed_before = self._clock.now() - timedelta(seconds=GRACE_S)
        for agent_id, entry in lost.items():
            if len(self._raised) >= RAISED_AT_ONCE:
                return
            left_at = max(entry.sessions[0].disconnected_at or since, since)
            if agent_id not in self._raised and left_at <= missed_before:
                self._raised[agent_id] = self._alarm(entry)
                self._note(self._raised[agent_id], agent_id=agent_id)

    def _alarm(self, entry: AgentEntry) -> Event:
        last = entry.sessions[0]
        heard = f"last heard {last.last_seen_at:%Y-%m-%d %H:%M:%S} UTC"
        return Event(
            id=uuid4(),
            at=self._clock.now(),
            site_id=last.site_id,
            asset_id=_asset_of(entry),
            severity=Severity.WARNING,
            kind=EventKind.RAISED,
            code=AGENT_DISCONNECTED,
            message=f"agent {entry.agent_id} is away ({last.reason}), {heard}",
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


def _asset_of(entry: AgentEntry) -> UUID | None:
    """The asset of an agent that has but one."""
    asset_ids = entry.sessions[0].asset_ids
    return asset_ids[0] if len(asset_ids) == 1 else None
