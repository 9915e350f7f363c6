"""The fleet simulator's HTTP/2: windows kept, messages whole, pings answered."""

import asyncio
import struct
from typing import cast

import pytest

from der_fleet.http2 import Connection, Stream, headers

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
Frame = tuple[int, int, int, bytes]


class Wire:
    """The other side of a connection, and its transport."""

    def __init__(self) -> None:
        self.connection = Connection(header_block=headers("127.0.0.1:5", "/a/b"))
        self.closed = 0
        self._sent = b""
        self.connection.connection_made(cast("asyncio.Transport", self))

    def get_extra_info(self, _name: str) -> tuple[str, int]:
        return "127.0.0.1", 40_000

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def write(self, data: bytes) -> None:
        self._sent += data

    def close(self) -> None:
        self.closed += 1

    def say(self, kind: int, payload: bytes = b"", *, stream: int = 0, flags: int = 0) -> None:
        self.connection.data_received(frame(kind, payload, stream=stream, flags=flags))

    async def heard(self) -> list[Frame]:
        """Frames that came since the last call: type, flags, stream, payload."""
        await asyncio.sleep(0)
        data, self._sent = self._sent.removeprefix(PREFACE), b""
        frames = []
        while data:
            size = int.from_bytes(data[:3])
            frames.append((data[3], data[4], int.from_bytes(data[5:9]), data[9 : 9 + size]))
            data = data[9 + size :]
        return frames


class Owner:
    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.reasons: list[str] = []
        self.written = 0
        self.stream: Stream

    def opened(self, stream: Stream) -> None:
        self.stream = stream

    def received(self, message: bytes) -> None:
        self.messages.append(message)

    def writable(self) -> None:
        self.written += 1

    def ended(self, reason: str) -> None:
        self.reasons.append(reason)


def frame(kind: int, payload: bytes, *, stream: int = 0, flags: int = 0) -> bytes:
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload


def message(body: bytes) -> bytes:
    return struct.pack(">BI", 0, len(body)) + body


def sent_data(frames: list[Frame]) -> bytes:
    return b"".join(payload for kind, _, _, payload in frames if kind == DATA)


@pytest.fixture
async def wire() -> Wire:
    made = Wire()
    made.say(SETTINGS)
    await made.heard()
    return made


@pytest.fixture
def owner(wire: Wire) -> Owner:
    made = Owner()
    wire.connection.start(made)
    return made


async def test_introduces_itself_and_answers_settings() -> None:
    wire = Wire()
    (kind, flags, stream, _), (widened, *_) = await wire.heard()
    assert (kind, flags, stream, widened) == (SETTINGS, 0, 0, WINDOW_UPDATE)
    wire.say(PING, bytes(8))
    assert not wire.connection.taken.done()
    await wire.heard()
    wire.say(SETTINGS, struct.pack(">HI", 4, 1000))
    await wire.connection.taken
    assert await wire.heard() == [(SETTINGS, 1, 0, b"")]


async def test_a_call_is_headers_and_messages_in_order(wire: Wire, owner: Owner) -> None:
    owner.stream.send(b"he", b"ad")
    owner.stream.send(b"two")
    opened, *rest = await wire.heard()
    assert (opened[0], opened[2]) == (HEADERS, 1)
    assert b"\x00\x05:path\x04/a/b" in opened[3]
    assert sent_data(rest) == message(b"head") + message(b"two")


async def test_windows_hold_a_message_back_and_let_it_go(wire: Wire, owner: Owner) -> None:
    body = bytes(range(256)) * 400  # larger than the windows and the largest frame
    owner.stream.send(body)
    first = await wire.heard()
    assert max(len(payload) for *_, payload in first) <= 16_384
    assert len(sent_data(first)) == 65_535
    wire.say(WINDOW_UPDATE, (100_000).to_bytes(4), stream=1)
    assert await wire.heard() == []  # the connection's window is still shut
    wire.say(WINDOW_UPDATE, (100_000).to_bytes(4))
    assert sent_data(first) + sent_data(await wire.heard()) == message(body)
    assert owner.stream.ready
    assert owner.written


async def test_a_smaller_window_may_leave_a_debt(wire: Wire, owner: Owner) -> None:
    owner.stream.send(bytes(1000))
    wire.say(SETTINGS, struct.pack(">HI", 4, 500))
    assert owner.stream.window == 500 - 1005
    assert not owner.stream.ready


async def test_messages_arrive_whole_however_they_are_cut(wire: Wire, owner: Owner) -> None:
    stream = message(b"one") + message(b"") + message(b"three")
    data = frame(DATA, stream[:4], stream=1) + frame(DATA, stream[4:], stream=1)
    for at in range(len(data)):
        wire.connection.data_received(data[at : at + 1])
    assert owner.messages == [b"one", b"", b"three"]


async def test_pings_are_answered(wire: Wire) -> None:
    wire.say(PING, b"12345678")
    assert await wire.heard() == [(PING, 1, 0, b"12345678")]
    wire.say(PING, b"12345678", flags=1)
    assert await wire.heard() == []


@pytest.mark.parametrize(
    "end",
    [
        frame(HEADERS, b"\x88", stream=1, flags=0x5),
        frame(DATA, b"", stream=1, flags=0x1),
        frame(RST_STREAM, bytes(4), stream=1),
    ],
)
async def test_a_stream_ends_once_and_the_last_closes_the_connection(
    wire: Wire, owner: Owner, end: bytes
) -> None:
    wire.connection.data_received(end + end)
    await asyncio.sleep(0)
    assert (len(owner.reasons), wire.closed) == (1, 1)


async def test_a_cancelled_stream_hears_nothing_more(wire: Wire, owner: Owner) -> None:
    other = Owner()
    wire.connection.start(other)
    owner.stream.cancel()
    wire.say(DATA, message(b"late"), stream=1)
    assert (owner.messages, owner.reasons) == ([], [])
    assert (RST_STREAM, 0, 1, (8).to_bytes(4)) in await wire.heard()
    assert wire.closed == 0
    other.stream.cancel()
    await wire.heard()
    assert wire.closed == 1


async def test_goaway_lets_streams_go_on_but_no_new_ones_begin(wire: Wire, owner: Owner) -> None:
    wire.say(GOAWAY, bytes(8))
    assert not wire.connection.open
    wire.say(DATA, message(b"still here"), stream=1)
    assert owner.messages == [b"still here"]


async def test_a_lost_connection_ends_all_streams(wire: Wire, owner: Owner) -> None:
    wire.connection.connection_lost(ConnectionResetError("reset"))
    assert owner.reasons == ["the connection broke: reset"]


async def test_no_more_streams_than_are_allowed(wire: Wire, owner: Owner) -> None:
    wire.say(SETTINGS, struct.pack(">HI", 3, 1))
    assert not wire.connection.open
