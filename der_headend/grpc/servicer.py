"""One agent's stream: introduction, then records up and commands down until either side ends it.

The servicer decodes and hands on; what a message means is decided by ``admissions``, ``sessions``, ``dispatcher`` and
``ingest``. A record that can't be decoded is set aside and the stream goes on; a stream that does not begin with a
valid registration is refused with the reason.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeAlias
from uuid import UUID, uuid4

from google.protobuf.message import DecodeError
from grpc import aio

from der_core.errors import Conflict, DerError, Rejected, Unavailable
from der_core.events import Event, EventKind
from der_core.registration import Registration
from der_headend.admissions import Admissions
from der_headend.agents import Session
from der_headend.alarms import GIVEN_UP, LEFT_BEHIND, OWN, Alarms
from der_headend.dispatcher import Dispatcher
from der_headend.grpc.link import StreamLink
from der_headend.ingest import Ingest
from der_headend.ports import Heartbeat
from der_headend.sessions import CLOSED_BY_AGENT, LINK_LOST, Sessions
from der_headend.turns import OFTEN_S, Turns
from der_runtime.clock import Clock
from der_runtime.gate import Gate
from der_runtime.logs import get_logger
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import event_from_wire, report_from_wire
from der_wire.fields import WireInvalid, read_time
from der_wire.uplinks import read_telemetry

INTRODUCTION_S = 30.0
NEARLY_FULL = 0.95

FIRST_WINDOW = 1
"""So many records an agent may send before it is told of one: ten thousand that come at once may not each send more."""

BUNDLE = 64
"""So many records may come in one message; all else waits while they are taken in."""

_log = get_logger("der_headend.link")

_Context: TypeAlias = "aio.ServicerContext[bytes, pb.Downlink]"


class AgentLink:
    """Serves ``der.agent.v1.AgentLink``. ``room``: for so many agents there are connections."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        admissions: Admissions,
        dispatcher: Dispatcher,
        ingest: Ingest,
        turns: Turns,
        alarms: Alarms,
        clock: Clock,
        version: str,
        room: int,
        gate: Gate,
    ) -> None:
        self._sessions = sessions
        self._admissions = admissions
        self._dispatcher = dispatcher
        self._ingest = ingest
        self._turns = turns
        self._alarms = alarms
        self._clock = clock
        self._version = version
        self._nearly_full = int(NEARLY_FULL * room)
        self._gate = gate
        self._coming: dict[str, _Context] = {}

    async def Connect(self, _messages: object, context: _Context) -> None:
        """Serve one agent until its stream ends; its messages come as bytes."""
        peer = context.peer().partition(":")[2]
        admitted = await self._admitted(context, peer)
        if admitted is None:
            return
        registration, stored_seq = admitted
        del admitted
        link = StreamLink(
            clock=self._clock, write=context.write, commanded=partial(self._gate.let_pass, context)
        )
        session = self._sessions.open(registration, peer=peer, link=link)
        session.largest_window = self._ingest.window_of(registration.spool_id)
        reason = LINK_LOST
        try:
            async with link:
                self._welcome(session, registration, peer)
                del registration  # as large as its assets' part of the inventory, and of no more use
                link.registered(self._registered(session.id, stored_seq))
                await self._dispatcher.connected(session, stored_seq=stored_seq)
                reason = await self._read(session, link, context)
        except aio.UsageError:
            pass  # what grpc says of a stream that is gone
        except Rejected as misbehaviour:
            reason = misbehaviour.detail
        finally:
            if self._sessions.close(session.id, reason) is not None:
                _log.info("agent disconnected", agent_id=session.agent_id, reason=session.record.reason)
            self._ingest.forget(session)
            self._turns.forget(session)

    async def _admitted(self, context: _Context, peer: str) -> tuple[Registration, int] | None:
        """Who comes, and how far its spool is stored; ``None`` if it was refused or is not there any more."""
        introduction = pb.Register()
        try:
            said = await _introduction(context)
            if said is None:
                _log.debug("agent left before it registered", peer=peer)
                return None
            introduction = said
            registration = self._admissions.read(introduction)
            stored_seq = await self._stored_seq(registration, context)
            if stored_seq is None:
                _log.debug("stream overtaken by a newer one of its agent", agent_id=registration.agent_id)
                return None
            self._admissions.check(registration)
        except (Rejected, Conflict, Unavailable) as refusal:
            self._admissions.refused(introduction, refusal, peer=peer)
            await _refuse(context, refusal)
            return None
        return registration, stored_seq

    async def _stored_seq(self, registration: Registration, context: _Context) -> int | None:
        """How far a spool is stored; ``None`` if a newer stream of the same agent has come while the store was asked.

        The older one must not open its session then: it would replace that of the newer one.
        """
        self._coming[registration.agent_id] = context
        try:
            stored_seq = await self._ingest.resume(registration.spool_id, first_seq=registration.first_seq)
            return stored_seq if self._coming.get(registration.agent_id) is context else None
        finally:
            if self._coming.get(registration.agent_id) is context:
                del self._coming[registration.agent_id]

    def _welcome(self, session: Session, registration: Registration, peer: str) -> None:
        given_up = self._sessions.given_up(session)
        self._end_what_is_left(session, given_up)
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
        self._admissions.accepted(registration, given_up=given_up)

    def _end_what_is_left(self, session: Session, given_up: Sequence[UUID]) -> None:
        """Clear the alarms that nobody will clear any more.

        What is of no asset was raised by a gateway that served all of the site. If none is beside it, an agent without
        memory of that leaves it behind too.
        """
        site_id, before = session.record.site_id, self._sessions.before(session)
        heard_at = None if before is None else before.last_seen_at
        over: list[Event] = []
        if not session.remembers and self._alarms.count(site_id):
            places: set[UUID | None] = {*session.record.asset_ids}
            if self._sessions.speaks_for_site(session.record):
                places.add(None)
            over += self._alarms.end(site_id, places, why=LEFT_BEHIND, heard_at=heard_at)
        if before is not None and given_up:
            over += self._alarms.end(before.site_id, {*given_up}, why=GIVEN_UP, heard_at=heard_at)
        for cleared in over:
            self._ingest.note(cleared)

    def _registered(self, session_id: UUID, stored_seq: int) -> pb.Registered:
        return pb.Registered(
            session_id=str(session_id),
            acknowledged_seq=stored_seq,
            window=FIRST_WINDOW,
            headend=f"der_headend {self._version}",
            clock_s=self._clock.monotonic(),
            bundle=BUNDLE,
            beats=True,
        )

    async def _read(self, session: Session, link: StreamLink, context: _Context) -> str:
        # Of who is told to do something others wait for the answer, and who beats often can't wait for his.
        hurries = session.registration.heartbeat_s < OFTEN_S
        end = None
        while end is None:
            message: object = await context.read()
            if isinstance(message, bytes):
                self._sessions.heard(session)
                if not (hurries or link.commanded_lately):
                    await self._gate.passed(context)
            end = self._take(session, message)
            del message  # it would be 10 KiB for each gateway that has nothing to say
        if end == CLOSED_BY_AGENT:
            # The end of a stream that broke looks like this too; reading on raises then.
            await context.read()
        return end

    def _take(self, session: Session, message: object) -> str | None:
        """Take in one message; the reason if it is the last."""
        if not isinstance(message, bytes):
            return CLOSED_BY_AGENT
        telemetry = read_telemetry(message, most=BUNDLE)
        if telemetry is None:
            return self._take_other(session, _uplink(message))
        for seq, frame in telemetry.frames:
            self._ingest.frame(session, seq, frame)
        self._turns.sent(session, more=telemetry.more)
        if telemetry.beat is not None:
            self._heartbeat(session, telemetry.beat, with_records=True)
        return None

    def _take_other(self, session: Session, message: pb.Uplink) -> str | None:
        """Take in a message with other things than frames, or one that is written in another way."""
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
                self._heartbeat(session, message.heartbeat, with_records=False)
            case "register":
                return "registered twice on one stream"
            case _:
                _log.debug("message of a later protocol passed over", agent_id=session.agent_id)
        if message.HasField("beat"):
            self._heartbeat(session, message.beat, with_records=True)
        return None

    def _record(self, session: Session, record: pb.Record) -> None:
        seq = record.seq
        try:
            match record.WhichOneof("body"):
                case "frame":
                    self._ingest.frame(session, seq, record.frame.SerializeToString())
                case "event":
                    self._event(session, seq, record.event)
                case "report":
                    self._dispatcher.reported(session, report_from_wire(record.report))
                    self._ingest.report(session, seq)
                case _:
                    self._ingest.set_aside(session, seq, "record_of_unknown_kind")
        except WireInvalid as invalid:
            _log.debug("record refused", agent_id=session.agent_id, seq=seq, reason=invalid.detail)
            self._ingest.set_aside(session, seq, invalid.code)

    def _event(self, session: Session, seq: int, message: pb.Event) -> None:
        about = session.record
        event = event_from_wire(message, site_id=about.site_id, assets=about.asset_ids)
        if event.kind is not EventKind.NOTICE and event.code.startswith(OWN):
            self._ingest.set_aside(session, seq, "code_of_the_headend")
            return
        self._ingest.event(session, seq, *([event] if event.asset_id else self._of_itself(session, event)))

    def _of_itself(self, session: Session, event: Event) -> Sequence[Event]:
        """What an agent says of itself, with its place; what has ended has so wherever the agent may have said it."""
        about = session.record
        told = [replace(event, asset_id=self._sessions.place(about))]
        if event.kind is EventKind.CLEARED:
            raised = self._alarms.places(about.site_id, event.code)
            if any(place != told[0].asset_id for place in raised):
                earlier = self._sessions.said_at(about) - {told[0].asset_id}
                told += [replace(event, id=uuid4(), asset_id=place) for place in raised if place in earlier]
        return told

    def _heartbeat(self, session: Session, message: pb.Heartbeat, *, with_records: bool) -> None:
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
        self._turns.beat(session, with_records=with_records)


async def _introduction(context: _Context) -> pb.Register | None:
    """What the agent says first; ``None`` if it leaves instead, because it had to wait too long perhaps."""
    try:
        async with asyncio.timeout(INTRODUCTION_S):
            first: object = await context.read()
    except TimeoutError:
        raise Rejected("invalid", f"no registration within {INTRODUCTION_S:.0f} s") from None
    if not isinstance(first, bytes):
        return None
    message = _uplink(first)
    if message.WhichOneof("message") != "register":
        raise Rejected("invalid", "the first message must be `register`", field="register")
    return message.register


def _uplink(message: bytes) -> pb.Uplink:
    try:
        return pb.Uplink.FromString(message)
    except DecodeError:
        raise Rejected("invalid", "a message that is no Uplink") from None


async def _refuse(context: _Context, refusal: DerError) -> None:
    with suppress(aio.UsageError):  # it has not waited for the answer
        await context.write(pb.Downlink(refused=pb.Refused(code=refusal.code, reason=refusal.detail)))
