"""Telemetry read off the bytes of the messages that carry it, and records put into such bytes.

Nearly all that a headend is sent are frames. protobuf would make an object of each column and of the message around
them, in memory that it gives back block by block, and with each ten thousandth block all free memory of the process.
What is not written as it is here is left to protobuf, which takes every order and spelling.

The fleet simulator, which keeps records in its spools as the bytes of a ``Record`` without a number, puts the number
before them: a message may be written in pieces, in any order of its fields.
"""

from collections.abc import Iterable
from typing import NamedTuple

from google.protobuf.message import DecodeError

from der_wire._gen import agent_link_pb2 as pb
from der_wire.varints import read_size, read_varint, varint

_RECORD = pb.Uplink.RECORD_FIELD_NUMBER << 3 | 2
_RECORDS = pb.Uplink.RECORDS_FIELD_NUMBER << 3 | 2
_MORE = pb.Uplink.MORE_FIELD_NUMBER << 3
_BEAT = pb.Uplink.BEAT_FIELD_NUMBER << 3 | 2
_EACH = pb.Records.RECORDS_FIELD_NUMBER << 3 | 2
_SEQ = pb.Record.SEQ_FIELD_NUMBER << 3
_FRAME = pb.Record.FRAME_FIELD_NUMBER << 3 | 2


class Telemetry(NamedTuple):
    """An ``Uplink`` with nothing but frames: of each its record's number and its own bytes, a serialised ``Frame``."""

    frames: list[tuple[int, bytes]]
    more: bool
    beat: pb.Heartbeat | None


def read_telemetry(message: bytes, *, most: int) -> Telemetry | None:
    """The frames in a serialised ``Uplink``; ``None`` if it is another message, or has more than ``most`` records."""
    try:
        return _read(message, most)
    except (ValueError, IndexError, DecodeError):
        return None


def _read(message: bytes, most: int) -> Telemetry | None:
    frames: list[tuple[int, bytes]] | None = None
    more: bool | None = None
    beat: pb.Heartbeat | None = None
    at, end = 0, len(message)
    while at < end:
        tag = message[at]
        if tag == _MORE and more is None:
            value, at = read_varint(message, at + 1)
            more = value != 0
            continue
        size, start = read_size(message, at + 1)
        at = start + size
        if at > end:
            return None
        if tag == _BEAT and beat is None:
            beat = pb.Heartbeat.FromString(message[start:at])
        elif tag == _RECORD and frames is None:
            frames = [_frame(message, start, at)]
        elif tag == _RECORDS and frames is None:
            frames = _frames(message, start, at, most)
        else:
            return None
    return None if frames is None else Telemetry(frames, bool(more), beat)


def _frames(message: bytes, at: int, end: int, most: int) -> list[tuple[int, bytes]]:
    """The frames in ``Records`` between two places."""
    frames: list[tuple[int, bytes]] = []
    while at < end:
        size, start = read_size(message, at + 1)
        if message[at] != _EACH or start + size > end or len(frames) == most:
            raise ValueError
        at = start + size
        frames.append(_frame(message, start, at))
    return frames


def _frame(message: bytes, at: int, end: int) -> tuple[int, bytes]:
    """The number and the frame in a ``Record`` between two places."""
    seq = 0
    if message[at] == _SEQ:
        seq, at = read_varint(message, at + 1)
    size, start = read_size(message, at + 1)
    if message[at] != _FRAME or start + size != end:
        raise ValueError
    return seq, message[start:end]


def bundle(records: Iterable[tuple[int, bytes]], *, more: bool) -> bytes:
    """An ``Uplink`` with several records, each given as its number and its body; ``more`` wait behind them."""
    parts = []
    for seq, body in records:
        number = _numbered(seq)
        parts += [bytes((_EACH,)), varint(len(number) + len(body)), number, body]
    size = sum(map(len, parts))
    return b"".join((_told(more=more), bytes((_RECORDS,)), varint(size), *parts))


def uplink_head(seq: int, body_size: int, *, more: bool) -> bytes:
    """What stands before a record's body of so many bytes in an ``Uplink``; ``seq`` 0 is a live copy."""
    number = _numbered(seq)
    return b"".join((_told(more=more), bytes((_RECORD,)), varint(len(number) + body_size), number))


def _numbered(seq: int) -> bytes:
    return bytes((_SEQ,)) + varint(seq) if seq else b""


def _told(*, more: bool) -> bytes:
    return bytes((_MORE, 1)) if more else b""
