"""Whether a port of this machine is free and, if not, who has it: also if nobody listens on it."""

import os
import socket
import sys

import pytest

from der_cli.ports import holder_of, in_the_way
from der_runtime.addresses import HostPort, listen
from der_runtime.failure import StartFailed
from kit.processes import free_port

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="sees sockets in /proc")

LOOPBACK = "127.0.0.1"


def test_a_free_port_has_nothing_in_its_way() -> None:
    assert in_the_way(HostPort(LOOPBACK, free_port())) is None


def test_who_listens_there_is_named() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        told = in_the_way(HostPort(LOOPBACK, listener.getsockname()[1]))
    assert told is not None
    assert told.endswith(f"(pid {os.getpid()}) listens there")


def test_who_listens_there_is_not_said_to_have_it_for_a_connection_that_it_took() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        near = HostPort(LOOPBACK, listener.getsockname()[1])
        calling = [socket.create_connection((LOOPBACK, near.port)) for _ in range(20)]
        taken = [listener.accept()[0] for _ in calling]
        told = in_the_way(near)
        for each in (*calling, *taken):
            each.close()
    assert told is not None
    assert told.endswith(f"(pid {os.getpid()}) listens there")


def test_who_has_the_same_port_of_another_host_has_it_not() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = listener.getsockname()[1]
        assert holder_of(HostPort("127.0.0.2", port)) is None
        for host in (LOOPBACK, "localhost", "0.0.0.0"):  # noqa: S104 - asked about, not listened on
            assert holder_of(HostPort(host, port)) is not None


def test_who_has_it_for_a_connection_of_its_own_is_named() -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        far = listener.getsockname()[1]
        with socket.create_connection((LOOPBACK, far)) as calling:
            near = HostPort(LOOPBACK, calling.getsockname()[1])
            told = in_the_way(near)
            with pytest.raises(StartFailed) as failed:
                listen(near, "HEADEND_GRPC_ADDR")
    assert told is not None
    assert told.endswith(f"(pid {os.getpid()}) has it for its connection to {LOOPBACK}:{far}")
    assert f"HEADEND_GRPC_ADDR: can't listen on {near}: Address already in use; stop the program" in str(
        failed.value
    )
    assert f"ss -tanp 'sport = :{near.port}'" in str(failed.value)


def test_an_address_of_another_machine() -> None:
    assert in_the_way(HostPort("192.0.2.1", free_port())) == "cannot assign requested address"
