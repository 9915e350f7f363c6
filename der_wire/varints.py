"""Numbers as protobuf writes them: seven bits a byte, the lowest first, and the top bit where more follow.

See "Base 128 Varints" in protobuf's description of its encoding.
"""

_MORE = 0x80


def varint(value: int) -> bytes:
    """A non-negative number in its bytes."""
    out = bytearray()
    while value >= _MORE:
        out.append(value & 127 | _MORE)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: bytes, at: int, *, longest: int = 9) -> tuple[int, int]:
    """The number that begins at ``at``, and where it ends.

    Raises:
        ValueError: it takes more than ``longest`` bytes; with nine that is what a negative number does, one from 2**63
            on, or one with needless zeros.
        IndexError: the data ends before it.
    """
    value = data[at]
    if value < _MORE:
        return value, at + 1
    value -= _MORE
    for place in range(1, longest):
        byte = data[at + place]
        if byte < _MORE:
            return value | byte << 7 * place, at + place + 1
        value |= (byte - _MORE) << 7 * place
    raise ValueError


def read_size(data: bytes, at: int) -> tuple[int, int]:
    """The size of a field that begins at ``at``, and where what it is the size of begins; raises like the above."""
    return read_varint(data, at, longest=5)
