"""Which agent is connected, by which session, and which assets it serves.

A session is known by its id alone. A newer session of the same agent replaces the older one; when the older stream
closes later, its id is no longer open and nothing happens. An asset is served by one live session at a time. Whether a
session lives is decided by what was heard from its agent, never by the state of a TCP connection: after three missed
heartbeats it is closed.
"""

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import numpy as np

from der_core.assets import Assets
from der_core.packed import Ids
from der_core.registration import Registration
from der_headend.agents import SESSIONS_KEPT, AgentEntry, Agents, Session
from der_headend.fleet import Fleet
from der_headend.measures import LiveSums, SessionCounts
from der_headend.ports import Heartbeat, Link, SessionRecord
from der_runtime.clock import Clock

SHORTEST_LOOK_S = 0.02
LONGEST_LOOK_S = 0.5
REPLACED = "replaced by a newer session of the same agent id"
HEARTBEAT_MISSED = "heartbeat missed"
LINK_LOST = "link lost"
CLOSED_BY_AGENT = "closed by the agent"
HEADEND_STOPPING = "headend is stopping"

_SLACK = 64


class Sessions:
    """The live sessions, and by them what is known of agents.

    ``changed`` is told of every session that opens or closes, ``closed`` of the session itself as it closes, before a
    newer one of the same agent can open.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        clock: Clock,
        changed: Callable[[SessionRecord], None],
        closed: Callable[[Session], None],
    ) -> None:
        self._fleet = fleet
        self._clock = clock
        self._changed = changed
        self._closed = closed
        self.counts = SessionCounts()
        self.sums = LiveSums()
        self._live: dict[UUID, Session] = {}
        self._by_spool: dict[UUID, Session] = {}
        self.served = fleet.served
        """Shape (assets,): whether its agent is connected."""
        self._due: list[tuple[float, UUID]] = []
        self._agents = Agents(assets=len(fleet.assets))
        self._stopping = False

    @property
    def live(self) -> Mapping[UUID, Session]:
        """The live sessions by id."""
        return self._live

    def agents(self) -> Sequence[AgentEntry]:
        """Every agent that was ever seen (and is still remembered), in order of id."""
        return self._agents.in_order

    def agent(self, agent_id: str) -> AgentEntry | None:
        """One agent by id."""
        return self._agents.get(agent_id)

    def serving(self, asset_id: UUID) -> Session | None:
        """The live session that serves an asset."""
        slot = self._fleet.slot_of.get(asset_id)
        entry = self._agents.last_of(slot) if slot is not None and self.served[slot] else None
        return None if entry is None else entry.session

    def ready(self, asset_id: UUID) -> Session | None:
        """The live session that serves an asset, once it may be commanded."""
        session = self.serving(asset_id)
        return session if session is not None and session.agreed else None

    def connected(self, agent_id: str | None) -> Session | None:
        """The live session of an agent, once it may be commanded."""
        entry = self._agents.get(agent_id) if agent_id is not None else None
        session = entry.session if entry is not None else None
        return session if session is not None and session.agreed else None

    def place(self, record: SessionRecord) -> UUID | None:
        """Of which asset is said what concerns the agent of a session; ``None``: of the site, all of which it serves.

        So no two agents that are connected have the same place.
        """
        site, served = self._fleet.inventory.assets_of(record.site_id), record.asset_ids
        whole = len(served) >= len(site) > 1
        if whole and len(served) > len(site):  # in an earlier run, before the inventory lost some
            whole = {*site.ids}.issubset(served)
        return None if whole else served[0]

    def of_spool(self, spool_id: UUID) -> Session | None:
        """The live session whose records come from this spool."""
        return self._by_spool.get(spool_id)

    def last_agent_of(self, asset_id: UUID) -> AgentEntry | None:
        """The agent that serves an asset now, or else the one that served it last."""
        slot = self._fleet.slot_of.get(asset_id)
        return None if slot is None else self._agents.last_of(slot)

    def may_take_all(self, registration: Registration) -> bool:
        """Whether an agent comes for all of a site as the inventory has it, and no other agent serves any of that."""
        if not registration.is_whole_site(self._fleet.inventory):
            return False
        slots = self._fleet.slots_of(registration.site_id)
        serving = self._agents.last_of_any(slots[self.served[slots]])
        return all(each.agent_id == registration.agent_id for each in serving)

    def open(self, registration: Registration, *, peer: str, link: Link) -> Session:
        """Make a session of a registration that was let in (``admissions``); an older one of the agent is replaced."""
        entry = self._agents.get(registration.agent_id)
        if entry is not None and entry.session is not None:
            self.close(entry.session.id, REPLACED)
        now = self._clock.now()
        site = self._fleet.inventory.assets_of(registration.site_id)
        whole = registration.is_whole_site(self._fleet.inventory)
        members = site if whole else self._fleet.inventory.those(each.id for each in registration.assets)
        record = SessionRecord(
            session_id=uuid4(),
            agent_id=registration.agent_id,
            mode=registration.mode,
            site_id=registration.site_id,
            peer=peer,
            connected_at=now,
            last_seen_at=now,
            asset_ids=_one_copy(members.ids, site, entry),
            spool_id=registration.spool_id,
        )
        now_s = self._clock.monotonic()
        session = Session(
            id=record.session_id,
            registration=replace(registration, assets=()),
            binding=self._fleet.bind(members.places, registration.signals),
            link=link,
            record=record,
            heard_s=now_s,
            beat_s=now_s,
            remembers=entry is not None and entry.spool_id == registration.spool_id,
        )
        self._live[session.id] = session
        self._by_spool[registration.spool_id] = session
        entry = self._agents.entry(registration.agent_id)
        entry.session = session
        self._agents.now_serves(entry, session.binding.slots)
        self.served[session.binding.slots] = True
        entry.registration = session.registration
        entry.spool_id = registration.spool_id
        entry.sessions.insert(0, record)
        del entry.sessions[SESSIONS_KEPT:]
        self.sums.assets += len(members)
        self._sum_up(entry.heartbeat, 1)
        self._watch_for(session)
        self.counts.opened += 1
        self._changed(record)
        return session

    def heard(self, session: Session) -> None:
        """Something came from its agent."""
        session.heard_s = self._clock.monotonic()

    def beat(self, session: Session, heartbeat: Heartbeat) -> None:
        """A heartbeat came from its agent; one that comes when the session has ended changes nothing."""
        if session.id not in self._live:
            return
        now_s = self._clock.monotonic()
        entry = self._agents[session.agent_id]
        self.counts.heartbeats += 1
        self.counts.heartbeats_missed += session.heartbeats_missed(now_s)
        if entry.heartbeat is not None:
            self.counts.records_dropped += _dropped_since(entry.heartbeat, heartbeat)
        session.beat_s = now_s
        self._sum_up(entry.heartbeat, -1)
        self._sum_up(heartbeat, 1)
        entry.heartbeat = heartbeat

    def restore(self, records: Iterable[SessionRecord]) -> None:
        """Remember agents of an earlier run, if too many the newest; ``records`` newest first, none of them open."""
        for record in records:
            if record.agent_id not in self._agents and self._agents.full:
                continue
            entry = self._agents.entry(record.agent_id)
            entry.spool_id = entry.spool_id or record.spool_id
            site = self._fleet.inventory.assets_of(record.site_id)
            asset_ids = _one_copy(record.asset_ids, site, entry)
            entry.sessions.append(replace(record, agent_id=entry.agent_id, asset_ids=asset_ids))
            if asset_ids is site.ids:
                slots = self._fleet.slots_of(record.site_id)
            else:
                found = map(self._fleet.slot_of.get, asset_ids)
                slots = np.array([slot for slot in found if slot is not None], np.int64)
            self._agents.served_before(entry, slots)

    def heartbeats_missed(self, session: Session) -> int:
        """How many heartbeats in a row its agent has missed by now."""
        return session.heartbeats_missed(self._clock.monotonic())

    def last_seen(self, session: Session) -> datetime:
        """When its agent was last heard, in UTC."""
        return self._clock.now() - timedelta(seconds=self._clock.monotonic() - session.heard_s)

    def before(self, session: Session) -> SessionRecord | None:
        """The session that its agent had before this one, as far as that is known."""
        return next(iter(self._agents[session.agent_id].sessions[1:2]), None)

    def given_up(self, session: Session) -> Sequence[UUID]:
        """The assets that its agent served in the session before and does not any more, nor does anybody since."""
        before = self.before(session)
        if before is None or before.asset_ids == session.record.asset_ids:
            return ()
        served = set(session.record.asset_ids)
        return [a for a in before.asset_ids if a not in served and self.speaks_for(before, a)]

    def speaks_for(self, record: SessionRecord, asset_id: UUID) -> bool:
        """Whether nobody but the agent of a session can have said last what is said of an asset of its site."""
        asset = self._fleet.inventory.assets.get(asset_id)
        if asset is None or asset.site_id != record.site_id:
            return True
        last = self._agents.last_of(self._fleet.slot_of[asset.id])
        return last is not None and last.agent_id == record.agent_id

    def speaks_for_site(self, record: SessionRecord) -> bool:
        """Whether the agent of a session may have said what was said of its site: no other gateway was there since."""
        served_last = self._agents.last_of_any(self._fleet.slots_of(record.site_id))
        return all(
            each.agent_id == record.agent_id or len(each.sessions[0].asset_ids) <= 1 for each in served_last
        )

    def said_at(self, record: SessionRecord) -> set[UUID | None]:
        """Of which places the agent of a session may have said, in this session or before, what concerns itself."""
        sessions = self._agents[record.agent_id].sessions
        firsts = (each.asset_ids[0] for each in sessions if each.site_id == record.site_id)
        found: set[UUID | None] = {first for first in firsts if self.speaks_for(record, first)}
        return found | {None} if self.speaks_for_site(record) else found

    def stop(self, *, reconnect_after_s: float) -> None:
        """Ask all agents to go and come back later; a link that ends from now on is not lost: the headend stops."""
        self._stopping = True
        for session in self._live.values():
            session.link.drain(HEADEND_STOPPING, reconnect_after_s)

    def close(self, session_id: UUID, reason: str) -> Session | None:
        """End a session; ``None`` if it is not open (any more), in which case nothing happens."""
        session = self._live.pop(session_id, None)
        if session is None:
            return None
        if reason == LINK_LOST and self._stopping:
            reason = HEADEND_STOPPING
        if self._by_spool.get(session.registration.spool_id) is session:
            del self._by_spool[session.registration.spool_id]
        entry = self._agents[session.agent_id]
        self.served[self._agents.last_by(entry, session.binding.slots)] = False
        session.record = record = replace(
            session.record,
            last_seen_at=self.last_seen(session),
            disconnected_at=self._clock.now(),
            reason=reason,
        )
        entry.session, entry.left_s = None, self._clock.monotonic()
        self.sums.assets -= len(record.asset_ids)
        self._sum_up(entry.heartbeat, -1)
        entry.sessions = [record if known.session_id == session_id else known for known in entry.sessions]
        self.counts.closed[reason] += 1
        self.counts.heartbeats_missed += self.heartbeats_missed(session)
        session.link.close(reason)
        self._closed(session)
        self._changed(record)
        return session

    async def watch(self) -> None:
        """Close the sessions whose agents have missed too many heartbeats, for as long as the headend runs."""
        while True:
            now = self._clock.monotonic()
            for session in self._overdue(now):
                self.close(session.id, HEARTBEAT_MISSED)
            next_s = self._due[0][0] if self._due else math.inf
            await self._clock.sleep_until(min(max(next_s, now + SHORTEST_LOOK_S), now + LONGEST_LOOK_S))

    def _overdue(self, now_s: float) -> Iterator[Session]:
        """Those from whom nothing was heard for too long; only those are looked at that were due at their last look."""
        while self._due and self._due[0][0] <= now_s:
            _, session_id = heapq.heappop(self._due)
            session = self._live.get(session_id)
            if session is None:
                continue
            if session.overdue_at_s <= now_s:
                yield session
            else:
                heapq.heappush(self._due, (session.overdue_at_s, session_id))

    def _watch_for(self, session: Session) -> None:
        heapq.heappush(self._due, (session.overdue_at_s, session.id))
        if len(self._due) > 2 * len(self._live) + _SLACK:  # most are of sessions that have closed since
            self._due = [(each.overdue_at_s, each.id) for each in self._live.values()]
            heapq.heapify(self._due)

    def _sum_up(self, heartbeat: Heartbeat | None, sign: int) -> None:
        if heartbeat is not None:
            self.sums.spooled_records += sign * heartbeat.spooled_records
            self.sums.spooled_bytes += sign * heartbeat.spooled_bytes


def _one_copy(asset_ids: Ids, site: Assets, entry: AgentEntry | None) -> Ids:
    """The same ids, mostly as an object that is there already: the site's, or that of the agent's session before."""
    if len(asset_ids) == len(site) and asset_ids == site.ids:
        return site.ids
    before = entry.sessions[:1] if entry is not None else ()
    return next((each.asset_ids for each in before if each.asset_ids == asset_ids), asset_ids)


def _dropped_since(before: Heartbeat, now: Heartbeat) -> int:
    """How many records an agent has given up between two heartbeats; a new spool counts from 0."""
    dropped = now.dropped_records - before.dropped_records
    return dropped if dropped >= 0 else now.dropped_records
