"""Events, commands, dispatch reports and outgoing frames: from the words of the core to the wire, and back.

Each ``*_to_wire`` takes values that the core made and trusts them; each ``*_from_wire`` trusts nothing and raises
``fields.WireInvalid``. What the fields mean is written down in ``agent_link.proto``: power in MW, positive =
discharge / export; times in microseconds; an empty text or an absent field is ``None``.
"""

import math
from collections.abc import Mapping, Sequence
from uuid import UUID

from der_core.allocation import Weighting
from der_core.dispatch import MAX_DURATION_S, AllocationReport, Command, DispatchReport
from der_core.events import Event, EventKind, Severity
from der_core.lifecycle import State
from der_core.signals import Signal
from der_wire._gen import agent_link_pb2 as pb
from der_wire.fields import (
    for_people,
    invalid,
    micros,
    read_number,
    read_place,
    read_text,
    read_time,
    read_uuid,
    refuse_repeats,
)
from der_wire.registration import MAX_ASSETS

UNKNOWN_CODE = 255
"""The code of a state that is not known."""

_SEVERITIES: Mapping[pb.Event.Severity, Severity] = {
    pb.Event.SEVERITY_INFO: Severity.INFO,
    pb.Event.SEVERITY_WARNING: Severity.WARNING,
    pb.Event.SEVERITY_CRITICAL: Severity.CRITICAL,
}
_KINDS: Mapping[pb.Event.Kind, EventKind] = {
    pb.Event.KIND_NOTICE: EventKind.NOTICE,
    pb.Event.KIND_RAISED: EventKind.RAISED,
    pb.Event.KIND_CLEARED: EventKind.CLEARED,
}
_STATES: Mapping[pb.DispatchReport.State, State] = {
    pb.DispatchReport.STATE_ACKNOWLEDGED: State.ACKNOWLEDGED,
    pb.DispatchReport.STATE_ACTIVE: State.ACTIVE,
    pb.DispatchReport.STATE_COMPLETED: State.COMPLETED,
    pb.DispatchReport.STATE_REJECTED: State.REJECTED,
    pb.DispatchReport.STATE_SUPERSEDED: State.SUPERSEDED,
    pb.DispatchReport.STATE_CANCELLED: State.CANCELLED,
    pb.DispatchReport.STATE_FAILED: State.FAILED,
}
_SEVERITIES_TO_WIRE = {severity: code for code, severity in _SEVERITIES.items()}
_KINDS_TO_WIRE = {kind: code for code, kind in _KINDS.items()}
_STATES_TO_WIRE = {state: code for code, state in _STATES.items()}


def state_signals(signals: Sequence[Signal]) -> dict[int, int]:
    """Which places of a catalogue are states, and how many states each has."""
    return {place: len(signal.states) for place, signal in enumerate(signals) if signal.states}


def encode_frame(
    timestamp_us: int,
    columns: Mapping[int, Sequence[float]],
    state_signals: Mapping[int, int],
    assets: Sequence[int] | None,
) -> pb.Frame:
    """One moment of some assets; ``assets`` are their places in the registration, ``None`` means all in order.

    ``columns`` by the signal's place in the catalogue, each as long as ``assets``. Unknown is NaN for a number and
    ``UNKNOWN_CODE`` for a state (a signal in ``state_signals``).
    """
    return pb.Frame(
        timestamp_us=timestamp_us,
        assets=assets,
        columns=[
            pb.Column(signal=signal, codes=[int(code) for code in values])
            if signal in state_signals
            else pb.Column(signal=signal, values=values)
            for signal, values in columns.items()
        ],
    )


def event_to_wire(event: Event, places: Mapping[UUID, int]) -> pb.Event:
    """The message for an event; ``places`` says where in the registration each asset stands."""
    return pb.Event(
        id=str(event.id),
        at_us=micros(event.at),
        asset=None if event.asset_id is None else places[event.asset_id],
        severity=_SEVERITIES_TO_WIRE[event.severity],
        kind=_KINDS_TO_WIRE[event.kind],
        code=event.code,
        message=for_people(event.message),
    )


def event_from_wire(message: pb.Event, *, site_id: UUID, assets: Sequence[UUID]) -> Event:
    """The event of an agent that registered ``assets``, in that order, at ``site_id``."""
    severity = _SEVERITIES.get(message.severity)
    if severity is None:
        raise invalid("severity", message.severity, "one of Event.Severity, and not unspecified")
    kind = _KINDS.get(message.kind)
    if kind is None:
        raise invalid("kind", message.kind, "one of Event.Kind, and not unspecified")
    return Event(
        id=read_uuid("id", message.id),
        at=read_time("at_us", message.at_us),
        site_id=site_id,
        asset_id=assets[read_place("asset", message.asset, len(assets))]
        if message.HasField("asset")
        else None,
        severity=severity,
        kind=kind,
        code=read_text("code", message.code, shortest=1),
        message=read_text("message", message.message),
    )


def command_to_wire(command: Command, *, now_s: float) -> pb.Setpoint:
    """The message that carries a command; ``now_s`` is the headend's monotonic clock."""
    return pb.Setpoint(
        dispatch_id=str(command.dispatch_id),
        mw=command.mw,
        site_wide=command.site_wide,
        asset_ids=[str(asset_id) for asset_id in command.asset_ids],
        weighting=command.weighting,
        duration_s=command.duration_s,
        expires_at_s=now_s + command.expires_in_s,
    )


