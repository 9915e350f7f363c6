"""Agents go on in turn, a few at a time, and those that are behind with more at a time.

An agent sends what its window allows at once. After an outage, or under more load than the headend can take, thousands
of agents have a full window's worth to send, and whatever an agent says next, be it that a battery has taken up its
power, waits behind all of that in the one queue in which gRPC hands over messages. So the backlog stays where there is
room for it, in the agents' spools: an agent is told what is stored of it, which opens its window, only when what those
before it in the row may send has come. As only a few are on their turn at a time, one that has said that more is
waiting is lent a larger window for it than all could have. One that has not may have nothing to send: its turn lasts
until grpc has taken the message, which it says through the same queue.

While a command is under way hardly anybody is called, so that the queue is short when its answer comes; and fewer than
usual for a while after it, for what is on its way when the next one comes stands before its answer.
"""

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

from der_headend.agents import Session
from der_headend.ingest import LARGEST_WINDOW, Ingest
from der_runtime.clock import Clock
from der_runtime.right_of_way import RightOfWay

AT_ONCE_ROWS = 20_000
"""So many samples may be on their way from agents on their turn; the headend takes them in within ``PASSING_S``."""

PASSING_S = 0.075

AT_MOST_ROWS = 2 * AT_ONCE_ROWS
"""So many may be on their way where agents are far: beyond ``AT_ONCE_ROWS`` they are called at the pace of so many per
``PASSING_S``, for what is on its way for longer does not wait here."""

GIVING_WAY_ROWS = 1_000
"""So many may be on their way while a command is under way: they take a few milliseconds."""

LATELY_SHARE = 0.1
"""The part of ``AT_ONCE_ROWS`` and ``AT_MOST_ROWS`` that may be on its way where there was a command lately: what is
on its way when the next one comes stands before its answer. A good part less is stored then."""

LENT_ROWS = 500
"""So many samples an agent may send in its turn, if its window is not larger: large messages cost less than many. But
grpc keeps twice as much memory, or more, ready for each connection as came over it lately (ADR 0028)."""

QUIET = 0.8
"""An agent that is behind gets no answer before so many heartbeats have passed since it was told something: with the
usual ten seconds one to each second heartbeat that comes with a copy, and to each that comes by itself."""

OFTEN_S = 2.0
"""Heartbeats that come more often do not wait for a commit, which may take a good part of the time between them."""

WAITING_ROWS = 500_000
"""No further agent is called while so many samples wait for the store."""

TURN_S = 1.0
"""Who has not used its turn by then is not waited for any longer."""

_RECORD_ROWS = 20
"""What a record costs besides its samples, in samples."""


@dataclass(slots=True)
class _Turn:
    rows: int
    full_seq: int
    until_s: float


class Turns:
    """Who is told when how far its spool is stored. ``ingest`` knows how far that is."""

    def __init__(self, *, ingest: Ingest, right_of_way: RightOfWay, clock: Clock) -> None:
        self._ingest = ingest
        self._right_of_way = right_of_way
        self._clock = clock
        self._waiting: OrderedDict[Session, None] = OrderedDict()
        self._turns: OrderedDict[Session, _Turn] = OrderedDict()
        self._rows = 0
        self._paced_s = 0.0

    @property
    def waiting(self) -> int:
        """How many agents wait for their turn."""
        return len(self._waiting)

    def stored(self, session: Session, through_seq: int) -> None:
        """Its spool is stored this far: the agent is told in its turn, if that is worth a message."""
        if session.link.worth_telling(through_seq):
            self._waiting[session] = None
            self._go_on()

    def beat(self, session: Session, *, with_records: bool = False) -> None:
        """Answer a heartbeat with how far the spool is stored; one that came with records when that has changed.

        So these need no acknowledgement beside it. But no two heartbeats wait for that, none of an agent whose turn is
        still to come or while the store is away, and none that are more frequent than ``OFTEN_S``.
        An agent that is behind is not told if it was less than ``QUIET`` heartbeats ago, and what it was told already
        while it waits for its turn, in which alone its window changes; but while the store is away there are no turns.
        """
        link, heartbeat_s = session.link, session.registration.heartbeat_s
        away, waiting = self._ingest.away, session in self._waiting
        behind = waiting or (session.behind and not away)
        if with_records and not (behind or away or link.asked) and heartbeat_s >= OFTEN_S:
            link.asked = True
        elif not behind or link.quiet_s >= QUIET * heartbeat_s:
            through_seq = link.told_seq if waiting else self._ingest.stored(session.registration.spool_id)
            held = behind or session in self._turns
            link.acknowledge(through_seq, window=None if held else self._ingest.window)
        self._go_on()

    def sent(self, session: Session, *, more: bool) -> None:
        """A message with records came; ``more`` wait behind them."""
        session.behind = more
        turn = self._turns.get(session)
        if turn is not None and (
            not more or self._ingest.taken(session.registration.spool_id) >= turn.full_seq
        ):
            self._end(session)
            self._go_on()

    def forget(self, session: Session) -> None:
        """A session has closed."""
        self._waiting.pop(session, None)
        self._end(session)
        self._go_on()

    def _told(self, session: Session, turn: _Turn) -> None:
        if self._turns.get(session) is turn:
            self._end(session)
            self._go_on()

    def _end(self, session: Session) -> None:
        if turn := self._turns.pop(session, None):
            self._rows -= turn.rows

    def _go_on(self) -> None:
        if not self._waiting or self._ingest.rows_waiting >= WAITING_ROWS:
            return
        now_s = self._clock.monotonic()
        while self._turns and self._turns[oldest := next(iter(self._turns))].until_s <= now_s:
            self._end(oldest)
        while self._waiting and self._may_call(now_s):
            session, _ = self._waiting.popitem(last=False)
            self._end(session)
            turn = self._turns[session] = self._call(session, now_s)
            self._rows += turn.rows
            takes_s = PASSING_S * turn.rows / AT_ONCE_ROWS
            self._paced_s = min(max(self._paced_s, now_s - PASSING_S) + takes_s, now_s + PASSING_S)

    def _may_call(self, now_s: float) -> bool:
        if self._right_of_way.taken():
            return self._rows < GIVING_WAY_ROWS
        share = LATELY_SHARE if self._right_of_way.lately() else 1.0
        few = self._rows < share * AT_ONCE_ROWS
        return few or (self._rows < share * AT_MOST_ROWS and now_s >= self._paced_s)

    def _call(self, session: Session, now_s: float) -> _Turn:
        spool_id, assets = session.registration.spool_id, session.binding.slots.size
        stored_seq = self._ingest.stored(spool_id)
        if not session.behind:
            window = self._ingest.window
            turn = _Turn(assets + _RECORD_ROWS, stored_seq + window, now_s + TURN_S)
            session.link.acknowledge(stored_seq, window=window, then=partial(self._told, session, turn))
            return turn
        window = max(min(LENT_ROWS // assets, LARGEST_WINDOW), self._ingest.window)
        session.largest_window = max(session.largest_window, window)
        session.link.acknowledge(stored_seq, window=window)
        full_seq = stored_seq + window
        expected = max(full_seq - self._ingest.taken(spool_id), 0)  # a spool may have lost some in between
        return _Turn(expected * (assets + _RECORD_ROWS), full_seq, now_s + TURN_S)
