"""The soak in short, and that it would notice."""

import pytest

from soak.run import Memory, Outcome, run


def seen(
    *,
    exit_code: int = 0,
    links: int = 2,
    trouble: tuple[str, ...] = (),
    samples_mb: tuple[float, ...] = (50.0,) * 20,
) -> Outcome:
    memory = (Memory("headend", samples_mb),)
    return Outcome(exit_code=exit_code, sites=2, links=links, trouble=trouble, memory=memory)


def test_a_demo_left_alone_stays_connected_and_says_nothing() -> None:
    outcome = run(duration_s=20.0, every_s=2.0)
    assert outcome.sites == 2
    assert {each.name for each in outcome.memory} == {"der", "headend", "agent 1", "agent 2"}
    assert outcome.complaints(most_growth_mb=None) == []


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (seen(exit_code=1), "exit code 1"),
        (seen(links=3), "links came up 3 times for 2 sites"),
        (seen(trouble=("… [warning  ] link lost",)), "link lost"),
        (seen(samples_mb=tuple(50.0 + n for n in range(20))), "headend grew by 11.0 MB"),
    ],
)
def test_it_notices(outcome: Outcome, says: str) -> None:
    (complaint,) = outcome.complaints(most_growth_mb=3.0)
    assert says in complaint


def test_a_warm_up_and_a_single_spike_are_no_growth() -> None:
    warm = (30.0, 40.0, 45.0, 49.0, *(50.0,) * 15, 90.0)
    assert seen(samples_mb=warm).complaints(most_growth_mb=3.0) == []
