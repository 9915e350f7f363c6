"""A headend's end of the agent link by script: it registers agents and does otherwise what the test says."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import grpc

from der_wire._gen import agent_link_pb2 as pb

Answer = pb.Downlink | bytes
Context = grpc.aio.ServicerContext[pb.Uplink, Answer]


def _serialised(answer: Answer) -> bytes:
    return answer if isinstance(answer, bytes) else answer.SerializeToString()


async def until(condition: Callable[[], bool], *, within_s: float = 10.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - the condition is whatever a test can see
            await asyncio.sleep(0.005)


@dataclass
class ScriptedSession:
    """One connection of an agent, as the headend sees it. Set ``ended`` to end it, ``silent`` to fall silent.

    ``messages``: how many of the ``records`` came in each message.
    """

    register: pb.Register
    context: Context
    records: list[pb.Record] = field(default_factory=list)
    messages: list[int] = field(default_factory=list)
    live: list[pb.Record] = field(default_factory=list)
    heartbeats: list[pb.Heartbeat] = field(default_factory=list)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    half_closed: bool = False
    silent: bool = False
    _sending: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def through_seq(self) -> int:
        return self.records[-1].seq if self.records else 0

    async def send(self, message: Answer) -> None:
        async with self._sending:  # grpc allows one write at a time
            await self.context.write(message)

    async def setpoint(
        self,
        dispatch_id: str,
        mw: float,
        *asset_ids: str,
        site_wide: bool = False,
        duration_s: float | None = None,
    ) -> None:
        setpoint = pb.Setpoint(
            dispatch_id=dispatch_id,
            mw=mw,
            asset_ids=asset_ids,
            site_wide=site_wide,
            duration_s=duration_s,
            expires_at_s=time.monotonic() + 60.0,
        )
        await self.send(pb.Downlink(setpoint=setpoint))

    def states(self, dispatch_id: str) -> list[tuple[str, int, str]]:
        """Asset, state and reason of everything that numbered records reported of a dispatch."""
        return [
            (part.asset_id, part.state, part.reason)
            for record in self.records
            if record.HasField("report") and record.report.dispatch_id == dispatch_id
            for part in record.report.allocations
        ]

    def latest(self, signal: str) -> list[float]:
        """The newest column of a signal."""
        place = [each.name for each in self.register.signals].index(signal)
        for record in reversed(self.records):
            for column in record.frame.columns:
                if column.signal == place:
                    return list(column.values)
        return []


@dataclass
class ScriptedHeadend:
    """``window``, ``bundle`` and ``acknowledged_seq`` go into each ``Registered``; ``refusals`` are used up first."""

    window: int = 1000
    bundle: int = 64
    acknowledges: bool = True
    acknowledged_seq: int = 0
    refusals: list[Answer] = field(default_factory=list)
    sessions: list[ScriptedSession] = field(default_factory=list)
    attempts: int = 0
    port: int = 0

    async def __aenter__(self) -> Self:
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        handler = grpc.stream_stream_rpc_method_handler(
            self._connect,
            request_deserializer=pb.Uplink.FromString,
            response_serializer=_serialised,
        )
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("der.agent.v1.AgentLink", {"Connect": handler}),)
        )
        self.port = self._server.add_insecure_port(f"127.0.0.1:{self.port}")
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        for session in self.sessions:
            session.ended.set()
        await self._server.stop(grace=None)

    async def session(self, number: int = 1, *, within_s: float = 10.0) -> ScriptedSession:
        """The session of this number, counted from 1, once it is there."""
        await until(lambda: len(self.sessions) >= number, within_s=within_s)
        return self.sessions[number - 1]

    async def _connect(self, _requests: object, context: Context) -> None:
        self.attempts += 1
        first: object = await context.read()
        if not isinstance(first, pb.Uplink):
            return
        if self.refusals:
            await context.write(self.refusals.pop(0))
            return
        session = ScriptedSession(first.register, context)
        registered = pb.Registered(
            session_id="6ba7b810-9dad-11d1-80b4-00c04fd430c8",
            acknowledged_seq=self.acknowledged_seq,
            window=self.window,
            headend="scripted",
            clock_s=time.monotonic(),
            bundle=self.bundle,
            beats=True,
        )
        await context.write(pb.Downlink(registered=registered))
        self.sessions.append(session)
        serving = asyncio.create_task(self._serve(session))
        ended = asyncio.create_task(session.ended.wait())
        try:
            await asyncio.wait([serving, ended], return_when=asyncio.FIRST_COMPLETED)
        finally:
            serving.cancel()
            ended.cancel()
            session.ended.set()

    async def _serve(self, session: ScriptedSession) -> None:
        while True:
            message: object = await session.context.read()
            if not isinstance(message, pb.Uplink):
                session.half_closed = True
                return
            if session.silent:
                await session.ended.wait()
            together = [message.record] if message.HasField("record") else message.records.records
            if asked := message.HasField("heartbeat") or message.HasField("beat"):
                session.heartbeats.append(message.beat if message.HasField("beat") else message.heartbeat)
            if together and together[0].seq == 0:
                session.live += together
            elif together:
                session.records += together
                session.messages.append(len(together))
            if asked or self.acknowledges:
                through = session.through_seq if self.acknowledges else 0
                await session.send(pb.Downlink(acknowledgement=pb.Acknowledgement(through_seq=through)))
