"""Frames read together give what they would give one after the other, whatever is wrong with some of them."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from der_core.signals import CATALOGUE, Signal
from der_core.telemetry import frame_defect, occurrences
from der_headend import intake
from der_headend.agents import Session
from der_headend.fleet import Fleet
from der_headend.ports import Rows
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import UNKNOWN_CODE
from der_wire.fields import WireInvalid
from der_wire.frames import decode_frame, plain_frame
from kit.headend import INVENTORY, A, B, C, NotingLink, World, gateway

NOW_US = 1_780_000_000_000_000
HOME = (CATALOGUE[0], CATALOGUE[4], CATALOGUE[3])
FOREIGN = (CATALOGUE[3], Signal("status", "", "", states=("fault", "idle", "asleep")), CATALOGUE[0])
ASSETS = ((A, B, C), (B,), (A, C))
"""Of sessions whose assets overlap, as when one follows another."""

SESSION = World().sessions.open(gateway(), peer="", link=NotingLink())

LATER_FIELD = b"\x7a\x06later!"
"""A field of a later protocol; it takes the room of one value, or of eight codes."""


def sessions_of(fleet: Fleet) -> list[tuple[Session, Sequence[Signal]]]:
    return [
        (replace(SESSION, binding=fleet.bind([fleet.slot_of[a] for a in asset_ids], signals)), signals)
        for asset_ids in ASSETS
        for signals in (HOME, FOREIGN)
    ]


def arrival(session: Session, seq: int, frame: bytes, *, new: bool) -> intake.Arrival:
    return intake.Arrival(session, seq, frame, intake.plain(session, frame), new)


good_values = st.sampled_from([0.0, 1.5, -2.0, float("nan")])
good_codes = st.sampled_from([0, 1, 2, UNKNOWN_CODE])
wild_values = st.sampled_from([float("nan"), float("inf"), 2e9])
wild_codes = st.sampled_from([UNKNOWN_CODE, 7, 127, 128, 256, 2**32 - 1])


@st.composite
def good_frames(draw: st.DrawFn, asset_count: int, signals: Sequence[Signal]) -> pb.Frame:
    places = draw(st.just([]) | st.lists(st.integers(0, asset_count - 1), min_size=1, unique=True))
    size = len(places) or asset_count
    frame = pb.Frame(timestamp_us=NOW_US - draw(st.integers(0, 2)), assets=places)
    for signal in draw(st.lists(st.integers(0, 2), unique=True, max_size=2)):
        if signals[signal].states:
            codes = draw(st.lists(good_codes, min_size=size, max_size=size))
            frame.columns.add(signal=signal, codes=codes)
        else:
            values = draw(st.lists(good_values, min_size=size, max_size=size))
            frame.columns.add(signal=signal, values=values)
    return frame


CHANGES = ("time", "assets", "signal", "repeat", "values", "codes", "later")


@st.composite
def wild_frames(draw: st.DrawFn, asset_count: int, signals: Sequence[Signal]) -> pb.Frame:
    """A good frame, with one or two things changed for the worse, or only for the unusual."""
    frame = draw(good_frames(asset_count, signals))
    for change in draw(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=2)):
        column = draw(st.sampled_from(frame.columns)) if frame.columns else frame.columns.add()
        match change:
            case "time":
                frame.timestamp_us = draw(st.sampled_from([0, -1, NOW_US + intake.MAX_AHEAD_US + 1]))
            case "assets":
                frame.assets[-1:] = [draw(st.integers(0, asset_count))]
            case "signal":
                column.signal = draw(st.integers(0, 12))
            case "repeat":
                frame.columns.append(column)
            case "values":
                column.values[-1:] = draw(st.lists(wild_values, max_size=2))
            case "codes":
                column.codes[-1:] = draw(st.lists(wild_codes, max_size=2))
            case "later":
                column.MergeFromString(LATER_FIELD)
    return frame


@given(st.data())
def test_a_usual_frame_is_read_off_its_bytes(data: st.DataObject) -> None:
    frame = data.draw(good_frames(300, FOREIGN))
    plain = plain_frame(frame.SerializeToString(), assets=300, signals=3, state_signals={1: 3})
    assert plain is not None
    size = len(frame.assets) or 300
    assert plain.timestamp_us == frame.timestamp_us
    assert (None if plain.places is None else plain.places.tolist()) == (list(frame.assets) or None)
    assert plain.signals == tuple(column.signal for column in frame.columns)
    for column, written in zip(frame.columns, plain.columns, strict=True):
        values = np.frombuffer(written, np.uint8 if column.codes else np.float64)
        np.testing.assert_array_equal(values, column.codes or column.values)
        assert values.shape == (size,)


@st.composite
def bytes_of_frames(draw: st.DrawFn) -> bytes:
    """A frame's bytes, with some others here and there."""
    data = draw(good_frames(3, FOREIGN)).SerializeToString()
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=3)) + data[at + draw(st.integers(0, 3)) :]
    return data


