"""The comparison finds what was planted, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from chaos.compare import Finding, compare
from chaos.logbook import Produced, Said, SpoolSaid, Trace, Write
from chaos.stored import Record, Step, Stored

A, B, DISPATCH = "asset-a", "asset-b", "dispatch-1"
DONE_US = 1_000_000
SUBMITTED_US = 600

BY_AGENT = "agent gateway-1"


@dataclass
class Case:
    """A run in which everything went well, until a test plants something."""

    produced: Produced = field(default_factory=Produced)
    stored: Stored = field(default_factory=Stored)
    accepted: dict[str, int] = field(default_factory=lambda: {DISPATCH: SUBMITTED_US})
    warned: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        for seq in range(1, 5):
            trace = Trace("spool", seq * 100, seq)
            for asset in (A, B):
                self.produced.samples[asset, seq] = (1.5, trace)
                self.stored.samples[asset, seq] = [1.5]
        self.produced.events["event-1"] = Trace("spool", 500, 5)
        self.stored.events["event-1"] = "inverter_trip"
        self.stored.open_sessions["gateway-1"] = 1
        self.says("acknowledged", "active", "completed")
        self.writes(A, DISPATCH, None)
        self.recorded(
            "submitted",
            "queued",
            "sent",
            (BY_AGENT, "acknowledged"),
            (BY_AGENT, "active"),
            (BY_AGENT, "completed"),
        )

    def says(self, *states: str) -> None:
        """What the agent has reported of the dispatch."""
        self.produced.said[DISPATCH, A] = [
            Said(state, None, 600, Trace("spool", 600, n)) for n, state in enumerate(states, 6)
        ]

    def writes(self, asset: str, *dispatches: str | None, applied: bool = True) -> None:
        """For which dispatches, or for none, the agent has written to its driver."""
        self.produced.writes = [Write(asset, dispatch, 5.0, 600, applied) for dispatch in dispatches]

    def recorded(self, *steps: str | tuple[str, str], reason: str | None = None) -> None:
        """What the headend has on record; the reason is that of the last step."""
        known = [("headend", step) if isinstance(step, str) else step for step in steps]
        last = len(known) - 1
        course = tuple(Step(s, 600, by, reason if n == last else None) for n, (by, s) in enumerate(known))
        self.stored.dispatches[DISPATCH] = Record(course[-1].state, SUBMITTED_US, {A: course})

    def findings(self) -> Sequence[Finding]:
        return compare(
            self.produced, self.stored, accepted=self.accepted, warned=self.warned, until_us=DONE_US
        )

    def found(self) -> dict[str, int]:
        """What was found, by how often."""
        return {finding.what: finding.count for finding in self.findings() if finding.count}


@pytest.fixture
def case() -> Case:
    return Case()


def test_a_run_without_loss_has_no_findings(case: Case) -> None:
    assert case.found() == {}


def test_a_lost_sample_is_found(case: Case) -> None:
    del case.stored.samples[A, 3]
    assert case.found() == {"samples lost": 1}


def test_a_sample_stored_twice_is_found(case: Case) -> None:
    case.stored.samples[A, 3] = [1.5, 1.5]
    assert case.found() == {"samples stored twice": 1}


def test_a_sample_with_another_value_and_one_of_nobody_are_found(case: Case) -> None:
    case.stored.samples[A, 3] = [None]
    case.stored.samples[A, 99] = [1.5]
    assert case.found() == {"samples with another value": 1, "samples that no agent produced": 1}


def test_what_the_spool_had_not_kept_when_the_agent_died_may_be_missing(case: Case) -> None:
    case.produced.samples[A, 5] = (1.5, Trace("spool", 550, None))
    assert case.found() == {}


def test_what_came_after_the_end_may_be_missing(case: Case) -> None:
    case.produced.samples[A, 5] = (1.5, Trace("spool", DONE_US + 1, 9))
    assert case.found() == {}


def test_a_lost_event_and_a_record_that_was_set_aside_are_found(case: Case) -> None:
    case.stored.events = {"event-2": "record_set_aside"}
    assert case.found() == {"events lost": 1, "records set aside": 1}


def test_what_a_full_spool_says_it_dropped_is_not_lost(case: Case) -> None:
    for asset in (A, B):
        del case.stored.samples[asset, 1], case.stored.samples[asset, 2]
    case.produced.spools["spool"] = SpoolSaid(first_seq=3, dropped=2)
    assert case.found() == {"records that a full spool dropped, and said so": 2}


def test_more_missing_than_the_spool_dropped_is_lost(case: Case) -> None:
    for asset in (A, B):
        del case.stored.samples[asset, 1], case.stored.samples[asset, 2]
    case.produced.spools["spool"] = SpoolSaid(first_seq=3, dropped=1)
    assert case.found() == {"samples lost": 2, "records that a full spool dropped, and said so": 1}


def test_what_is_missing_above_where_the_spool_begins_is_lost(case: Case) -> None:
    del case.stored.samples[A, 4]
    case.produced.spools["spool"] = SpoolSaid(first_seq=3, dropped=50)
    assert case.found() == {"samples lost": 1}


def test_a_forgotten_dispatch_is_found_unless_it_was_warned_of(case: Case) -> None:
    del case.stored.dispatches[DISPATCH]
    assert case.found() == {"dispatches forgotten": 1}
    case.warned = {DISPATCH}
    assert not any(finding.condemns for finding in case.findings())


def test_a_dispatch_that_was_forgotten_and_made_anew_is_found(case: Case) -> None:
    case.accepted[DISPATCH] = SUBMITTED_US - 5_000
    assert case.found() == {"dispatches forgotten": 1}


def test_a_dispatch_that_does_not_end_is_found(case: Case) -> None:
    case.recorded("submitted", "queued", "sent", (BY_AGENT, "acknowledged"), (BY_AGENT, "active"))
    assert case.found() == {"dispatches without a final state": 1}


@pytest.mark.parametrize("said", [("acknowledged", "active", "failed"), ("acknowledged", "active"), ()])
def test_an_end_that_the_agent_did_not_report_is_untrue(case: Case, said: Sequence[str]) -> None:
    case.says(*said)
    assert case.found() == {"dispatches with an untrue state": 1}


def test_completed_though_never_written_is_untrue(case: Case) -> None:
    case.writes(A, None)
    assert case.found() == {"dispatches with an untrue state": 1}


def test_expired_though_the_agent_had_it_is_untrue(case: Case) -> None:
    case.recorded("submitted", "queued", "expired", reason="ttl_over")
    assert case.found()["dispatches with an untrue state"] == 1


def test_expired_and_never_sent_is_true(case: Case) -> None:
    case.produced.said.clear()
    case.writes(A, None)
    case.recorded("submitted", "queued", "expired", reason="ttl_over")
    assert case.found() == {}


def test_rejected_though_applied_is_untrue(case: Case) -> None:
    case.says("rejected")
    case.recorded("submitted", "queued", "sent", (BY_AGENT, "rejected"), reason="asset_offline")
    assert case.found() == {"dispatches with an untrue state": 1}


def test_an_end_by_the_headend_needs_a_documented_reason(case: Case) -> None:
    case.recorded("submitted", "queued", "sent", "failed", reason="no_answer_within_ttl")
    assert case.found() == {
        "parts ended by the headend while their agent had them": 1,
        "parts that were applied, and whose record does not show when": 1,
    }
    case.recorded("submitted", "queued", "sent", "failed", reason="no idea")
    assert case.found()["dispatches with an untrue state"] == 1


def test_a_setpoint_applied_twice_is_found(case: Case) -> None:
    case.writes(A, DISPATCH, None, DISPATCH, None)
    assert case.found() == {"setpoints applied twice": 1}


def test_an_asset_left_on_a_command_is_found_but_a_write_that_failed_is_none(case: Case) -> None:
    case.produced.writes.append(Write(B, None, None, 700, applied=True))
    case.produced.writes.append(Write(B, "dispatch-2", 5.0, 800, applied=False))
    assert case.found() == {}
    case.produced.writes.append(Write(B, "dispatch-3", 5.0, 900, applied=True))
    assert case.found() == {"assets left on a command": 1}


def test_sessions_open_twice_are_found(case: Case) -> None:
    case.stored.open_sessions["gateway-1"] = 2
    assert case.found() == {"sessions open twice": 1}
