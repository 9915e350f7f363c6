"""Frames as the headend reads them: packed columns become numpy arrays, with no Python object per sample on the way.

This is the only module of the package that needs numpy; an edge agent never imports it.
"""

from collections.abc import Mapping

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
