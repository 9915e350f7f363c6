"""Frames as the headend reads them: packed columns become numpy arrays, with no Python object per sample on the way.

A frame can be read in two ways. ``decode_frame`` reads one on its own, and says of a wrong one what is wrong with it.
``plain_frame`` only takes the bytes of its columns, so that those of many frames can be turned into arrays together; it
leaves every frame that is in any way out of the ordinary to ``decode_frame``.

This is the only module of the package that needs numpy; an edge agent never imports it.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from der_core.telemetry import Frame
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import UNKNOWN_CODE
from der_wire.fields import LARGEST, WireInvalid
from der_wire.varints import read_size, read_varint

_TIME = pb.Frame.TIMESTAMP_US_FIELD_NUMBER << 3
_ASSETS = pb.Frame.ASSETS_FIELD_NUMBER << 3 | 2
_COLUMN = pb.Frame.COLUMNS_FIELD_NUMBER << 3 | 2
_SIGNAL = pb.Column.SIGNAL_FIELD_NUMBER << 3
_VALUES = pb.Column.VALUES_FIELD_NUMBER << 3 | 2
_CODES = pb.Column.CODES_FIELD_NUMBER << 3 | 2


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


class PlainFrame(NamedTuple):
    """A frame as it is written, but for what its values mean.

    ``places``: of its assets in the registration, ``None`` for all in order. ``columns``: of each of the ``signals``
    the bytes of its column; those are little-endian doubles, or for a state one byte per code.
    """

    timestamp_us: int
    places: NDArray[np.int64] | None
    signals: tuple[int, ...]
    columns: list[bytes]


def plain_frame(
    frame: bytes, *, assets: int, signals: int, state_signals: Mapping[int, int]
) -> PlainFrame | None:
    """A serialised ``Frame`` of a session of so many assets and signals (at least one of each), read off its bytes.

    ``None`` if a column is of another length or kind than its assets and signal ask for, has a code beyond one byte, is
    of a signal that is not registered, or anything is there twice, in another order, or known only to a later protocol.
    The values are not looked at, nor whether time and places make sense.
    """
    try:
        return _plain(frame, assets, signals, state_signals)
    except (ValueError, IndexError, DecodeError):
        return None


def _plain(frame: bytes, size: int, signal_count: int, state_signals: Mapping[int, int]) -> PlainFrame | None:
    if frame[0] != _TIME:
        return None
    timestamp_us, at = read_varint(frame, 1)
    places, end = None, len(frame)
    if at < end and frame[at] == _ASSETS:
        length, at = read_size(frame, at + 1)
        at += length
        places = np.array(pb.Frame.FromString(frame[:at]).assets, np.int64)
        size = places.shape[0]
    if not size:  # an empty list of assets, as nobody writes it
        return None
    columns: dict[int, bytes] = {}
    while at < end:
        length, start = read_size(frame, at + 1)
        if frame[at] != _COLUMN or start + length > end:
            return None
        at = start + length
        signal, values = _column(frame, start, at, size, state_signals)
        if signal >= signal_count or signal in columns:
            return None
        columns[signal] = values
    return PlainFrame(timestamp_us, places, tuple(columns), [*columns.values()])


def _column(
    frame: bytes, at: int, end: int, size: int, state_signals: Mapping[int, int]
) -> tuple[int, bytes]:
    """The signal and the bytes of a column of ``size`` values, which is all that stands between two places."""
    start, signal = at, 0
    if frame[at] == _SIGNAL:
        signal, at = read_varint(frame, at + 1)
    kind = frame[at]
    length, at = read_size(frame, at + 1)
    values = frame[at:end]
    if at + length != end or kind != (_CODES if signal in state_signals else _VALUES):
        raise ValueError
    if kind == _CODES and (length != size or not values.isascii()):
        values = _long_codes(frame[start:end], size)
    if len(values) != (size if kind == _CODES else 8 * size):
        raise ValueError
    return signal, values


def _long_codes(column: bytes, size: int) -> bytes:
    """A column's codes where protobuf writes some (that for unknown, say) as two bytes; empty if it is not plain."""
    codes = np.array(pb.Column.FromString(column).codes, np.uint32)
    plain = codes.shape[0] == size and int(codes.max()) <= UNKNOWN_CODE
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
