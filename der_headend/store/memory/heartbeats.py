"""Heartbeats in memory: the last two hundred of each agent, fewer where there are very many agents."""

from collections import OrderedDict, deque
from collections.abc import Sequence
from itertools import islice

from der_headend.ports import Heartbeat

AGENTS_KEPT = 20_000
PER_AGENT_KEPT = 200
PER_AGENT_AT_LEAST = 5
IN_ALL_ABOUT = 200_000


class MemoryHeartbeats:
    """A ``HeartbeatStore``; of too many agents those that were silent longest are forgotten."""

    def __init__(self, *, agents_kept: int = AGENTS_KEPT, per_agent_kept: int = PER_AGENT_KEPT) -> None:
        self._agents_kept = agents_kept
        self._per_agent_kept = per_agent_kept
        self._newest_first: OrderedDict[str, deque[Heartbeat]] = OrderedDict()

    def add(self, heartbeat: Heartbeat) -> None:
        """Store a heartbeat that came after all others of its agent."""
        of_agent = self._newest_first.setdefault(heartbeat.agent_id, deque())
        self._newest_first.move_to_end(heartbeat.agent_id)
        of_agent.appendleft(heartbeat)
        if len(self._newest_first) > self._agents_kept:
            self._newest_first.popitem(last=False)
        share = max(IN_ALL_ABOUT // len(self._newest_first), PER_AGENT_AT_LEAST)
        while len(of_agent) > min(share, self._per_agent_kept):
            of_agent.pop()

    async def latest(self, agent_id: str, limit: int) -> Sequence[Heartbeat]:
        """The last heartbeats of an agent, newest first."""
        return list(islice(self._newest_first.get(agent_id, ()), limit))
