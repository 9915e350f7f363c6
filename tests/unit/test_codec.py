"""Whatever the core can say survives the wire, and whatever else arrives is refused by field, never with a crash."""

import math
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from google.protobuf.message import DecodeError, Message
from hypothesis import given
from hypothesis import strategies as st

from der_core.allocation import Weighting
from der_core.dispatch import MAX_DURATION_S, AllocationReport, Command, DispatchReport, InForce
from der_core.errors import Rejected
from der_core.events import Event, EventKind, Severity
from der_core.lifecycle import State
from der_core.registration import AgentMode, RegisteredAsset, Registration
from der_core.signals import CATALOGUE, STATUS_STATES, Signal
from der_core.telemetry import frame_defect
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import (
    UNKNOWN_CODE,
    cancel_from_wire,
    cancel_to_wire,
    command_from_wire,
    command_to_wire,
    encode_frame,
    event_from_wire,
    event_to_wire,
    report_from_wire,
    report_to_wire,
    state_signals,
)
from der_wire.fields import WireInvalid, for_people, micros, read_time
from der_wire.frames import decode_frame
from der_wire.registration import MAX_ASSETS, registration_from_wire, registration_to_wire

SITE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
ASSETS = tuple(UUID(f"{digit}ba7b810-9dad-11d1-80b4-00c04fd430c8") for digit in "789")
STATUS = CATALOGUE.index(next(signal for signal in CATALOGUE if signal.name == "status"))
STATE_SIGNALS = state_signals(CATALOGUE)

lines = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), max_size=40)
names = lines.filter(bool)
moments = st.datetimes(
    min_value=datetime(1970, 1, 1, 0, 0, 1),  # noqa: DTZ001 - hypothesis takes naive bounds
    timezones=st.just(UTC),
)
powers = st.floats(-1e9, 1e9)
fractions = st.floats(0, 1)
durations = st.floats(0.001, MAX_DURATION_S)


@st.composite
def registrations(draw: st.DrawFn) -> Registration:
    mode = draw(st.sampled_from(AgentMode))
    most = 1 if mode is AgentMode.SINGLE_ASSET else 5
    asset_ids = sorted(draw(st.sets(st.uuids(), min_size=1, max_size=most)))
    held = draw(st.sets(st.sampled_from(asset_ids)))
    signal_names = draw(st.lists(names, unique=True, max_size=5))
    return Registration(
        protocol=1,
        agent_id=draw(
            st.text(st.characters(codec="ascii", categories=("L", "N", "P")), min_size=1, max_size=128)
        ),
        mode=mode,
        site_id=draw(st.uuids()),
        site_name=draw(lines),
        software=draw(lines),
        assets=tuple(draw(registered_assets(asset_id)) for asset_id in asset_ids),
        signals=tuple(
            Signal(name, draw(lines), "", states=tuple(draw(st.lists(names, unique=True, max_size=4))))
            for name in signal_names
        ),
        heartbeat_s=draw(st.floats(0.05, 300)),
        spool_id=draw(st.uuids()),
        first_seq=draw(st.integers(1, 2**64 - 1)),
        in_force=tuple(draw(in_force(asset_id)) for asset_id in sorted(held)),
    )


@st.composite
def registered_assets(draw: st.DrawFn, asset_id: UUID) -> RegisteredAsset:
    low, high = sorted((draw(powers), draw(powers)))
    return RegisteredAsset(
        id=asset_id,
        name=draw(names),
        capacity_mwhr=draw(st.floats(0, 1e9)),
        max_mw=high,
        min_mw=low,
    )


def in_force(asset_id: UUID) -> st.SearchStrategy[InForce]:
    return st.builds(
        InForce,
        dispatch_id=st.uuids(),
        asset_id=st.just(asset_id),
        mw=powers,
        active_since=moments,
        remaining_s=st.none() | durations,
        requested_mw=powers,
        site_wide=st.booleans(),
        duration_s=st.none() | durations,
    )


