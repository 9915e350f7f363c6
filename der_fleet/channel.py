"""The connections to the headend: some agents share one, and each gets its stream once that is up.

Real gateways have a connection each; ``--agents-per-connection`` says how many share one here.
"""

import asyncio

from der_fleet.http2 import Connection, StreamOwner, headers
from der_runtime.addresses import HostPort

_UP_WITHIN_S = 10.0
_PATH = "/der.agent.v1.AgentLink/Connect"


class Channel:
    """Streams to one headend for a fixed set of agents; connected when the first of them wants a stream.

    ``connecting`` bounds how many channels of the process connect at the same time.
    """

    def __init__(self, *, target: HostPort, connecting: asyncio.Semaphore) -> None:
        self._target = target
        self._connecting = connecting
        self._header_block = headers(str(target), _PATH)
        self._connection: Connection | None = None
        self._waiting: list[StreamOwner] = []
        self._attempt: asyncio.Task[None] | None = None

    def want(self, owner: StreamOwner) -> None:
        """Give ``owner`` a stream, now or soon, or tell it that there is none to be had."""
        if self._connection is not None and self._connection.open:
            self._connection.start(owner)
            return
        self._waiting.append(owner)
        if self._attempt is None:
            self._attempt = asyncio.create_task(self._connect(), name="connect")

    async def _connect(self) -> None:
        reason = "it takes no more streams on one connection"
        try:
            async with self._connecting, asyncio.timeout(_UP_WITHIN_S):
                self._connection = await self._connected()
        except TimeoutError:
            reason = f"no HTTP/2 answer within {_UP_WITHIN_S:g} s"
        except OSError as error:
            reason = error.strerror or str(error)
        self._attempt = None
        waiting, self._waiting = self._waiting, []
        for owner in waiting:
            if self._connection is not None and self._connection.open:
                self._connection.start(owner)
            else:
                owner.ended(reason)

    async def _connected(self) -> Connection:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(header_block=self._header_block), self._target.host, self._target.port
        )
        try:
            await connection.taken
        except BaseException:
            connection.close()
            raise
        return connection
