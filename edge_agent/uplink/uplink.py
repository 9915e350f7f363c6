"""Keeps the link to the headend: connects, registers, serves the session, and comes back when it ends.

After a session that lasted a while the first attempt is immediate; then, and after sessions that end as soon as they
begin, jittered exponential backoff decides. A change of the link is logged once each way, and so is each new reason
why it does not come up.
"""

import asyncio

from der_runtime.backoff import Backoff
from der_runtime.clock import Clock, wait_until
from der_runtime.logs import get_logger
from der_wire.rules import ANSWER_WITHIN_S, STEADY_AFTER_S, away_s
from edge_agent.outbox import Outbox
from edge_agent.ports import LinkedAgent
from edge_agent.uplink.session import Drained, Refused, Session
from edge_agent.uplink.stream import LinkEnded, Stream

CLOSE_WITHIN_S = 0.5

_log = get_logger(__name__)


class Uplink:
    """The link of one agent to the headend at ``target`` (``host:port``)."""

    def __init__(
        self,
        *,
        target: str,
        agent: LinkedAgent,
        outbox: Outbox,
        clock: Clock,
        backoff: Backoff,
        heartbeat_s: float,
        answer_within_s: float = ANSWER_WITHIN_S,
        steady_after_s: float = STEADY_AFTER_S,
    ) -> None:
        self._target = target
        self._agent = agent
        self._outbox = outbox
        self._clock = clock
        self._backoff = backoff
        self._heartbeat_s = heartbeat_s
        self._answer_within_s = answer_within_s
        self._steady_after_s = steady_after_s
        self._stream: Stream | None = None
        self._up_since_s: float | None = None
        self._told: set[str] = set()
        self._closing = False
        self._ended = asyncio.Event()
        self.sessions = 0
        """How many have begun."""

    @property
    def up(self) -> bool:
        """Whether the headend has accepted the agent and was heard lately."""
        return self._up_since_s is not None

    async def run(self) -> None:
        """Keep the link until ``close`` is called."""
        while not self._closing:
            await self._pause(self._backoff.next_s())
            try:
                async with Stream(target=self._target, heartbeat_s=self._heartbeat_s) as stream:
                    self._stream = stream
                    self._ended.clear()
                    await self._serve(stream)
            except Drained as drained:
                await self._pause(away_s(drained.reconnect_after_s, self._backoff.rng))
            except LinkEnded:
                continue
            finally:
                self._stream = None
                self._ended.set()

    async def close(self) -> None:
        """Tell the headend that the agent goes; to be called before ``run`` is cancelled."""
        self._closing = True
        if self._stream is not None:
            await self._stream.finish()
            # The headend ends the stream when it has read to its end, and so knows that the agent went on purpose.
            await wait_until(
                self._ended, clock=self._clock, deadline_s=self._clock.monotonic() + CLOSE_WITHIN_S
            )

    async def _serve(self, stream: Stream) -> None:
        session = Session(
            stream=stream,
            agent=self._agent,
            outbox=self._outbox,
            clock=self._clock,
            heartbeat_s=self._heartbeat_s,
            answer_within_s=self._answer_within_s,
        )
        try:
            registered = await session.register()
            self._came_up(registered.headend, registered.session_id)
            await self._agent.registered()
            await session.run()
        except LinkEnded as ended:
            if self._up_since_s is None:
                self._tell_why_not(ended)
            else:
                await self._went_down(ended, session.heard_s)
            raise

    def _came_up(self, headend: str, session_id: str) -> None:
        self._up_since_s = self._clock.monotonic()
        self.sessions += 1
        self._told.clear()
        _log.info("link up", target=self._target, headend=headend, session_id=session_id)

    async def _went_down(self, ended: LinkEnded, heard_s: float) -> None:
        if (
            self._up_since_s is not None
            and self._clock.monotonic() - self._up_since_s >= self._steady_after_s
        ):
            self._backoff.reset()
        self._up_since_s = None
        if self._closing:
            _log.info("link closed", target=self._target)
        else:
            log = _log.info if isinstance(ended, Drained) else _log.warning
            log("link lost", target=self._target, reason=str(ended))
        await self._agent.link_lost(heard_s)

    def _tell_why_not(self, ended: LinkEnded) -> None:
        kind = ended.code if isinstance(ended, Refused) else type(ended).__name__
        if kind in self._told:
            _log.debug("no link yet", target=self._target, reason=str(ended))
            return
        self._told.add(kind)
        if isinstance(ended, Refused):
            _log.warning("registration refused, trying on", target=self._target, reason=str(ended))
            return
        _log.warning(
            "no link yet, trying on",
            target=self._target,
            reason=str(ended),
            hint="HEADEND_GRPC here and HEADEND_GRPC_ADDR at the headend must name the same port",
        )

    async def _pause(self, seconds: float) -> None:
        await self._clock.sleep_until(self._clock.monotonic() + seconds)
