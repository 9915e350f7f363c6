"""The life of a dispatch: random histories stay legal, repeats do nothing, and a wrong step does not type-check."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from der_core.lifecycle import (
    FINAL_STATES,
    Acknowledged,
    Active,
    Queued,
    Sent,
    Stage,
    State,
    Submitted,
    Transition,
    advance,
    restore,
    submit,
)

ROOT = Path(__file__).parents[2]
START = datetime(2026, 1, 1, tzinfo=UTC)
ENDS = {State.SUPERSEDED, State.CANCELLED, State.FAILED}
LEGAL: dict[State, set[State]] = {
    State.SUBMITTED: {State.QUEUED, State.REJECTED},
    State.QUEUED: {State.SENT, State.REJECTED, State.EXPIRED, *ENDS},
    State.SENT: {State.ACKNOWLEDGED, State.QUEUED, State.REJECTED, State.EXPIRED, *ENDS},
    State.ACKNOWLEDGED: {State.ACTIVE, State.REJECTED, *ENDS},
    State.ACTIVE: {State.COMPLETED, *ENDS},
}

steps = st.builds(
    Transition,
    state=st.sampled_from(State),
    at=st.integers(-100, 1000).map(lambda seconds: START + timedelta(seconds=seconds)),
    by=st.just("agent gw-1"),
    reason=st.none() | st.just("why"),
)
histories = st.lists(steps, max_size=12)


def run(history: list[Transition]) -> list[Stage]:
    stages: list[Stage] = [submit(START, "operator")]
    for step in history:
        stages.append(advance(stages[-1], step))
    return stages


@given(histories)
def test_a_random_history_is_always_legal(history: list[Transition]) -> None:
    stage = run(history)[-1]
    for before, after in pairwise(stage.transitions):
        assert after.state in LEGAL[before.state]
        assert after.at >= before.at
    assert stage.last.state is stage.state


@given(histories, steps)
def test_a_step_that_is_said_twice_counts_once(history: list[Transition], step: Transition) -> None:
    stage = advance(run(history)[-1], step)
    assert advance(stage, step) is stage


@given(histories)
def test_what_was_recorded_is_restored(history: list[Transition]) -> None:
    for stage in run(history):
        assert restore(stage.transitions) == stage


@given(histories)
def test_the_end_is_the_end(history: list[Transition]) -> None:
    for before, after in pairwise(run(history)):
        if before.state in FINAL_STATES:
            assert after is before


@given(histories)
def test_every_dispatch_can_be_ended(history: list[Transition]) -> None:
    stage = run(history)[-1]
    for state in (State.QUEUED, State.FAILED):
        stage = advance(stage, Transition(state, START, "headend", "restart"))
    assert stage.state.final


def test_the_straight_way() -> None:
    stage = submit(START, "operator").queue(START, "headend").send(START, "headend")
    done = stage.acknowledge(START, "agent").activate(START, "agent").complete(START, "agent")
    assert [t.state for t in done.transitions] == [
        State.SUBMITTED,
        State.QUEUED,
        State.SENT,
        State.ACKNOWLEDGED,
        State.ACTIVE,
        State.COMPLETED,
    ]


@pytest.mark.parametrize("said", [State.ACTIVE, State.COMPLETED])
@pytest.mark.parametrize("sent", [True, False])
def test_a_report_that_overtook_others_says_what_they_would_have(said: State, sent: bool) -> None:
    queued = submit(START, "operator").queue(START, "headend")
    stage = advance(queued.send(START, "headend") if sent else queued, Transition(said, START, "agent"))
    assert stage.state is said
    assert stage.at(State.ACKNOWLEDGED) == stage.at(State.ACTIVE) == START


@pytest.mark.parametrize("stage_type", [Submitted, Queued, Sent, Acknowledged, Active])
def test_advance_takes_every_legal_step(stage_type: type[Stage]) -> None:
    stage = {type(s): s for s in straight_way()}[stage_type]
    for state in LEGAL[stage.state]:
        assert advance(stage, Transition(state, START, "somebody")).state is state


def straight_way() -> list[Stage]:
    queued = (submitted := submit(START, "operator")).queue(START, "headend")
    acknowledged = (sent := queued.send(START, "headend")).acknowledge(START, "agent")
    return [submitted, queued, sent, acknowledged, acknowledged.activate(START, "agent")]


@pytest.mark.parametrize(
    "states",
    [
        [],
        [State.QUEUED],
        [State.SUBMITTED, State.SENT],
        [State.SUBMITTED, State.QUEUED, State.ACTIVE],
        [State.SUBMITTED, State.QUEUED, State.QUEUED],
        [State.SUBMITTED, State.REJECTED, State.QUEUED],
    ],
)
def test_an_illegal_record_is_not_restored(states: list[State]) -> None:
    with pytest.raises(ValueError, match=r"begins as|cannot follow|not enough values"):
        restore(Transition(state, START, "somebody", "why") for state in states)


def test_a_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="aware"):
        submit(datetime(2026, 1, 1), "operator")  # noqa: DTZ001 - the point


def test_time_never_runs_backwards() -> None:
    stage = submit(START, "operator").queue(START - timedelta(hours=1), "headend")
    assert stage.last.at == START


SNIPPET = """
from datetime import UTC, datetime
from der_core.lifecycle import Active, Completed, submit

now = datetime.now(UTC)
active = submit(now, "a").queue(now, "b").send(now, "c").acknowledge(now, "d").activate(now, "e")
done = active.complete(now, "f")
"""


def type_check(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    (folder / "snippet.py").write_text(SNIPPET + program, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--config-file=",
        "--cache-dir",
        str(folder / "cache"),
    ]
    return subprocess.run(
        [*command, str(folder / "snippet.py")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_an_illegal_step_does_not_type_check(tmp_path: Path) -> None:
    legal = type_check("cancelled = active.cancel(now, 'g')\n", tmp_path)
    assert legal.returncode == 0, legal.stdout + legal.stderr
    illegal = type_check("done.activate(now, 'g')\nactive.reject(now, 'h', 'why')\n", tmp_path)
    assert '"Completed" has no attribute "activate"' in illegal.stdout
    assert '"Active" has no attribute "reject"' in illegal.stdout
