"""A wire that a test can cut: a TCP proxy between an agent and its headend (or anything else).

    cut()        every connection is reset and new ones are refused, as when a router reboots
    blackhole()  connections stay open, new ones are accepted, nothing arrives: the failure TCP does not report
    mute()       as a black hole, but only for what the side that connected says
    heal()       back to normal; what the black hole held back flows on, as after a routing change

Threads and blocking sockets: it works the same for a test with an event loop and for one without.
"""

import contextlib
import socket
import struct
import threading
from types import TracebackType
from typing import Self

_CHUNK_BYTES = 65_536
_CONNECT_TIMEOUT_S = 5.0
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, 0 s: close() sends RST instead of FIN


class TcpProxy:
    """Listens on a free port of the loopback address (``address``) and forwards to ``target_port`` there."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()
        self._flowing = threading.Event()
        self._flowing.set()
        self._audible = threading.Event()
        self._audible.set()
        self._listener: socket.socket | None = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._listen(self._listener)

    @property
    def address(self) -> str:
        """``host:port`` to connect to."""
        return f"127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """How many connections are open through it."""
        with self._lock:
            return len(self._sockets) // 2

    def cut(self) -> None:
        """Reset what is open, refuse what is new."""
        with self._lock:
            listener, self._listener = self._listener, None
            sockets, self._sockets = self._sockets, set()
        if listener is not None:
            _shut(listener)
        for each in sockets:
            _reset(each)
        self._flow()

    def blackhole(self) -> None:
        """Keep everything open and let nothing through."""
        self._flowing.clear()

    def mute(self) -> None:
        """Keep everything open and let through only what the target says."""
        self._audible.clear()

    def heal(self) -> None:
        """Let everything through again, old connections and new ones."""
        if self._listener is None:
            self._listener = socket.create_server(("127.0.0.1", self.port))
            self._listen(self._listener)
        self._flow()

    def close(self) -> None:
        """End it and all that goes through it."""
        self.cut()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _listen(self, listener: socket.socket) -> None:
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(near, listener), daemon=True).start()

    def _connect(self, near: socket.socket, listener: socket.socket) -> None:
        self._flowing.wait()
        try:
            far = socket.create_connection(self._target, timeout=_CONNECT_TIMEOUT_S)
        except OSError:
            near.close()
            return
        far.settimeout(None)
        with self._lock:
            if listener is not self._listener:  # cut while it was connecting
                near.close()
                far.close()
                return
            self._sockets |= {near, far}
        for source, sink, gate in ((near, far, self._audible), (far, near, self._flowing)):
            threading.Thread(target=self._pump, args=(source, sink, gate), daemon=True).start()

    def _flow(self) -> None:
        self._flowing.set()
        self._audible.set()

    def _pump(self, source: socket.socket, sink: socket.socket, gate: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                self._flowing.wait()
                gate.wait()
                sink.sendall(data)
        self._flowing.wait()  # through a black hole the other side does not hear of a close either
        gate.wait()
        with self._lock:
            cut = source not in self._sockets
            self._sockets -= {source, sink}
        if not cut:
            _shut(source)
            _shut(sink)


def _reset(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        each.shutdown(socket.SHUT_RD)  # wakes its reader without a word to the other side
    with contextlib.suppress(OSError):
        each.close()


def _shut(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in recv or accept
    with contextlib.suppress(OSError):
        each.close()
