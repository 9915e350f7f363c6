"""A built headend: its servers and root tasks, from the first listening socket to the last flush."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine

from der_core import __version__
from der_core.errors import Defect, Unavailable
from der_headend import collector
from der_headend.absences import Absences
from der_headend.admissions import Admissions
from der_headend.dispatcher import Dispatcher
from der_headend.grpc.server import GrpcServer
from der_headend.ingest import Ingest
from der_headend.measures import Distribution, watch_loop
from der_headend.ports import StoreLife
from der_headend.rest.http_server import HttpServer
from der_headend.sessions import HEADEND_STOPPING, Sessions
from der_runtime.addresses import HostPort
from der_runtime.backoff import Backoff
from der_runtime.failure import StartFailed
from der_runtime.gate import Gate
from der_runtime.logs import get_logger
from der_runtime.process import Supervisor

_RECONNECT_AFTER_S = 0.5
_LAST_FLUSH_S = 2.0

_log = get_logger("der_headend")


class Headend:
    """Runs the parts that the factory has put together."""

    def __init__(
        self,
        *,
        summary: str,
        store: StoreLife,
        prepare: Callable[[], Coroutine[object, object, None]],
        sessions: Sessions,
        dispatcher: Dispatcher,
        ingest: Ingest,
        absences: Absences,
        admissions: Admissions,
        gate: Gate,
        grpc_server: GrpcServer,
        http_server: HttpServer,
        stopping: asyncio.Event,
        console: Callable[[str], Coroutine[object, object, None]] | None = None,
        loop_lag_s: Distribution,
        tracing: Callable[[], Coroutine[object, object, None]] | None = None,
    ) -> None:
        self._summary = summary
        self._store = store
        self._prepare = prepare
        self._sessions = sessions
        self._dispatcher = dispatcher
        self._ingest = ingest
        self._absences = absences
        self._admissions = admissions
        self._gate = gate
        self._grpc_server = grpc_server
        self._http_server = http_server
        self._stopping = stopping
        self._console = console
        self._loop_lag_s = loop_lag_s
        self._tracing = tracing

    async def run(self, stop: asyncio.Event, *, on_ready: Callable[[str], None]) -> int:
        """Serve until ``stop`` is set; ``on_ready`` gets the line that says what is served where.

        Returns the exit code: 0, or 1 if a root task failed.

        Raises:
            StartFailed: a port can't be listened on, or the store can't be used.
        """
        http_at = self._http_server.bind()
        try:
            if not await prepared(self._prepare, close=self._store.close, stop=stop):
                return 0
            return await self._serve(stop, http_at, on_ready)
        finally:
            await self._store.close()

    async def _serve(self, stop: asyncio.Event, http_at: HostPort, on_ready: Callable[[str], None]) -> int:
        grpc_at = await self._grpc_server.start()
        async with Supervisor(stop) as tasks:
            tasks.start("store upkeep", self._store.run())
            tasks.start("ingest", self._ingest.run())
            tasks.start("deadlines", self._dispatcher.run())
            tasks.start("liveness", self._sessions.watch())
            tasks.start("absences", self._absences.run())
            tasks.start("admissions", self._admissions.run())
            tasks.start("gate", self._gate.run())
            tasks.start("http", self._http_server.run())
            tasks.start("event loop's lag", watch_loop(self._loop_lag_s))
            tasks.start("collector", collector.keep_pace(lambda: len(self._sessions.live)))
            if self._tracing is not None:
                tasks.start("tracing", self._tracing())
            at = f"REST on http://{http_at}, agents on grpc {grpc_at}"
            if self._console is not None:
                tasks.start("console", self._console(_to_itself(http_at)))
                at += f", console at http://{http_at}/"
            on_ready(f"der_headend {__version__}: {self._summary}; {at}")
            await stop.wait()
            await self._close()
        return 1 if tasks.failure else 0

    async def _close(self) -> None:
        """Send the agents away, finish the requests under way, store what there is to store."""
        self._stopping.set()
        self._dispatcher.release_waiters()
        self._sessions.stop(reconnect_after_s=_RECONNECT_AFTER_S)
        await self._grpc_server.stop()
        for session in list(self._sessions.live.values()):
            self._sessions.close(session.id, HEADEND_STOPPING)
        await self._http_server.stop()
        try:
            async with asyncio.timeout(_LAST_FLUSH_S):
                await self._ingest.flush()
        except TimeoutError:
            _log.warning("store did not answer in time; what is not stored stays with the agents")


def _to_itself(http_at: HostPort) -> str:
    """The URL by which the headend's own console asks it."""
    everywhere = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what was asked for, not what is asked
    return f"http://{HostPort(everywhere.get(http_at.host, http_at.host), http_at.port)}"


async def prepared(
    prepare: Callable[[], Coroutine[object, object, None]],
    *,
    close: Callable[[], Awaitable[None]],
    stop: asyncio.Event,
) -> bool:
    """Prepare, from the beginning again whenever the store is lost on the way; ``False`` if told to stop meanwhile.

    Raises:
        StartFailed: the store can't be used, or stays away.
    """
    backoff = Backoff(first_s=0.25, cap_s=4.0)
    while await _unless_stopped(asyncio.sleep(backoff.next_s()), stop):
        try:
            return await _unless_stopped(prepare(), stop)
        except Unavailable as error:
            _log.warning("store lost while starting, beginning again", reason=error.detail)
            await close()
        except Defect as error:
            advice = "`der db status` shows its schema; restore a backup or empty it with `der db reset`"
            raise StartFailed(f"DATABASE_URL: {error.detail}; {advice}") from error
    return False


async def _unless_stopped(work: Coroutine[object, object, None], stop: asyncio.Event) -> bool:
    """Do the work, or give it up when ``stop`` is set; whether it was done."""
    working = asyncio.create_task(work, name="prepare")
    stopping = asyncio.create_task(stop.wait(), name="stop")
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            working.result()
        return working.done()
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
