"""How long a setpoint may stay in force: a duration runs out by itself, an open-ended one lives by the link."""

from hypothesis import given
from hypothesis import strategies as st

from der_core.failsafe import Deadline, LeaseEnd, lease_deadline

seconds = st.floats(0, 1e6)


@given(seconds, st.floats(0.1, 1e6), st.none() | seconds, seconds)
def test_a_duration_runs_to_its_end_with_and_without_a_link(
    since_s: float, duration_s: float, lost_s: float | None, failsafe_s: float
) -> None:
    deadline = lease_deadline(
        active_since_s=since_s, duration_s=duration_s, link_lost_at_s=lost_s, failsafe_after_s=failsafe_s
    )
    assert deadline == Deadline(since_s + duration_s, LeaseEnd.DURATION_OVER)


@given(seconds, seconds)
def test_an_open_ended_one_has_no_end_while_the_link_is_up(since_s: float, failsafe_s: float) -> None:
    assert (
        lease_deadline(
            active_since_s=since_s, duration_s=None, link_lost_at_s=None, failsafe_after_s=failsafe_s
        )
        is None
    )


def test_an_open_ended_one_ends_some_time_after_the_link_was_lost() -> None:
    deadline = lease_deadline(
        active_since_s=10.0, duration_s=None, link_lost_at_s=100.0, failsafe_after_s=60.0
    )
    assert deadline == Deadline(160.0, LeaseEnd.LINK_LOST_FAILSAFE)


@given(seconds, seconds, seconds)
def test_it_always_has_the_full_time(since_s: float, lost_s: float, failsafe_s: float) -> None:
    deadline = lease_deadline(
        active_since_s=since_s, duration_s=None, link_lost_at_s=lost_s, failsafe_after_s=failsafe_s
    )
    assert deadline is not None
    assert deadline.at_s >= max(since_s, lost_s) + failsafe_s
