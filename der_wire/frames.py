"""Frames as the headend reads them: packed columns become numpy arrays, with no Python object per sample on the way.

A frame can be read in two ways. ``decode_frame`` reads one on its own, and says of a wrong one what is wrong with it.
``plain_columns`` only takes the bytes of its columns, so that those of many frames can be turned into arrays together;
it leaves every frame that is in any way out of the ordinary to ``decode_frame``.

This is the only module of the package that needs numpy; an edge agent never imports it.
"""

from collections.abc import Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from der_core.telemetry import Frame
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import UNKNOWN_CODE
from der_wire.fields import LARGEST, WireInvalid


def decode_frame(message: pb.Frame, asset_count: int, state_signals: Mapping[int, int]) -> Frame:
    """The frame in a message.

    ``asset_count`` is the size of the session's registration, whose assets are all meant, in order, where the message
    names none. ``state_signals`` says which signals are states and how many each has (``codec.state_signals``).
    Places out of range and columns of the wrong length are for ``der_core.telemetry.frame_defect`` to find.

    Raises:
        WireInvalid: ``signal_index_repeated``, ``column_type_mismatch`` (values for a state, codes for a number),
            ``state_code_out_of_range`` or ``value_out_of_range``.
    """
    named = message.assets
    columns: dict[int, NDArray[np.float64]] = {}
    numbers = []
    for column in message.columns:
        signal = column.signal
        if signal in columns:
            raise _refuse("signal_index_repeated", signal, "at most one column per signal")
        states = state_signals.get(signal)
        if column.values if states is not None else column.codes:
            raise _refuse(
                "column_type_mismatch", signal, "codes for a signal with states, values for any other"
            )
        if states is None:
            columns[signal] = values = np.array(column.values, dtype=np.float64)
            numbers.append(values)
        else:
            columns[signal] = _states(signal, column, states)
    # One look at all numbers together: a call of numpy costs as much as a hundred values.
    if numbers and bool((np.abs(np.concatenate(numbers)) > LARGEST).any()):
        beyond = next(s for s, v in columns.items() if (np.abs(v) > LARGEST).any())
        raise _refuse("value_out_of_range", beyond, f"numbers up to {LARGEST:g}, or NaN for unknown")
    return Frame(
        timestamp_us=message.timestamp_us,
        assets=np.array(named, dtype=np.int64) if named else np.arange(asset_count, dtype=np.int64),
        columns=columns,
    )


def plain_columns(
    message: pb.Frame, size: int, state_signals: Mapping[int, int]
) -> tuple[tuple[int, ...], list[bytes]] | None:
    """The signals of a frame of ``size`` assets (at least one) and, of each, the bytes of its column.

    Those are little-endian doubles, or for a state one byte per code. ``None`` if a column is of another length or
    kind, has a code beyond one byte, or something that only a later protocol knows. The values are not looked at, nor
    whether a signal is known, or there twice.
    """
    signals, columns = [], []
    for column in message.columns:
        signal = column.signal
        # To have a column written costs less than to ask for its values, and is read by where they stand.
        written = column.SerializeToString()
        if signal in state_signals:
            heading = _heading(signal, size, 1)
            values = written[len(heading) :]
            if len(values) != size or not written.startswith(heading) or not values.isascii():
                values = _long_codes(column, size)
        else:
            heading = _heading(signal, size, 8)
            values = written[len(heading) :]
            if len(values) != 8 * size or not written.startswith(heading):
                return None
        if not values:
            return None
        signals.append(signal)
        columns.append(values)
    return tuple(signals), columns


@lru_cache(maxsize=8192)
def _heading(signal: int, size: int, width: int) -> bytes:
    """What a column of ``size`` values, each ``width`` bytes wide, begins with."""
    column = (
        pb.Column(signal=signal, codes=bytes(size))
        if width == 1
        else pb.Column(signal=signal, values=np.zeros(size))
    )
    return column.SerializeToString()[: -size * width]


def _long_codes(column: pb.Column, size: int) -> bytes:
    """A column's codes where protobuf writes some (that for unknown, say) as two bytes; empty if it is not plain."""
    codes = np.array(column.codes, dtype=np.uint32)
    plain = codes.shape[0] == size and not column.values and int(codes.max()) <= UNKNOWN_CODE
    return codes.astype(np.uint8).tobytes() if plain else b""


def _states(signal: int, column: pb.Column, states: int) -> NDArray[np.float64]:
    codes = np.array(column.codes, dtype=np.float64)
    outside = codes >= states
    if outside.any():
        if (codes[outside] != UNKNOWN_CODE).any():
            raise _refuse(
                "state_code_out_of_range", signal, f"codes below {states}, or {UNKNOWN_CODE} for unknown"
            )
        codes[outside] = np.nan
    return codes


def _refuse(code: str, signal: int, expected: str) -> WireInvalid:
    return WireInvalid(code, f"the column of signal {signal}; expected {expected}", field="columns")
