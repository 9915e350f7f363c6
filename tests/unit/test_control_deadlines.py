"""Durations, the lease on open-ended setpoints, and writes that must succeed in the end."""

from uuid import UUID

import pytest

from der_core.events import EventKind
from edge_agent.control import RETRY_S, WRITE_FAILED
from kit.control_bench import A, B, Bench, C, battery

D1, D2, D3 = (UUID(int=n) for n in (1, 2, 3))
LOST = "link_lost_failsafe"


@pytest.fixture
def bench() -> Bench:
    return Bench(assets=(battery(A, failsafe_mw=-2.0), battery(B), battery(C)))


def alarms(bench: Bench, asset_id: UUID) -> list[tuple[str, EventKind]]:
    return [(alarm.code, alarm.kind) for alarm in bench.alarms if alarm.asset_id == asset_id]


def test_duration_counts_from_active_and_ends_at_rest(bench: Bench) -> None:
    bench.command(D1, 5.0, A, duration_s=30, waited_s=20)
    bench.pass_time(29.9)
    assert bench.setpoints == {A: 5.0}
    (held,) = bench.control.in_force(bench.now)
    assert held.remaining_s == pytest.approx(0.1)
    bench.pass_time(0.2)
    assert bench.setpoints == {A: None}
    assert bench.told(D1, A) == ["acknowledged", "active", "completed"]


def test_duration_of_a_superseded_setpoint_does_not_end_the_newer_one(bench: Bench) -> None:
    bench.command(D1, 5.0, A, duration_s=30)
    bench.pass_time(10)
    bench.command(D2, 6.0, A, duration_s=100)
    bench.pass_time(60)
    assert bench.in_force() == {A: D2}
    assert bench.setpoints == {A: 6.0}


def test_open_ended_setpoint_lives_as_long_as_the_link(bench: Bench) -> None:
    bench.command(D1, 5.0, A)
    bench.pass_time(100_000)
    assert bench.in_force() == {A: D1}


def test_open_ended_setpoint_goes_to_failsafe_when_the_link_stays_away(bench: Bench) -> None:
    bench.command(D1, 5.0, A)
    bench.command(D2, 5.0, B)
    bench.link_lost()
    bench.pass_time(59.9)
    assert bench.setpoints == {A: 5.0, B: 5.0}
    bench.pass_time(0.2)
    assert bench.setpoints == {A: -2.0, B: 0.0}
    assert bench.told(D1, A)[-1] == f"failed: {LOST}"
    assert bench.in_force() == {}
    assert alarms(bench, A) == alarms(bench, B) == [(LOST, EventKind.RAISED)]
    assert alarms(bench, C) == []


def test_lease_counts_from_when_the_headend_was_last_heard(bench: Bench) -> None:
    bench.command(D1, 5.0, A)
    bench.pass_time(30)
    bench.control.link_lost(bench.t - 30)
    bench.pass_time(30.1)
    assert bench.in_force() == {}


def test_timed_setpoint_runs_to_its_end_without_a_link(bench: Bench) -> None:
    bench.command(D1, 5.0, A, duration_s=600)
    bench.link_lost()
    bench.pass_time(599)
    assert bench.in_force() == {A: D1}
    bench.pass_time(2)
    assert bench.told(D1, A)[-1] == "completed"
    assert bench.setpoints == {A: None}
    assert bench.alarms == []


def test_link_that_comes_back_in_time_changes_nothing(bench: Bench) -> None:
    bench.command(D1, 5.0, A)
    bench.link_lost()
    bench.pass_time(59)
    bench.registered()
    bench.pass_time(1000)
    assert bench.in_force() == {A: D1}
    bench.link_lost()
    bench.pass_time(59)
    assert bench.in_force() == {A: D1}


def test_registration_releases_what_is_at_failsafe(bench: Bench) -> None:
    bench.command(D1, 5.0, A)
    bench.link_lost()
    bench.pass_time(100)
    written = len(bench.writes)
    bench.registered()
    assert len(bench.writes) == written + 1
    assert bench.setpoints == {A: None}
    assert alarms(bench, A) == [(LOST, EventKind.RAISED), (LOST, EventKind.CLEARED)]
    bench.registered()
    assert len(bench.writes) == written + 1


