"""Everything an agent has to say goes through here: encoded, put into the spool, announced to the link.

The link sends records from the spool in order. When it is behind (no room in the headend's window, or a backlog), it
sends what is *live* ahead of them as unnumbered copies: the newest frame and the latest dispatch reports, which are
therefore kept here as well.

What the agent must know again when it starts goes into the spool with the record that tells of it
(``recollection``), or before it (``note_dispatches``), so that a dispatch is known on disk before its asset is written.

A report that says *acknowledged* and no more leaves once it is on the disk. What tells of an end, or that a part is in
force, leaves as a live copy at once: if the agent dies before it is on the disk, it finds the part open when it starts
again, and ends it.

A dispatch report must arrive: one that the spool lost before the headend had it is said again.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple
from uuid import UUID, uuid4

from google.protobuf.message import DecodeError

from der_core.dispatch import DispatchReport
from der_core.events import Event, EventKind, Severity
from der_core.lifecycle import State
from der_core.signals import CATALOGUE
from der_runtime.clock import Clock, wait_until
from der_runtime.logs import get_logger
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import event_to_wire, report_to_wire
from edge_agent.layout import Layout, renumber
from edge_agent.ledger import Ledger
from edge_agent.ports import Spool, Spooled, SpoolStatus
from edge_agent.recollection import Recollection, alarm_note, dispatch_note, layout_note

LIVE_REPORTS = 256
"""How many reports are kept to be sent ahead; of more than that the oldest only go in their turn."""

REPORTS_WATCHED = 10_000
"""For so many dispatches it is watched whether their last report gets through."""

_ROOM_AGAIN = 0.9
"""An overflow counts as over once the spool is back below this share of what it held when it overflowed."""

_log = get_logger(__name__)


class NewestFrame(NamedTuple):
    """A record that is a frame, and the moment that it tells of."""

    record: Spooled
    timestamp_us: int


class Outbox:
    """Puts records into ``spool``; ``places`` says where in the registration each asset stands.

    ``recalled`` is what the spool knows of an earlier run, ``damage`` why it is a new one although there was one.
    """

    def __init__(
        self,
        *,
        spool: Spool,
        site_id: UUID,
        places: Mapping[UUID, int],
        clock: Clock,
        ledger: Ledger,
        recalled: Recollection | None = None,
        damage: str | None = None,
    ) -> None:
        self._spool = spool
        self._site_id = site_id
        self._places = places
        self._clock = clock
        self._ledger = ledger
        self._recalled = recalled or Recollection()
        self._damage = damage
        self._layout = Layout.of(sorted(places, key=lambda asset_id: places[asset_id]), CATALOGUE)
        self._layouts = dict(self._recalled.layouts)
        self._frame: NewestFrame | None = None
        self._reports: deque[Spooled] = deque(maxlen=LIVE_REPORTS)
        self._reported: OrderedDict[UUID, int] = OrderedDict()
        self._changed = asyncio.Event()
        self._emptied = asyncio.Event()
        self.hurried = False
        """Whether somebody waits for everything to be acknowledged."""
        self._dropped = spool.status().dropped
        self._overflow_bytes: int | None = None
        self._trouble_since: datetime | None = None
        self._dropped_before_trouble = 0

    @property
    def spool(self) -> Spool:
        """Where the records are."""
        return self._spool

    async def begin(self) -> None:
        """Take over from an earlier run, before anything else is put in.

        Its alarms end: what still holds is raised again. Its records may number assets otherwise than this run does.
        """
        first_seq, next_seq = self._spool.status().first_seq, self._spool.status().next_seq
        known = sorted(self._layouts)
        over = [seq for seq, following in pairwise(known) if following <= first_seq]
        notes = dict(layout_note(seq, None) for seq in over)
        if not known or self._layouts[known[-1]] != self._layout:
            self._layouts[next_seq] = self._layout
            notes |= [layout_note(next_seq, self._layout)]
        notes |= (alarm_note(alarm, stands=False) for alarm in self._recalled.alarms)
        message = "the agent has started anew; what still holds is raised again"
        bodies = [
            self._event(asset_id, EventKind.CLEARED, Severity.INFO, code, message)
            for asset_id, code in self._recalled.alarms
            if asset_id is None or asset_id in self._places
        ]
        if self._damage is not None:
            bodies.append(
                self._event(None, EventKind.NOTICE, Severity.CRITICAL, "spool_corrupt", self._damage)
            )
        await self._append(bodies, notes)

    async def put_frame(self, frame: pb.Frame) -> None:
        """Report one moment of the assets."""
        body = pb.Record(frame=frame).SerializeToString()
        self._frame = NewestFrame(Spooled(await self._append([body]), body), frame.timestamp_us)

    async def note_dispatches(self) -> None:
        """Returns once the spool has what the ledger knows, though nothing is reported yet."""
        if notes := self._dispatch_notes():
            await self._append((), notes)

    async def put_reports(self, reports: Sequence[DispatchReport]) -> None:
        """Report what has become of some dispatches; returns once the spool has that and what the ledger knows."""
        if not reports:
            await self.note_dispatches()
            return
        first_seq = self._spool.status().next_seq
        bodies = [pb.Record(report=report_to_wire(report)).SerializeToString() for report in reports]
        records = [Spooled(seq, body) for seq, body in enumerate(bodies, first_seq)]
        at_once = not any(map(_acknowledges, reports))
        if at_once:
            self._reports.extend(records)
            self._changed.set()
        await self._append(bodies, self._dispatch_notes())
        if not at_once:
            self._reports.extend(records)
        kept = self._spool.status().trouble is None
        for record, report in zip(records, reports, strict=True):
            self._watch_report(report.dispatch_id, record.seq if kept else 0)

    async def put_events(self, events: Sequence[Event]) -> None:
        """Report events."""
        bodies = [pb.Record(event=event_to_wire(event, self._places)).SerializeToString() for event in events]
        if bodies:
            await self._append(
                bodies, dict(_note_of_alarm(e) for e in events if e.kind is not EventKind.NOTICE)
            )

    @property
    def newest_frame(self) -> NewestFrame | None:
        """The frame that was put in last."""
        return self._frame

    def reports(self, above_seq: int) -> Iterator[Spooled]:
        """The latest reports with numbers above ``above_seq``."""
        return (report for report in self._reports if report.seq > above_seq)

    def message(self, record: Spooled) -> pb.Record | None:
        """A record of the spool as it is to be sent; ``None`` if it is damaged, or all of it is no longer served."""
        layout = next(
            (self._layouts[s] for s in sorted(self._layouts, reverse=True) if s <= record.seq), None
        )
        try:
            message = pb.Record.FromString(record.body)
            if layout is None or layout == self._layout or renumber(message, layout, self._layout):
                message.seq = record.seq
                return message
        except (DecodeError, IndexError):
            _log.error("a record of the spool is damaged, it is passed over", seq=record.seq)
        return None

    async def acknowledge(self, through_seq: int) -> None:
        """The headend has stored everything up to and including this."""
        await self._spool.acknowledge(through_seq)
        for dispatch_id in [i for i, seq in self._reported.items() if 0 < seq <= through_seq]:
            del self._reported[dispatch_id]
        if self._spool.status().records == 0:
            self._emptied.set()
        self._changed.set()

    async def wait_for_news(self, *, deadline_s: float) -> None:
        """Return at the deadline (monotonic seconds), or when something was put in or acknowledged."""
        await wait_until(self._changed, clock=self._clock, deadline_s=deadline_s)
        self._changed.clear()

    async def wait_until_empty(self, *, deadline_s: float) -> bool:
        """Wait until all is acknowledged, or for the deadline (monotonic seconds); whether it is.

        The headend says how far it is when it is asked by a heartbeat, so from now on they come thick and fast.
        """
        if self._spool.status().records == 0:
            return True
        self.hurried = True
        self._changed.set()
        return await wait_until(self._emptied, clock=self._clock, deadline_s=deadline_s)

    # ------------------------------------------------------------------------------------- watching the spool

    async def _append(self, bodies: Sequence[bytes], notes: Mapping[str, bytes | None] | None = None) -> int:
        self._emptied.clear()
        last = await self._spool.append(bodies, notes)
        await self._watch_spool()
        if bodies:
            self._changed.set()
        return last

    def _dispatch_notes(self) -> Mapping[str, bytes | None]:
        changes = self._ledger.take_changes(self._clock.now())
        return dict(dispatch_note(*change) for change in changes.items())

    async def _watch_spool(self) -> None:
        status = self._spool.status()
        dropped, self._dropped = status.dropped - self._dropped, status.dropped
        if status.trouble is not None:
            if self._trouble_since is None:
                self._trouble_since, self._dropped_before_trouble = (
                    self._clock.now(),
                    status.dropped - dropped,
                )
            return
        since, self._trouble_since = self._trouble_since, None
        if since is not None and (lost := status.dropped - self._dropped_before_trouble):
            message = (
                f"the spool could not be written since {since:%Y-%m-%d %H:%M:%S} UTC; "
                f"{lost} records of that time are lost"
            )
            await self._tell(EventKind.NOTICE, Severity.CRITICAL, "spool_not_written", message)
        elif dropped and self._overflow_bytes is None:
            await self._overflow_begins(status)
        elif self._overflow_bytes is not None and status.bytes < _ROOM_AGAIN * self._overflow_bytes:
            self._overflow_bytes = None
            _log.info("spool has room again", dropped_records=status.dropped)
            message = f"the spool has room again; {status.dropped} records were lost since it was made"
            await self._tell(EventKind.CLEARED, Severity.INFO, "spool_full", message)
        await self._say_again(self._spool.status().first_seq)

    async def _overflow_begins(self, status: SpoolStatus) -> None:
        self._overflow_bytes = status.bytes
        _log.warning("spool full, dropping the oldest records", records=status.records, bytes=status.bytes)
        message = f"the spool is full with {status.records} records; the oldest are dropped"
        await self._tell(EventKind.RAISED, Severity.WARNING, "spool_full", message)

    def _watch_report(self, dispatch_id: UUID, seq: int) -> None:
        self._reported[dispatch_id] = seq
        self._reported.move_to_end(dispatch_id)
        if len(self._reported) > REPORTS_WATCHED:
            self._reported.popitem(last=False)

    async def _say_again(self, first_seq: int) -> None:
        """Report anew what the spool lost of the dispatches."""
        bodies: list[bytes] = []
        numbers: dict[UUID, int] = {}
        for dispatch_id in [i for i, seq in self._reported.items() if seq < first_seq]:
            known = self._ledger.known(dispatch_id, self._clock.now())
            del self._reported[dispatch_id]
            if known is not None:
                numbers[dispatch_id] = self._spool.status().next_seq + len(bodies)
                bodies.append(pb.Record(report=report_to_wire(known)).SerializeToString())
        if not bodies:
            return
        self._reported |= numbers  # before others have their turn: they may report the same dispatches
        await self._spool.append(bodies)
        if self._spool.status().trouble is not None:
            self._reported |= {i: 0 for i, seq in numbers.items() if self._reported.get(i) == seq}

    async def _tell(self, kind: EventKind, severity: Severity, code: str, message: str) -> None:
        notes = (
            {}
            if kind is EventKind.NOTICE
            else dict([alarm_note((None, code), stands=kind is EventKind.RAISED)])
        )
        await self._spool.append([self._event(None, kind, severity, code, message)], notes)
        self._dropped = self._spool.status().dropped

    def _event(
        self, asset_id: UUID | None, kind: EventKind, severity: Severity, code: str, message: str
    ) -> bytes:
        event = Event(
            id=uuid4(),
            at=self._clock.now(),
            site_id=self._site_id,
            asset_id=asset_id,
            severity=severity,
            kind=kind,
            code=code,
            message=message,
        )
        return pb.Record(event=event_to_wire(event, self._places)).SerializeToString()


def _acknowledges(report: DispatchReport) -> bool:
    return any(part.state is State.ACKNOWLEDGED for part in report.allocations)


def _note_of_alarm(event: Event) -> tuple[str, bytes | None]:
    return alarm_note((event.asset_id, event.code), stands=event.kind is EventKind.RAISED)
