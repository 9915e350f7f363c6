"""Telemetry read off its bytes is what protobuf reads, or is left to it; a bundle of records is what it writes."""

from random import Random

import pytest
from google.protobuf.message import DecodeError
from hypothesis import given
from hypothesis import strategies as st

from der_wire._gen import agent_link_pb2 as pb
from der_wire.uplinks import Telemetry, bundle, read_telemetry
from der_wire.varints import read_varint, varint

MOST = 4

numbers = st.sampled_from([0, 1, 127, 128, 300, 2**31, 2**32, 2**63 - 1])
frames = st.builds(
    pb.Frame,
    timestamp_us=st.sampled_from([0, 1, 1_780_000_000_000_000]),
    assets=st.lists(st.integers(0, 300), max_size=3),
    columns=st.lists(
        st.builds(pb.Column, signal=st.integers(0, 200), values=st.lists(st.floats())), max_size=2
    ),
)
records = st.builds(pb.Record, seq=numbers, frame=frames)
beats = st.builds(pb.Heartbeat, at_us=numbers, spooled_records=numbers)
several = st.lists(records, max_size=MOST).map(lambda each: pb.Records(records=each))
telemetry = st.builds(pb.Uplink, more=st.booleans(), record=records) | st.builds(
    pb.Uplink, more=st.booleans(), records=several, beat=beats
)


def by_protobuf(message: bytes) -> Telemetry:
    uplink = pb.Uplink.FromString(message)
    found = [uplink.record] if uplink.HasField("record") else uplink.records.records
    return Telemetry(
        [(record.seq, record.frame.SerializeToString()) for record in found],
        uplink.more,
        uplink.beat if uplink.HasField("beat") else None,
    )


@given(telemetry, st.randoms(use_true_random=False))
def test_telemetry_is_read_as_protobuf_reads_it_in_whichever_order_its_fields_are(
    uplink: pb.Uplink, order: Random
) -> None:
    parts = [pb.Uplink(**{field.name: value}).SerializeToString() for field, value in uplink.ListFields()]
    order.shuffle(parts)
    message = b"".join(parts)
    assert read_telemetry(message, most=MOST) == by_protobuf(message)


LATER = b"\x7a\x06later!"
FRAME = pb.Frame(timestamp_us=1, columns=[pb.Column(signal=0, values=[1.0])])
ONE = pb.Uplink(record=pb.Record(seq=1, frame=FRAME)).SerializeToString()


@pytest.mark.parametrize(
    "message",
    [
        b"",
        ONE + LATER,
        ONE + ONE,
        b"\x28\x01" + ONE + b"\x28\x01",
        ONE[:-1],
        ONE + b"\x32\x7f",
        ONE + b"\x32\x02\x08\xff",
        b"\x12\x00",
        b"\x12\x02\x08\x01",
        b"\x12" + b"\x80" * 12,
        pb.Uplink(heartbeat=pb.Heartbeat(at_us=1)).SerializeToString(),
        pb.Uplink(record=pb.Record(seq=1, event=pb.Event(id="x"))).SerializeToString(),
        pb.Uplink(record=pb.Record(seq=2**64 - 1, frame=FRAME)).SerializeToString(),
        pb.Uplink(
            records=pb.Records(records=[pb.Record(seq=n, frame=FRAME) for n in range(MOST + 1)])
        ).SerializeToString(),
        pb.Uplink(
            records=pb.Records(
                records=[pb.Record(seq=1, frame=FRAME), pb.Record(seq=2, event=pb.Event(id="x"))]
            )
        ).SerializeToString(),
        b"\x12" + varint(len(LATER) + 2) + b"\x08\x01" + LATER,
        b"\x12" + varint(len(LATER) + 2) + b"\x12\x00" + LATER,
    ],
)
def test_all_else_is_left_to_protobuf(message: bytes) -> None:
    assert read_telemetry(message, most=MOST) is None


@st.composite
def almost(draw: st.DrawFn) -> bytes:
    """Telemetry's bytes, with some others here and there."""
    data = draw(telemetry).SerializeToString()
    for _ in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=3)) + data[at + draw(st.integers(0, 3)) :]
    return data


@given(almost())
def test_whatever_is_read_protobuf_reads_too(message: bytes) -> None:
    found = read_telemetry(message, most=MOST)
    if found is None:
        return
    try:
        expected = by_protobuf(message)
    except DecodeError:  # a frame that is none: it is told when it is read
        assert any(undecodable(frame) for _, frame in found.frames)
    else:
        assert (found.more, found.beat, len(found.frames)) == (
            expected.more,
            expected.beat,
            len(expected.frames),
        )
        for (seq, frame), (expected_seq, expected_frame) in zip(found.frames, expected.frames, strict=True):
            assert seq == expected_seq
            assert pb.Frame.FromString(frame) == pb.Frame.FromString(expected_frame)


def undecodable(frame: bytes) -> bool:
    try:
        pb.Frame.FromString(frame)
    except DecodeError:
        return True
    return False


@given(st.integers(0, 2**63 - 1), st.binary(max_size=3))
def test_a_number_survives(number: int, before: bytes) -> None:
    data = before + varint(number)
    assert read_varint(data, len(before)) == (number, len(data))


@given(
    records=st.dictionaries(st.integers(1, 2**40), st.integers(-(2**40), 2**40), min_size=1, max_size=70),
    more=st.booleans(),
)
def test_a_bundle_is_the_ordinary_message(records: dict[int, int], more: bool) -> None:
    frames = {seq: pb.Frame(timestamp_us=at_us) for seq, at_us in records.items()}
    bodies = [(seq, pb.Record(frame=frame).SerializeToString()) for seq, frame in frames.items()]
    together = pb.Records(records=[pb.Record(seq=seq, frame=frame) for seq, frame in frames.items()])
    assert pb.Uplink.FromString(bundle(bodies, more=more)) == pb.Uplink(records=together, more=more)
