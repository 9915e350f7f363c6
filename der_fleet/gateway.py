"""One agent of the fleet on its link: registers, sends from its spool, takes commands, comes back when the link ends.

The protocol is that of ``agent_link.proto``, the rules are those of ``edge_agent.uplink``. There is no task per agent:
an agent acts when a frame is made for it, when something arrives, and when its heartbeat is due.
"""

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from google.protobuf.message import DecodeError

from der_core.assets import Asset, Site
from der_core.dispatch import DispatchReport
from der_core.events import Event, EventKind, Severity
from der_core.registration import AgentMode, Registration
from der_core.signals import CATALOGUE
from der_fleet.channel import Channel
from der_fleet.commands import Commands, Say
from der_fleet.http2 import Stream
from der_fleet.spool import MemorySpool
from der_fleet.tally import Tally
from der_runtime.backoff import Backoff
from der_runtime.clock import Clock
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import cancel_from_wire, command_from_wire, event_to_wire, report_to_wire
from der_wire.fields import WireInvalid, micros
from der_wire.registration import PROTOCOL_VERSION, registration_to_wire
from der_wire.rules import (
    ANSWER_WITHIN_S,
    BUNDLE_BYTES,
    MISSED_HEARTBEATS,
    STEADY_AFTER_S,
    away_s,
    to_show,
)
from der_wire.uplinks import bundle, uplink_head
from edge_agent.decisions import Alarm
from edge_agent.recollection import dispatch_note

LOOKS = 4
"""So often in each heartbeat it is looked at whether an agent's is due."""

