"""The gRPC stream to the headend, stripped to what a session needs: send, receive, end.

Everything that can go wrong on it, whoever is to blame, comes out as ``LinkEnded`` with a reason for people.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Self

import grpc
from google.protobuf.message import DecodeError

from der_wire._gen import agent_link_pb2 as pb
from der_wire._gen.agent_link_pb2_grpc import AgentLinkStub

_CLOSE_WITHIN_S = 0.5
_SHORTEST_KEEPALIVE_S = 20.0
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024


class LinkEnded(Exception):
    """The link is of no more use; the message says why."""


class Stream:
    """An open stream on a channel of its own; leave the block to end both."""

    def __init__(self, *, target: str, heartbeat_s: float) -> None:
        # Not shared and not reused: a fresh attempt must not wait for the backoff of an earlier one's subchannel.
        # `keepalive_timeout_ms` has no effect in this grpc; `ping_timeout_ms` has. Both only help to find out early:
        # the application's heartbeat is the authority, so pings may be rare.
        self._channel = grpc.aio.insecure_channel(
            target,
            options=[
                ("grpc.use_local_subchannel_pool", 1),
                ("grpc.enable_http_proxy", 0),
                ("grpc.keepalive_time_ms", int(max(_SHORTEST_KEEPALIVE_S, 2 * heartbeat_s) * 1000)),
                ("grpc.http2.ping_timeout_ms", int(_SHORTEST_KEEPALIVE_S * 1000)),
                ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
            ],
        )
        self._call = AgentLinkStub(self._channel).Connect()
        self._finished = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._call.cancel()
        await self._channel.close()

    async def send(self, message: pb.Uplink) -> None:
        """Hand a message to the transport; waits while the headend does not read, and for ever after ``finish``.

        Raises:
            LinkEnded: it cannot be sent any more.
        """
        if self._finished:  # an error would end the session before the headend has read what came before
            await asyncio.Event().wait()
        with _link_errors():
            await self._call.write(message)

    async def receive(self) -> pb.Downlink:
        """The next message.

        Raises:
            LinkEnded: there will be none, or it is no ``Downlink``.
        """
        with _link_errors():
            message = await self._call.read()
        if isinstance(message, pb.Downlink):
            return message
        raise LinkEnded("the headend closed the stream")

    async def finish(self) -> None:
        """Tell the headend, for a short time at most, that nothing more will come."""
        self._finished = True
        with contextlib.suppress(LinkEnded, TimeoutError), _link_errors():
            await asyncio.wait_for(self._call.done_writing(), _CLOSE_WITHIN_S)


@contextlib.contextmanager
def _link_errors() -> Iterator[None]:
    try:
        yield
    except grpc.aio.AioRpcError as error:
        # What grpc says when a write finds the stream gone tells an operator nothing.
        broken = error.details() == "Internal error from Core"
        reason = "the stream broke" if broken else f"{error.code().name.lower()}: {error.details()}"
        raise LinkEnded(reason) from error
    except (asyncio.InvalidStateError, grpc.aio.UsageError, grpc.aio.InternalError) as error:
        raise LinkEnded(f"the stream is over: {error}") from error
    except DecodeError as error:
        raise LinkEnded("the headend sent something that is no Downlink message") from error
    except asyncio.CancelledError:
        # grpc raises this also when the *headend* ends the call with the status "cancelled".
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise LinkEnded("the headend cancelled the stream") from None