events = st.builds(
    Event,
    id=st.uuids(),
    at=moments,
    site_id=st.just(SITE),
    asset_id=st.none() | st.sampled_from(ASSETS),
    severity=st.sampled_from(Severity),
    kind=st.sampled_from(EventKind),
    code=names,
    message=lines,
)
commands = st.booleans().flatmap(
    lambda site_wide: st.builds(
        Command,
        dispatch_id=st.uuids(),
        mw=powers,
        site_wide=st.just(site_wide),
        asset_ids=st.lists(st.uuids(), unique=True, min_size=1, max_size=4 if site_wide else 1).map(tuple),
        weighting=st.sampled_from(Weighting),
        duration_s=st.none() | durations,
        expires_in_s=st.floats(0, 1e6),
    )
)
reports = st.builds(
    DispatchReport,
    dispatch_id=st.uuids(),
    at=moments,
    allocations=st.lists(
        st.builds(
            AllocationReport,
            asset_id=st.uuids(),
            state=st.sampled_from(
                [state for state in State if state not in {"submitted", "queued", "sent", "expired"}]
            ),
            reason=st.none() | names,
            weight=st.none() | fractions,
            raw_mw=st.none() | powers,
            clamped_mw=st.none() | powers,
            mw=st.none() | powers,
            applied_mw=st.none() | powers,
            note=st.none() | names,
        ),
        unique_by=lambda part: part.asset_id,
        max_size=4,
    ).map(tuple),
    unserved_mw=st.none() | powers,
    acknowledged_at=st.none() | moments,
)


@given(registrations())
def test_a_registration_survives(registration: Registration) -> None:
    message = pb.Register.FromString(registration_to_wire(registration).SerializeToString())
    assert registration_from_wire(message) == registration


@given(events)
def test_an_event_survives(event: Event) -> None:
    places = {asset_id: place for place, asset_id in enumerate(ASSETS)}
    message = pb.Event.FromString(event_to_wire(event, places).SerializeToString())
    assert event_from_wire(message, site_id=SITE, assets=ASSETS) == event


@given(commands)
def test_a_command_survives(command: Command) -> None:
    message = pb.Setpoint.FromString(command_to_wire(command, now_s=0.0).SerializeToString())
    assert command_from_wire(message, now_s=0.0) == command


@given(reports)
def test_a_report_survives(report: DispatchReport) -> None:
    message = pb.DispatchReport.FromString(report_to_wire(report).SerializeToString())
    assert report_from_wire(message) == report


@given(st.uuids(), st.lists(st.uuids(), unique=True, max_size=4).map(tuple))
def test_a_cancel_survives(dispatch_id: UUID, asset_ids: tuple[UUID, ...]) -> None:
    message = pb.Cancel.FromString(cancel_to_wire(dispatch_id, asset_ids).SerializeToString())
    assert cancel_from_wire(message) == (dispatch_id, asset_ids)


@st.composite
def columns_of(draw: st.DrawFn, size: int) -> dict[int, list[float]]:
    number = st.floats(-1e9, 1e9) | st.just(math.nan)
    code = st.integers(0, len(STATUS_STATES) - 1) | st.just(UNKNOWN_CODE)
    signals = draw(st.sets(st.sampled_from(range(len(CATALOGUE)))))
    return {
        signal: draw(st.lists(code if signal == STATUS else number, min_size=size, max_size=size))
        for signal in sorted(signals)
    }


@given(st.data())
def test_a_frame_survives(data: st.DataObject) -> None:
    asset_count = data.draw(st.integers(1, 6))
    places = data.draw(st.none() | st.sets(st.integers(0, asset_count - 1), min_size=1).map(sorted))
    size = asset_count if places is None else len(places)
    columns = data.draw(columns_of(size))
    sent = encode_frame(1_700_000_000_000_000, columns, STATE_SIGNALS, places)
    frame = decode_frame(pb.Frame.FromString(sent.SerializeToString()), asset_count, STATE_SIGNALS)
    assert frame.timestamp_us == 1_700_000_000_000_000
    assert frame.assets.tolist() == (list(range(asset_count)) if places is None else places)
    assert frame.columns.keys() == columns.keys()
    for signal, values in columns.items():
        for got, given_ in zip(frame.columns[signal].tolist(), values, strict=True):
            unknown = math.isnan(given_) or (signal == STATUS and given_ == UNKNOWN_CODE)
            assert math.isnan(got) if unknown else got == given_
    assert (
        frame_defect(
            frame,
            asset_count=asset_count,
            signal_count=len(CATALOGUE),
            now_us=1_700_000_000_000_000,
            max_ahead_us=0,
        )
        is None
    )


