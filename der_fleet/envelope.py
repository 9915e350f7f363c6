"""The bytes around a record: spools keep a ``Record`` without its number, the link sends an ``Uplink`` with it.

A protobuf message may be written in pieces, in any order of its fields, so a number can be put before a body that was
serialised earlier.
"""

from der_wire._gen import agent_link_pb2 as pb

_RECORD_TAG = bytes((pb.Uplink.RECORD_FIELD_NUMBER << 3 | 2,))
_SEQ_TAG = bytes((pb.Record.SEQ_FIELD_NUMBER << 3,))


def varint(value: int) -> bytes:
    """A non-negative number as protobuf writes it."""
    out = bytearray()
    while value > 127:  # noqa: PLR2004 - seven bits a byte
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def uplink_head(seq: int, body_size: int) -> bytes:
    """What stands before a record's body of so many bytes in an ``Uplink``; ``seq`` 0 is a live copy."""
    number = _SEQ_TAG + varint(seq) if seq else b""
    return _RECORD_TAG + varint(len(number) + body_size) + number