EMPTY_ASSETS = b"\x08\x01\x12\x00"
TOO_SHORT = pb.Frame(timestamp_us=1, columns=[pb.Column(signal=0, values=[1.0] * 4)]).SerializeToString()[:-8]


@given(bytes_of_frames())
@example(EMPTY_ASSETS)
@example(TOO_SHORT)
def test_what_is_read_off_bytes_is_what_protobuf_reads(data: bytes) -> None:
    plain = plain_frame(data, assets=3, signals=3, state_signals={1: 3})
    if plain is None:
        return
    frame = pb.Frame.FromString(data)
    assert plain.timestamp_us == frame.timestamp_us
    assert (None if plain.places is None else plain.places.tolist()) == (list(frame.assets) or None)
    assert plain.signals == tuple(column.signal for column in frame.columns)
    for column, written in zip(frame.columns, plain.columns, strict=True):
        codes = column.signal == 1
        values = np.frombuffer(written, np.uint8 if codes else np.float64)
        np.testing.assert_array_equal(
            values, np.array(column.codes if codes else column.values, values.dtype)
        )
        assert values.shape == (len(frame.assets) or 3,)
        assert not (column.values if codes else column.codes)


@pytest.mark.parametrize("data", [EMPTY_ASSETS, TOO_SHORT, b"", b"\x08", b"\x08\x01\x1a\x7f"])
def test_odd_bytes_are_left_to_the_judge(data: bytes) -> None:
    assert plain_frame(data, assets=3, signals=3, state_signals={}) is None
    samples, refused = intake.read([arrival(SESSION, 1, data, new=True)], now_us=NOW_US)
    assert len(samples) + len(refused) == 1


@dataclass
class OneByOne:
    """What each asset shows, what is stored and what is set aside, if frames are taken one after the other."""

    shown: dict[tuple[int, str], float] = field(default_factory=dict)
    newest_us: Counter[int] = field(default_factory=Counter)
    stored: list[tuple[int, int, str, str]] = field(default_factory=list)
    refused: list[tuple[int, str]] = field(default_factory=list)

    def take(self, fleet: Fleet, arrival: intake.Arrival, catalogue: Sequence[Signal]) -> None:
        slots, layout = arrival.session.binding.slots, arrival.session.binding.layout
        try:
            frame = decode_frame(pb.Frame.FromString(arrival.frame), slots.shape[0], layout.states)
        except WireInvalid as invalid:
            self.refused.append((arrival.seq, invalid.code))
            return
        defect = frame_defect(
            frame,
            asset_count=slots.shape[0],
            signal_count=len(catalogue),
            now_us=NOW_US,
            max_ahead_us=intake.MAX_AHEAD_US,
        )
        if defect is not None:
            self.refused.append((arrival.seq, defect))
            return
        for row, slot in enumerate(slots[frame.assets].tolist()):
            fresh = self.newest_us[slot] <= frame.timestamp_us
            if fresh:
                self.newest_us[slot] = frame.timestamp_us
            for place, column in frame.columns.items():
                signal, value = catalogue[place], float(column[row])
                if signal.states and not np.isnan(value):
                    value = float(fleet.states[signal.name].index(signal.states[int(value)]))
                if fresh:
                    self.shown[slot, signal.name] = value
                if arrival.new:
                    self.stored.append((slot, frame.timestamp_us, signal.name, repr(value)))


@pytest.mark.parametrize("frames", [good_frames, wild_frames])
@given(data=st.data())
def test_frames_read_together_give_what_they_would_give_one_by_one(
    frames: Callable[[int, Sequence[Signal]], st.SearchStrategy[pb.Frame]], data: st.DataObject
) -> None:
    fleet = Fleet(INVENTORY)
    sessions = sessions_of(fleet)
    arrivals: list[intake.Arrival] = []
    expected = OneByOne()
    for seq in range(data.draw(st.integers(0, 6))):
        session, signals = data.draw(st.sampled_from(sessions))
        frame = data.draw(frames(session.binding.slots.shape[0], signals))
        arrivals.append(arrival(session, seq, frame.SerializeToString(), new=data.draw(st.booleans())))
        expected.take(fleet, arrivals[-1], signals)

    samples, refused = intake.read(arrivals, now_us=NOW_US)
    fleet.apply([s.rows for s in samples], [s.arrived for s in samples])

    assert sorted((r.arrival.seq, r.reason) for r in refused) == expected.refused
    stored = [
        (slot, at_us, name, repr(value))
        for s in samples
        for name, column in s.rows.only(s.new).columns.items()
        for slot, at_us, value in zip(
            s.rows.only(s.new).slots.tolist(),
            s.rows.only(s.new).timestamps_us.tolist(),
            column.tolist(),
            strict=True,
        )
    ]
    assert sorted(stored) == sorted(expected.stored)
    assert fleet.timestamp_us.tolist() == [expected.newest_us[slot] for slot in range(len(fleet.assets))]
    for name, column in fleet.columns.items():
        shown = [expected.shown.get((slot, name), float("nan")) for slot in range(len(fleet.assets))]
        np.testing.assert_array_equal(column, shown)


