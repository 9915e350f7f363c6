"""One agent's stream: introduction, then records up and commands down until either side ends it.

The servicer decodes and hands on; what a message means is decided by ``sessions``, ``dispatcher`` and ``ingest``. A
record that can't be decoded is set aside and the stream goes on; a stream that does not begin with a valid
registration is refused with the reason.
"""

import asyncio
from typing import TypeAlias
from uuid import UUID

from grpc import aio

from der_core.errors import Conflict, Rejected, Unavailable
from der_core.registration import Registration
from der_headend.alarms import Alarms
from der_headend.dispatcher import Dispatcher
from der_headend.grpc.link import StreamLink
from der_headend.ingest import Ingest
from der_headend.ports import Heartbeat
from der_headend.sessions import CLOSED_BY_AGENT, LINK_LOST, Session, Sessions
from der_headend.turns import Turns
from der_runtime.clock import Clock
from der_runtime.logs import get_logger
from der_wire._gen import agent_link_pb2 as pb
from der_wire._gen.agent_link_pb2_grpc import AgentLinkServicer
from der_wire.codec import event_from_wire, report_from_wire
from der_wire.fields import WireInvalid, read_time
from der_wire.registration import registration_from_wire

INTRODUCTION_S = 30.0
NEARLY_FULL = 0.95

BUNDLE = 64
"""So many records may come in one message; all else waits while they are taken in."""

_log = get_logger("der_headend.link")

_Context: TypeAlias = "aio.ServicerContext[pb.Uplink, pb.Downlink]"