def test_newer_setpoint_ends_the_failsafe(bench: Bench) -> None:
    bench.command(D1, 5.0, A)
    bench.link_lost()
    bench.pass_time(100)
    bench.command(D2, 3.0, A)
    assert alarms(bench, A)[-1] == (LOST, EventKind.CLEARED)
    bench.registered()
    assert bench.setpoints == {A: 3.0}


def test_setpoint_that_arrives_without_a_link_has_the_full_lease(bench: Bench) -> None:
    bench.link_lost()
    bench.pass_time(100)
    bench.command(D1, 5.0, A)
    bench.pass_time(59)
    assert bench.in_force() == {A: D1}
    bench.pass_time(2)
    assert bench.in_force() == {}


def test_release_that_fails_is_tried_until_it_works(bench: Bench) -> None:
    bench.command(D1, 5.0, A, duration_s=10)
    bench.failures[A] = ("driver_error", True)
    bench.pass_time(10 + 3 * RETRY_S)
    assert bench.told(D1, A)[-1] == "completed"
    assert bench.setpoints == {A: 5.0}
    assert alarms(bench, A) == [(WRITE_FAILED, EventKind.RAISED)]
    bench.failures.clear()
    bench.pass_time(RETRY_S)
    assert bench.setpoints == {A: None}
    assert alarms(bench, A)[-1] == (WRITE_FAILED, EventKind.CLEARED)
    assert bench.control.next_deadline_s() is None


def test_failsafe_that_fails_is_tried_until_it_works(bench: Bench) -> None:
    bench.command(D1, 5.0, A)
    bench.link_lost()
    bench.failures[A] = ("driver_timeout", False)
    bench.pass_time(62)
    bench.failures.clear()
    bench.pass_time(RETRY_S)
    assert bench.setpoints == {A: -2.0}


def test_newer_setpoint_takes_the_place_of_a_release_that_failed(bench: Bench) -> None:
    bench.command(D1, 5.0, A, duration_s=10)
    bench.failures[A] = ("driver_error", True)
    bench.pass_time(11)
    bench.failures.clear()
    bench.command(D2, 3.0, A)
    bench.pass_time(100)
    assert bench.setpoints == {A: 3.0}


def test_stopping_agent_leaves_commanded_assets_at_failsafe(bench: Bench) -> None:
    bench.command(D1, 5.0, A)
    bench.command(D2, 5.0, B, duration_s=600)
    bench.stop()
    assert bench.setpoints == {A: -2.0, B: 0.0}
    assert bench.told(D1, A)[-1] == bench.told(D2, B)[-1] == "failed: agent_stopped"


def test_stopping_agent_drives_an_asset_whose_release_is_still_due_to_its_failsafe_power(
    bench: Bench,
) -> None:
    bench.command(D1, 5.0, A, duration_s=10)
    bench.failures[A] = ("driver_error", True)
    bench.pass_time(11)
    bench.failures.clear()
    bench.stop()
    assert bench.setpoints == {A: -2.0}
    assert alarms(bench, A)[-1] == (WRITE_FAILED, EventKind.CLEARED)


def test_stopping_agent_drives_an_asset_whose_failsafe_is_still_due_there(bench: Bench) -> None:
    bench.command(D1, 5.0, A)
    bench.link_lost()
    bench.failures[A] = ("driver_timeout", False)
    bench.pass_time(62)
    bench.failures.clear()
    bench.stop()
    assert bench.setpoints == {A: -2.0}


def test_stop_that_an_asset_refuses_is_due_again_until_it_is_taken(bench: Bench) -> None:
    bench.command(D1, 5.0, A)
    bench.command(D2, 5.0, B)
    bench.failures[A] = ("driver_error", True)
    bench.stop()
    assert bench.setpoints == {A: 5.0, B: 0.0}
    assert bench.control.next_deadline_s() is not None
    bench.failures.clear()
    written = len(bench.writes)
    bench.stop()
    assert bench.setpoints == {A: -2.0, B: 0.0}
    assert len(bench.writes) == written + 1
    assert bench.control.next_deadline_s() is None
    assert bench.told(D1, A)[-1] == "failed: agent_stopped"


def test_asset_that_refused_the_stop_gets_its_failsafe_power_when_it_takes_it(bench: Bench) -> None:
    bench.command(D1, 5.0, A)
    bench.failures[A] = ("driver_error", True)
    bench.stop()
    bench.failures.clear()
    bench.pass_time(RETRY_S)
    assert bench.setpoints == {A: -2.0}
