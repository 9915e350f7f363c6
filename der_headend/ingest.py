"""From the links to the live state and the store.

What arrives is used at once (events) or within a few hundredths of a second (frames, which are read many at a time),
and gathered into a ``Batch``; every few hundred milliseconds, or sooner if there is much, the batch is committed
together with the mark of each spool, and only then are the agents told that they may forget it. What comes again at or
below what was already taken is dropped. So a record is stored exactly once, whatever dies when.

Nothing here waits. What may be under way is bounded by the *window*, the number of records that each agent may have
unacknowledged: it is chosen so that the windows of the whole fleet fit into ``room_rows``, but for the largest fleets,
for it is ``SMALLEST_WINDOW`` at least: two samples of each asset. Agents that are behind are lent larger ones, beside
that room, but a few at a time, and none while much waits (``turns``). While the store is away nothing is
acknowledged, the windows fill, and the agents keep the rest in their spools and send live copies; so live state,
heartbeats and dispatch go on and memory stays bounded. A commit that fails is tried again until it succeeds.
"""

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import accumulate, chain
from uuid import UUID, uuid4

from der_core.dispatch import Dispatch
from der_core.errors import Unavailable
from der_core.events import Event, EventKind, Severity
from der_headend import intake
from der_headend.agents import Session
from der_headend.alarms import Alarms
from der_headend.announcements import Announcements
from der_headend.commits import Commits
from der_headend.fleet import Fleet
from der_headend.marks import Marks
from der_headend.own_alarms import EVENTS_WAITING
from der_headend.ports import Batch, Heartbeat, Journal, SessionRecord
from der_runtime.breather import Breather
from der_runtime.clock import Clock
from der_runtime.logs import get_logger
from der_runtime.right_of_way import RightOfWay

READ_IN_S = 0.02
"""How long frames are gathered before they are read together and shown."""

ARRIVALS_AT_ONCE, ARRIVED_ROWS_AT_ONCE = 500, 2_500
"""So many frames, or samples in them, are read without waiting longer, and at a time: all else waits meanwhile."""

ARRIVALS_AT_MOST, ARRIVED_ROWS_AT_MOST = 1_000, 10_000
"""So many may wait while a command is under way."""

TOLD_AT_ONCE = 500
"""So many spools' agents learn at a time of what was stored; all else waits meanwhile."""

FLUSH_S = 0.2
ROWS_PER_COMMIT = 50_000
ROOM_ROWS = 1_000_000
SMALLEST_WINDOW, LARGEST_WINDOW = 2, 256
HEARTBEATS_WAITING = 20_000
SESSIONS_WAITING = 50_000

_log = get_logger("der_headend.ingest")


