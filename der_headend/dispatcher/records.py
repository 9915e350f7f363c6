"""The dispatches at hand: all that are open or wait to be stored, and the last that ended.

So reading one never races with storing it. ``install`` is the one way in which a record changes: it is noted, handed
over to be stored, announced, and whoever waits for it is woken.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from der_core.dispatch import Allocation, Dispatch
from der_core.errors import Unavailable
from der_core.freshness import STALE_AFTER_S
from der_core.lifecycle import State, Transition
from der_core.request import HEADEND, OPERATOR
from der_headend.announcements import Announcements
from der_headend.cursor import encode_moment
from der_headend.dispatcher.tally import Tally
from der_headend.dispatcher.timers import Timers
from der_headend.fleet import Fleet
from der_headend.ports import DispatchQuery, DispatchStore, Page, WriteBehind
from der_headend.timeline import Timeline
from der_runtime.clock import Clock
from der_runtime.logs import get_logger
from der_runtime.right_of_way import RightOfWay

ENDED_KEPT = 1000
NOT_STORED_YET = "the database is away: this record is kept in memory and will be stored when it is back"

_log = get_logger("der_headend.dispatch")


class Records:
    """Records by id and by site. A changed one is handed to ``later``, to be stored soon; ``timers`` drop what ends."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        announcements: Announcements,
        store: DispatchStore,
        later: WriteBehind,
        timers: Sequence[Timers],
        right_of_way: RightOfWay,
        clock: Clock,
    ) -> None:
        self._fleet = fleet
        self._announcements = announcements
        self._store = store
        self._later = later
        self._timers = timers
        self._right_of_way = right_of_way
        self._clock = clock
        self.tally = Tally()
        self._open: dict[UUID, Dispatch] = {}
        self._open_by_time = Timeline()
        self._open_at_site: dict[UUID, dict[UUID, None]] = {}
        self._queued_at_site: dict[UUID, dict[UUID, None]] = {}
        self._ended: OrderedDict[UUID, Dispatch] = OrderedDict()
        self._waiting: dict[UUID, set[asyncio.Event]] = {}
        self._latest: dict[UUID, UUID] = {}

    def open(self, dispatch_id: UUID) -> Dispatch | None:
        """A record that has not ended."""
        return self._open.get(dispatch_id)

    def open_at(self, site_id: UUID) -> list[Dispatch]:
        """The records of a site that have not ended, oldest first."""
        return [self._open[dispatch_id] for dispatch_id in self._open_at_site.get(site_id, ())]

    def queued_at(self, site_id: UUID) -> list[Dispatch]:
        """Those of a site of which parts wait for their agents."""
        return [self._open[dispatch_id] for dispatch_id in self._queued_at_site.get(site_id, ())]

    def at_hand(self, dispatch_id: UUID) -> Dispatch | None:
        """A record that is open or has ended lately."""
        return self._open.get(dispatch_id) or self._ended.get(dispatch_id)

    async def find(self, dispatch_id: UUID) -> Dispatch | None:
        """A record, from the store if it is not at hand."""
        return self.at_hand(dispatch_id) or await self._store.get(dispatch_id)

    async def known(self, asked: UUID | None) -> Dispatch | None:
        """The record that a request's id names already, as far as can be told while the store is away."""
        found, _ = await self.find_all([] if asked is None else [asked])
        return None if asked is None else found.get(asked)

    async def find_all(self, dispatch_ids: Iterable[UUID]) -> tuple[dict[UUID, Dispatch], set[UUID]]:
        """The records of some ids, and the ids of which the store can't say anything now."""
        found, unsure = {}, set()
        for dispatch_id in dispatch_ids:
            try:
                record = await self.find(dispatch_id)
            except Unavailable:
                unsure.add(dispatch_id)
                continue
            if record is not None:
                found[dispatch_id] = record
        return found, unsure

    def remember(self, newest: Iterable[Dispatch]) -> None:
        """Have at hand what has ended of some stored records, newest first."""
        for record in reversed([record for record in newest if record.state.final][:ENDED_KEPT]):
            self._put(record)

    def install(self, record: Dispatch, *, stored: bool = False) -> None:
        """Put a changed (or, if ``stored``, a new and already stored) record in place of what was there."""
        before = self._open.get(record.id)
        if record == before or record.id in self._ended:
            return
        if before is not None:
            record = self._measured_at_end(before, record)
        self._put(record)
        self.tally.changed(before, record, self._clock.now())
        if before is None or before.state is not record.state:
            _log.info(
                "dispatch",
                state=record.state,
                dispatch_id=str(record.id),
                target=record.target,
                requested_mw=record.requested_mw,
                mw=record.mw,
                reason=record.stage.last.reason,
            )
        if not stored:
            self._later.dispatch(record)
        self._announcements.announce(record)
        if not record.awaits_answer:
            self._right_of_way.end(record.id)
        if record.state.final:
            for timers in self._timers:
                timers.drop(record.id)
        for changed in self._waiting.get(record.id, ()):
            changed.set()

    def commanded(self, record: Dispatch) -> None:
        """Note that this is the newest dispatch of its assets."""
        for part in record.allocations:
            self._latest[part.asset_id] = record.id

    def settle(self, site_id: UUID, now: datetime) -> None:
        """End what waits at a site and must not be delivered any more: what is cancelled, all but the newest."""
        for dispatch_id in tuple(self._queued_at_site.get(site_id, ())):
            record = self._open[dispatch_id]
            waiting = [part.asset_id for part in record.allocations if part.state is State.QUEUED]
            if record.cancel_requested_at is not None:
                self.install(record.moved(Transition(State.CANCELLED, now, OPERATOR), waiting))
                continue
            after = record
            newest = {asset_id: self._latest.get(asset_id, record.id) for asset_id in waiting}
            for other in dict.fromkeys(newest.values()):
                if other != record.id:
                    ended = Transition(State.SUPERSEDED, now, HEADEND, f"superseded_by {other}")
                    after = after.moved(ended, [a for a, latest in newest.items() if latest == other])
            self.install(after)

    def matching(self, query: DispatchQuery, stored: Page[Dispatch]) -> Page[Dispatch]:
        """A page of the store as things are now: what has changed or come since it was stored is as it is at hand."""
        current = {record.id: self.at_hand(record.id) or record for record in stored.items}
        if query.cursor is None:
            oldest = stored.items[-1].submitted_at if stored.next_cursor and stored.items else None
            for record in (*self._ended.values(), *self._open.values()):
                if oldest is None or record.submitted_at >= oldest:
                    current[record.id] = record
        found = [self.with_measured(record) for record in current.values() if query.matches(record)]
        found.sort(key=lambda record: (record.submitted_at, record.id), reverse=True)
        if len(found) <= query.limit:
            return Page(found, stored.next_cursor)
        last = found[query.limit - 1]
        return Page(found[: query.limit], encode_moment(last.submitted_at, last.id))

    def open_page(self, query: DispatchQuery) -> Page[Dispatch]:
        """Those asked for that have not ended."""
        found = self._open_by_time.page(self._open, query)
        return Page([self.with_measured(record) for record in found.items], found.next_cursor)

    def release_all(self) -> None:
        """Wake whoever waits for anything: the headend is stopping."""
        for waiting in self._waiting.values():
            for changed in waiting:
                changed.set()

    @contextmanager
    def watched(self, dispatch_id: UUID) -> Iterator[asyncio.Event]:
        """An event that is set whenever the record changes."""
        changed = asyncio.Event()
        self._waiting.setdefault(dispatch_id, set()).add(changed)
        try:
            yield changed
        finally:
            waiting = self._waiting[dispatch_id]
            waiting.discard(changed)
            if not waiting:
                del self._waiting[dispatch_id]

    def with_measured(self, record: Dispatch) -> Dispatch:
        """The record as it is to be shown: with what telemetry shows of its active parts, and whether it is stored."""
        if self._later.away and self._later.holds(record.id):
            record = replace(record, warnings=(*record.warnings, NOT_STORED_YET))
        if record.id not in self._open:
            return record
        return replace(record, allocations=tuple(self._measured(part, part) for part in record.allocations))

    def _put(self, record: Dispatch) -> None:
        at_site = self._open_at_site.setdefault(record.site_id, {})
        queued = self._queued_at_site.setdefault(record.site_id, {})
        if any(part.state is State.QUEUED for part in record.allocations):
            queued[record.id] = None
        else:
            queued.pop(record.id, None)
        if not record.state.final:
            if record.id not in self._open:
                self._open_by_time.add(record.submitted_at, record.id)
            self._open[record.id] = record
            at_site[record.id] = None
            return
        self._open_by_time.discard(record.submitted_at, record.id)
        self._open.pop(record.id, None)
        at_site.pop(record.id, None)
        self._ended[record.id] = record
        while len(self._ended) > ENDED_KEPT and not self._later.holds(next(iter(self._ended))):
            self._ended.popitem(last=False)

    def _measured_at_end(self, before: Dispatch, after: Dispatch) -> Dispatch:
        was = {part.asset_id: part for part in before.allocations}
        return replace(
            after,
            allocations=tuple(
                self._measured(was.get(part.asset_id, part), part) if part.state.final else part
                for part in after.allocations
            ),
        )

    def _measured(self, was: Allocation, part: Allocation) -> Allocation:
        """``part`` with what was measured last while it was active; of an open part only what is live."""
        since = was.stage.at(State.ACTIVE) if was.state is State.ACTIVE else None
        slot = self._fleet.slot_of.get(part.asset_id)
        if since is None or slot is None:
            return part
        sampled_at = datetime.fromtimestamp(int(self._fleet.timestamp_us[slot]) / 1e6, UTC)
        if part.state.final:
            counts = sampled_at <= part.stage.last.at
        else:
            age_s = (self._clock.now() - sampled_at).total_seconds()
            counts = self._fleet.served[slot] and age_s <= STALE_AFTER_S
        mw = self._fleet.number("current_mw", slot)
        return replace(part, measured_mw=mw) if mw is not None and since <= sampled_at and counts else part
