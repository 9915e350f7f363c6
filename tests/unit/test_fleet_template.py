"""The fleet simulator's bytes are those of protobuf."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from der_core.signals import CATALOGUE
from der_fleet.faults import without
from der_fleet.template import FrameTemplate, Values
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import state_signals
from der_wire.uplinks import uplink_head

STATES = frozenset(state_signals(CATALOGUE))
NOW_US = 1_767_225_600_123_456


def columns(signals: tuple[int, ...], count: int, seed: int = 1) -> dict[int, Values]:
    rng = np.random.default_rng(seed)
    made: dict[int, Values] = {}
    for signal in signals:
        if signal in STATES:
            made[signal] = rng.integers(0, 6, count, dtype=np.uint8)
        else:
            made[signal] = np.where(rng.random(count) < 0.2, np.nan, rng.normal(size=count))
    return made


def ordinary(values: dict[int, Values], rows: slice, at_us: int) -> pb.Frame:
    return pb.Frame(
        timestamp_us=at_us,
        columns=[
            pb.Column(signal=signal, codes=column[rows].tolist())
            if signal in STATES
            else pb.Column(signal=signal, values=column[rows])
            for signal, column in values.items()
        ],
    )


@settings(max_examples=60)
@given(
    assets=st.integers(1, 300),
    gateways=st.integers(1, 4),
    signals=st.sets(st.integers(0, len(CATALOGUE) - 1), min_size=1).map(tuple),
    at_us=st.integers(2**49, 2**56 - 1),
    seq=st.integers(0, 2**40),
    more=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_a_patched_frame_is_the_ordinary_message(
    assets: int, gateways: int, signals: tuple[int, ...], at_us: int, seq: int, more: bool, seed: int
) -> None:
    values = columns(signals, assets * gateways, seed)
    bodies = FrameTemplate(assets=assets, signals=signals, states=STATES).bodies(at_us, values)
    assert len(bodies) == gateways
    for gateway, body in enumerate(bodies):
        frame = ordinary(values, slice(gateway * assets, (gateway + 1) * assets), at_us)
        sent = pb.Uplink.FromString(uplink_head(seq, len(body), more=more) + body)
        expected = pb.Uplink(record=pb.Record(seq=seq, frame=frame), more=more)
        assert sent.SerializeToString(deterministic=True) == expected.SerializeToString(deterministic=True)


def test_silent_assets_are_left_out() -> None:
    values = columns((0, 4), 5)
    (body,) = FrameTemplate(assets=5, signals=(0, 4), states=STATES).bodies(NOW_US, values)
    frame = pb.Record.FromString(without(body, {1, 3}, 5)).frame
    assert (frame.timestamp_us, list(frame.assets)) == (NOW_US, [0, 2, 4])
    np.testing.assert_array_equal(frame.columns[0].values, values[0][[0, 2, 4]])
    assert list(frame.columns[1].codes) == values[4][[0, 2, 4]].tolist()
