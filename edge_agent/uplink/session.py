"""One session with the headend: register, then send and receive until the link ends.

The sender is the only one who writes. It wakes when there is something in the outbox, when an acknowledgement opens
the window, and when a heartbeat is due. Records go in order and at most ``window`` of them are unacknowledged; while
that holds them back, or a backlog does, live copies go ahead of them: of each report, and of the newest frame if what
the headend shows would else become older than three quarters of a heartbeat, or 7.5 s.

The headend must be heard at least every three heartbeats: it answers each, one that went with records as soon as more
is stored, unless the agent is behind and was told something less than four fifths of one ago. If it is not, the session
ends, whatever the transport believes; everything here can be cancelled, so also on a link that swallows everything.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator

from der_core.dispatch import AllocationReport, DispatchReport
from der_core.lifecycle import State
from der_runtime.clock import Clock
from der_runtime.logs import get_logger
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import cancel_from_wire, command_from_wire
from der_wire.fields import WireInvalid, micros, read_uuid
from der_wire.registration import registration_to_wire
from der_wire.rules import BUNDLE_BYTES, MISSED_HEARTBEATS, to_show
from edge_agent.outbox import Outbox
from edge_agent.ports import LinkedAgent, Spooled
from edge_agent.uplink.stream import LinkEnded, Stream

BATCH = 64
"""So many records go before the sender looks again for heartbeats and live values."""

_HURRIED_S = 0.1
"""How often the headend is asked what it has stored while the agent waits for that before it stops."""

_log = get_logger(__name__)


class Refused(LinkEnded):
    """The headend does not want the agent; ``code`` is stable."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code


class Drained(LinkEnded):
    """The headend asked the agent to come back in ``reconnect_after_s``."""

    def __init__(self, reason: str, reconnect_after_s: float) -> None:
        super().__init__(f"the headend is going away: {reason}")
        self.reconnect_after_s = reconnect_after_s


