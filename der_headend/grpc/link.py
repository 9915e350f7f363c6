"""The way down to one agent: a bounded queue of messages, and a task that writes them, which lives while there are any.

So an agent that is told nothing costs no task beside the one that reads its stream. Acknowledgements are not queued:
only the newest number matters, so they can't pile up however slow the agent reads. Writing one costs more than reading
a frame does, so they are saved up: they answer a heartbeat, or go out once most of the window waits for one. An agent
that rarely asks is told all the same, for what it does not know to be stored takes room in its spool.
"""

import asyncio
from collections.abc import Awaitable, Callable
from math import ceil, inf
from types import TracebackType
from typing import Self

from der_core.dispatch import Command
from der_headend.ports import Cancellation
from der_headend.sessions import LINK_LOST, REPLACED
from der_runtime.clock import Clock
from der_runtime.right_of_way import LONGEST_S
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import cancel_to_wire, command_to_wire

_GOODBYE_S = 0.2
_TAKEN_OVER_S = 5.0
"""How long a replaced agent is asked to stay away: two agents with one id would replace each other without end."""

_WORTH_TELLING = 0.75
"""The part of the window of which the agent is told without having asked by a heartbeat."""

_TELL_AFTER_S = 15.0
"""How long after it was told it is told of less."""

ROOM = 256
"""Messages that may wait for a slow agent before new commands are refused."""


