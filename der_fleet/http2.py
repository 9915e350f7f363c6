"""gRPC streams over HTTP/2, as little of both as a load generator needs.

A gRPC library spends more on each small message than the headend under test. Here a message is written with a header
of nine bytes and otherwise untouched; many streams may share a connection, and what they send in one turn of the
event loop leaves in one write.

The windows of HTTP/2 are kept in both directions, pings are answered, GOAWAY is honoured. Headers that arrive are not
looked into: a stream that ends, ends, and the reasons that matter come as messages.

References: RFC 9113 (HTTP/2), RFC 7541 (HPACK, of which only literals are written), gRPC over HTTP/2.
"""

import asyncio
import struct
from typing import Protocol, cast

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME = struct.Struct(">HBBBI")  # length (3 bytes), type, flags, stream
_SETTING = struct.Struct(">HI")
_MESSAGE = struct.Struct(">BI")  # compressed?, length

_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_END_STREAM = _ACK = 0x1
_END_HEADERS = 0x4
_CANCEL = 8
_HEADER_TABLE_SIZE, _ENABLE_PUSH, _MAX_STREAMS, _INITIAL_WINDOW, _MAX_FRAME = 1, 2, 3, 4, 5

_DEFAULT_WINDOW = 65_535
_LARGEST_WINDOW = 2**31 - 1
_REPLENISH_BYTES = 2**20
_WRITE_BUFFER_BYTES = 2**22
_STREAM_BITS = 2**31 - 1


class StreamOwner(Protocol):
    """Who is at this end of a stream."""

    def opened(self, stream: "Stream") -> None:
        """The stream can be used."""
        ...

    def received(self, message: bytes) -> None:
        """A whole message came."""
        ...

    def writable(self) -> None:
        """What waited for the other side has been sent."""
        ...

    def ended(self, reason: str) -> None:
        """The stream is over, or could not be opened; called once."""
        ...


def headers(authority: str, path: str) -> bytes:
    """The header block of a gRPC call: literals that no table has to be kept for."""
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": path,
        ":authority": authority,
        "te": "trailers",
        "content-type": "application/grpc",
        "user-agent": "der-fleet",
    }
    return b"".join(b"\x00" + _text(name) + _text(value) for name, value in fields.items())


def _text(text: str) -> bytes:
    encoded = text.encode("ascii")
    if len(encoded) > 126:  # noqa: PLR2004 - what fits into the seven bits of a length
        raise ValueError(f"{text!r} is too long for a header")
    return bytes((len(encoded),)) + encoded


class Stream:
    """One call on a connection. Messages go out in order; those that the windows hold back wait here."""

    __slots__ = ("_connection", "_incoming", "_waiting", "id", "over", "owner", "window")

    def __init__(self, connection: "Connection", stream_id: int, owner: StreamOwner, window: int) -> None:
        self._connection = connection
        self.id = stream_id
        self.owner = owner
        self.window = window
        self.over = False
        self._waiting = b""
        self._incoming = b""

    @property
    def ready(self) -> bool:
        """Whether a message would leave at once, as far as is known."""
        return not self._waiting and self.window > 0 and self._connection.ready

    @property
    def peer(self) -> str:
        """This end's address, as the other side sees it."""
        return self._connection.name

    def send(self, head: bytes, body: bytes = b"") -> None:
        """Send the message ``head + body``; apart, so that a large body need not be copied for a small head."""
        size = len(head) + len(body)
        lead = _MESSAGE.pack(0, size) + head
        size += _MESSAGE.size
        connection = self._connection
        if self._waiting or size > self.window or size > connection.window or size > connection.max_frame:
            self._waiting += lead + body
            self.push()
        else:
            self.window -= size
            connection.window -= size
            connection.put(_FRAME.pack(size >> 8, size & 255, _DATA, 0, self.id) + lead)
            connection.put(body)

    def push(self) -> None:
        """Send of what waits as much as the windows allow."""
        connection, waiting = self._connection, memoryview(self._waiting)
        while (
            waiting and (size := min(len(waiting), self.window, connection.window, connection.max_frame)) > 0
        ):
            self.window -= size
            connection.window -= size
            connection.put(_FRAME.pack(size >> 8, size & 255, _DATA, 0, self.id))
            connection.put(bytes(waiting[:size]))
            waiting = waiting[size:]
        self._waiting = bytes(waiting)

    def finish(self) -> None:
        """Say that nothing more will come."""
        self._connection.put(_FRAME.pack(0, 0, _DATA, _END_STREAM, self.id))

    def cancel(self) -> None:
        """Drop the stream at once; its owner hears no more of it."""
        self._connection.drop(self)

    def take(self, payload: bytes) -> None:
        """Bytes came: hand each message that is whole to the owner."""
        if self._incoming:
            payload = self._incoming + payload
        at, end = 0, len(payload)
        while end - at >= _MESSAGE.size and not self.over:
            start = at + _MESSAGE.size
            size = int.from_bytes(payload[at + 1 : start])
            if end - start < size:
                break
            at = start + size
            self.owner.received(payload[start:at])
        self._incoming = payload[at:] if at < end else b""