class Session:
    """A session on an open stream. ``answer_within_s``: how long the headend may take to answer the registration."""

    def __init__(
        self,
        *,
        stream: Stream,
        agent: LinkedAgent,
        outbox: Outbox,
        clock: Clock,
        heartbeat_s: float,
        answer_within_s: float,
    ) -> None:
        self._stream = stream
        self._agent = agent
        self._outbox = outbox
        self._clock = clock
        self._heartbeat_s = heartbeat_s
        self._answer_within_s = answer_within_s
        self._window = 0
        self._bundle = 1
        self._beats_with_records = False
        self._beat_due_s = clock.monotonic()
        self._clock_ahead_s = 0.0
        self._sent_seq = 0
        self._ahead_seq = 0
        self._shown_us = 0
        self._in_flight: deque[int] = deque()
        self.heard_s = clock.monotonic()

    async def register(self) -> pb.Registered:
        """Introduce the agent.

        Raises:
            Refused: the headend does not want it.
            LinkEnded: it does not answer, or not with what the protocol says.
        """
        try:
            async with asyncio.timeout(self._answer_within_s):
                introduction = registration_to_wire(self._agent.registration())
                await self._stream.send(pb.Uplink(register=introduction))
                answer = await self._receive()
        except TimeoutError:
            raise LinkEnded(f"no answer within {self._answer_within_s:g} s") from None
        match answer.WhichOneof("message"):
            case "registered":
                await self._begin(answer.registered)
                return answer.registered
            case "refused":
                raise Refused(answer.refused.code, answer.refused.reason)
            case "drain":
                raise Drained(answer.drain.reason, answer.drain.reconnect_after_s)
            case other:
                raise LinkEnded(f"the headend answered the registration with {other}")

    async def run(self) -> None:
        """Send and receive until the link ends.

        Raises:
            LinkEnded: always, in the end.
        """
        # No TaskGroup: while its tasks end with errors of their own, it forgets that it was cancelled from outside.
        tasks = [
            asyncio.create_task(self._send(), name="uplink-send"),
            asyncio.create_task(self._take_in(), name="uplink-receive"),
            asyncio.create_task(self._watch(), name="uplink-watch"),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        errors = [error for error in outcomes if isinstance(error, Exception)] or [LinkEnded("cut off")]
        raise next((error for error in errors if not isinstance(error, LinkEnded)), errors[0])

    async def _begin(self, registered: pb.Registered) -> None:
        known = self._outbox.spool.status()
        if registered.window == 0:
            raise LinkEnded("the headend gave a window of 0 records")
        if registered.acknowledged_seq >= known.next_seq:
            raise LinkEnded(
                f"the headend claims to have record {registered.acknowledged_seq}, "
                f"but the next one will be {known.next_seq}"
            )
        self._clock_ahead_s = registered.clock_s - self.heard_s
        self._window = registered.window
        self._bundle = max(registered.bundle, 1)
        self._beats_with_records = registered.beats
        self._beat_due_s = self._clock.monotonic()
        self._sent_seq = self._ahead_seq = registered.acknowledged_seq
        await self._outbox.acknowledge(registered.acknowledged_seq)

    # -------------------------------------------------------------------------------------------- sending

    async def _send(self) -> None:
        while True:
            now_s, every_s = self._clock.monotonic(), self._beat_every_s
            self._beat_due_s = min(self._beat_due_s, now_s + every_s)
            if now_s >= self._beat_due_s:
                await self._stream.send(pb.Uplink(heartbeat=self._heartbeat()))
                missed = (now_s - self._beat_due_s) // every_s
                self._beat_due_s += (missed + 1) * every_s
            if not await self._send_records():
                await self._outbox.wait_for_news(deadline_s=self._beat_due_s)

    async def _send_records(self) -> bool:
        """Send what may go now; whether more may go at once."""
        room = min(self._window - len(self._in_flight), BATCH)
        records = await self._outbox.spool.read(self._sent_seq, room) if room > 0 else ()
        reaches = records[-1].seq if records else self._sent_seq
        behind = self._outbox.spool.status().next_seq - 1 > reaches
        if behind:
            await self._send_ahead(reaches)
        messages = []
        for record in records:
            if record.seq <= self._sent_seq:  # acknowledged while it was read
                continue
            self._sent_seq = record.seq
            if (message := self._outbox.message(record)) is not None:
                self._in_flight.append(record.seq)
                self._shown_us = max(self._shown_us, message.frame.timestamp_us)
                messages.append(message)
        uplinks = [*_bundled(messages, self._bundle)]
        for uplink in uplinks:
            uplink.more = behind
            if uplink is uplinks[-1]:
                self._add_heartbeat(uplink)
            await self._stream.send(uplink)
        return behind and bool(records) and len(self._in_flight) < self._window

    async def _send_ahead(self, reaches: int) -> None:
        """Send live copies of what does not go in its turn now, which reaches up to this number."""
        for report in tuple(self._outbox.reports(max(reaches, self._ahead_seq))):
            await self._send_copy(report)
            self._ahead_seq = report.seq
        newest = self._outbox.newest_frame
        if newest is None or newest.record.seq <= reaches:
            return
        if self._to_show(newest.timestamp_us):
            self._shown_us = newest.timestamp_us
            await self._send_copy(newest.record)

    async def _send_copy(self, record: Spooled) -> None:
        uplink = pb.Uplink(record=pb.Record.FromString(record.body), more=True)
        self._add_heartbeat(uplink)
        await self._stream.send(uplink)

    def _add_heartbeat(self, uplink: pb.Uplink) -> None:
        """Have a heartbeat go with records if half of its time has passed."""
        now_s, every_s = self._clock.monotonic(), self._beat_every_s
        if self._beats_with_records and self._beat_due_s - now_s <= every_s / 2:
            uplink.beat.CopyFrom(self._heartbeat())
            self._beat_due_s = now_s + every_s

    @property
    def _beat_every_s(self) -> float:
        return min(_HURRIED_S, self._heartbeat_s) if self._outbox.hurried else self._heartbeat_s

    def _to_show(self, timestamp_us: int) -> bool:
        return to_show(
            timestamp_us / 1e6,
            shown_s=self._shown_us / 1e6,
            heartbeat_s=self._heartbeat_s,
            spool_id=self._outbox.spool.spool_id,
        )

    def _heartbeat(self) -> pb.Heartbeat:
        status = self._outbox.spool.status()
        return pb.Heartbeat(
            at_us=micros(self._clock.now()),
            spooled_records=status.records,
            spooled_bytes=status.bytes,
            dropped_records=status.dropped,
        )

    # ------------------------------------------------------------------------------------------ receiving

    async def _take_in(self) -> None:
        while True:
            message = await self._receive()
            match message.WhichOneof("message"):
                case "setpoint":
                    await self._setpoint(message.setpoint)
                case "cancel":
                    await self._cancel(message.cancel)
                case "acknowledgement":
                    await self._acknowledged(message.acknowledgement)
                case "drain":
                    raise Drained(message.drain.reason, message.drain.reconnect_after_s)
                case "registered" | "refused" as name:
                    raise LinkEnded(f"the headend sent {name} in the middle of a session")
                case None:  # from a newer headend: to be passed over
                    _log.debug("unknown message passed over")

    async def _receive(self) -> pb.Downlink:
        message = await self._stream.receive()
        self.heard_s = self._clock.monotonic()
        return message

    async def _setpoint(self, message: pb.Setpoint) -> None:
        try:
            command = command_from_wire(message, now_s=self._clock.monotonic() + self._clock_ahead_s)
        except WireInvalid as error:
            await self._refuse(message, error)
        else:
            await self._agent.command(command)

    async def _refuse(self, message: pb.Setpoint, error: WireInvalid) -> None:
        """Answer a setpoint that makes no sense, so that the headend does not wait; if it can be named at all."""
        try:
            dispatch_id = read_uuid("dispatch_id", message.dispatch_id)
            asset_ids = [read_uuid("asset_ids", asset_id) for asset_id in dict.fromkeys(message.asset_ids)]
        except WireInvalid as unnamed:
            raise LinkEnded(f"the headend sent an invalid setpoint: {unnamed.detail}") from unnamed
        _log.warning("setpoint refused", dispatch_id=str(dispatch_id), reason=error.detail)
        parts = tuple(
            AllocationReport(asset_id=asset_id, state=State.REJECTED, reason="invalid", note=error.detail)
            for asset_id in asset_ids
        )
        report = DispatchReport(dispatch_id=dispatch_id, at=self._clock.now(), allocations=parts)
        await self._outbox.put_reports([report])

    async def _cancel(self, message: pb.Cancel) -> None:
        try:
            dispatch_id, asset_ids = cancel_from_wire(message)
        except WireInvalid as error:
            raise LinkEnded(f"the headend sent an invalid cancel: {error.detail}") from error
        await self._agent.cancel(dispatch_id, asset_ids)

    async def _acknowledged(self, told: pb.Acknowledgement) -> None:
        through_seq, next_seq = told.through_seq, self._outbox.spool.status().next_seq
        if through_seq >= next_seq:
            raise LinkEnded(
                f"the headend acknowledged record {through_seq}, but the next one will be {next_seq}"
            )
        self._sent_seq = max(self._sent_seq, through_seq)  # an earlier session may have sent more
        while self._in_flight and self._in_flight[0] <= through_seq:
            self._in_flight.popleft()
        self._window = told.window or self._window
        await self._outbox.acknowledge(through_seq)

    async def _watch(self) -> None:
        """End the session when nothing was heard for too long."""
        patience_s = MISSED_HEARTBEATS * self._heartbeat_s
        while True:
            await self._clock.sleep_until(self.heard_s + patience_s)
            silent_s = self._clock.monotonic() - self.heard_s
            if silent_s >= patience_s:
                raise LinkEnded(f"nothing heard from the headend for {silent_s:.3g} s")


def _bundled(records: Iterable[pb.Record], at_most: int) -> Iterator[pb.Uplink]:
    """Records as messages: so many, or so large, together; one alone as it is."""
    together: list[pb.Record] = []
    size = 0
    for record in records:
        more = record.ByteSize()
        if together and (len(together) >= at_most or size + more > BUNDLE_BYTES):
            yield _uplink(together)
            together, size = [], 0
        together.append(record)
        size += more
    if together:
        yield _uplink(together)


def _uplink(records: list[pb.Record]) -> pb.Uplink:
    if len(records) == 1:
        return pb.Uplink(record=records[0])
    return pb.Uplink(records=pb.Records(records=records))