def command_from_wire(message: pb.Setpoint, *, now_s: float) -> Command:
    """The command in a message; ``now_s`` is the headend's monotonic clock, as the agent knows it."""
    most = MAX_ASSETS if message.site_wide else 1
    try:
        weighting = Weighting(message.weighting or Weighting.CAPACITY)
    except ValueError:
        raise invalid("weighting", message.weighting, f"one of {', '.join(Weighting)}") from None
    return Command(
        dispatch_id=read_uuid("dispatch_id", message.dispatch_id),
        mw=read_number("mw", message.mw),
        site_wide=message.site_wide,
        asset_ids=_asset_ids(message.asset_ids, fewest=1, most=most),
        weighting=weighting,
        duration_s=_duration(message),
        expires_in_s=read_number("expires_at_s", message.expires_at_s) - now_s,
    )


def cancel_to_wire(dispatch_id: UUID, asset_ids: Sequence[UUID] = ()) -> pb.Cancel:
    """The message that takes a dispatch back from some of its assets; with no ids, from all of them."""
    return pb.Cancel(dispatch_id=str(dispatch_id), asset_ids=[str(asset_id) for asset_id in asset_ids])


def cancel_from_wire(message: pb.Cancel) -> tuple[UUID, tuple[UUID, ...]]:
    """The dispatch that is taken back, and from which assets; none named means all of them."""
    asset_ids = _asset_ids(message.asset_ids, fewest=0, most=MAX_ASSETS)
    return read_uuid("dispatch_id", message.dispatch_id), asset_ids


def report_to_wire(report: DispatchReport) -> pb.DispatchReport:
    """The message for a report; its states are such as an agent can know."""
    return pb.DispatchReport(
        dispatch_id=str(report.dispatch_id),
        at_us=micros(report.at),
        allocations=[
            pb.DispatchReport.Allocation(
                asset_id=str(part.asset_id),
                state=_STATES_TO_WIRE[part.state],
                reason=for_people(part.reason or ""),
                weight=part.weight,
                raw_mw=part.raw_mw,
                clamped_mw=part.clamped_mw,
                mw=part.mw,
                applied_mw=part.applied_mw,
                note=for_people(part.note or ""),
            )
            for part in report.allocations
        ],
        unserved_mw=report.unserved_mw,
        acknowledged_at_us=0 if report.acknowledged_at is None else micros(report.acknowledged_at),
    )


def report_from_wire(message: pb.DispatchReport) -> DispatchReport:
    """The report in a message."""
    if len(message.allocations) > MAX_ASSETS:
        raise invalid("allocations", f"{len(message.allocations)} allocations", f"at most {MAX_ASSETS}")
    parts = tuple(_part(f"allocations[{place}]", part) for place, part in enumerate(message.allocations))
    refuse_repeats("allocations.asset_id", (str(part.asset_id) for part in parts))
    return DispatchReport(
        dispatch_id=read_uuid("dispatch_id", message.dispatch_id),
        at=read_time("at_us", message.at_us),
        allocations=parts,
        unserved_mw=read_number("unserved_mw", message.unserved_mw)
        if message.HasField("unserved_mw")
        else None,
        acknowledged_at=read_time("acknowledged_at_us", message.acknowledged_at_us)
        if message.acknowledged_at_us
        else None,
    )


def _part(field: str, message: pb.DispatchReport.Allocation) -> AllocationReport:
    state = _STATES.get(message.state)
    if state is None:
        raise invalid(f"{field}.state", message.state, "one of DispatchReport.State, and not unspecified")

    def number(name: str, low: float = -math.inf, high: float = math.inf) -> float | None:
        if not message.HasField(name):
            return None
        return read_number(f"{field}.{name}", getattr(message, name), low=low, high=high)

    return AllocationReport(
        asset_id=read_uuid(f"{field}.asset_id", message.asset_id),
        state=state,
        reason=read_text(f"{field}.reason", message.reason) or None,
        weight=number("weight", 0.0, 1.0),
        raw_mw=number("raw_mw"),
        clamped_mw=number("clamped_mw"),
        mw=number("mw"),
        applied_mw=number("applied_mw"),
        note=read_text(f"{field}.note", message.note) or None,
    )


def _asset_ids(values: Sequence[str], *, fewest: int, most: int) -> tuple[UUID, ...]:
    if not fewest <= len(values) <= most:
        raise invalid("asset_ids", f"{len(values)} ids", f"{fewest} to {most}")
    asset_ids = tuple(read_uuid(f"asset_ids[{place}]", value) for place, value in enumerate(values))
    refuse_repeats("asset_ids", map(str, asset_ids))
    return asset_ids


def _duration(message: pb.Setpoint) -> float | None:
    if not message.HasField("duration_s"):
        return None
    if message.duration_s <= 0.0:
        raise invalid("duration_s", message.duration_s, "seconds above 0")
    return read_number("duration_s", message.duration_s, low=0.0, high=MAX_DURATION_S)
