"""What the agent does with setpoints and cancels."""

import math
from uuid import UUID, uuid4

import pytest

from der_core.allocation import Weighting
from der_core.assets import AssetType
from der_core.lifecycle import State
from edge_agent.decisions import Condition
from kit.control_bench import GATEWAY_TEST, UNKNOWN, A, B, Bench, C, battery

D1, D2, D3 = (UUID(int=n) for n in (1, 2, 3))


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_starting_agent_releases_every_controllable_asset() -> None:
    bench = Bench(assets=(battery(A), battery(B, asset_type=AssetType.METER)))
    bench.carry_out(bench.control.start(bench.now))
    assert bench.setpoints == {A: None}
    assert bench.in_force() == {}


def test_setpoint_for_one_asset_moves_that_asset_alone(bench: Bench) -> None:
    bench.command(D1, 5.0, B)
    assert bench.setpoints == {B: 5.0}
    assert bench.told(D1, B) == ["acknowledged", "active"]
    acknowledged, active = bench.parts(D1, B)
    assert (acknowledged.raw_mw, acknowledged.clamped_mw, acknowledged.mw) == (5.0, 5.0, 5.0)
    assert active.applied_mw == 5.0
    assert bench.reports[0].unserved_mw == 0.0
    (held,) = bench.control.in_force(bench.now)
    assert (held.dispatch_id, held.asset_id, held.mw, held.remaining_s) == (D1, B, 5.0, None)


def test_site_setpoint_is_split_by_capacity(bench: Bench) -> None:
    decision = bench.command(D1, 12.0, A, B, C, site_wide=True)
    assert bench.setpoints == pytest.approx({A: 7.2, B: 2.4, C: 2.4})
    assert decision.split is not None
    assert len(bench.reports) == 2  # all acknowledged, then all active
    assert [part.state for part in bench.reports[0].allocations] == [State.ACKNOWLEDGED] * 3
    assert [part.state for part in bench.reports[1].allocations] == [State.ACTIVE] * 3


def test_site_setpoint_beyond_what_the_site_can_do_reports_what_is_unserved(bench: Bench) -> None:
    bench.command(D1, 150.0, A, B, C, site_wide=True)
    assert bench.setpoints == pytest.approx({A: 60, B: 20, C: 20})
    assert bench.reports[0].unserved_mw == pytest.approx(50.0)


def test_setpoint_for_one_asset_is_clamped_and_says_so(bench: Bench) -> None:
    bench.command(D1, -25.0, B)
    assert bench.setpoints == {B: -20.0}
    assert bench.parts(D1, B)[0].raw_mw == -25.0
    assert bench.reports[0].unserved_mw == -5.0


def test_weighting_is_the_commands(bench: Bench) -> None:
    bench.conditions[A] = Condition(online=True, soc_pct=10.5)
    bench.command(D1, 4.0, A, B, C, site_wide=True, weighting=Weighting.HEADROOM)
    assert bench.setpoints == pytest.approx({A: 2.4, B: 0.8, C: 0.8})


def test_unknown_asset_is_rejected_and_never_widened(bench: Bench) -> None:
    bench.command(D1, 5.0, UNKNOWN)
    bench.command(D2, 5.0, UNKNOWN, site_wide=True)
    assert bench.setpoints == {}
    assert bench.told(D1, UNKNOWN) == bench.told(D2, UNKNOWN) == ["rejected: unknown_asset"]


def test_unknown_asset_in_a_split_leaves_the_rest_to_the_others(bench: Bench) -> None:
    bench.command(D1, 12.0, A, UNKNOWN, site_wide=True)
    assert bench.setpoints == {A: 12.0}
    assert bench.told(D1, UNKNOWN) == ["rejected: unknown_asset"]


def test_meter_is_not_controllable() -> None:
    bench = Bench(assets=(battery(A, asset_type=AssetType.METER),))
    bench.command(D1, 5.0, A)
    assert bench.setpoints == {}
    assert bench.told(D1, A) == ["rejected: not_controllable"]


