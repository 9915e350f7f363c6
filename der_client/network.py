"""The way to the headend: one port, and its two sides, one that blocks and one that is awaited.

The port is asynchronous on both sides, so that the work above is written once. The blocking side never waits for
anything but the operating system.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import httpx

Read = Callable[[], Awaitable[bytes]]
"""The next piece of a body; empty at its end."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer whose body is still to come."""

    response: httpx.Response
    read: Read


class Network(Protocol):
    """What the exchange needs. Everything raises ``httpx.HTTPError`` where the network fails."""

    async def send(self, request: httpx.Request) -> httpx.Response:
        """The whole answer."""
        ...

    def open(self, request: httpx.Request) -> AbstractAsyncContextManager[Opened]:
        """The answer, as soon as its head is there; its body, too, if it is not a success."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Let time pass."""
        ...


class BlockingNetwork:
    """The side that blocks."""

    def __init__(self, http: httpx.Client, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._http = http
        self._sleep = sleep

    async def send(self, request: httpx.Request) -> httpx.Response:
        """See ``Network``."""
        return self._http.send(request)

    @asynccontextmanager
    async def open(self, request: httpx.Request) -> AsyncGenerator[Opened, None]:
        """See ``Network``."""
        response = self._http.send(request, stream=True)
        try:
            if not response.is_success:
                response.read()
            pieces: Iterator[bytes] = iter(()) if response.is_closed else response.iter_bytes()

            async def read() -> bytes:
                return next(pieces, b"")

            yield Opened(response, read)
        finally:
            response.close()

    async def sleep(self, seconds: float) -> None:
        """See ``Network``."""
        self._sleep(seconds)


class AwaitingNetwork:
    """The side that is awaited."""

    def __init__(
        self, http: httpx.AsyncClient, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    ) -> None:
        self._http = http
        self._sleep = sleep

    async def send(self, request: httpx.Request) -> httpx.Response:
        """See ``Network``."""
        return await self._http.send(request)

    @asynccontextmanager
    async def open(self, request: httpx.Request) -> AsyncGenerator[Opened, None]:
        """See ``Network``."""
        response = await self._http.send(request, stream=True)
        try:
            if not response.is_success:
                await response.aread()
            pieces: AsyncIterator[bytes] = response.aiter_bytes()

            async def read() -> bytes:
                return b"" if response.is_closed else await anext(pieces, b"")

            yield Opened(response, read)
        finally:
            await response.aclose()

    async def sleep(self, seconds: float) -> None:
        """See ``Network``."""
        await self._sleep(seconds)