class Ingest:
    """The one writer.

    ``tell_stored(spool_id, through_seq)`` is called after each commit, once per spool in it; ``ask_again(spool_id)``
    when the store is back and could not say before how far it has that spool.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        alarms: Alarms,
        announcements: Announcements,
        journal: Journal,
        right_of_way: RightOfWay,
        clock: Clock,
        tell_stored: Callable[[UUID, int], None],
        ask_again: Callable[[UUID], None],
        room_rows: int = ROOM_ROWS,
    ) -> None:
        self._fleet = fleet
        self._alarms = alarms
        self._announcements = announcements
        self._journal = journal
        self._right_of_way = right_of_way
        self._clock = clock
        self._tell_stored = tell_stored
        self._ask_again = ask_again
        self.window = min(max(room_rows // max(len(fleet.assets), 1), SMALLEST_WINDOW), LARGEST_WINDOW)
        self._marks = Marks()
        self._batch = Batch()
        self._committing = Batch()
        self._one_writer = asyncio.Lock()
        self._committed = True
        self._news: list[Event] = []
        self._untold: list[Event] = []
        self._taken: Counter[UUID] = Counter()
        self._rows = 0
        self._arrivals: list[intake.Arrival] = []
        self._arrived_rows = 0
        self._arrived = asyncio.Event()
        self._something = asyncio.Event()
        self._plenty = asyncio.Event()
        self._told: set[tuple[UUID, str]] = set()
        self.rows_stored = 0
        self.rows_committing = 0
        self.set_aside_counts: Counter[str] = Counter()
        self.heartbeats_dropped = 0
        self.commits = Commits(
            journal=journal, clock=clock, delayed=self._tell_all, set_aside=self.set_aside_counts
        )
        self._since_s = self._committing_since_s = 0.0

    @property
    def away(self) -> bool:
        """Whether the store did not answer when it was asked last."""
        return self.commits.away

    @property
    def rows_waiting(self) -> int:
        """Samples that were taken and are not stored yet."""
        return self._arrived_rows + self._rows + self.rows_committing

    @property
    def waiting(self) -> Mapping[str, int]:
        """How many of each kind were taken and are not stored yet."""
        batches = (self._batch, self._committing)
        return {
            "samples": self.rows_waiting,
            "events": sum(len(batch.events) for batch in batches),
            "heartbeats": sum(len(batch.heartbeats) for batch in batches),
            "dispatches": self.dispatches_waiting,
            "sessions": sum(len(batch.sessions) for batch in batches),
        }

    @property
    def lag_s(self) -> float:
        """For how long the oldest sample that was taken and is not stored yet has been waiting."""
        if self.rows_committing:
            return self._clock.monotonic() - self._committing_since_s
        return self._clock.monotonic() - self._since_s if self._rows else 0.0

    @property
    def dispatches_waiting(self) -> int:
        """Changed dispatches that are not stored yet."""
        return len(self._batch.dispatches) + len(self._committing.dispatches)

    def missed(self) -> None:
        """Note that the store did not answer somebody else; the next commit will tell whether it is back."""
        self.commits.away = True
        self._tell_all()

    def holds(self, dispatch_id: UUID) -> bool:
        """Whether a dispatch waits to be stored."""
        return dispatch_id in self._batch.dispatches or dispatch_id in self._committing.dispatches

    def holds_event(self, event_id: UUID) -> bool:
        """Whether an event waits to be stored."""
        return any(event.id == event_id for event in chain(self._batch.events, self._committing.events))

    async def resume(self, spool_id: UUID, *, first_seq: int) -> int:
        """How far a spool is stored, so that its agent goes on after that.

        If the store can't say, the agent shall keep everything it has (from ``first_seq`` on).
        """
        if self._marks.overtaken(spool_id, first_seq):
            # The agent dropped records before they were taken: a fresh window for it would be one beside the full one.
            self._marks.unresolved(spool_id)
            return first_seq - 1
        if not self._marks.known(spool_id):
            try:
                self._marks.resolve(spool_id, await self._journal.mark(spool_id))
            except Unavailable as error:
                self._marks.unresolved(spool_id)
                _log.warning("mark unknown, records are shown and not stored", reason=error.detail)
                return first_seq - 1
        return self._marks.stored(spool_id)

    def forget(self, session: Session) -> None:
        """A session has closed."""
        if any(arrival.session is session for arrival in self._arrivals):
            self.read_in()
        self._told = {told for told in self._told if told[0] != session.id}

    def stored(self, spool_id: UUID) -> int:
        """The highest sequence number that is stored of a spool."""
        return self._marks.stored(spool_id)

    def taken(self, spool_id: UUID) -> int:
        """The highest sequence number that was taken of a spool."""
        return self._marks.taken(spool_id)

    def window_of(self, spool_id: UUID) -> int:
        """So many records an agent that comes may have unacknowledged, those of its earlier sessions included."""
        return self._marks.waiting(spool_id) + self.window

    def frame(self, session: Session, seq: int, frame: bytes) -> None:
        """Take a serialised frame: newest values to the live columns; if numbered and new, all of it to the store.

        It is read with others, by ``read_in``; a frame that can't be used is then set aside.
        """
        plain = intake.plain(session, frame)  # before the mark: should it fail, the frame is not lost
        arrival = intake.Arrival(session, seq, frame, plain, self._take(session, seq))
        self._arrivals.append(arrival)
        self._arrived_rows += arrival.size
        self._arrived.set()
        if self._plenty_arrived():
            self._read_some()

    def _plenty_arrived(self) -> bool:
        frames, rows = len(self._arrivals), self._arrived_rows
        if frames < ARRIVALS_AT_ONCE and rows < ARRIVED_ROWS_AT_ONCE:
            return False
        most = frames >= ARRIVALS_AT_MOST or rows >= ARRIVED_ROWS_AT_MOST
        return most or not self._right_of_way.taken()

    def read_in(self) -> None:
        """Read the frames that have come: to the live columns, and into the batch."""
        while self._arrivals:
            self._read_some()

    async def _read_in_turns(self) -> None:
        """Read what has come once no command is under way, a piece at a time, and let all else go on in between."""
        await self._right_of_way.free()
        left = len(self._arrivals)
        while left > 0 and self._arrivals:
            left -= self._read_some()
            if left > 0:
                await asyncio.sleep(0)
                await self._right_of_way.free()

    def _read_some(self) -> int:
        """Read those that came first; how many that were."""
        rows = list(accumulate(arrival.size for arrival in self._arrivals[:ARRIVALS_AT_ONCE]))
        count = min(bisect_left(rows, ARRIVED_ROWS_AT_ONCE) + 1, len(rows))
        some = self._arrivals[:count]
        now_us = int(self._clock.now().timestamp() * 1e6)
        samples, refused = intake.read(some, now_us=now_us)
        self._fleet.apply([s.rows for s in samples], [s.arrived for s in samples])
        # Should this fail, they are still there, so that no mark is ever stored without what it stands for.
        del self._arrivals[:count]
        self._arrived_rows -= rows[count - 1]
        for part in samples:
            new = part.rows.only(part.new)
            if new.size:
                if not self._rows:
                    self._since_s = self._clock.monotonic()
                self._batch.rows.append(new)
                self._rows += new.size
        for arrival, reason in refused:
            self._tell_set_aside(arrival.session, arrival.seq, reason)
        if self._rows >= ROWS_PER_COMMIT:
            self._plenty.set()
        return count

    def set_aside(self, session: Session, seq: int, reason: str) -> None:
        """A record that can't be used is counted, told once per session and reason, and never holds up others."""
        self._tell_set_aside(session, seq, reason)
        self._take(session, seq)

    def _tell_set_aside(self, session: Session, seq: int, reason: str) -> None:
        self.set_aside_counts[reason] += 1
        if (session.id, reason) in self._told:
            return
        self._told.add((session.id, reason))
        _log.warning("record set aside", agent_id=session.agent_id, seq=seq, reason=reason)
        if len(self._batch.events) < EVENTS_WAITING:
            self.note(
                Event(
                    id=uuid4(),
                    at=self._clock.now(),
                    site_id=session.registration.site_id,
                    asset_id=None,
                    severity=Severity.WARNING,
                    kind=EventKind.NOTICE,
                    code="record_set_aside",
                    message=f"agent {session.agent_id}: {reason}; further ones are counted",
                )
            )

    def event(self, session: Session, seq: int, *events: Event) -> None:
        """Take what a record says happened; a live copy (``seq`` 0) is not used, for the numbered one follows."""
        if self._take(session, seq):
            for event in events:
                self.note(replace(event, at=min(event.at, self._clock.now())))

    def report(self, session: Session, seq: int) -> None:
        """A dispatch report was applied (its record comes through ``dispatch``): let the mark pass it."""
        self._take(session, seq)

    def heartbeat(self, heartbeat: Heartbeat) -> None:
        """Keep a heartbeat, unless too many wait for the store already."""
        if len(self._batch.heartbeats) < HEARTBEATS_WAITING:
            self._batch.heartbeats.append(heartbeat)
            self._something.set()
        else:
            self.heartbeats_dropped += 1

    def dispatch(self, record: Dispatch) -> None:
        """Have a changed dispatch stored with the next commit."""
        self._batch.dispatches[record.id] = record
        self._something.set()

    def session(self, record: SessionRecord) -> None:
        """Have a session, opened or closed, stored with the next commit, unless too many newer ones wait for it."""
        waiting = self._batch.sessions
        waiting.pop(record.session_id, None)  # or its end would be as old as its beginning
        waiting[record.session_id] = record
        if len(waiting) > SESSIONS_WAITING:
            del waiting[next(iter(waiting))]
        self._something.set()

    async def run(self) -> None:
        """Show and commit what comes in, for as long as the headend runs."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._show(), name="show what comes in")
            tasks.create_task(self._store(), name="store what comes in")

    async def _show(self) -> None:
        while True:
            await self._arrived.wait()
            await asyncio.sleep(READ_IN_S)
            self._arrived.clear()
            await self._read_in_turns()

    async def _store(self) -> None:
        while True:
            await self._something.wait()
            try:
                async with asyncio.timeout(FLUSH_S):
                    await self._plenty.wait()
            except TimeoutError:
                pass
            await self._read_in_turns()
            await self.flush()

    async def flush(self) -> None:
        """Commit what there is now, however often it takes, and say so."""
        async with self._one_writer:
            if not self._committed:
                return  # The writer has crashed; a later mark must not pass what was to be stored then.
            self.read_in()
            self._something.clear()
            self._plenty.clear()
            self._committing, self._batch = self._batch, Batch()
            taken, self._taken = self._taken, Counter()
            self.rows_committing, self._rows = self._rows, 0
            self._committing_since_s = self._since_s
            self._untold, self._news = self._news, []
            self._committed = False
            await self.commits.commit(self._committing)
            self._committed = True
            self._tell()
            self.rows_stored += self.rows_committing
            self.rows_committing = 0
            self._marks.committed(self._committing.marks, taken)
            marks, self._committing = self._committing.marks, Batch()
        breather = Breather(self._right_of_way)
        for told, (spool_id, seq) in enumerate(marks.items(), 1):
            self._tell_stored(spool_id, seq)
            if told % TOLD_AT_ONCE == 0:
                await breather.pause()
        for spool_id in self._marks.open_questions():
            self._ask_again(spool_id)

    def _tell(self) -> None:
        """Announce the events of the batch under way."""
        news, self._untold = self._untold, []
        for event in news:
            self._announcements.announce(event)

    def _tell_all(self) -> None:
        """Announce also those of the next batch: the store is away, and nobody knows for how long."""
        self._untold, self._news = self._untold + self._news, []
        self._tell()

    def _take(self, session: Session, seq: int) -> bool:
        """Whether a record is to be stored: numbered, and not taken before.

        Raises:
            Rejected: ``window_exceeded``, the agent sends more than it was allowed to.
        """
        spool_id = session.registration.spool_id
        if not self._marks.take(spool_id, seq, window=max(self.window, session.largest_window)):
            return False
        self._batch.marks[spool_id] = seq
        self._taken[spool_id] += 1
        self._something.set()
        return True

    def note(self, event: Event) -> None:
        """An event is announced once it is stored, and so can be acknowledged; at once while the store is away."""
        self._alarms.note(event)
        self._batch.events.append(event)
        self._something.set()
        self._news.append(event)
        if self.away:
            self._tell_all()