@pytest.mark.parametrize("condition", [None, Condition(online=False, soc_pct=50)])
def test_offline_asset_is_rejected_and_left_out_of_the_split(
    bench: Bench, condition: Condition | None
) -> None:
    if condition is None:
        del bench.conditions[A]
    else:
        bench.conditions[A] = condition
    bench.command(D1, 5.0, A)
    bench.command(D2, 8.0, A, B, C, site_wide=True)
    assert bench.told(D1, A) == bench.told(D2, A) == ["rejected: asset_offline"]
    assert bench.setpoints == {B: 4.0, C: 4.0}


@pytest.mark.parametrize(
    ("soc_pct", "mw", "reason"), [(10.0, 5.0, "soc_at_minimum"), (90.0, -5.0, "soc_at_maximum")]
)
def test_soc_forbids_a_direction(bench: Bench, soc_pct: float, mw: float, reason: str) -> None:
    bench.conditions[B] = Condition(online=True, soc_pct=soc_pct)
    bench.command(D1, mw, B)
    assert bench.told(D1, B) == [f"rejected: {reason}"]
    assert bench.setpoints == {}
    bench.command(D2, -mw, B)
    assert bench.setpoints == {B: -mw}


def test_in_a_split_soc_forbids_a_direction_by_a_share_of_nothing(bench: Bench) -> None:
    bench.conditions[A] = Condition(online=True, soc_pct=10.0)
    bench.command(D1, 12.0, A, B, C, site_wide=True)
    assert bench.setpoints == {A: 0.0, B: 6.0, C: 6.0}
    assert bench.parts(D1, A)[-1].note == "soc_at_minimum"


@pytest.mark.parametrize("mw", [math.nan, math.inf, -math.inf])
def test_power_that_is_no_number_is_rejected(bench: Bench, mw: float) -> None:
    bench.command(D1, mw, A)
    bench.command(D2, mw, A, B, site_wide=True)
    assert bench.told(D1, A) == bench.told(D2, B) == ["rejected: invalid"]
    assert bench.setpoints == {}


@pytest.mark.parametrize("duration_s", [0.0, -1.0, math.nan, math.inf])
def test_duration_that_makes_no_sense_is_rejected(bench: Bench, duration_s: float) -> None:
    bench.command(D1, 1.0, A, duration_s=duration_s)
    assert bench.told(D1, A) == ["rejected: invalid"]


def test_two_assets_without_a_split_are_rejected(bench: Bench) -> None:
    bench.command(D1, 1.0, A, B)
    assert bench.told(D1, A) == bench.told(D1, B) == ["rejected: invalid"]


@pytest.mark.parametrize(("expires_in_s", "waited_s"), [(0.0, 0.0), (5.0, 5.0), (5.0, 60.0)])
def test_expired_setpoint_is_not_applied(bench: Bench, expires_in_s: float, waited_s: float) -> None:
    bench.command(D1, 1.0, A, expires_in_s=expires_in_s, waited_s=waited_s)
    assert bench.told(D1, A) == ["rejected: expired_on_arrival"]
    assert bench.setpoints == {}


def test_repeated_setpoint_is_answered_and_not_applied_again(bench: Bench) -> None:
    bench.command(D1, 12.0, A, B, C, site_wide=True)
    written = len(bench.writes)
    bench.conditions[A] = Condition(online=False)
    bench.command(D1, 12.0, A, B, C, site_wide=True)
    assert len(bench.writes) == written
    assert [part.state for part in bench.reports[-1].allocations] == [State.ACTIVE] * 3
    assert bench.reports[-1].unserved_mw == 0.0


def test_setpoint_repeated_after_its_end_stays_ended(bench: Bench) -> None:
    bench.command(D1, 5.0, A, duration_s=10)
    bench.pass_time(10)
    bench.command(D1, 5.0, A, duration_s=10)
    assert bench.told(D1, A) == ["acknowledged", "active", "completed", "completed"]
    assert bench.setpoints == {A: None}
    assert bench.in_force() == {}


