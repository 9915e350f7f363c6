"""The two clients: the same routes, answered at once or awaited.

A dispatch always carries an id, so whoever is left in doubt may send it again by that id without it being applied
twice; the client itself does so where the connection broke.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import httpx

from der_client.addresses import is_loopback, parse, without_login
from der_client.binding import Awaiting, Blocking
from der_client.exchange import Exchange, OnRetry
from der_client.network import AwaitingNetwork, BlockingNetwork
from der_client.questions import PAGE
from der_client.routes import Routes


class HeadendClient(Routes, Blocking):
    """A headend at ``base_url``, e.g. ``http://127.0.0.1:3001``. A context manager.

    A login may stand in it (``http://user:password@host``); the attribute ``base_url`` is without it, to be shown.
    ``timeout_s`` is for each answer, all attempts and the pauses between them included; ``page`` is how many entries of
    a list are asked for at once, from 1 to 1000; ``transport`` stands in for the network and ``sleep`` for the passing
    of time in tests. ``on_retry(error, pause_s)`` is told of each attempt that failed and will be made again.

    Raises:
        ValueError: ``base_url`` is not an http or https URL.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float = 10.0,
        page: int = PAGE,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        on_retry: OnRetry | None = None,
    ) -> None:
        url = parse(base_url)
        asked = str(url).rstrip("/")
        self.base_url = without_login(asked)
        self._http = httpx.Client(transport=transport, trust_env=not is_loopback(url.host))
        self._exchange = Exchange(
            BlockingNetwork(self._http, sleep=sleep),
            base_url=asked,
            timeout_s=timeout_s,
            page=page,
            on_retry=on_retry,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncHeadendClient(Routes, Awaiting):
    """As ``HeadendClient``, awaited: calls return coroutines, lists and the stream asynchronous iterators.

    An asynchronous context manager. Any number of tasks may use it at once.

    Raises:
        ValueError: ``base_url`` is not an http or https URL.
    """

    def __init__(
        self,
        base_url: str,
        *,
        timeout_s: float = 10.0,
        page: int = PAGE,
        transport: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        on_retry: OnRetry | None = None,
    ) -> None:
        url = parse(base_url)
        asked = str(url).rstrip("/")
        self.base_url = without_login(asked)
        self._http = httpx.AsyncClient(transport=transport, trust_env=not is_loopback(url.host))
        self._exchange = Exchange(
            AwaitingNetwork(self._http, sleep=sleep),
            base_url=asked,
            timeout_s=timeout_s,
            page=page,
            on_retry=on_retry,
        )

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.aclose()