class AgentLink(AgentLinkServicer):
    """Serves ``der.agent.v1.AgentLink``. ``room``: for so many agents there are connections."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        dispatcher: Dispatcher,
        ingest: Ingest,
        turns: Turns,
        alarms: Alarms,
        clock: Clock,
        version: str,
        room: int,
    ) -> None:
        self._sessions = sessions
        self._dispatcher = dispatcher
        self._ingest = ingest
        self._turns = turns
        self._alarms = alarms
        self._clock = clock
        self._version = version
        self._nearly_full = int(NEARLY_FULL * room)

    async def Connect(self, request_iterator: object, context: _Context) -> None:
        """Serve one agent until its stream ends."""
        peer = context.peer().partition(":")[2]
        try:
            registration = await self._introduction(context)
            if registration is None:
                _log.debug("agent left before it registered", peer=peer)
                return
            stored_seq = await self._ingest.resume(registration.spool_id, first_seq=registration.first_seq)
            self._sessions.check(registration)
        except (Rejected, Conflict, Unavailable) as refusal:
            _log.warning("agent refused", peer=peer, code=refusal.code, reason=refusal.detail)
            await context.write(pb.Downlink(refused=pb.Refused(code=refusal.code, reason=refusal.detail)))
            return
        link = StreamLink(clock=self._clock, write=context.write)
        session = self._sessions.open(registration, peer=peer, link=link)
        reason = LINK_LOST
        try:
            async with link:
                self._welcome(session, registration, peer)
                del registration  # as large as its assets' part of the inventory, and of no more use
                link.registered(self._registered(session.id, stored_seq))
                await self._dispatcher.connected(session, stored_seq=stored_seq)
                reason = await self._read(session, context)
        except aio.UsageError:
            pass  # what grpc says of a stream that is gone
        except Rejected as misbehaviour:
            reason = misbehaviour.detail
        finally:
            if self._sessions.close(session.id, reason) is not None:
                _log.info("agent disconnected", agent_id=session.agent_id, reason=reason)
            self._ingest.forget(session)
            self._turns.forget(session)

    async def _introduction(self, context: _Context) -> Registration | None:
        """What the agent says first; ``None`` if it leaves instead, because it had to wait too long perhaps."""
        try:
            async with asyncio.timeout(INTRODUCTION_S):
                first: object = await context.read()
        except TimeoutError:
            raise Rejected("invalid", f"no registration within {INTRODUCTION_S:.0f} s") from None
        if not isinstance(first, pb.Uplink):
            return None
        if first.WhichOneof("message") != "register":
            raise Rejected("invalid", "the first message must be `register`", field="register")
        return registration_from_wire(first.register)

    def _welcome(self, session: Session, registration: Registration, peer: str) -> None:
        if not session.remembers:
            for cleared in self._alarms.left_behind(
                registration.site_id,
                session.record.asset_ids,
                agent_id=session.agent_id,
                whole_site=self._sessions.whole_site(session.record),
                heard_at=self._sessions.heard_before(session),
            ):
                self._ingest.note(cleared, agent_id=session.agent_id)
        _log.info(
            "agent connected",
            agent_id=session.agent_id,
            mode=registration.mode,
            peer=peer,
            session_id=str(session.id),
            assets=len(registration.assets),
            in_force=len(registration.in_force),
        )
        if len(self._sessions.live) == self._nearly_full:
            _log.warning(
                "hardly any room for further agents; raise the limit of open files (ulimit -n) and restart",
                connected=self._nearly_full,
            )
        if differences := self._sessions.differences(registration):
            _log.warning(
                "agent and headend know its assets differently; the headend shows its own inventory",
                agent_id=session.agent_id,
                differences=differences,
            )

    def _registered(self, session_id: UUID, stored_seq: int) -> pb.Registered:
        return pb.Registered(
            session_id=str(session_id),
            acknowledged_seq=stored_seq,
            window=self._ingest.window,
            headend=f"der_headend {self._version}",
            clock_s=self._clock.monotonic(),
            bundle=BUNDLE,
        )

    async def _read(self, session: Session, context: _Context) -> str:
        # No message is held while the next is awaited: that would be 10 KiB for each gateway that has nothing to say.
        while (end := self._take(session, await context.read())) is None:
            pass
        if end == CLOSED_BY_AGENT:
            # The end of a stream that broke looks like this too; reading on raises then.
            await context.read()
        return end

    def _take(self, session: Session, message: object) -> str | None:
        """Take in one message; the reason if it is the last."""
        if not isinstance(message, pb.Uplink):
            return CLOSED_BY_AGENT
        self._sessions.heard(session)
        match message.WhichOneof("message"):
            case "record":
                self._record(session, message.record)
                self._turns.sent(session, more=message.more)
            case "records":
                if len(message.records.records) > BUNDLE:
                    return f"more than {BUNDLE} records in one message"
                for record in message.records.records:
                    self._record(session, record)
                self._turns.sent(session, more=message.more)
            case "heartbeat":
                self._heartbeat(session, message.heartbeat)
            case "register":
                return "registered twice on one stream"
            case _:
                _log.debug("message of a later protocol passed over", agent_id=session.agent_id)
        return None

    def _record(self, session: Session, record: pb.Record) -> None:
        seq = record.seq
        try:
            match record.WhichOneof("body"):
                case "frame":
                    self._ingest.frame(session, seq, record.frame)
                case "event":
                    event = event_from_wire(
                        record.event,
                        site_id=session.registration.site_id,
                        assets=session.record.asset_ids,
                    )
                    self._ingest.event(session, seq, event)
                case "report":
                    self._dispatcher.reported(session, report_from_wire(record.report))
                    self._ingest.report(session, seq)
                case _:
                    self._ingest.set_aside(session, seq, "record_of_unknown_kind")
        except WireInvalid as invalid:
            _log.debug("record refused", agent_id=session.agent_id, seq=seq, reason=invalid.detail)
            self._ingest.set_aside(session, seq, invalid.code)

    def _heartbeat(self, session: Session, message: pb.Heartbeat) -> None:
        received_at = self._clock.now()
        try:
            at = read_time("at_us", message.at_us)
        except WireInvalid:
            at = received_at
        heartbeat = Heartbeat(
            agent_id=session.agent_id,
            session_id=session.id,
            at=at,
            received_at=received_at,
            spooled_records=message.spooled_records,
            spooled_bytes=message.spooled_bytes,
            dropped_records=message.dropped_records,
        )
        self._ingest.heartbeat(heartbeat)
        self._sessions.beat(session, heartbeat)
        self._turns.beat(session)