class Connection(asyncio.Protocol):
    """One HTTP/2 connection, as the protocol of an asyncio transport.

    ``taken`` is done once the other side has sent its settings, and streams can be opened.
    """

    def __init__(self, *, header_block: bytes) -> None:
        self._header_block = header_block
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._streams: dict[int, Stream] = {}
        self._next_id = 1
        self._most_streams = _LARGEST_WINDOW
        self._initial_window = _DEFAULT_WINDOW
        self._received = 0
        self._rest = b""
        self._out: list[bytes] = []
        self._paused = False
        self._going_away = False
        self.window = _DEFAULT_WINDOW
        self.max_frame = 16_384
        self.name = ""
        self.taken: asyncio.Future[None] = self._loop.create_future()

    @property
    def ready(self) -> bool:
        """Whether its window and its socket take more."""
        return self.window > 0 and not self._paused

    @property
    def open(self) -> bool:
        """Whether it takes another stream."""
        return (
            self._transport is not None and not self._going_away and len(self._streams) < self._most_streams
        )

    def start(self, owner: StreamOwner) -> None:
        """Open a stream and give it to its owner."""
        stream = Stream(self, self._next_id, owner, self._initial_window)
        self._next_id += 2
        self._streams[stream.id] = stream
        size = len(self._header_block)
        self.put(_FRAME.pack(size >> 8, size & 255, _HEADERS, _END_HEADERS, stream.id) + self._header_block)
        owner.opened(stream)

    def put(self, data: bytes) -> None:
        """Have bytes written at the end of this turn of the event loop."""
        if not self._out:
            self._loop.call_soon(self._flush)
        self._out.append(data)

    def drop(self, stream: Stream) -> None:
        """Reset a stream; the connection goes with the last one."""
        stream.over = True
        if self._streams.pop(stream.id, None) is None:
            return
        self.put(_FRAME.pack(0, 4, _RST_STREAM, 0, stream.id) + _CANCEL.to_bytes(4))
        if not self._streams:
            self._loop.call_soon(self.close)

    def close(self) -> None:
        """Close the socket, once what is written has left."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    # --------------------------------------------------------------------------------------------- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Introduce ourselves, with windows so wide that nobody ever waits for us."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its class
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)
        host, port, *_ = transport.get_extra_info("sockname")
        self.name = f"{host}:{port}"
        settings = b"".join(
            _SETTING.pack(*each)
            for each in ((_HEADER_TABLE_SIZE, 0), (_ENABLE_PUSH, 0), (_INITIAL_WINDOW, _LARGEST_WINDOW))
        )
        self.put(_PREFACE + _FRAME.pack(0, len(settings), _SETTINGS, 0, 0) + settings)
        self._widen(_LARGEST_WINDOW - _DEFAULT_WINDOW)

    def connection_lost(self, exc: Exception | None) -> None:
        """End every stream."""
        self._transport = None
        reason = "the connection was closed" if exc is None else f"the connection broke: {exc}"
        if not self.taken.done():
            self.taken.set_exception(ConnectionError(reason))
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.owner.ended(reason)

    def pause_writing(self) -> None:
        """The socket takes no more for now."""
        self._paused = True

    def resume_writing(self) -> None:
        """The socket takes more."""
        self._paused = False
        self._tell_writable()

    def data_received(self, data: bytes) -> None:
        """Handle each frame that is whole."""
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while end - at >= _FRAME.size:
            high, low, kind, flags, stream_id = _FRAME.unpack_from(data, at)
            start = at + _FRAME.size
            after = start + (high << 8) + low
            if after > end:
                break
            at = after
            stream_id &= _STREAM_BITS
            if kind == _DATA:
                self._received += after - start
                if (stream := self._streams.get(stream_id)) is not None:
                    stream.take(data[start:after])
            else:
                self._control(kind, flags, stream_id, data[start:after])
            if flags & _END_STREAM and kind in {_DATA, _HEADERS}:
                self._end(stream_id, "the headend closed the stream")
        self._rest = data[at:] if at < end else b""
        if self._received >= _REPLENISH_BYTES:
            self._widen(self._received)
            self._received = 0

    # ---------------------------------------------------------------------------------------------------- frames

    def _control(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if kind == _WINDOW_UPDATE:
            self._widened(stream_id, int.from_bytes(payload) & _STREAM_BITS)
        elif kind == _PING and not flags & _ACK:
            self.put(_FRAME.pack(0, len(payload), _PING, _ACK, 0) + payload)
        elif kind == _SETTINGS and not flags & _ACK:
            self._settings(payload)
        elif kind == _RST_STREAM:
            self._end(stream_id, f"the headend reset the stream (HTTP/2 error {int.from_bytes(payload)})")
        elif kind == _GOAWAY:
            self._going_away = True

    def _settings(self, payload: bytes) -> None:
        for name, value in _SETTING.iter_unpack(payload):
            if name == _MAX_STREAMS:
                self._most_streams = value
            elif name == _MAX_FRAME:
                self.max_frame = value
            elif name == _INITIAL_WINDOW:
                for stream in self._streams.values():
                    stream.window += value - self._initial_window
                self._initial_window = value
        self.put(_FRAME.pack(0, 0, _SETTINGS, _ACK, 0))
        if not self.taken.done():
            self.taken.set_result(None)
        self._tell_writable()

    def _widened(self, stream_id: int, more: int) -> None:
        if stream_id == 0:
            was_shut = self.window <= 0
            self.window += more
            if was_shut:
                self._tell_writable()
        elif (stream := self._streams.get(stream_id)) is not None:
            was_shut = not stream.ready
            stream.window += more
            if was_shut:
                self._push(stream)

    def _tell_writable(self) -> None:
        for stream in list(self._streams.values()):
            self._push(stream)

    def _push(self, stream: Stream) -> None:
        stream.push()
        if stream.ready:
            stream.owner.writable()

    def _end(self, stream_id: int, reason: str) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is not None:
            stream.owner.ended(reason)
            if not self._streams:
                self._loop.call_soon(self._close_if_idle)

    def _close_if_idle(self) -> None:
        if not self._streams:
            self.close()

    def _widen(self, more: int) -> None:
        self.put(_FRAME.pack(0, 4, _WINDOW_UPDATE, 0, 0) + more.to_bytes(4))

    def _flush(self) -> None:
        out, self._out = self._out, []
        if out and self._transport is not None:
            self._transport.write(b"".join(out))
