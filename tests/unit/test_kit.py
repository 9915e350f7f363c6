"""The tools that other tests stand on."""

import socket
import sys
from collections.abc import Iterator

import pytest

from kit.processes import Program, free_port, wait_until
from kit.tcp_proxy import TcpProxy

_ECHO = """
import contextlib, socket
with socket.create_server(("127.0.0.1", 0)) as listener:
    print("listening on", listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        with contextlib.suppress(ConnectionResetError):
            while data := connection.recv(1024):
                connection.sendall(data)
"""


@pytest.fixture
def proxy() -> Iterator[TcpProxy]:
    with Program(sys.executable, "-c", _ECHO, name="echo") as echo:
        port = int(echo.wait_for("listening on").split()[-1])
        with TcpProxy(port) as proxy:
            yield proxy


def _connect(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=5)


def test_the_proxy_forwards_both_ways(proxy: TcpProxy) -> None:
    with _connect(proxy) as connection:
        connection.sendall(b"ping")
        assert connection.recv(10) == b"ping"
        assert proxy.connections == 1


def test_a_cut_resets_what_is_open_and_refuses_what_is_new_until_healed(proxy: TcpProxy) -> None:
    with _connect(proxy) as connection:
        connection.sendall(b"ping")
        connection.recv(10)
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(10)
    with pytest.raises(ConnectionRefusedError):
        _connect(proxy)
    proxy.heal()
    with _connect(proxy) as connection:
        connection.sendall(b"pong")
        assert connection.recv(10) == b"pong"


def test_a_black_hole_keeps_connections_open_and_silent_until_healed(proxy: TcpProxy) -> None:
    with _connect(proxy) as old:
        old.sendall(b"a")
        old.recv(10)
        proxy.blackhole()
        old.sendall(b"old")
        with _connect(proxy) as new:
            new.sendall(b"new")
            for connection in (old, new):
                connection.settimeout(0.1)
                with pytest.raises(TimeoutError):
                    connection.recv(10)
                connection.settimeout(5)
            proxy.heal()
            assert old.recv(10) == b"old"
            old.close()
            assert new.recv(10) == b"new"


def test_a_muted_side_hears_and_is_not_heard_until_healed() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as target,
        TcpProxy(target.getsockname()[1]) as between,
        _connect(between) as near,
        target.accept()[0] as far,
    ):
        between.mute()
        near.sendall(b"held back")
        far.sendall(b"heard")
        assert near.recv(10) == b"heard"
        far.settimeout(0.1)
        with pytest.raises(TimeoutError):
            far.recv(10)
        far.settimeout(5)
        between.heal()
        assert far.recv(10) == b"held back"


def test_a_program_shows_what_it_said_when_a_wait_fails() -> None:
    with (
        Program(sys.executable, "-c", "print('hello'); raise SystemExit(3)", name="greeter") as program,
        pytest.raises(ChildProcessError, match=r"(?s)greeter ended \(3\) without 'bye'.*hello"),
    ):
        program.wait_for("bye")


def test_a_program_ends_with_its_block() -> None:
    with Program(sys.executable, "-c", "import time; print('up', flush=True); time.sleep(60)") as program:
        program.wait_for("up")
    assert program.exit_code == -9


def test_a_free_port_can_be_listened_on() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as listener:
        assert listener.getsockname()[1]


def test_waiting_has_a_deadline() -> None:
    with pytest.raises(TimeoutError, match="the moon did not come about"):
        wait_until(lambda: False, deadline_s=0.05, what="the moon")
