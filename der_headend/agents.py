"""What is known of agents: the live session of each, the sessions before, and which assets it served last."""

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from uuid import UUID

import numpy as np

from der_core.registration import Registration
from der_headend.fleet import Binding, Integers
from der_headend.ports import Heartbeat, Link, SessionRecord
from der_wire.rules import MISSED_HEARTBEATS

SESSIONS_KEPT = 5
AGENTS_KEPT = 20_000

_NOBODY = -1
_AGENT_ID = attrgetter("agent_id")


@dataclass(slots=True, eq=False)
class Session:
    """A live connection of an agent.

    ``registration`` is without its ``assets``, which would be a second inventory; their ids are in ``record``, which is
    replaced when the session ends.
    ``heard_s`` and ``beat_s`` (of the last heartbeat, or else of the opening) are monotonic. ``remembers``: its spool
    is the one of the agent's session before, so it still knows what it did then. ``agreed``: headend and agent have
    agreed on what is in force, so that it may be commanded. ``behind``: it said that more records wait, or has not sent
    one yet; ``largest_window``: so many records it was once allowed to have unacknowledged, if more than usual.
    """

    id: UUID
    registration: Registration
    binding: Binding
    link: Link
    record: SessionRecord
    heard_s: float
    beat_s: float
    remembers: bool
    agreed: bool = False
    behind: bool = True
    largest_window: int = 0

    @property
    def agent_id(self) -> str:
        """The agent at the other end."""
        return self.registration.agent_id

    @property
    def overdue_at_s(self) -> float:
        """When (monotonic) it is taken for dead if nothing more is heard."""
        return self.heard_s + MISSED_HEARTBEATS * self.registration.heartbeat_s

    def heartbeats_missed(self, now_s: float) -> int:
        """How many heartbeats in a row are overdue at ``now_s`` (monotonic), each by half an interval at least."""
        return max(int((now_s - self.beat_s) / self.registration.heartbeat_s + 0.5) - 1, 0)


@dataclass(slots=True)
class AgentEntry:
    """All that is known of an agent; ``sessions`` newest first, ``SESSIONS_KEPT`` at most, at most one of them open.

    ``registration`` is its last one since the headend started, without its ``assets``; ``left_s`` is when (monotonic)
    the last session since then ended. ``number`` is among those of all agents, as long as it is remembered.
    """

    agent_id: str
    number: int
    session: Session | None = None
    registration: Registration | None = None
    spool_id: UUID | None = None
    sessions: list[SessionRecord] = field(default_factory=list)
    heartbeat: Heartbeat | None = None
    left_s: float | None = None


class Agents(Mapping[str, AgentEntry]):
    """Every agent that was ever seen and is still remembered, by id.

    ``in_order`` are the same, in order of id. Who served an asset last is kept by slot, as a number of four bytes.
    """

    def __init__(self, *, assets: int) -> None:
        self.in_order: list[AgentEntry] = []
        self._by_id: OrderedDict[str, AgentEntry] = OrderedDict()
        self._by_number: dict[int, AgentEntry] = {}
        self._free_numbers: list[int] = []
        self._last = np.full(assets, _NOBODY, np.int32)

    def __getitem__(self, agent_id: str) -> AgentEntry:
        return self._by_id[agent_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._by_id)

    def __len__(self) -> int:
        return len(self._by_id)

    def entry(self, agent_id: str) -> AgentEntry:
        """Of this agent, from now on; if there are too many, some that are not connected are forgotten."""
        entry = self._by_id.get(agent_id)
        if entry is None:
            self._make_room()
            number = self._free_numbers.pop() if self._free_numbers else len(self._by_number)
            entry = self._by_id[agent_id] = self._by_number[number] = AgentEntry(agent_id, number)
            insort(self.in_order, entry, key=_AGENT_ID)
        return entry

    def now_serves(self, entry: AgentEntry, slots: Integers) -> None:
        """From now on it was this agent that served these assets last."""
        self._last[slots] = entry.number

    def served_before(self, entry: AgentEntry, slots: Integers) -> None:
        """In an earlier run, of which newer things are known already, this agent served these assets."""
        self._last[slots[self._last[slots] == _NOBODY]] = entry.number

    def last_of(self, slot: int) -> AgentEntry | None:
        """The agent that serves an asset now, or else the one that served it last."""
        number = int(self._last[slot])
        return None if number == _NOBODY else self._by_number[number]

    def last_of_any(self, slots: Integers) -> list[AgentEntry]:
        """Those that serve any of these assets, or served it last."""
        return [
            self._by_number[number] for number in np.unique(self._last[slots]).tolist() if number != _NOBODY
        ]

    def last_by(self, entry: AgentEntry, slots: Integers) -> Integers:
        """Those of the assets that this agent serves, or served last."""
        found: Integers = slots[self._last[slots] == entry.number]
        return found

    @property
    def full(self) -> bool:
        """Whether there is one to be forgotten before another is known."""
        return len(self) >= AGENTS_KEPT

    def _make_room(self) -> None:
        # Two for the one that comes: so they become fewer where too many were connected at once.
        for _ in range(2):
            if not self.full:
                return
            gone = next((entry for entry in self._by_id.values() if entry.session is None), None)
            if gone is None:
                return
            del self._by_id[gone.agent_id], self._by_number[gone.number]
            del self.in_order[bisect_left(self.in_order, gone.agent_id, key=_AGENT_ID)]
            self._last[self._last == gone.number] = _NOBODY
            self._free_numbers.append(gone.number)