_DUE = 1 - 1 / (2 * LOOKS)
"""The part of a heartbeat after which one is due at the next look, and so as often too early as too late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """Who an agent is: its ``assets``, in ascending order of id, stand in the plant from ``first`` on."""

    mode: AgentMode
    site: Site
    assets: tuple[Asset, ...]
    first: int

    @property
    def id(self) -> str:
        """What it registers as."""
        return str(self.site.id if self.mode is AgentMode.GATEWAY else self.assets[0].id)


class Gateway:
    """An agent and its link.

    ``make_commands`` makes what carries out dispatches, once there are any, given whom to tell of them. ``stale`` are
    the places of assets that are missing from its frames at the moment. ``refusal`` is why the headend does not want
    it, ``trouble`` why it has no link; ``None`` while it has one.
    """

    def __init__(
        self,
        agent: Agent,
        *,
        spool: MemorySpool,
        channel: Channel,
        make_commands: Callable[[Agent, Say], Commands],
        tally: Tally,
        clock: Clock,
        rng: random.Random,
        heartbeat_s: float,
        software: str,
    ) -> None:
        self.agent = agent
        self.spool = spool
        self.stale: set[int] = set()
        self.refusal: pb.Refused | None = None
        self.trouble: str | None = "has not connected yet"
        self._channel = channel
        self._make_commands = make_commands
        self._commands: Commands | None = None
        self._tally = tally
        self._clock = clock
        self._backoff = Backoff(rng=rng)
        self._heartbeat_s = heartbeat_s
        self._software = software
        self._stream: Stream | None = None
        self._up_since_s: float | None = None
        self._was_up = self._failed = False
        self._stopping = False
        self._away_s = 0.0
        self._heard_s = 0.0
        self._beat_s = -math.inf
        self._clock_ahead_s = 0.0
        self._window = 0
        self._bundle = 1
        self._beats_with_records = False
        self._shown_s = 0.0
        self._in_flight: deque[int] = deque()
        self._sent_seq = 0
        self._ever_sent_seq = 0

    @property
    def tried(self) -> bool:
        """Whether its first attempt at a link has come out, one way or the other."""
        return self._was_up or self._failed

    @property
    def up(self) -> bool:
        """Whether the headend has accepted it."""
        return self._up_since_s is not None

    @property
    def waits_for_acknowledgement(self) -> bool:
        """Whether all that it has was sent, and not all of that is acknowledged."""
        return len(self.spool) > 0 and self._sent_seq >= self.spool.last_seq

    def connect(self) -> None:
        """Ask for a stream."""
        if not self._stopping:
            self._channel.want(self)

    def frame(self, body: bytes, samples: int, now_s: float) -> None:
        """Keep a frame and send what may go; if it may not go yet, a live copy of it may go ahead."""
        self.spool.append(body, samples, now_s)
        self.writable()
        if self._to_show(now_s) and self._copy_if_behind(body):
            self._shown_s = now_s

    def tell(self, body: bytes, notes: Mapping[str, bytes | None] | None = None) -> None:
        """Keep an event or a report, and send what may go."""
        self.spool.append(body, 0, self._clock.monotonic(), notes)
        self.writable()

    def beat(self, now_s: float) -> None:
        """Send a heartbeat if it is due, or drop a link on which nothing was heard for too long.

        To be called ``LOOKS`` times in each heartbeat.
        """
        stream = self._stream
        if stream is None:
            return
        patience_s = MISSED_HEARTBEATS * self._heartbeat_s if self.up else ANSWER_WITHIN_S
        if now_s - self._heard_s >= patience_s:
            self.drop(f"nothing heard from the headend for {patience_s:g} s")
        elif self.up and stream.ready and now_s - self._beat_s >= _DUE * self._heartbeat_s:
            stream.send(pb.Uplink(heartbeat=self._heartbeat(now_s)).SerializeToString())

    def ask(self, now_s: float) -> None:
        """Have the headend say how far it is, by a heartbeat before its time."""
        if self.up and self._stream is not None and self._stream.ready:
            self._stream.send(pb.Uplink(heartbeat=self._heartbeat(now_s)).SerializeToString())

    def drop(self, reason: str) -> None:
        """End the link from this side."""
        if self._stream is not None:
            self._stream.cancel()
            self.ended(reason)

    def restart(self, dispatches: Sequence[DispatchReport]) -> None:
        """Take over the dispatches of an earlier run."""
        if dispatches:
            self._dispatches().restart(dispatches)

    def leave_safe(self) -> None:
        """End what is in force: the gateway is about to go."""
        if self._commands is not None:
            self._commands.stop()

    def finish(self) -> None:
        """Tell the headend that the gateway goes; it does not come back."""
        self._stopping = True
        if self._stream is not None:
            self._stream.finish()

    # ------------------------------------------------------------------------------------------ the stream's side

    def opened(self, stream: Stream) -> None:
        """Register."""
        self._stream = stream
        self._heard_s = self._clock.monotonic()
        stream.send(pb.Uplink(register=registration_to_wire(self._registration())).SerializeToString())

    def received(self, message: bytes) -> None:
        """Do what the headend says."""
        self._heard_s = self._clock.monotonic()
        try:
            down = pb.Downlink.FromString(message)
            match down.WhichOneof("message"):
                case "acknowledgement":
                    self._acknowledged(down.acknowledgement)
                case "registered":
                    self._begin(down.registered)
                case "setpoint":
                    self._tally.setpoints += 1
                    now_s = self._clock.monotonic() + self._clock_ahead_s
                    self._dispatches().command(command_from_wire(down.setpoint, now_s=now_s))
                case "cancel":
                    self._dispatches().cancel(*cancel_from_wire(down.cancel))
                case "refused":
                    self.refusal = down.refused
                    self.drop(f"{down.refused.code}: {down.refused.reason}")
                case "drain":
                    self._drained(down.drain)
        except (DecodeError, WireInvalid) as error:
            self.drop(f"the headend sent something that makes no sense: {error}")

    def writable(self) -> None:
        """Send, in order, what the headend's window and the stream take."""
        stream, spool = self._stream, self.spool
        if stream is None or self._up_since_s is None:
            return
        self._sent_seq = max(self._sent_seq, spool.first_seq - 1)
        while stream.ready and (together := self._next()):
            more = self._sent_seq < spool.last_seq
            beat = self._heartbeat_beside_records()
            if len(together) == 1:
                ((seq, body),) = together
                stream.send(beat + uplink_head(seq, len(body), more=more), body)
            else:
                stream.send(beat + bundle(together, more=more))

    def ended(self, reason: str) -> None:
        """The link is over, or none could be had: come back later."""
        self._stream = None
        self._failed = True
        self.trouble = reason
        now_s = self._clock.monotonic()
        if self._up_since_s is not None:
            self._tally.connected -= 1
            if now_s - self._up_since_s >= STEADY_AFTER_S:
                self._backoff.reset()
            self._up_since_s = None
            if self._commands is not None:
                self._commands.link_lost(self._heard_s)
        if not self._stopping:
            wait_s, self._away_s = max(self._backoff.next_s(), self._away_s), 0.0
            asyncio.get_running_loop().call_later(wait_s, self.connect)

    # ------------------------------------------------------------------------------------------------- the session

    def _registration(self) -> Registration:
        agent = self.agent
        return Registration(
            protocol=PROTOCOL_VERSION,
            agent_id=agent.id,
            mode=agent.mode,
            site_id=agent.site.id,
            site_name=agent.site.name,
            software=self._software,
            assets=agent.assets,
            signals=CATALOGUE,
            heartbeat_s=self._heartbeat_s,
            spool_id=self.spool.spool_id,
            first_seq=self.spool.first_seq,
            in_force=() if self._commands is None else self._commands.in_force(),
        )

    def _begin(self, registered: pb.Registered) -> None:
        now_s = self._clock.monotonic()
        if registered.acknowledged_seq > self.spool.last_seq:
            self.drop(
                f"the headend claims to have record {registered.acknowledged_seq}, which was never made"
            )
            return
        self.refusal = self.trouble = None
        self._up_since_s = now_s
        self._tally.connected += 1
        self._tally.reconnects += self._was_up
        self._was_up = True
        self._clock_ahead_s = registered.clock_s - now_s
        self._window = registered.window
        self._bundle = max(registered.bundle, 1)
        self._beats_with_records = registered.beats
        self._beat_s = -math.inf
        self._in_flight.clear()
        self._sent_seq = registered.acknowledged_seq
        self.spool.acknowledge(registered.acknowledged_seq, now_s)
        if self._commands is not None:
            self._commands.registered()
        self.writable()

    def _heartbeat(self, now_s: float) -> pb.Heartbeat:
        self._beat_s = now_s
        spool = self.spool
        return pb.Heartbeat(
            at_us=micros(self._clock.now()),
            spooled_records=len(spool),
            spooled_bytes=spool.held_bytes,
            dropped_records=spool.dropped,
        )

    def _heartbeat_beside_records(self) -> bytes:
        """What goes in front of records: a heartbeat, if half of its time has passed; else nothing."""
        now_s = self._clock.monotonic()
        if not self._beats_with_records or now_s - self._beat_s < self._heartbeat_s / 2:
            return b""
        return pb.Uplink(beat=self._heartbeat(now_s)).SerializeToString()

    def _acknowledged(self, told: pb.Acknowledgement) -> None:
        through_seq, in_flight = told.through_seq, self._in_flight
        self._window = told.window or self._window
        while in_flight and in_flight[0] <= through_seq:
            in_flight.popleft()
        self.spool.acknowledge(through_seq, self._heard_s)
        if self._sent_seq < self.spool.last_seq:
            self.writable()

    def _drained(self, drain: pb.Drain) -> None:
        self._away_s = away_s(drain.reconnect_after_s, self._backoff.rng)
        self.drop(f"the headend is going away: {drain.reason}")

    def _next(self) -> list[tuple[int, bytes]]:
        """What the headend takes in one message now, numbers and bodies; counted as sent."""
        spool, tally = self.spool, self._tally
        room = min(self._window - len(self._in_flight), self._bundle, spool.last_seq - self._sent_seq)
        together: list[tuple[int, bytes]] = []
        size = 0
        for seq in range(self._sent_seq + 1, self._sent_seq + 1 + room):
            body, samples, made_s = spool.record(seq)
            size += len(body)
            if together and size > BUNDLE_BYTES:
                break
            together.append((seq, body))
            self._sent_seq = seq
            self._in_flight.append(seq)
            self._shown_s = max(self._shown_s, made_s)
            if seq > self._ever_sent_seq:
                self._ever_sent_seq = seq
                tally.sent += samples
            else:
                tally.resent += 1
        return together

    def _to_show(self, at_s: float) -> bool:
        return to_show(
            at_s, shown_s=self._shown_s, heartbeat_s=self._heartbeat_s, spool_id=self.spool.spool_id
        )

    def _copy_if_behind(self, body: bytes) -> bool:
        """Send a live copy of what was just kept if its turn has not come; whether it was sent."""
        stream = self._stream
        if self._sent_seq < self.spool.last_seq and self.up and stream is not None and stream.ready:
            stream.send(self._heartbeat_beside_records() + uplink_head(0, len(body), more=True), body)
            self._tally.live_copies += 1
            return True
        return False

    def _dispatches(self) -> Commands:
        if self._commands is None:
            self._commands = self._make_commands(self.agent, self._say)
        return self._commands

    def _say(
        self,
        reports: Sequence[DispatchReport],
        alarms: Sequence[Alarm],
        changes: Mapping[UUID, DispatchReport | None],
    ) -> None:
        notes = dict(dispatch_note(*change) for change in changes.items())
        for report in reports:
            body = pb.Record(report=report_to_wire(report)).SerializeToString()
            self.tell(body, notes)
            self._copy_if_behind(body)
        for alarm in alarms:
            self.event(alarm.asset_id, alarm.kind, alarm.severity, alarm.code, alarm.message)

    def event(self, asset_id: UUID, kind: EventKind, severity: Severity, code: str, message: str) -> None:
        """Tell of something that happened at an asset."""
        event = Event(
            id=uuid4(),
            at=self._clock.now(),
            site_id=self.agent.site.id,
            asset_id=asset_id,
            severity=severity,
            kind=kind,
            code=code,
            message=message,
        )
        place = next(at for at, asset in enumerate(self.agent.assets) if asset.id == asset_id)
        self._tally.events += 1
        self.tell(pb.Record(event=event_to_wire(event, {asset_id: place})).SerializeToString())
