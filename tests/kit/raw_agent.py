"""An agent made of bare protobuf messages, to say what no proper agent would."""

import queue
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import grpc

from der_wire._gen import agent_link_pb2 as pb
from der_wire._gen.agent_link_pb2_grpc import AgentLinkStub

SPOOL_ID = "00000000-0000-4000-8000-00000000000a"


class RawAgent:
    """One stream to the headend at ``address``; ``send`` anything, ``receive`` what comes."""

    def __init__(self, address: str) -> None:
        self._outgoing: queue.SimpleQueue[pb.Uplink | None] = queue.SimpleQueue()
        self._channel = grpc.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])
        self._call = AgentLinkStub(self._channel).Connect(self._messages(), timeout=30.0)

    def send(self, message: pb.Uplink) -> None:
        """Send a message."""
        self._outgoing.put(message)

    def receive(self) -> pb.Downlink:
        """The next message of the headend.

        Raises:
            StopIteration: the headend ended the stream.
        """
        message: pb.Downlink = next(self._call)
        return message

    def register(self, registration: pb.Register) -> pb.Downlink:
        """Introduce itself, and the answer."""
        self.send(pb.Uplink(register=registration))
        return self.receive()

    def acknowledged(self, through_seq: int) -> None:
        """Ask until everything up to a number is stored."""
        self.send(pb.Uplink(heartbeat=pb.Heartbeat()))
        while self.receive().acknowledgement.through_seq < through_seq:
            self.send(pb.Uplink(heartbeat=pb.Heartbeat()))

    def close(self) -> None:
        """End the stream."""
        self._outgoing.put(None)
        self._channel.close()

    def _messages(self) -> Iterator[pb.Uplink]:
        while (message := self._outgoing.get()) is not None:
            yield message

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()


def registration(site_id: str, asset_ids: list[str]) -> pb.Register:
    """A correct introduction."""
    return pb.Register(
        protocol=1,
        agent_id="raw",
        mode=pb.MODE_GATEWAY,
        site_id=site_id,
        site_name="Raw",
        software="raw 1",
        assets=[
            pb.Asset(id=a, name=f"asset {n}", capacity_mwhr=1, max_mw=1, min_mw=-1)
            for n, a in enumerate(asset_ids)
        ],
        signals=[
            pb.Signal(name="current_mw", unit="MW"),
            pb.Signal(name="status", states=["idle", "charging"]),
        ],
        heartbeat_s=10.0,
        spool_id=SPOOL_ID,
        first_seq=1,
    )
