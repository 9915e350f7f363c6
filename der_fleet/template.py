"""Frames as bytes, made from arrays: what protobuf would write for them, without a call per sample.

For frames of one shape (so many assets, these signals, all assets in order) everything but the time and the values
is always the same, and stands at the same place: packed doubles take eight bytes each, packed codes of states one, and
the time in microseconds eight until the year 4253. So one message is serialised by protobuf, and its bytes are copied
and patched for as many gateways as have that shape.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from der_wire._gen import agent_link_pb2 as pb
from der_wire.varints import varint

Values = NDArray[np.float64] | NDArray[np.uint8]
"""The values of one signal, asset by asset: doubles (NaN = unknown), or the codes of a state, below 128."""

_SOME_TIME_US = 1 << 50
_TIME_BYTES = 8
_DOUBLE_BYTES = 8


class FrameTemplate:
    """Frames of so many ``assets`` with these ``signals``, by place in the catalogue; ``states``: which are states."""

    def __init__(self, *, assets: int, signals: Sequence[int], states: frozenset[int]) -> None:
        columns = [
            pb.Column(signal=signal, codes=[0] * assets)
            if signal in states
            else pb.Column(signal=signal, values=[0.0] * assets)
            for signal in signals
        ]
        frame = pb.Frame(timestamp_us=_SOME_TIME_US, columns=columns)
        record = pb.Record(frame=frame).SerializeToString()
        before_frame = len(record) - frame.ByteSize()
        self._assets = assets
        self._bytes = np.frombuffer(record, dtype=np.uint8)
        self._time = slice(before_frame + 1, before_frame + 1 + _TIME_BYTES)
        self._blocks: dict[int, slice] = {}
        for place, signal in enumerate(signals):
            # The values are the last thing in a column.
            end = before_frame + pb.Frame(timestamp_us=_SOME_TIME_US, columns=columns[: place + 1]).ByteSize()
            size = assets if signal in states else assets * _DOUBLE_BYTES
            self._blocks[signal] = slice(end - size, end)

    def bodies(self, timestamp_us: int, columns: Mapping[int, Values]) -> list[bytes]:
        """Serialised ``Record`` messages without numbers, one per gateway.

        ``columns`` by signal, each with the assets of all gateways in order: gateways x assets values.
        """
        gateways = len(next(iter(columns.values()))) // self._assets
        rows = np.repeat(self._bytes[np.newaxis], gateways, axis=0)
        rows[:, self._time] = np.frombuffer(varint(timestamp_us), dtype=np.uint8)
        for signal, block in self._blocks.items():
            rows[:, block] = columns[signal].view(np.uint8).reshape(gateways, -1)
        size = rows.shape[1]
        together = rows.tobytes()
        return [together[at : at + size] for at in range(0, len(together), size)]
