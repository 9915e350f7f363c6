"""Between an httpx client and a fake headend: no sockets; a stream blocks or is awaited like a real one."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from threading import Event
from typing import Protocol

import httpx

from der_client.fake.announcements import Listener, Watch

_EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8"}


class Answering(Protocol):
    """What the transports need of the fake headend."""

    def answer(self, request: httpx.Request) -> httpx.Response | Watch:
        """An answer, or what of the stream is wanted."""
        ...

    def listen(self, watch: Watch, after: str | None, wake: Callable[[], None]) -> Listener:
        """An open stream; ``wake`` is called, from any thread, when there is something to take."""
        ...

    def take(self, listener: Listener) -> bytes:
        """All there is to send now; empty if nothing."""
        ...


class Transport(httpx.BaseTransport):
    """For ``HeadendClient``."""

    def __init__(self, headend: Answering) -> None:
        self._headend = headend

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx."""
        request.read()
        answer = self._headend.answer(request)
        if isinstance(answer, Watch):
            body = _Stream(self._headend, answer, request.headers.get("last-event-id"))
            return httpx.Response(200, headers=_EVENT_STREAM, stream=body)
        return answer


class AsyncTransport(httpx.AsyncBaseTransport):
    """For ``AsyncHeadendClient``."""

    def __init__(self, headend: Answering) -> None:
        self._headend = headend

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See httpx."""
        await request.aread()
        answer = self._headend.answer(request)
        if isinstance(answer, Watch):
            body = _AsyncStream(self._headend, answer, request.headers.get("last-event-id"))
            return httpx.Response(200, headers=_EVENT_STREAM, stream=body)
        return answer


class _Stream(httpx.SyncByteStream):
    def __init__(self, headend: Answering, watch: Watch, after: str | None) -> None:
        self._headend = headend
        self._something = Event()
        self._listener = headend.listen(watch, after, self._something.set)

    def __iter__(self) -> Iterator[bytes]:
        while not self._listener.over:
            self._something.clear()
            if piece := self._headend.take(self._listener):
                yield piece
            else:
                self._something.wait()

    def close(self) -> None:
        self._listener.leave()


class _AsyncStream(httpx.AsyncByteStream):
    def __init__(self, headend: Answering, watch: Watch, after: str | None) -> None:
        self._headend = headend
        self._something = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self._something.set)

        self._listener = headend.listen(watch, after, wake)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while not self._listener.over:
            self._something.clear()
            if piece := self._headend.take(self._listener):
                yield piece
            else:
                await self._something.wait()

    async def aclose(self) -> None:
        self._listener.leave()
