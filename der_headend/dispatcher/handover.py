"""Handing what waits to the agents: setpoints and cancels onto their links, as soon as it may be and no more than once.

What was never sent goes only if that it is sent is on record (``write_ahead``); else the site is held back and tried
again every few seconds. A site's split waits a little for the rest of the site's agents.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

from der_core.allocation import Weighting
from der_core.dispatch import Dispatch
from der_core.lifecycle import State, Transition
from der_core.request import HEADEND
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

    def hand_over(self, site_id: UUID, *, recorded: bool) -> None:
        """Deliver what waits at a site; what was never sent only if that is ``recorded``, else later."""
        for record in self._records.open_at(site_id):
            if recorded or record.stage.at(State.SENT) is not None:
                self._deliver_or_wait(record)
        if recorded:
            self._held_back.discard(site_id)
        else:
            self._held_back.add(site_id)

    def deliver(self, dispatch_id: UUID) -> None:
        """Send what waits of a dispatch to the agents that are there."""
        record = self._records.open(dispatch_id)
        expires_in_s = self._expiry.left_s(dispatch_id)
        if record is None or expires_in_s <= 0:
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
                refused |= dict.fromkeys(command.asset_ids, "agent_busy")
        never_sent = {part.asset_id for part in record.allocations if part.never_sent}
        for reason, asset_ids in _by_value(refused).items():
            rejected = Transition(State.REJECTED, now, HEADEND, reason)
            record = record.moved(rejected, never_sent.intersection(asset_ids))
        record = record.moved(Transition(State.SENT, now, HEADEND), agents, agents=agents)
        self._records.install(record)

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

    def _deliver_or_wait(self, record: Dispatch) -> None:
        """Hand over what waits; a site's split first waits for the rest of the site's agents.

        Only a little, unless one that is away may have a share of a split that was made and is not on record.
        """
        queued = [part for part in record.allocations if part.state is State.QUEUED]
        away = [part for part in queued if self._sessions.ready(part.asset_id) is None]
        if not away or not record.split_open:
            self.deliver(record.id)
        elif (
            len(away) < len(queued)
            and all(part.never_sent for part in away)
            and self._patience.left_s(record.id) <= 0
        ):
            self._patience.start(record.id, min(PATIENCE_S, self._expiry.left_s(record.id) / 2))

    async def _again(self) -> None:
        """Try again what could not be recorded, every few seconds; a try that is missed is not made up for."""
        while True:
            await self._clock.sleep_until(self._clock.monotonic() + HAND_OVER_AGAIN_S)
            for site_id in tuple(self._held_back):
                async with self._lock(site_id):
                    agents = self.ready_agents(self._fleet.inventory.assets_of(site_id).ids)
                    records = self._records.open_at(site_id)
                    recorded = await self._ahead.waiting(records, agents, self._clock.now())
                    self.hand_over(site_id, recorded=recorded)


def _by_value(values: Mapping[UUID, str]) -> Mapping[str, Sequence[UUID]]:
    grouped: dict[str, list[UUID]] = {}
    for asset_id, value in values.items():
        grouped.setdefault(value, []).append(asset_id)
    return grouped