class StreamLink:
    """A ``ports.Link`` over one gRPC stream, to which ``write`` writes; ``commanded`` is called when its agent is.

    The stream is read in an ``async with`` block of it. When the link is closed from this side, the block ends, and the
    agent is told why.
    """

    __slots__ = (
        "_acknowledge",
        "_clock",
        "_commanded",
        "_commanded_s",
        "_reading",
        "_then",
        "_told_s",
        "_waiting",
        "_window",
        "_window_told",
        "_worth_telling",
        "_write",
        "_writing",
        "asked",
        "reason",
        "told_seq",
    )

    def __init__(
        self,
        *,
        clock: Clock,
        write: Callable[[pb.Downlink], Awaitable[None]],
        commanded: Callable[[], None],
    ) -> None:
        self._clock = clock
        self._commanded = commanded
        self._write = write
        self._waiting: list[pb.Downlink] = []
        self._acknowledge: int | None = None
        self._then: Callable[[], None] | None = None
        self.told_seq = 0
        """How far, as the agent was told, its spool is stored."""
        self.asked = False
        """Whether the agent asked for that, and is told as soon as it is stored further."""
        self._window = self._window_told = 0
        self._told_s = clock.monotonic()
        self._commanded_s = -inf
        self._worth_telling = 1
        self._reading: asyncio.Task[object] | None = None
        self._writing: asyncio.Task[None] | None = None
        self.reason = ""
        """Why it was closed from this side; empty while it is not."""

    def registered(self, answer: pb.Registered) -> None:
        """Queue the answer to the registration, before anything else."""
        self.told_seq = answer.acknowledged_seq
        self._window = self._window_told = answer.window
        self._worth_telling = ceil(answer.window * _WORTH_TELLING)
        self._queue(pb.Downlink(registered=answer))

    def command(self, command: Command) -> bool:
        """Queue a setpoint."""
        now_s = self._clock.monotonic()
        queued = self._queue(pb.Downlink(setpoint=command_to_wire(command, now_s=now_s)))
        if queued:
            self._hurry(now_s)
        return queued

    def cancel(self, cancellation: Cancellation) -> None:
        """Queue a cancel, however much waits already, but the same one only once."""
        self._hurry(self._clock.monotonic())
        message = pb.Downlink(cancel=cancel_to_wire(cancellation.dispatch_id, cancellation.asset_ids))
        if message not in self._waiting:
            self._waiting.append(message)
            self._start_writing()

    def drain(self, reason: str, reconnect_after_s: float) -> None:
        """Ask the agent to go and come back later."""
        self._queue(pb.Downlink(drain=pb.Drain(reason=reason, reconnect_after_s=reconnect_after_s)))

    def _hurry(self, now_s: float) -> None:
        self._commanded_s = now_s
        self._commanded()

    @property
    def commanded_lately(self) -> bool:
        """Whether its agent may still be answering what it was told to do."""
        return self._clock.monotonic() - self._commanded_s < LONGEST_S

    @property
    def quiet_s(self) -> float:
        """For how long its agent was not told how far its spool is stored."""
        return self._clock.monotonic() - self._told_s

    def worth_telling(self, through_seq: int) -> bool:
        """Whether the spool is stored much further than the agent knows, or it asked, or was long not told."""
        much = through_seq - self.told_seq >= self._worth_telling
        return much or self.asked or self.quiet_s >= _TELL_AFTER_S

    def acknowledge(
        self, through_seq: int, *, window: int | None = None, then: Callable[[], None] | None = None
    ) -> None:
        """Say how far the spool is stored, and how many records may be unacknowledged from now on, if that changes.

        ``then`` is called once grpc has taken the message, or the newer one that is said instead.
        """
        if window is not None:
            self._window = window
            self._worth_telling = ceil(window * _WORTH_TELLING)
        self._then = then or self._then
        self.told_seq = self._acknowledge = through_seq
        self.asked = False
        self._told_s = self._clock.monotonic()
        self._start_writing()

    def close(self, reason: str) -> None:
        """End the stream; what is queued is dropped, but the agent is told why if it still listens."""
        if self.reason:
            return
        self.reason = reason
        if self._reading is not None:
            self._reading.cancel()

    async def __aenter__(self) -> Self:
        self._reading = asyncio.current_task()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        """Stop writing; ``True``, after a word of goodbye, if the block ended because the link was closed from here."""
        reading, self._reading = self._reading, None
        closed_here = kind is asyncio.CancelledError and bool(self.reason)
        # Not so if grpc cancels as well, because the agent has gone.
        closed_here = closed_here and reading is not None and reading.uncancel() == 0
        idle = await self._stopped_writing(within_s=_GOODBYE_S if closed_here else 0.0)
        if closed_here and idle and self.reason != LINK_LOST:
            await self._say_goodbye()
        return closed_here

    async def _stopped_writing(self, *, within_s: float) -> bool:
        """Drop what is queued; whether the message under way was written in time.

        If not, nothing more can be said: grpc takes one message at a time, and the error that it makes of a second one
        would leave the stream open for ever.
        """
        self._waiting.clear()
        self._acknowledge = self._then = None
        writing = self._writing
        if writing is None:
            return True
        await asyncio.wait([writing], timeout=within_s)
        writing.cancel()
        await asyncio.wait([writing])
        return not writing.cancelled() and writing.exception() is None

    async def _say_goodbye(self) -> None:
        wait_s = _TAKEN_OVER_S if self.reason == REPLACED else 0.0
        farewell = pb.Downlink(drain=pb.Drain(reason=self.reason, reconnect_after_s=wait_s))
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await self._write(farewell)
        except TimeoutError:
            pass

    def _queue(self, message: pb.Downlink) -> bool:
        if len(self._waiting) >= ROOM or self.reason:
            return False
        self._waiting.append(message)
        self._start_writing()
        return True

    def _start_writing(self) -> None:
        if self._writing is None and self._reading is not None and not self.reason:
            self._writing = asyncio.create_task(self._write_all(), name="write to an agent")
            self._writing.add_done_callback(self._written)

    async def _write_all(self) -> None:
        while self._waiting:
            await self._write(self._waiting.pop(0))
        if self._acknowledge is not None:
            # Filled in place: each message of its own is memory that protobuf frees by itself.
            message = pb.Downlink()
            message.acknowledgement.through_seq = self._acknowledge
            self._acknowledge = None
            if self._window != self._window_told:
                message.acknowledgement.window = self._window_told = self._window
            then, self._then = self._then, None
            await self._write(message)
            if then is not None:
                then()

    def _written(self, writing: asyncio.Task[None]) -> None:
        self._writing = None
        if writing.cancelled():
            return
        if writing.exception() is not None:
            self.close(LINK_LOST)
        elif self._waiting or self._acknowledge is not None:  # came while the last message was being written
            self._start_writing()
