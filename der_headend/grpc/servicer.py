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
from der_headend.sessions import Session, Sessions
from der_runtime.clock import Clock
from der_runtime.logs import get_logger
from der_wire._gen import agent_link_pb2 as pb
from der_wire._gen.agent_link_pb2_grpc import AgentLinkServicer
from der_wire.codec import event_from_wire, report_from_wire, state_signals
from der_wire.fields import WireInvalid, read_time
from der_wire.frames import decode_frame
from der_wire.registration import registration_from_wire

INTRODUCTION_S = 10.0

_log = get_logger("der_headend.link")

_Context: TypeAlias = "aio.ServicerContext[pb.Uplink, pb.Downlink]"


class AgentLink(AgentLinkServicer):
    """Serves ``der.agent.v1.AgentLink``."""

    def __init__(
        self,
        *,
        sessions: Sessions,
        dispatcher: Dispatcher,
        ingest: Ingest,
        alarms: Alarms,
        clock: Clock,
        version: str,
    ) -> None:
        self._sessions = sessions
        self._dispatcher = dispatcher
        self._ingest = ingest
        self._alarms = alarms
        self._clock = clock
        self._version = version

    async def Connect(self, request_iterator: object, context: _Context) -> None:
        """Serve one agent until its stream ends."""
        peer = context.peer().partition(":")[2]
        link = StreamLink(clock=self._clock)
        try:
            registration = await self._introduction(context)
            stored_seq = await self._ingest.resume(registration.spool_id, first_seq=registration.first_seq)
            self._sessions.check(registration)
            session = self._sessions.open(registration, peer=peer, link=link)
        except (Rejected, Conflict, Unavailable) as refusal:
            _log.warning("agent refused", peer=peer, code=refusal.code, reason=refusal.detail)
            await context.write(pb.Downlink(refused=pb.Refused(code=refusal.code, reason=refusal.detail)))
            return
        reason = "link lost"
        try:
            self._welcome(session, peer)
            await context.write(self._registered(session.id, stored_seq))
            await self._dispatcher.connected(session, stored_seq=stored_seq)
            reason = await self._serve(session, link, context)
        finally:
            if self._sessions.close(session.id, reason) is not None:
                _log.info("agent disconnected", agent_id=session.agent_id, reason=reason)
            self._ingest.forget(session)

    async def _introduction(self, context: _Context) -> Registration:
        try:
            async with asyncio.timeout(INTRODUCTION_S):
                first: object = await context.read()
        except TimeoutError:
            raise Rejected("invalid", f"no registration within {INTRODUCTION_S:.0f} s") from None
        if not isinstance(first, pb.Uplink) or first.WhichOneof("message") != "register":
            raise Rejected("invalid", "the first message must be `register`", field="register")
        return registration_from_wire(first.register)

    def _welcome(self, session: Session, peer: str) -> None:
        registration = session.registration
        if not session.remembers:
            asset_ids = [asset.id for asset in registration.assets]
            self._alarms.forget(registration.site_id, asset_ids, agent_id=session.agent_id)
        _log.info(
            "agent connected",
            agent_id=session.agent_id,
            mode=registration.mode,
            peer=peer,
            session_id=str(session.id),
            assets=len(registration.assets),
            in_force=len(registration.in_force),
        )
        if differences := self._sessions.differences(registration):
            _log.warning(
                "agent and headend know its assets differently; the headend shows its own inventory",
                agent_id=session.agent_id,
                differences=differences,
            )

    def _registered(self, session_id: UUID, stored_seq: int) -> pb.Downlink:
        return pb.Downlink(
            registered=pb.Registered(
                session_id=str(session_id),
                acknowledged_seq=stored_seq,
                window=self._ingest.window,
                headend=f"der_headend {self._version}",
                clock_s=self._clock.monotonic(),
            )
        )

    async def _serve(self, session: Session, link: StreamLink, context: _Context) -> str:
        """Until the stream ends; returns why it did."""
        reading = asyncio.create_task(self._read(session, context), name=f"read {session.agent_id}")
        others = [
            asyncio.create_task(link.pump(context.write), name=f"write {session.agent_id}"),
            asyncio.create_task(link.closed.wait(), name=f"close {session.agent_id}"),
        ]
        try:
            await asyncio.wait([reading, *others], return_when=asyncio.FIRST_COMPLETED)
            if link.closed.is_set():
                await _cancelled(reading, *others)
                await link.say_goodbye(context.write)
            return reading.result() if reading.done() and not reading.cancelled() else "link lost"
        except aio.UsageError:
            return "link lost"
        except Rejected as misbehaviour:
            return misbehaviour.detail
        finally:
            await _cancelled(reading, *others)

    async def _read(self, session: Session, context: _Context) -> str:
        states = state_signals(session.registration.signals)
        asset_ids = session.record.asset_ids
        while True:
            message: object = await context.read()
            if not isinstance(message, pb.Uplink):
                return "closed by the agent"
            self._sessions.heard(session)
            match message.WhichOneof("message"):
                case "record":
                    self._record(session, message.record, states, asset_ids)
                case "heartbeat":
                    self._heartbeat(session, message.heartbeat)
                case "register":
                    return "registered twice on one stream"
                case _:
                    _log.debug("message of a later protocol passed over", agent_id=session.agent_id)

    def _record(
        self, session: Session, record: pb.Record, states: dict[int, int], asset_ids: tuple[UUID, ...]
    ) -> None:
        seq = record.seq
        try:
            match record.WhichOneof("body"):
                case "frame":
                    frame = decode_frame(record.frame, len(asset_ids), states)
                    self._ingest.frame(session, seq, frame)
                case "event":
                    event = event_from_wire(
                        record.event, site_id=session.registration.site_id, assets=asset_ids
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
        self._ingest.session(self._sessions.beat(session, heartbeat))
        session.link.acknowledge(self._ingest.stored(session.registration.spool_id))


async def _cancelled(*tasks: asyncio.Task[object]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