@pytest.mark.parametrize(
    "column",
    [
        pb.Column(signal=0, values=[1.0] * 8),
        pb.Column.FromString(pb.Column(signal=0, values=[1.0] * 8).SerializeToString() + LATER_FIELD),
        pb.Column(signal=1, codes=[1] * 8),
        pb.Column(signal=1, codes=[1] * 7 + [128]),
        pb.Column.FromString(pb.Column(signal=1, codes=[1]).SerializeToString() + LATER_FIELD),
        pb.Column(signal=1, codes=[1] * 8 + [256]),
        pb.Column(signal=1, codes=[200] * 9, values=[1.0]),
        pb.Column(signal=0, values=[1.0] * 9, codes=[1]),
        pb.Column(signal=1),
    ],
)
def test_a_column_that_only_looks_like_nine_values_is_not_plain(column: pb.Column) -> None:
    frame = pb.Frame(timestamp_us=1, columns=[column])
    assert plain_frame(frame.SerializeToString(), assets=9, signals=2, state_signals={1: 3}) is None


@given(st.lists(st.integers(0, 4), max_size=12))
def test_occurrences_count_what_stands_before(numbers: list[int]) -> None:
    expected = [numbers[:place].count(number) for place, number in enumerate(numbers)]
    assert occurrences(np.array(numbers, np.int64)).tolist() == expected


@pytest.mark.parametrize(
    ("assets", "reasons"),
    [
        ([0, 2], []),
        ([2, 0], []),
        ([0, 0], ["asset_index_repeated"]),
        ([0, 3], ["asset_index_out_of_range"]),
    ],
)
def test_a_frame_may_name_its_assets_in_any_order_but_each_once(
    assets: list[int], reasons: list[str]
) -> None:
    frame = pb.Frame(timestamp_us=NOW_US, assets=assets, columns=[pb.Column(signal=0, values=[1.0, 2.0])])
    samples, refused = intake.read([arrival(SESSION, 1, frame.SerializeToString(), new=True)], now_us=NOW_US)
    assert [r.reason for r in refused] == reasons
    slots = SESSION.binding.slots.tolist()
    expected = [] if reasons else [{slots[assets[0]]: 1.0, slots[assets[1]]: 2.0}]
    assert [
        dict(zip(s.rows.slots.tolist(), s.rows.columns["current_mw"].tolist(), strict=True)) for s in samples
    ] == expected


@pytest.fixture
def put_each(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples the fleet puts in place at a time."""
    put, sizes = Fleet._put, list[int]()

    def noted(self: Fleet, rows: Rows) -> None:
        sizes.append(rows.size)
        put(self, rows)

    monkeypatch.setattr(Fleet, "_put", noted)
    return sizes


def test_the_backlog_of_one_agent_costs_nothing_for_each_of_the_others(
    put_each: list[int],
) -> None:
    fleet = Fleet(INVENTORY)
    backlog = Rows(timestamps_us=np.arange(1, 51), slots=np.zeros(50, np.int64), columns={})
    others = [Rows(timestamps_us=np.array([1]), slots=np.array([1]), columns={}) for _ in range(20)]
    fleet.apply([backlog, *others], [np.arange(50), *(np.array([50 + n]) for n in range(20))])
    assert put_each == [1] * 70
    assert fleet.timestamp_us.tolist()[:2] == [50, 1]


def test_the_backlog_of_agents_in_order_is_put_in_place_at_once_the_newest_of_each_asset(
    put_each: list[int],
) -> None:
    fleet = Fleet(INVENTORY)
    slots = np.tile(np.array([0, 2]), 25)
    mw = np.arange(50.0)
    backlog = Rows(timestamps_us=np.repeat(np.arange(1, 26), 2), slots=slots, columns={"current_mw": mw})
    other = Rows(timestamps_us=np.array([7]), slots=np.array([1]), columns={"soc_pct": np.array([50.0])})
    fleet.apply([backlog, other], [np.arange(50), np.array([50])])
    assert put_each == [2, 1]
    assert fleet.timestamp_us.tolist()[:3] == [25, 7, 25]
    assert fleet.numbers("current_mw", np.array([0, 1, 2])) == [48.0, None, 49.0]
