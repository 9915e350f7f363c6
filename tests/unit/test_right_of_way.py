"""Commands have the right of way, and all else its share of the time."""

import asyncio

import pytest

from der_runtime.clock import ManualClock
from der_runtime.right_of_way import LATELY_S, LONGEST_S, RightOfWay

STEP_S = 0.01


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def right_of_way(clock: ManualClock) -> RightOfWay:
    return RightOfWay(clock)


def test_it_is_taken_while_a_command_is_under_way(right_of_way: RightOfWay) -> None:
    assert not right_of_way.taken()
    right_of_way.begin("a")
    right_of_way.begin("b")
    right_of_way.end("a")
    assert right_of_way.taken()
    right_of_way.end("a")
    right_of_way.end("b")
    assert not right_of_way.taken()


def test_a_command_that_is_not_answered_has_it_for_a_moment_only(
    right_of_way: RightOfWay, clock: ManualClock
) -> None:
    right_of_way.begin("a")
    clock.advance(LONGEST_S - STEP_S)
    right_of_way.begin("a")
    assert right_of_way.taken()
    clock.advance(STEP_S)
    assert not right_of_way.taken()
    clock.advance(60.0)
    assert not right_of_way.taken()
    assert right_of_way.given_s == pytest.approx(LONGEST_S)


@pytest.mark.parametrize("look_s", [0.0002, 0.001, 0.01])
def test_a_command_without_end_has_half_of_the_time_however_often_somebody_looks(
    right_of_way: RightOfWay, clock: ManualClock, look_s: float
) -> None:
    taken_s = 0.0
    for look in range(int(5.0 / look_s)):
        if look * look_s % 0.1 < look_s:
            right_of_way.begin(look)
        taken_s += look_s * right_of_way.taken()
        clock.advance(look_s)
    assert taken_s == pytest.approx(2.5, rel=0.15)
    assert right_of_way.given_s == pytest.approx(taken_s, rel=0.15)


def test_commands_without_end_leave_all_else_half_of_the_time(
    right_of_way: RightOfWay, clock: ManualClock
) -> None:
    taken = 0
    for turn in range(1000):
        right_of_way.begin(turn)
        taken += right_of_way.taken()
        clock.advance(STEP_S)
        right_of_way.end(turn)
    assert 400 <= taken <= 600
    assert right_of_way.given_s == pytest.approx(5.0, rel=0.1)


@pytest.mark.parametrize("piece_s", [0.0005, 0.001, 0.01, 0.1])
async def test_who_works_in_pieces_has_half_of_the_time_while_commands_never_end(
    right_of_way: RightOfWay, clock: ManualClock, piece_s: float
) -> None:
    began_s, worked_s = clock.monotonic(), 0.0
    for piece in range(int(5.0 / piece_s)):
        right_of_way.begin(piece)
        waiting = asyncio.create_task(right_of_way.free())
        while not waiting.done():
            await clock.run_for(0.0001)
        clock.advance(piece_s)
        worked_s += piece_s
    assert worked_s / (clock.monotonic() - began_s) >= 0.4


def test_a_command_that_was_never_answered_takes_nothing_from_the_next(
    right_of_way: RightOfWay, clock: ManualClock
) -> None:
    right_of_way.begin("a")
    clock.advance(60.0)
    right_of_way.begin("b")
    assert right_of_way.taken()
    clock.advance(LONGEST_S - STEP_S)
    assert right_of_way.taken()


def test_commands_with_pauses_between_them_have_it_each_time(
    right_of_way: RightOfWay, clock: ManualClock
) -> None:
    for turn in range(1000):
        right_of_way.begin(turn)
        clock.advance(STEP_S)
        assert right_of_way.taken()
        right_of_way.end(turn)
        clock.advance(STEP_S)
    assert right_of_way.given_s == pytest.approx(10.0)


def test_after_a_command_the_next_is_reckoned_with_for_a_while(
    right_of_way: RightOfWay, clock: ManualClock
) -> None:
    assert not right_of_way.lately()
    right_of_way.begin("a")
    right_of_way.end("a")
    clock.advance(LATELY_S - STEP_S)
    assert right_of_way.lately()
    clock.advance(STEP_S)
    assert not right_of_way.lately()


async def test_who_waits_goes_on_when_it_is_free(right_of_way: RightOfWay, clock: ManualClock) -> None:
    right_of_way.begin("a")
    waiting = asyncio.create_task(right_of_way.free())
    await clock.run_for(LONGEST_S / 2)
    assert not waiting.done()
    right_of_way.end("a")
    await clock.run_for(2 * STEP_S)
    assert waiting.done()
