"""Handing what waits to the agents: setpoints and cancels onto their links, as soon as it may be and no more than once.

What was never sent goes only if that it is sent is on record (``write_ahead``); else it is held back and tried again
every few seconds. A site's split waits a little for the rest of the site's agents.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

from der_core.allocation import Weighting
from der_core.dispatch import Allocation, Dispatch
from der_core.lifecycle import State, Transition
from der_core.request import HEADEND
from der_headend.agents import Session
from der_headend.dispatcher import planning
from der_headend.dispatcher.records import Records
from der_headend.dispatcher.timers import Timers
from der_headend.dispatcher.write_ahead import WriteAhead
from der_headend.fleet import Fleet
from der_headend.ports import Cancellation
from der_headend.sessions import Sessions
from der_runtime.clock import Clock
from der_runtime.right_of_way import RightOfWay
from der_runtime.split_log import log_split

PATIENCE_S = 3.0
"""How long a site's waiting dispatch, once one of its agents is back, waits for the others before it is split.

Half of the time it has left if that is less, so that it does not expire meanwhile.
"""
HAND_OVER_AGAIN_S = 2.0
AGENT_BUSY = "agent_busy"


class Handover:
    """The way of a record's waiting parts to their agents. ``lock`` has each site's lock."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        sessions: Sessions,
        records: Records,
        ahead: WriteAhead,
        expiry: Timers,
        right_of_way: RightOfWay,
        lock: Callable[[UUID], asyncio.Lock],
        clock: Clock,
        weighting: Weighting,
    ) -> None:
        self._fleet = fleet
        self._sessions = sessions
        self._records = records
        self._ahead = ahead
        self._expiry = expiry
        self._right_of_way = right_of_way
        self._lock = lock
        self._clock = clock
        self._weighting = weighting
        self._patience = Timers(clock=clock, due=self.deliver)
        self._held_back: set[UUID] = set()

    async def run(self) -> None:
        """Do what falls due, for as long as the headend runs."""
        await asyncio.gather(self._patience.run(), self._again())

    def ready_agents(self, asset_ids: Iterable[UUID]) -> dict[UUID, str]:
        """Of those assets that may be commanded now, the agent that serves them."""
        return {i: session.agent_id for i in asset_ids if (session := self._sessions.ready(i)) is not None}

    async def write_ahead(self, site_id: UUID, arriving: Session | None = None) -> None:
        """Have on record that what waits at a site is sent; what can't be stored is held back.

        ``arriving`` may be commanded from the next moment on, and the others already. For the site's lock.
        """
        records = self._records.queued_at(site_id)
        agents = self.ready_agents(part.asset_id for record in records for part in record.allocations)
        if records and arriving is not None:
            agents |= dict.fromkeys(arriving.record.asset_ids, arriving.agent_id)
        held_back = await self._ahead.waiting(records, agents, self._clock.now())
        self._held_back = self._held_back.difference(record.id for record in records) | held_back

    def hand_over(self, site_id: UUID) -> None:
        """Deliver what waits at a site; a split first waits for the rest of the site's agents, and for what they show.

        Only a little, unless one that is away may have a share of a split that was made and is not on record.
        """
        for record in self._records.queued_at(site_id):
            queued = [part for part in record.allocations if part.state is State.QUEUED]
            away = [part for part in queued if self._sessions.ready(part.asset_id) is None]
            if not record.split_open or not (away or self._unheard(queued)):
                self.deliver(record.id)
            elif (
                len(away) < len(queued)
                and all(part.never_sent for part in away)
                and self._patience.left_s(record.id) <= 0
            ):
                self._patience.start(record.id, min(PATIENCE_S, self._expiry.left_s(record.id) / 2))

    def _unheard(self, queued: Iterable[Allocation]) -> bool:
        """Whether the headend, not an agent, is to split, and has not heard yet what some asset can do."""
        served = {p.asset_id: s.id for p in queued if (s := self._sessions.ready(p.asset_id)) is not None}
        unknown = (self._fleet.number("current_mw", self._fleet.slot_of[i]) is None for i in served)
        return len({*served.values()}) > 1 and any(unknown)

    def deliver(self, dispatch_id: UUID) -> None:
        """Send what waits of a dispatch to the agents that are there, unless it is held back."""
        record = self._records.open(dispatch_id)
        expires_in_s = self._expiry.left_s(dispatch_id)
        if record is None or record.id in self._held_back or expires_in_s <= 0:
            return
        delivery = planning.plan_delivery(
            record,
            fleet=self._fleet,
            sessions=self._sessions,
            weighting=self._weighting,
            expires_in_s=expires_in_s,
        )
        if delivery.made is not None:
            record = record.with_split(delivery.made)
            shared = self._fleet.inventory.those(share.asset_id for share in delivery.made.shares)
            names = dict(zip(shared.ids, shared.names, strict=True))
            log_split(record.id, delivery.made, names)
        now = self._clock.now()
        refused, agents = dict(delivery.refused), dict[UUID, str]()
        for session, command in delivery.commands:
            if session.link.command(command):
                self._right_of_way.begin(record.id)
                agents |= dict.fromkeys(command.asset_ids, session.agent_id)
            else:
                refused |= dict.fromkeys(command.asset_ids, AGENT_BUSY)
        record = self._without_the_refused(record, refused)
        record = record.moved(Transition(State.SENT, now, HEADEND), agents, agents=agents)
        self._records.install(record)

    def _without_the_refused(self, record: Dispatch, refused: Mapping[UUID, str]) -> Dispatch:
        """End the parts that get no command: ``rejected`` if that is certain, for what was sent may have been applied.

        What was sent goes again when its agent has room, or is there; if it can't take part it has failed.
        """
        now, never_sent = self._clock.now(), {part.asset_id for part in record.allocations if part.never_sent}
        for reason, asset_ids in _by_value(refused).items():
            sent = [i for i in asset_ids if i not in never_sent and self._sessions.ready(i) is not None]
            if reason == AGENT_BUSY:
                self._held_back |= {record.id} if sent else set()
            else:
                record = record.moved(Transition(State.FAILED, now, HEADEND, reason), sent)
            rejected = Transition(State.REJECTED, now, HEADEND, reason)
            record = record.moved(rejected, never_sent.intersection(asset_ids))
        return record

    def send_cancel(self, dispatch_id: UUID) -> None:
        """Tell the agents that have parts of a dispatch, and are there, to end them."""
        record = self._records.open(dispatch_id)
        if record is None:
            return
        told = {p.asset_id: p.agent_id for p in record.allocations if not p.state.final and p.agent_id}
        for agent_id, asset_ids in _by_value(told).items():
            if (session := self._sessions.connected(agent_id)) is not None:
                self._right_of_way.begin(dispatch_id)
                session.link.cancel(Cancellation(dispatch_id, tuple(asset_ids)))

    async def _again(self) -> None:
        """Try again what could not be recorded, every few seconds; a try that is missed is not made up for."""
        while True:
            await self._clock.sleep_until(self._clock.monotonic() + HAND_OVER_AGAIN_S)
            held_back = [record for id in self._held_back if (record := self._records.open(id)) is not None]
            self._held_back = {record.id for record in held_back}
            for site_id in {record.site_id for record in held_back}:
                async with self._lock(site_id):
                    await self.write_ahead(site_id)
                    self.hand_over(site_id)


def _by_value(values: Mapping[UUID, str]) -> Mapping[str, Sequence[UUID]]:
    grouped: dict[str, list[UUID]] = {}
    for asset_id, value in values.items():
        grouped.setdefault(value, []).append(asset_id)
    return grouped
