"""The way down to one agent: a bounded queue of messages that a task writes to the stream.

Acknowledgements are not queued: only the newest number matters, so they can't pile up however slow the agent reads.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from der_core.dispatch import Command
from der_headend.ports import Cancellation
from der_headend.sessions import REPLACED
from der_runtime.clock import Clock
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import cancel_to_wire, command_to_wire

_GOODBYE_S = 0.2
_TAKEN_OVER_S = 5.0
"""How long a replaced agent is asked to stay away: two agents with one id would replace each other without end."""

ROOM = 256
"""Messages that may wait for a slow agent before new commands are refused."""


class StreamLink:
    """A ``ports.Link`` over one gRPC stream."""

    def __init__(self, *, clock: Clock) -> None:
        self._clock = clock
        self._waiting: deque[pb.Downlink] = deque()
        self._acknowledge: int | None = None
        self._wake = asyncio.Event()
        self.closed = asyncio.Event()
        self.reason = ""

    def command(self, command: Command) -> bool:
        """Queue a setpoint."""
        return self._queue(pb.Downlink(setpoint=command_to_wire(command, now_s=self._clock.monotonic())))

    def cancel(self, cancellation: Cancellation) -> None:
        """Queue a cancel, however much waits already, but the same one only once."""
        message = pb.Downlink(cancel=cancel_to_wire(cancellation.dispatch_id, cancellation.asset_ids))
        if message not in self._waiting and not self.closed.is_set():
            self._waiting.append(message)
            self._wake.set()

    def drain(self, reason: str, reconnect_after_s: float) -> None:
        """Ask the agent to go and come back later."""
        self._queue(pb.Downlink(drain=pb.Drain(reason=reason, reconnect_after_s=reconnect_after_s)))

    def acknowledge(self, through_seq: int) -> None:
        """Say how far the spool is stored."""
        self._acknowledge = through_seq
        self._wake.set()

    def close(self, reason: str) -> None:
        """End the stream; what is queued is dropped, but the agent is told why if it still listens."""
        self.reason = self.reason or reason
        self.closed.set()

    async def say_goodbye(self, write: Callable[[pb.Downlink], Awaitable[None]]) -> None:
        """Tell the agent why, for a short time at most; called when nothing else writes any more."""
        wait_s = _TAKEN_OVER_S if self.reason == REPLACED else 0.0
        farewell = pb.Downlink(drain=pb.Drain(reason=self.reason, reconnect_after_s=wait_s))
        try:
            async with asyncio.timeout(_GOODBYE_S):
                await write(farewell)
        except TimeoutError:
            pass

    async def pump(self, write: Callable[[pb.Downlink], Awaitable[None]]) -> None:
        """Write what is queued until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await write(self._waiting.popleft())
            if self._acknowledge is not None:
                through_seq, self._acknowledge = self._acknowledge, None
                await write(pb.Downlink(acknowledgement=pb.Acknowledgement(through_seq=through_seq)))

    def _queue(self, message: pb.Downlink) -> bool:
        if len(self._waiting) >= ROOM or self.closed.is_set():
            return False
        self._waiting.append(message)
        self._wake.set()
        return True
