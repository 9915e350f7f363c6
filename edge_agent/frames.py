"""One tick's readings as the columns of a frame, and the change of an asset's faults as events. Pure."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from der_core.events import Event, EventKind, Severity
from der_core.signals import Signal
from der_wire.codec import UNKNOWN_CODE
from der_wire.fields import LARGEST
from edge_agent.ports import Fault, Reading


def columns(readings: Sequence[Reading | None], signals: Sequence[Signal]) -> dict[int, list[float]]:
    """A column, as long as ``readings``, for each signal that at least one asset shows; by the signal's place.

    What an asset does not show, or shows as a number beyond ``LARGEST``, is NaN, in a column of states
    ``UNKNOWN_CODE``; so is all of an asset without a reading.
    """
    shown = set().union(*(reading.values for reading in readings if reading is not None))
    return {
        place: [_value(reading, signal) for reading in readings]
        for place, signal in enumerate(signals)
        if signal.name in shown
    }


def _value(reading: Reading | None, signal: Signal) -> float:
    value = None if reading is None else reading.values.get(signal.name)
    if signal.states:
        return signal.states.index(value) if value in signal.states else UNKNOWN_CODE
    return value if isinstance(value, int | float) and abs(value) <= LARGEST else math.nan


def fault_events(
    before: Mapping[str, Fault], after: Mapping[str, Fault], *, at: datetime, site_id: UUID, asset_id: UUID
) -> list[Event]:
    """The alarms that begin and end where an asset's faults, by code, change from ``before`` to ``after``."""

    def event(fault: Fault, kind: EventKind, severity: Severity) -> Event:
        return Event(
            id=uuid4(),
            at=at,
            site_id=site_id,
            asset_id=asset_id,
            severity=severity,
            kind=kind,
            code=fault.code,
            message=fault.message,
        )

    began = [
        event(after[code], EventKind.RAISED, after[code].severity) for code in sorted(after.keys() - before)
    ]
    ended = [event(before[code], EventKind.CLEARED, Severity.INFO) for code in sorted(before.keys() - after)]
    return ended + began