def column(**fields: object) -> pb.Column:
    return pb.Column(**fields)  # type: ignore[arg-type]  # any field of any kind: the point is to send wrong ones


@pytest.mark.parametrize(
    ("columns", "code"),
    [
        ([column(signal=0, values=[1.0]), column(signal=0, values=[2.0])], "signal_index_repeated"),
        ([column(signal=0, values=[1.0], codes=[1])], "column_type_mismatch"),
        ([column(signal=STATUS, values=[1.0], codes=[1])], "column_type_mismatch"),
        ([column(signal=STATUS, values=[1.0])], "column_type_mismatch"),
        ([column(signal=0, codes=[1])], "column_type_mismatch"),
        ([column(signal=STATUS, codes=[len(STATUS_STATES)])], "state_code_out_of_range"),
        ([column(signal=STATUS, codes=[2**32 - 1])], "state_code_out_of_range"),
        ([column(signal=0, values=[1.0]), column(signal=1, values=[math.inf])], "value_out_of_range"),
        ([column(signal=0, values=[-math.inf])], "value_out_of_range"),
    ],
)
def test_a_column_that_makes_no_sense_is_refused(columns: list[pb.Column], code: str) -> None:
    message = pb.Frame(timestamp_us=1, assets=[0], columns=columns)
    with pytest.raises(WireInvalid) as refused:
        decode_frame(message, 1, STATE_SIGNALS)
    assert refused.value.code == code
    assert refused.value.field == "columns"


def decode_event(message: pb.Event) -> object:
    return event_from_wire(message, site_id=SITE, assets=ASSETS)


def decode_any_frame(message: pb.Frame) -> object:
    frame = decode_frame(message, len(ASSETS), STATE_SIGNALS)
    frame_defect(frame, asset_count=len(ASSETS), signal_count=len(CATALOGUE), now_us=0, max_ahead_us=0)
    return frame


def refusal(decode: Callable[..., object], message: Message) -> Rejected | None:
    try:
        decode(message)
    except WireInvalid as refused:
        return refused
    return None


NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
VALID: list[tuple[Message, Callable[..., object]]] = [
    (
        registration_to_wire(
            Registration(
                protocol=1,
                agent_id="gw-1",
                mode=AgentMode.GATEWAY,
                site_id=SITE,
                site_name="Gateway-Test",
                software="edge_agent 0.1",
                assets=tuple(
                    RegisteredAsset(id=asset_id, name="B", capacity_mwhr=40, max_mw=20, min_mw=-20)
                    for asset_id in ASSETS
                ),
                signals=CATALOGUE,
                heartbeat_s=10,
                spool_id=SITE,
                first_seq=1,
                in_force=(
                    InForce(
                        dispatch_id=SITE,
                        asset_id=ASSETS[1],
                        mw=5,
                        active_since=NOON,
                        remaining_s=3,
                        requested_mw=5,
                        site_wide=False,
                        duration_s=10,
                    ),
                ),
            )
        ),
        registration_from_wire,
    ),
    (
        event_to_wire(
            Event(
                id=SITE,
                at=NOON,
                site_id=SITE,
                asset_id=ASSETS[1],
                severity=Severity.WARNING,
                kind=EventKind.RAISED,
                code="inverter_trip",
                message="tripped",
            ),
            {ASSETS[1]: 1},
        ),
        decode_event,
    ),
    (
        command_to_wire(
            Command(dispatch_id=SITE, mw=5, site_wide=True, asset_ids=ASSETS, duration_s=60), now_s=0.0
        ),
        partial(command_from_wire, now_s=0.0),
    ),
    (cancel_to_wire(SITE, ASSETS), cancel_from_wire),
    (
        report_to_wire(
            DispatchReport(
                dispatch_id=SITE,
                at=NOON,
                allocations=tuple(
                    AllocationReport(asset_id=asset_id, state=State.ACTIVE, weight=0.25, mw=3.0)
                    for asset_id in ASSETS
                ),
                unserved_mw=1.0,
                acknowledged_at=NOON,
            )
        ),
        report_from_wire,
    ),
    (
        encode_frame(1, {0: [1.0, 2.0, math.nan], STATUS: [0, 1, UNKNOWN_CODE]}, STATE_SIGNALS, None),
        decode_any_frame,
    ),
]


