"""Records that were spooled under another inventory or catalogue, renumbered for this one."""

import math

from hypothesis import given
from hypothesis import strategies as st

from der_wire._gen import agent_link_pb2 as pb
from edge_agent.layout import Layout, renumber

SIGNALS = (("power", ()), ("status", ("idle", "running", "failed")), ("soc", ()))
BEFORE = Layout(("a", "b", "c"), SIGNALS)


def frame(*columns: pb.Column, assets: tuple[int, ...] = ()) -> pb.Record:
    return pb.Record(seq=7, frame=pb.Frame(timestamp_us=1, assets=assets, columns=columns))


def test_same_assets_in_other_places() -> None:
    record = frame(pb.Column(signal=0, values=[1.0, 2.0, 3.0]))
    assert renumber(record, BEFORE, Layout(("c", "x", "a", "b"), SIGNALS))
    assert list(record.frame.assets) == [2, 3, 0]
    assert list(record.frame.columns[0].values) == [1.0, 2.0, 3.0]
    assert (record.seq, record.frame.timestamp_us) == (7, 1)


def test_asset_that_is_gone_is_left_out() -> None:
    record = frame(pb.Column(signal=0, values=[1.0, 2.0]), assets=(0, 2))
    assert renumber(record, BEFORE, Layout(("c",), SIGNALS))
    assert (list(record.frame.assets), list(record.frame.columns[0].values)) == ([0], [2.0])
    assert not renumber(
        frame(pb.Column(signal=0, values=[1.0]), assets=(1,)), BEFORE, Layout(("c",), SIGNALS)
    )


def test_signals_and_states_go_by_their_names() -> None:
    after = Layout(BEFORE.assets, (("status", ("failed", "idle")), ("power", ())))
    record = frame(
        pb.Column(signal=1, codes=[0, 1, 2]),
        pb.Column(signal=2, values=[5.0, 5.0, 5.0]),
        pb.Column(signal=0, values=[1.0, math.nan, 3.0]),
    )
    assert renumber(record, BEFORE, after)
    status, power = record.frame.columns
    assert (status.signal, list(status.codes)) == (0, [1, 255, 0])
    assert power.signal == 1
    assert math.isnan(power.values[1])


def test_events_follow_their_asset_and_reports_name_it_themselves() -> None:
    after = Layout(("c", "a"), SIGNALS)
    event = pb.Record(event=pb.Event(asset=0))
    assert renumber(event, BEFORE, after)
    assert event.event.asset == 1
    assert not renumber(pb.Record(event=pb.Event(asset=1)), BEFORE, after)
    of_agent, report = (
        pb.Record(event=pb.Event(code="x")),
        pb.Record(report=pb.DispatchReport(dispatch_id="d")),
    )
    assert renumber(of_agent, BEFORE, after)
    assert renumber(report, BEFORE, after)
    assert not of_agent.event.HasField("asset")


def test_note_holds_it_all() -> None:
    assert Layout.decoded(BEFORE.encoded()) == BEFORE


names = st.lists(st.sampled_from("abcdefgh"), unique=True, min_size=1).map(tuple)


@given(names, names, st.data())
def test_every_asset_keeps_its_values(
    before: tuple[str, ...], after: tuple[str, ...], data: st.DataObject
) -> None:
    places = data.draw(st.lists(st.sampled_from(range(len(before))), unique=True, min_size=1))
    record = frame(pb.Column(signal=0, values=[float(place) for place in places]), assets=tuple(places))
    left = {before[place]: float(place) for place in places if before[place] in after}
    assert renumber(record, Layout(before, SIGNALS), Layout(after, SIGNALS)) is bool(left)
    if left:
        values = record.frame.columns[0].values
        assert dict(zip((after[p] for p in record.frame.assets), values, strict=True)) == left
