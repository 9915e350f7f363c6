"""The gRPC server: the agent link, with health and reflection beside it."""

from grpc import RpcMethodHandler, aio, stream_stream_rpc_method_handler
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from der_headend.grpc.servicer import AgentLink
from der_runtime.addresses import HostPort, listen
from der_runtime.failure import StartFailed
from der_wire._gen import agent_link_pb2 as pb

CALLS_WAITING = 100_000
_OPTIONS = (
    # A port that is taken must be an error, never shared silently.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", 16 << 20),
    # The application's heartbeat decides; these let the transport give up a dead peer's resources too.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.http2.ping_timeout_ms", 20_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
    # What grpc expects a connection to bring at once. It begins with 8 KiB, which the registration of a gateway passes;
    # twice that is expected then, and a buffer of 64 KiB is kept at every connection for as long as it sends little.
    ("grpc.experimental.tcp_read_chunk_size", 1_024),
    # Without it there is no ping to each burst of data, which is half of what the transport's threads do. Its answer
    # would tell how much more than 64 KiB the path takes: of use only to an agent that drains a backlog from afar.
    ("grpc.http2.bdp_probe", 0),
    # A whole fleet may come back at once. By default grpc cancels the calls beyond the first thousand that wait for us,
    # and each of them tries again; waiting costs less than that.
    ("grpc.server.max_pending_requests", CALLS_WAITING),
    ("grpc.server.max_pending_requests_hard_limit", CALLS_WAITING),
)
_OTHER_FILES = 256
"""Open files left for all that is no agent: requests, the database, the system's libraries."""

_SERVICE = pb.DESCRIPTOR.services_by_name["AgentLink"].full_name
_GRACE_S = 1.0


def room_for_agents(open_files: int) -> int:
    """How many connections of agents a program may take that may have so many files open."""
    return max(open_files - _OTHER_FILES, open_files // 2)


class GrpcServer:
    """Listens for agents; takes ``room`` connections at most, so that the rest of the headend can still work then."""

    def __init__(self, *, address: HostPort, agent_link: AgentLink, room: int) -> None:
        self._address = address
        self._agent_link = agent_link
        self._room = room
        self._server: aio.Server | None = None
        self._health = health.aio.HealthServicer()

    @property
    def listening(self) -> bool:
        """Whether agents can connect."""
        return self._server is not None

    async def start(self) -> HostPort:
        """Begin to listen; returns the address, with the port that was taken where 0 was asked for.

        Raises:
            StartFailed: the address can't be listened on.
        """
        server = aio.server(options=[*_OPTIONS, ("grpc.max_allowed_incoming_connections", self._room)])
        # Messages are handed over as they came, for telemetry is read off their bytes.
        connect: RpcMethodHandler[bytes, pb.Downlink] = stream_stream_rpc_method_handler(
            self._agent_link.Connect, response_serializer=pb.Downlink.SerializeToString
        )
        server.add_registered_method_handlers(_SERVICE, {"Connect": connect})
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((_SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        # grpc says why it can't listen in its own words on stderr, and not what to do; so ask the system first.
        listen(self._address, "HEADEND_GRPC_ADDR").close()
        try:
            port = server.add_insecure_port(str(self._address))
        except RuntimeError as error:
            raise StartFailed(
                f"HEADEND_GRPC_ADDR: can't listen on {self._address}; choose another"
            ) from error
        await server.start()
        for service in (_SERVICE, ""):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        self._server = server
        return HostPort(self._address.host, port)

    async def stop(self) -> None:
        """Stop listening and end the streams, gently for a second."""
        if self._server is not None:
            await self._health.enter_graceful_shutdown()
            await self._server.stop(_GRACE_S)
            self._server = None
