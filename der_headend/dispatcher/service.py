"""The dispatcher: keeps every open dispatch, moves it along its life, and ends it when its time is up.

Requests for one site are handled one after the other (a lock per site), those of different sites side by side. A
record is stored before anything is sent, and a cancel before it is answered, unless the store is away, in which case it
is kept to be stored later. After that a message from an agent is a hint: it is applied to the record as far as the
lifecycle allows, and repeating or reordering messages does no harm.

**Latest wins.** Of what waits for an asset only the newest is ever delivered, however it came to wait: because the
agent was away, because its link was lost before it answered, or because the headend was restarted. What was sent or
is active is superseded by its agent, which knows what is really in force. A dispatch that is being cancelled is not
delivered again either.

**The edge's truth wins.** An agent that connects says what is in force at its assets. What this headend took for
active and an agent without memory of it no longer has, has ended; what the agent has and this headend does not know
is adopted; what this headend has already ended without the agent is taken back, for nobody stands behind it any more.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID, uuid4
from weakref import WeakValueDictionary

from der_core.allocation import Weighting
from der_core.dispatch import Dispatch, DispatchReport
from der_core.errors import Conflict, Defect, NotFound, Unavailable
from der_core.lifecycle import State, Transition
from der_core.request import HEADEND, Aim, DispatchRequest, aim, new_dispatch, same_request
from der_headend.agents import Session
from der_headend.announcements import Announcements
from der_headend.dispatcher import planning, reconcile
from der_headend.dispatcher.handover import Handover
from der_headend.dispatcher.planning import Preview
from der_headend.dispatcher.records import Records
from der_headend.dispatcher.timers import Timers
from der_headend.dispatcher.write_ahead import WriteAhead
from der_headend.fleet import Fleet
from der_headend.ports import Cancellation, DispatchQuery, DispatchStore, Journal, Page, WriteBehind
from der_headend.sessions import Sessions
from der_runtime.clock import Clock
from der_runtime.logs import get_logger
from der_runtime.right_of_way import RightOfWay

UNSTORED_DISPATCHES = 10_000
GONE_AFTER_S = 3600.0
"""How long after it should have ended a dispatch is kept active for an agent that stays away."""
RUNNING = (State.ACKNOWLEDGED, State.ACTIVE)

_log = get_logger("der_headend.dispatcher")


class Dispatcher:
    """All dispatches of this headend."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        sessions: Sessions,
        announcements: Announcements,
        journal: Journal,
        store: DispatchStore,
        later: WriteBehind,
        right_of_way: RightOfWay,
        clock: Clock,
        weighting: Weighting = Weighting.CAPACITY,
    ) -> None:
        self._fleet = fleet
        self._sessions = sessions
        self._store = store
        self._clock = clock
        self._weighting = weighting
        self._expiry = Timers(clock=clock, due=self._expire)
        self._gone = Timers(clock=clock, due=self._give_up)
        self._records = Records(
            fleet=fleet,
            announcements=announcements,
            store=store,
            later=later,
            timers=(self._expiry, self._gone),
            right_of_way=right_of_way,
            clock=clock,
        )
        self.tally = self._records.tally
        self._later = later
        self._right_of_way = right_of_way
        self._ahead = WriteAhead(journal=journal, later=later)
        self._stopping = False
        self._locks: WeakValueDictionary[UUID, asyncio.Lock] = WeakValueDictionary()
        self._submitting: set[UUID] = set()
        self._handover = Handover(
            fleet=fleet,
            sessions=sessions,
            records=self._records,
            ahead=self._ahead,
            expiry=self._expiry,
            right_of_way=right_of_way,
            lock=self._lock,
            clock=clock,
            weighting=weighting,
        )

    async def submit(self, request: DispatchRequest) -> Dispatch:
        """Take a request: record it, hand it to its agent if that is connected, else keep it until it is.

        The same ``id`` with the same content returns the record there is.

        Raises:
            Rejected, NotFound: the request is wrong (see ``der_core.request.aim``).
            Conflict: the state of charge forbids the direction, or the id was used for something else.
            Unavailable: the store is away and too many dispatches wait for it already; nothing was sent.
        """
        meant = aim(request, self._fleet.inventory)
        dispatch_id = request.id or uuid4()
        async with self._lock(meant.site_id):
            if known := await self._records.known(request.id):
                return self._repeated(known, request, meant)
            if dispatch_id in self._submitting:
                raise Conflict(
                    "id_in_use", f"dispatch {dispatch_id} is being submitted for another site", field="id"
                )
            planning.refuse_by_soc(request, meant, fleet=self._fleet, sessions=self._sessions)
            record = new_dispatch(request, meant, dispatch_id=dispatch_id, now=self._clock.now())
            self._submitting.add(dispatch_id)
            self._right_of_way.begin(dispatch_id)
            try:
                stored = await self._stored(record)
            except BaseException:
                self._right_of_way.end(dispatch_id)
                raise
            finally:
                self._submitting.discard(dispatch_id)
            self._records.install(record, stored=stored)
            self._expiry.start(record.id, record.ttl_s)
            self._records.commanded(record)
            self._records.settle(record.site_id, self._clock.now())
            self._handover.deliver(record.id)
            return await self.get(record.id)

    def preview(self, request: DispatchRequest) -> Preview:
        """The split that a request would get now; nothing is sent or recorded.

        Raises:
            Rejected, NotFound, Conflict: as ``submit``.
        """
        meant = aim(request, self._fleet.inventory)
        planning.refuse_by_soc(request, meant, fleet=self._fleet, sessions=self._sessions)
        return planning.preview(
            request, meant, fleet=self._fleet, sessions=self._sessions, weighting=self._weighting
        )

    async def get(self, dispatch_id: UUID) -> Dispatch:
        """A record, with what telemetry shows of its active parts.

        Raises:
            NotFound: no such dispatch.
        """
        record = await self._records.find(dispatch_id)
        if record is None:
            raise NotFound("unknown_dispatch", f"no dispatch {dispatch_id}", field="id")
        return self._records.with_measured(record)

    async def page(self, query: DispatchQuery) -> Page[Dispatch]:
        """Recorded dispatches, newest first, those still open as they are now."""
        return self._records.matching(query, await self._store.page(query))

    def open_page(self, query: DispatchQuery) -> Page[Dispatch]:
        """Dispatches that have not ended, newest first; the store is not asked, so it may be away."""
        return self._records.open_page(query)

    async def cancel(self, dispatch_id: UUID) -> Dispatch:
        """Take a dispatch back; its assets return to rest (0 MW; PV and wind: no curtailment).

        Parts that wait are cancelled at once; the others when their agent says so, which may be after it reconnects.
        That it is cancelled is stored before this returns, unless the store is away. Cancelling what has ended changes
        nothing.

        Raises:
            NotFound: no such dispatch.
        """
        record = await self.get(dispatch_id)
        async with self._lock(record.site_id):
            open_record = self._records.open(dispatch_id)
            if open_record is None:
                return await self.get(dispatch_id)
            now = self._clock.now()
            if open_record.cancel_requested_at is None:
                self._records.install(replace(open_record, cancel_requested_at=now))
            self._records.settle(record.site_id, now)
            self._handover.send_cancel(dispatch_id)
            if (asked := self._records.at_hand(dispatch_id)) is not None:
                # Else a headend killed right after the answer would not know of it when it starts again.
                try:
                    await self._ahead.new(asked, {}, now)
                except Defect as defect:  # its agents were told all the same
                    _log.error("store refused a cancel", dispatch_id=str(dispatch_id), reason=defect.detail)
            return await self.get(dispatch_id)

    async def wait(self, dispatch_id: UUID, until: State, timeout_s: float) -> Dispatch:
        """The record once it has been in state ``until`` or has ended, or as it is when the time is up.

        Raises:
            NotFound: no such dispatch.
        """
        with self._records.watched(dispatch_id) as changed:
            try:
                async with asyncio.timeout(timeout_s):
                    while True:
                        record = await self.get(dispatch_id)
                        if record.state.final or record.stage.at(until) is not None or self._stopping:
                            return record
                        await changed.wait()
                        changed.clear()
            except TimeoutError:
                return await self.get(dispatch_id)

    # --------------------------------------------------------------------------------------------------- agents

    async def connected(self, session: Session, *, stored_seq: int) -> None:
        """An agent has come: agree on what is in force, take back what is over, hand over what waits.

        ``stored_seq`` is how far its spool is stored; a spool that begins later has dropped records.
        """
        registration = session.registration
        site_id = registration.site_id
        async with self._lock(site_id):
            asked = {held.dispatch_id for held in registration.in_force}
            found, unsure = await self._records.find_all(asked)
            await self._handover.write_ahead(site_id, session)
            # From here on nothing is awaited: what is decided is decided on the records as they are.
            now = self._clock.now()
            at_hand = {i: r for i in asked if (r := self._records.at_hand(i)) is not None}
            open_here = {record.id: record for record in self._records.open_at(site_id)}
            decided = reconcile.reconcile(
                session.record,
                [held for held in registration.in_force if held.dispatch_id not in unsure],
                known=open_here | {i: r for i, r in (found | at_hand).items() if i not in open_here},
                remembers=session.remembers and registration.first_seq <= stored_seq + 1,
                now=now,
            )
            session.agreed = True
            for record in decided.records:
                self._records.install(record)
            self._records.settle(site_id, now)
            self._handover.hand_over(site_id)
            for cancellation in decided.cancellations:
                session.link.cancel(cancellation)

    def disconnected(self, session: Session) -> None:
        """A session has ended: what it had not answered waits again, unless something newer has taken its place."""
        now = self._clock.now()
        site_id = session.registration.site_id
        for record in self._records.open_at(site_id):
            theirs = [part for part in record.allocations if part.agent_id == session.agent_id]
            unanswered = [part.asset_id for part in theirs if part.state is State.SENT]
            self._records.install(
                record.moved(Transition(State.QUEUED, now, HEADEND, "link_lost"), unanswered)
            )
            if any(part.state in RUNNING for part in theirs):
                self._gone.start(record.id, (record.duration_s or 0.0) + GONE_AFTER_S)
        self._records.settle(site_id, now)

    def reported(self, session: Session, report: DispatchReport) -> None:
        """An agent says what has become of a dispatch."""
        record = self._records.at_hand(report.dispatch_id)
        if record is None:
            _log.debug("report of an unknown dispatch", dispatch_id=str(report.dispatch_id))
            return
        theirs = reconcile.of_agent(record, report, session.agent_id, not_after=self._clock.now())
        if orphans := reconcile.contradicted(record, theirs):
            session.link.cancel(Cancellation(record.id, orphans))
        if not record.state.final:
            self._records.install(record.reported(theirs, agent_id=session.agent_id))

    def restore(self, unfinished: Iterable[Dispatch], *, newest: Iterable[Dispatch] = ()) -> None:
        """Take up the open dispatches of an earlier run, oldest first, before any agent can connect.

        What had been sent waits again: its agent will say whether it has it. A time to live goes on counting from
        when the dispatch was submitted. ``newest`` are the last dispatches, ended or not: an id that is repeated is
        then known even while the store is away.
        """
        self._records.remember(newest)
        now = self._clock.now()
        requeued = Transition(State.QUEUED, now, HEADEND, "headend_restarted")
        sites = set()
        for record in unfinished:
            sent = [part.asset_id for part in record.allocations if part.state is State.SENT]
            self._records.install(record.moved(requeued, sent))
            self._records.commanded(record)
            self._expiry.start(record.id, (record.expires_at - now).total_seconds())
            self._gone.start(record.id, (record.duration_s or 0.0) + GONE_AFTER_S)
            sites.add(record.site_id)
        for site_id in sites:
            self._records.settle(site_id, now)

    # ---------------------------------------------------------------------------------------------------- clock

    async def run(self) -> None:
        """Do what falls due, for as long as the headend runs."""
        await asyncio.gather(self._expiry.run(), self._gone.run(), self._handover.run())

    def release_waiters(self) -> None:
        """The headend is stopping: whoever waits for a state gets the record as it is."""
        self._stopping = True
        self._records.release_all()

    def _give_up(self, dispatch_id: UUID) -> None:
        """End the parts whose agent has been away for so long that nobody will say any more what became of them."""
        record = self._records.open(dispatch_id)
        if record is None:
            return
        lost = [
            part.asset_id
            for part in record.allocations
            if part.state in RUNNING and not self._sessions.connected(part.agent_id)
        ]
        gone = Transition(State.FAILED, self._clock.now(), HEADEND, "agent_gone_outcome_unknown")
        self._records.install(record.moved(gone, lost))

    def _expire(self, dispatch_id: UUID) -> None:
        record = self._records.open(dispatch_id)
        if record is None:
            return
        now = self._clock.now()
        unanswered = [p for p in record.allocations if p.state in (State.QUEUED, State.SENT)]
        never_sent = [p.asset_id for p in unanswered if p.never_sent]
        maybe_applied = [p.asset_id for p in unanswered if not p.never_sent]
        self._records.install(
            record.moved(Transition(State.EXPIRED, now, HEADEND, "ttl_over"), never_sent).moved(
                Transition(State.FAILED, now, HEADEND, "no_answer_within_ttl"), maybe_applied
            )
        )

    # -------------------------------------------------------------------------------------------------- records

    def _lock(self, site_id: UUID) -> asyncio.Lock:
        return self._locks.setdefault(site_id, asyncio.Lock())

    async def _stored(self, record: Dispatch) -> bool:
        """Store a new record before anything is sent; ``False`` if the store is away and it waits in memory."""
        agents = self._handover.ready_agents(part.asset_id for part in record.allocations)
        if await self._ahead.new(record, agents, self._clock.now()):
            return True
        if self._later.dispatches_waiting >= UNSTORED_DISPATCHES:
            raise Unavailable(
                "store_unavailable",
                f"the store is away and {UNSTORED_DISPATCHES} dispatches wait for it; nothing was sent",
                retry_after_s=5.0,
            )
        return False

    def _repeated(self, known: Dispatch, request: DispatchRequest, meant: Aim) -> Dispatch:
        if not same_request(known, request, meant):
            raise Conflict(
                "id_in_use",
                f"dispatch {known.id} exists and asks for something else; use another id",
                field="id",
            )
        return self._records.with_measured(known)