@given(
    st.sampled_from(VALID),
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=8),
    st.integers(0, 10_000),
)
def test_mutated_bytes_are_refused_or_make_sense(
    case: tuple[Message, Callable[..., object]], changes: list[tuple[int, int]], cut: int
) -> None:
    valid, decode = case
    data = bytearray(valid.SerializeToString())
    for place, byte in changes:
        data[place % len(data)] = byte
    try:
        message = type(valid).FromString(bytes(data[: len(data) - cut % 7]))
    except DecodeError:
        return
    refused = refusal(decode, message)
    assert refused is None or refused.field


def wild(message: Message, data: st.DataObject) -> None:
    """Overwrite a field somewhere in a message with anything its type allows."""
    fields: list[Any] = list(message.DESCRIPTOR.fields)
    chosen = data.draw(st.sampled_from(fields), label="field")
    value: st.SearchStrategy[object]
    if chosen.message_type is not None:
        inner = getattr(message, chosen.name)
        if chosen.is_repeated:
            wild(inner[data.draw(st.integers(0, len(inner) - 1))] if inner else inner.add(), data)
        else:
            wild(inner, data)
        return
    match chosen.type:
        case chosen.TYPE_DOUBLE:
            value = st.floats()
        case chosen.TYPE_STRING:
            value = st.text(st.characters(exclude_categories=["Cs"]), max_size=600)
        case chosen.TYPE_BOOL:
            value = st.booleans()
        case chosen.TYPE_INT64:
            value = st.integers(-(2**63), 2**63 - 1)
        case chosen.TYPE_UINT64:
            value = st.integers(0, 2**64 - 1)
        case chosen.TYPE_UINT32:
            value = st.integers(0, 2**32 - 1)
        case _:
            value = st.integers(-(2**31), 2**31 - 1)
    if chosen.is_repeated:
        repeated = getattr(message, chosen.name)
        repeated.extend([data.draw(value)])
    else:
        setattr(message, chosen.name, data.draw(value))


@pytest.mark.parametrize(("valid", "decode"), VALID, ids=[type(message).__name__ for message, _ in VALID])
@given(data=st.data())
def test_wild_fields_are_refused_or_make_sense(
    valid: Message, decode: Callable[..., object], data: st.DataObject
) -> None:
    message = type(valid).FromString(valid.SerializeToString())
    for _ in range(data.draw(st.integers(1, 3))):
        wild(message, data)
    refused = refusal(decode, message)
    assert refused is None or refused.field


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"protocol": 2}, "protocol_version", "protocol"),
        ({"agent_id": ""}, "invalid", "agent_id"),
        ({"agent_id": "x" * 129}, "invalid", "agent_id"),
        ({"agent_id": "a\x1b[2Jb"}, "invalid", "agent_id"),
        ({"mode": 0}, "invalid", "mode"),
        ({"mode": pb.MODE_SINGLE_ASSET}, "invalid", "assets"),
        ({"site_id": "Gateway-Test"}, "invalid", "site_id"),
        ({"site_name": "two\nlines"}, "invalid", "site_name"),
        ({"software": "x" * 513}, "invalid", "software"),
        ({"heartbeat_s": 0.0}, "invalid", "heartbeat_s"),
        ({"heartbeat_s": math.nan}, "invalid", "heartbeat_s"),
        ({"first_seq": 0}, "invalid", "first_seq"),
        ({"spool_id": "{" + str(SITE) + "}"}, "invalid", "spool_id"),
    ],
)
def test_a_refused_registration_names_the_field(change: dict[str, object], code: str, field: str) -> None:
    message = pb.Register.FromString(VALID[0][0].SerializeToString())
    for name, value in change.items():
        setattr(message, name, value)
    with pytest.raises(WireInvalid) as refused:
        registration_from_wire(message)
    assert (refused.value.code, refused.value.field) == (code, field)


