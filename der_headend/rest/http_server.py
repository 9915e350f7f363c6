"""The HTTP server: uvicorn on a socket of our own, without its signal handling, for pages of its own alone."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from der_runtime.addresses import HostPort, is_loopback, listen
from der_runtime.same_origin import SameOrigin

_STOP_S = 2


class HttpServer:
    """Serves an ASGI application."""

    def __init__(self, *, address: HostPort, app: ASGIApp) -> None:
        self._address = address
        self._server = _Server(
            uvicorn.Config(
                SameOrigin(app, host=address.host, loopback=is_loopback(address.host)),
                log_config=None,
                log_level="warning",
                access_log=False,
                lifespan="off",
                ws_per_message_deflate=False,  # to pack a console's small changes would cost more than to send them
                loop="none",
                timeout_graceful_shutdown=_STOP_S,
                server_header=False,
            )
        )
        self._socket: socket.socket | None = None
        self._ended = asyncio.Event()

    def bind(self) -> HostPort:
        """Take the address; returns it, with the port that was taken where 0 was asked for.

        Raises:
            StartFailed: it can't be listened on.
        """
        self._socket = listen(self._address, "HEADEND_HTTP_ADDR")
        return HostPort(self._address.host, self._socket.getsockname()[1])

    async def run(self) -> None:
        """Serve until ``stop`` is called."""
        if self._socket is None:
            raise RuntimeError("bind first")
        try:
            await self._server.serve([self._socket])
        finally:
            self._ended.set()

    async def stop(self) -> None:
        """Finish the requests under way, within two seconds."""
        self._server.should_exit = True
        await self._ended.wait()


class _Server(uvicorn.Server):
    """uvicorn, leaving signals to the program."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
