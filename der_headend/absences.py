"""What is told of an agent that is lost: a notice within seconds, an alarm once it has been away for a while.

Lost is an agent that is away, has not gone on purpose, and some of whose assets nobody has served since. The alarm is
cleared when nobody misses it any more. One that is back within ``GRACE_S`` leaves no alarm, so that neither a link that
flaps nor a restart of the headend, after which all come back, buries what else has happened. Who is lost is compared
with what is raised every few seconds, which also takes care of the alarms of an earlier run. Time is monotonic: a clock
that is set makes nobody lost.

The place of the alarm is the site, for a gateway that serves all of it, or else the first of an agent's assets that
nobody has served since. No two lost agents have the same.
"""

from collections.abc import Iterator
from uuid import UUID

from der_core.assets import Inventory
from der_headend import own_alarms
from der_headend.agents import AgentEntry
from der_headend.alarms import AGENT_DISCONNECTED, Alarms
from der_headend.own_alarms import Cause, Events, OwnAlarms
from der_headend.sessions import CLOSED_BY_AGENT, Sessions
from der_runtime.clock import Clock

GRACE_S = 120.0
NOTICED_AFTER_S = 5.0
LINK_LOST = "agent_link_lost"
"""The code of the notice."""

NOTICES, AGAIN_S = 50, 600.0
"""Within this time there are so many notices at most, and of one place one."""


class Absences:
    """Compares who is lost with what is raised."""

    def __init__(
        self, *, sessions: Sessions, inventory: Inventory, alarms: Alarms, events: Events, clock: Clock
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._own = OwnAlarms(
            kind=AGENT_DISCONNECTED, inventory=inventory, alarms=alarms, events=events, clock=clock
        )
        self._began_s = clock.monotonic()
        self._noticed_s: dict[Cause, float] = {}
        self.missed = 0
        """How many agents were lost for ``GRACE_S`` or longer at the last look."""

    async def run(self) -> None:
        """Look for who is lost, for as long as the headend runs."""
        await own_alarms.keep(self, clock=self._clock)

    def take_up(self) -> None:
        """The headend begins to run: take up the alarms of an earlier run; all others have ``GRACE_S`` to come."""
        self._began_s = self._clock.monotonic()
        self._own.take_up()

    def look(self) -> None:
        """Tell who is lost and who is back."""
        lost = dict(self._lost())
        for cause in self._own.raised.keys() - lost.keys():
            self._own.end(cause, "the agent is back, or not missed any more")
        now_s = self._clock.monotonic()
        missed, lately = [], []
        for cause, entry in lost.items():
            if cause in self._own.raised:
                continue
            if now_s - (self._began_s if entry.left_s is None else entry.left_s) >= GRACE_S:
                missed.append(cause)
            elif entry.left_s is not None and now_s - entry.left_s >= NOTICED_AFTER_S:
                lately.append(cause)
        self.missed = len(self._own.raised) + len(missed)
        for cause in missed[: self._own.room]:
            self._own.begin(cause, self._story(lost[cause]))
        self._noticed_s = {c: at_s for c, at_s in self._noticed_s.items() if now_s - at_s < AGAIN_S}
        new = [cause for cause in lately if cause not in self._noticed_s]
        for cause in new[: min(NOTICES - len(self._noticed_s), self._own.room)]:
            self._noticed_s[cause] = now_s
            what = f"{self._story(lost[cause])}; an alarm follows unless it is back within {GRACE_S:.0f} s"
            self._own.notice(cause._replace(code=LINK_LOST), what)

    def _lost(self) -> Iterator[tuple[Cause, AgentEntry]]:
        """The places without their agent."""
        for entry in self._sessions.agents():
            last = entry.sessions[0]
            if entry.session is None and last.reason != CLOSED_BY_AGENT:
                asset_id = next(self._left_by(entry), None)
                if asset_id is not None:
                    whole = self._sessions.place(last) is None
                    yield Cause(last.site_id, None if whole else asset_id, AGENT_DISCONNECTED), entry

    def _left_by(self, entry: AgentEntry) -> Iterator[UUID]:
        """Those of an agent's assets that nobody has served since."""
        asset_ids = entry.sessions[0].asset_ids
        return (each for each in asset_ids if self._sessions.last_agent_of(each) is entry)

    def _story(self, entry: AgentEntry) -> str:
        last = entry.sessions[0]
        left = sum(1 for _ in self._left_by(entry))
        agent = f"agent {last.agent_id}" + (f" of {left} assets" if left > 1 else "")
        return f"not heard since {last.last_seen_at:%Y-%m-%d %H:%M:%S} UTC ({last.reason}), {agent}"
