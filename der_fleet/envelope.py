"""The bytes around a record: spools keep a ``Record`` without its number, the link sends an ``Uplink`` with it.

A protobuf message may be written in pieces, in any order of its fields, so a number can be put before a body that was
serialised earlier.
"""

from collections.abc import Iterable

from der_wire._gen import agent_link_pb2 as pb
from der_wire.varints import varint

_RECORD_TAG = bytes((pb.Uplink.RECORD_FIELD_NUMBER << 3 | 2,))
_RECORDS_TAG = bytes((pb.Uplink.RECORDS_FIELD_NUMBER << 3 | 2,))
_EACH_TAG = bytes((pb.Records.RECORDS_FIELD_NUMBER << 3 | 2,))
_MORE = bytes((pb.Uplink.MORE_FIELD_NUMBER << 3, 1))
_SEQ_TAG = bytes((pb.Record.SEQ_FIELD_NUMBER << 3,))


def bundle(records: Iterable[tuple[int, bytes]], *, more: bool) -> bytes:
    """An ``Uplink`` with several records, each given as its number and its body; ``more`` wait behind them."""
    parts = []
    for seq, body in records:
        number = _SEQ_TAG + varint(seq)
        parts += [_EACH_TAG, varint(len(number) + len(body)), number, body]
    size = sum(map(len, parts))
    return b"".join((_MORE if more else b"", _RECORDS_TAG, varint(size), *parts))


def uplink_head(seq: int, body_size: int, *, more: bool) -> bytes:
    """What stands before a record's body of so many bytes in an ``Uplink``; ``seq`` 0 is a live copy."""
    number = _SEQ_TAG + varint(seq) if seq else b""
    return (_MORE if more else b"") + _RECORD_TAG + varint(len(number) + body_size) + number
