"""The life of a whole dispatch follows from those of its parts, whatever is reported and in whatever order."""

import math
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from der_core.allocation import Candidate, split
from der_core.assets import Limits
from der_core.dispatch import AllocationReport, Dispatch, DispatchReport, Target, new_allocations
from der_core.lifecycle import FINAL_STATES, State, Transition, restore

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
SITE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
ASSETS = tuple(UUID(f"{digit}ba7b810-9dad-11d1-80b4-00c04fd430c8") for digit in "789a")
PROGRESS = [State.SUBMITTED, State.QUEUED, State.SENT, State.ACKNOWLEDGED, State.ACTIVE]
ENDS = [State.SUPERSEDED, State.CANCELLED, State.FAILED]
SAYABLE = [State.ACKNOWLEDGED, State.ACTIVE, State.COMPLETED, State.REJECTED, *ENDS]


def dispatch_of(size: int) -> Dispatch:
    allocations, stage = new_allocations(dict.fromkeys(ASSETS[:size], 40.0), START, "operator")
    return Dispatch(
        id=UUID(int=1),
        target=Target.SITE,
        asset_id=None,
        site_id=SITE,
        requested_mw=12.0,
        duration_s=None,
        ttl_s=300.0,
        submitted_at=START,
        expires_at=START + timedelta(seconds=300),
        stage=stage,
        allocations=allocations,
    )


def sent(size: int) -> Dispatch:
    dispatch = dispatch_of(size)
    for state in (State.QUEUED, State.SENT):
        dispatch = dispatch.moved(Transition(state, START, "headend"))
    return dispatch


def report(at_s: float, *parts: AllocationReport, unserved_mw: float | None = None) -> DispatchReport:
    at = START + timedelta(seconds=at_s)
    return DispatchReport(dispatch_id=UUID(int=1), at=at, allocations=parts, unserved_mw=unserved_mw)


def said(asset_id: UUID, state: State) -> AllocationReport:
    return AllocationReport(asset_id=asset_id, state=state)


seconds = st.integers(-100, 1000)
asset_sets = st.none() | st.sets(st.sampled_from(ASSETS)).map(frozenset)
moves = st.builds(
    lambda state, at_s, reason, assets: (
        Transition(state, START + timedelta(seconds=at_s), "headend", reason),
        assets,
    ),
    st.sampled_from(State),
    seconds,
    st.none() | st.just("why"),
    asset_sets,
)
spoken = st.builds(
    lambda at_s, acknowledged_s, parts: replace(
        report(at_s, *parts),
        acknowledged_at=None if acknowledged_s is None else START + timedelta(seconds=acknowledged_s),
    ),
    seconds,
    st.none() | seconds,
    st.lists(
        st.builds(said, st.sampled_from(ASSETS), st.sampled_from(SAYABLE)),
        max_size=4,
        unique_by=lambda part: part.asset_id,
    ),
)


def check(dispatch: Dispatch, before: Dispatch) -> None:
    assert restore(dispatch.stage.transitions) == dispatch.stage
    for part in dispatch.allocations:
        assert restore(part.stage.transitions) == part.stage
    assert dispatch.state.final == all(part.state.final for part in dispatch.allocations)
    assert dispatch.stage.transitions[: len(before.stage.transitions)] == before.stage.transitions
    if before.state in {State.ACKNOWLEDGED, State.ACTIVE} and not dispatch.state.final:
        assert PROGRESS.index(dispatch.state) >= PROGRESS.index(before.state)
    if before.state in FINAL_STATES:
        assert dispatch.stage is before.stage


@given(st.integers(1, 4), st.lists(moves | spoken, max_size=15), st.booleans())
def test_the_whole_is_always_in_line_with_its_parts(
    size: int, history: list[tuple[Transition, frozenset[UUID] | None] | DispatchReport], on_its_way: bool
) -> None:
    dispatch = sent(size) if on_its_way else dispatch_of(size)
    for step in history:
        before = dispatch
        if isinstance(step, DispatchReport):
            dispatch = dispatch.reported(step, agent_id="gw-1")
        else:
            dispatch = dispatch.moved(step[0], step[1])
        check(dispatch, before)


@st.composite
def lives(draw: st.DrawFn) -> list[State]:
    """What an honest agent says of one part, in the order in which it happens; perhaps not to the end."""
    end = draw(st.sampled_from([State.REJECTED, *ENDS]))
    told = [State.ACTIVE, draw(st.sampled_from([State.COMPLETED, *ENDS]))]
    life = [State.ACKNOWLEDGED, *draw(st.sampled_from([[end], told]))]
    return life[: draw(st.integers(1, len(life)))]


@given(st.lists(lives(), min_size=1, max_size=4), st.randoms())
def test_the_order_of_reports_does_not_matter_to_whether_it_is_over(
    parts: list[list[State]], chance: random.Random
) -> None:
    reports = [
        report(at_s, said(asset_id, state))
        for asset_id, life in zip(ASSETS, parts, strict=False)
        for at_s, state in enumerate(life)
    ]
    in_order = shuffled = sent(len(parts))
    for each in reports:
        in_order = in_order.reported(each, agent_id="gw-1")
    chance.shuffle(reports)
    for each in reports:
        shuffled = shuffled.reported(each, agent_id="gw-1")
    assert in_order.state.final == shuffled.state.final
    assert in_order.state.final == all(life[-1].final for life in parts)
    for one, other in zip(in_order.allocations, shuffled.allocations, strict=True):
        assert one.state is other.state