def test_assets_out_of_order_or_named_twice_are_refused() -> None:
    for order in ([1, 0, 2], [0, 0, 2]):
        message = pb.Register.FromString(VALID[0][0].SerializeToString())
        assets = [pb.Asset.FromString(message.assets[place].SerializeToString()) for place in order]
        del message.assets[:]
        message.assets.extend(assets)
        with pytest.raises(WireInvalid, match="ascending"):
            registration_from_wire(message)


def test_places_out_of_range_are_refused() -> None:
    event = pb.Event.FromString(VALID[1][0].SerializeToString())
    event.asset = len(ASSETS)
    with pytest.raises(WireInvalid, match="asset: 3; expected a place in a list of 3"):
        decode_event(event)
    register = pb.Register.FromString(VALID[0][0].SerializeToString())
    register.in_force[0].asset = 2**32 - 1
    with pytest.raises(WireInvalid) as refused:
        registration_from_wire(register)
    assert refused.value.field == "in_force[0].asset"


def test_a_registration_is_bounded() -> None:
    message = pb.Register.FromString(VALID[0][0].SerializeToString())
    message.assets.extend([message.assets[0]] * MAX_ASSETS)
    with pytest.raises(WireInvalid, match="100000"):
        registration_from_wire(message)


def test_a_command_for_one_asset_names_exactly_one() -> None:
    for asset_ids in ([], [str(ASSETS[0]), str(ASSETS[1])]):
        message = pb.Setpoint(dispatch_id=str(SITE), mw=1.0, asset_ids=asset_ids, expires_at_s=1)
        with pytest.raises(WireInvalid) as refused:
            command_from_wire(message, now_s=0.0)
        assert refused.value.field == "asset_ids"


@pytest.mark.parametrize("duration_s", [0.0, -1.0, math.inf, math.nan, 1e10])
def test_a_command_needs_a_duration_that_makes_sense(duration_s: float) -> None:
    message = pb.Setpoint(dispatch_id=str(SITE), mw=1.0, asset_ids=[str(SITE)], duration_s=duration_s)
    with pytest.raises(WireInvalid) as refused:
        command_from_wire(message, now_s=0.0)
    assert refused.value.field == "duration_s"


def test_ids_are_told_apart_whatever_their_case() -> None:
    twice = [str(ASSETS[0]), str(ASSETS[0]).upper()]
    with pytest.raises(WireInvalid, match="only once"):
        command_from_wire(
            pb.Setpoint(dispatch_id=str(SITE), mw=1.0, site_wide=True, asset_ids=twice), now_s=0.0
        )
    allocations = [
        pb.DispatchReport.Allocation(asset_id=i, state=pb.DispatchReport.STATE_ACTIVE) for i in twice
    ]
    with pytest.raises(WireInvalid, match="only once"):
        report_from_wire(pb.DispatchReport(dispatch_id=str(SITE), at_us=1, allocations=allocations))


@given(st.integers(1, micros(datetime.max.replace(tzinfo=UTC))))
def test_times_are_exact(value_us: int) -> None:
    assert micros(read_time("at_us", value_us)) == value_us


@pytest.mark.parametrize("value_us", [0, -1, 253_402_300_800_000_000, 2**63 - 1, -(2**63)])
def test_times_out_of_range_are_refused(value_us: int) -> None:
    with pytest.raises(WireInvalid, match="at_us"):
        read_time("at_us", value_us)


def test_naive_times_are_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        micros(datetime(2026, 1, 1))  # noqa: DTZ001 - the point
    east = timezone(timedelta(hours=2))
    assert micros(datetime(2026, 1, 1, 14, tzinfo=east)) == micros(NOON)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=600))
def test_a_text_for_people_is_always_taken(text: str) -> None:
    event = Event(
        id=SITE,
        at=NOON,
        site_id=SITE,
        asset_id=None,
        severity=Severity.INFO,
        kind=EventKind.NOTICE,
        code="driver_failed",
        message=text,
    )
    decoded = event_from_wire(event_to_wire(event, {}), site_id=SITE, assets=())
    assert decoded.message == for_people(text)


@pytest.mark.parametrize("module", ["der_wire.codec", "der_wire.registration"])
def test_an_agent_needs_no_numpy(module: str) -> None:
    program = f"import {module}, sys; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
