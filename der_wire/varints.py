"""Numbers as protobuf writes them: seven bits a byte, the lowest first, and the top bit where more follow.

See "Base 128 Varints" in protobuf's description of its encoding.
"""

_MORE = 0x80
_LONGEST = 9


def varint(value: int) -> bytes:
    """A non-negative number in its bytes."""
    out = bytearray()
    while value >= _MORE:
        out.append(value & 127 | _MORE)
        value >>= 7
    out.append(value)
    return bytes(out)


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number that begins at ``at``, and where it ends.

    Raises:
        ValueError: it takes ten bytes, as only a negative one does, or one beyond 2**63.
        IndexError: the data ends before it.
    """
    value = data[at]
    if value < _MORE:
        return value, at + 1
    value -= _MORE
    for place in range(1, _LONGEST):
        byte = data[at + place]
        if byte < _MORE:
            return value | byte << 7 * place, at + place + 1
        value |= (byte - _MORE) << 7 * place
    raise ValueError