def test_repeated_rejected_setpoint_stays_rejected(bench: Bench) -> None:
    bench.conditions[A] = Condition(online=False)
    bench.command(D1, 5.0, A)
    bench.conditions[A] = Condition(online=True)
    bench.command(D1, 5.0, A)
    assert bench.told(D1, A) == ["rejected: asset_offline"] * 2
    assert bench.setpoints == {}


def test_newer_setpoint_supersedes_the_older_one_there_alone(bench: Bench) -> None:
    bench.command(D1, 12.0, A, B, C, site_wide=True)
    bench.command(D2, 1.0, B)
    assert bench.told(D1, B)[-1] == f"superseded: superseded_by {D2}"
    assert bench.in_force() == {A: D1, B: D2, C: D1}
    assert bench.setpoints[B] == 1.0


def test_rejected_newer_setpoint_leaves_the_older_one_in_force(bench: Bench) -> None:
    bench.command(D1, 5.0, A)
    bench.conditions[A] = Condition(online=False)
    bench.command(D2, 7.0, A)
    assert bench.in_force() == {A: D1}
    assert bench.told(D1, A) == ["acknowledged", "active"]


def test_failed_write_leaves_the_older_setpoint_in_force(bench: Bench) -> None:
    bench.command(D1, 5.0, A)
    bench.failures[A] = ("driver_error", True)
    bench.command(D2, 7.0, A)
    assert bench.told(D2, A) == ["acknowledged", "failed: driver_error"]
    assert bench.in_force() == {A: D1}
    assert bench.control.next_deadline_s() is None


def test_failed_write_at_one_asset_does_not_touch_the_others(bench: Bench) -> None:
    bench.failures[A] = ("driver_error", True)
    bench.command(D1, 12.0, A, B, C, site_wide=True)
    assert bench.told(D1, A) == ["acknowledged", "failed: driver_error"]
    assert bench.in_force() == {B: D1, C: D1}


def test_write_of_unknown_outcome_is_put_right(bench: Bench) -> None:
    bench.command(D1, 5.0, A)
    bench.failures[A] = ("driver_timeout", False)
    bench.command(D2, 7.0, A)
    bench.setpoints[A] = 7.0  # it was taken after all
    bench.failures.clear()
    bench.pass_time(10)
    assert bench.told(D2, A) == ["acknowledged", "failed: driver_timeout"]
    assert bench.in_force() == {A: D1}
    assert bench.setpoints == {A: 5.0}


def test_cancel_returns_the_assets_to_rest(bench: Bench) -> None:
    bench.command(D1, 12.0, A, B, C, site_wide=True)
    bench.cancel(D1)
    assert bench.setpoints == {A: None, B: None, C: None}
    assert bench.told(D1, A) == ["acknowledged", "active", "cancelled"]
    assert bench.in_force() == {}


def test_cancel_of_some_assets_leaves_the_others(bench: Bench) -> None:
    bench.command(D1, 12.0, A, B, C, site_wide=True)
    bench.cancel(D1, B)
    assert bench.in_force() == {A: D1, C: D1}


def test_cancel_of_what_is_over_is_answered_and_moves_nothing(bench: Bench) -> None:
    bench.command(D1, 5.0, A)
    bench.command(D2, 6.0, A)
    written = len(bench.writes)
    bench.cancel(D1)
    assert len(bench.writes) == written
    assert bench.told(D1, A)[-1] == f"superseded: superseded_by {D2}"
    assert bench.in_force() == {A: D2}


def test_cancel_of_an_unknown_dispatch_is_passed_over(bench: Bench) -> None:
    decision = bench.cancel(uuid4())
    assert not decision.writes
    assert not decision.reports


def test_plant_is_limited_by_what_the_sun_allows() -> None:
    bench = Bench(assets=(battery(A, asset_type=AssetType.PV), *GATEWAY_TEST[1:]))
    bench.conditions[A] = Condition(online=True, available_mw=1.0)
    bench.command(D1, 12.0, A, B, site_wide=True)
    assert bench.setpoints == {A: 1.0, B: 11.0}
    assert bench.parts(D1, A)[-1].note == "available_power"