def test_a_site_dispatch_from_end_to_end() -> None:
    dispatch = sent(3)
    parts = [
        AllocationReport(asset_id=asset_id, state=State.ACTIVE, weight=weight, mw=mw, applied_mw=mw)
        for asset_id, weight, mw in zip(ASSETS, (0.6, 0.2, 0.2), (7.2, 2.4, 2.4), strict=False)
    ]
    dispatch = dispatch.reported(report(2, *parts, unserved_mw=0.0), agent_id="gw-1")
    assert dispatch.state is State.ACTIVE
    assert dispatch.mw == pytest.approx(12.0)
    assert dispatch.active_at == START + timedelta(seconds=2)
    assert (dispatch.unserved_mw, dispatch.clamped, dispatch.ended_at) == (0.0, False, None)
    ends = [said(asset_id, State.COMPLETED) for asset_id in ASSETS[:3]]
    dispatch = dispatch.reported(report(62, *ends), agent_id="gw-1")
    assert dispatch.state is State.COMPLETED
    assert dispatch.ended_at == START + timedelta(seconds=62)
    assert {part.agent_id for part in dispatch.allocations} == {"gw-1"}


@pytest.mark.parametrize("outcome", [State.ACTIVE, State.FAILED])
def test_one_report_can_tell_when_it_was_acknowledged_and_what_came_of_it(outcome: State) -> None:
    told = replace(report(5, said(ASSETS[0], outcome)), acknowledged_at=START + timedelta(seconds=3))
    dispatch = sent(1).reported(told, agent_id="gw-1")
    for stage in (dispatch.stage, dispatch.allocations[0].stage):
        assert [(t.state, (t.at - START).total_seconds()) for t in stage.transitions[-2:]] == [
            (State.ACKNOWLEDGED, 3),
            (outcome, 5),
        ]


def test_the_record_of_the_whole_keeps_what_its_parts_went_through() -> None:
    dispatch = sent(2).reported(report(1, said(ASSETS[0], State.COMPLETED)), agent_id="gw-1")
    dispatch = dispatch.reported(report(2, said(ASSETS[1], State.FAILED)), agent_id="gw-1")
    assert dispatch.state is State.FAILED
    assert dispatch.active_at == START + timedelta(seconds=1)


def test_one_part_superseded_leaves_the_others_running() -> None:
    dispatch = sent(2).reported(report(1, *(said(a, State.ACTIVE) for a in ASSETS[:2])), agent_id="gw-1")
    dispatch = dispatch.moved(Transition(State.SUPERSEDED, START, "headend", "newer"), [ASSETS[0]])
    assert [part.state for part in dispatch.allocations] == [State.SUPERSEDED, State.ACTIVE]
    assert dispatch.state is State.ACTIVE


def test_a_lost_link_puts_it_back_in_line() -> None:
    dispatch = sent(2).moved(Transition(State.QUEUED, START, "headend", "link_lost"))
    assert dispatch.state is State.QUEUED
    assert dispatch.stage.last.reason == "link_lost"


def test_parts_that_are_not_known_are_passed_over() -> None:
    dispatch = sent(1)
    assert dispatch.reported(report(1, said(ASSETS[3], State.FAILED)), agent_id="gw-1") == dispatch


def test_a_split_made_by_the_headend_is_in_the_record() -> None:
    dispatch = replace(sent(2), requested_mw=50.0)
    fleet = [Candidate(asset_id=a, capacity_mwhr=40.0, limits=Limits(-20, 20)) for a in ASSETS[:2]]
    dispatch = dispatch.with_split(split(50, fleet))
    assert [part.mw for part in dispatch.allocations] == [20, 20]
    assert dispatch.unserved_mw == 10
    assert dispatch.clamped
    assert dispatch.mw is not None
    assert math.isclose(dispatch.mw, 40)


def test_what_was_asked_before_the_headend_clamped_it_stays_when_the_agent_tells_what_it_got() -> None:
    fleet = [Candidate(asset_id=a, capacity_mwhr=40.0, limits=Limits(-20, 20)) for a in ASSETS[:2]]
    dispatch = replace(sent(2), requested_mw=50.0).with_split(split(50, fleet))
    told = replace(said(ASSETS[0], State.ACTIVE), raw_mw=20.0, clamped_mw=20.0, mw=20.0)
    part = dispatch.reported(report(1, told), agent_id="gw-1").allocations[0]
    assert (part.raw_mw, part.clamped_mw, part.mw) == (25.0, 20.0, 20.0)


def test_a_part_that_never_became_active_was_given_nothing() -> None:
    fleet = [Candidate(asset_id=a, capacity_mwhr=40.0, limits=Limits(-20, 20)) for a in ASSETS[:2]]
    dispatch = replace(sent(2), requested_mw=12.0).with_split(split(12, fleet))
    dispatch = dispatch.reported(report(1, said(ASSETS[0], State.ACTIVE)), agent_id="gw-1")
    dispatch = dispatch.reported(report(1, said(ASSETS[1], State.REJECTED)), agent_id="gw-1")
    assert (dispatch.mw, dispatch.unserved_mw, dispatch.clamped) == (6.0, 6.0, False)
