"""Clocks: the real one keeps its deadlines, the manual one wakes exactly who is due, in order."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from der_runtime.clock import Clock, ManualClock, SystemClock, wait_until


async def test_the_system_clock_is_aware_and_sleeps_until_its_deadline() -> None:
    clock: Clock = SystemClock()
    deadline_s = clock.monotonic() + 0.02

    await clock.sleep_until(deadline_s)

    assert clock.monotonic() >= deadline_s
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=5)
    await asyncio.wait_for(clock.sleep_until(clock.monotonic() - 10), timeout=1)


async def test_time_passes_from_deadline_to_deadline_and_woken_tasks_may_sleep_again() -> None:
    clock = ManualClock(monotonic_s=0.0)
    seen: list[tuple[str, float]] = []

    async def tick(name: str, every_s: float) -> None:
        while True:
            await clock.sleep_until(clock.monotonic() + every_s)
            seen.append((name, clock.monotonic()))

    tasks = [asyncio.create_task(tick(name, every_s), name=name) for name, every_s in (("a", 4), ("b", 6))]
    await clock.run_for(13)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert seen == [("a", 4), ("b", 6), ("a", 8), ("b", 12), ("a", 12)]
    assert clock.monotonic() == 13
    assert clock.next_deadline_s is None


async def test_a_leap_wakes_everybody_who_is_due_in_order_and_nobody_else() -> None:
    clock = ManualClock(monotonic_s=0.0)
    woken: list[float] = []

    async def sleeper(deadline_s: float) -> None:
        await clock.sleep_until(deadline_s)
        woken.append(deadline_s)

    tasks = [asyncio.create_task(sleeper(s), name=str(s)) for s in (3.0, 1.0, 9.0, 2.0)]
    await clock.run_for(0)
    clock.advance(5)
    await clock.run_for(0)

    assert woken == [1.0, 2.0, 3.0]
    assert clock.next_deadline_s == 9.0
    tasks[2].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert clock.next_deadline_s is None


def test_wall_time_follows_and_can_be_set_without_touching_monotonic_time() -> None:
    clock = ManualClock(start=datetime(2026, 3, 1, tzinfo=UTC), monotonic_s=5.0)

    clock.advance(90)
    clock.step_wall_time(-3600)

    assert clock.now() == datetime(2026, 2, 28, 23, 1, 30, tzinfo=UTC)
    assert clock.monotonic() == 95.0
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-1)


async def test_a_wait_ends_with_the_event_or_with_the_deadline() -> None:
    clock = ManualClock(monotonic_s=0.0)
    event = asyncio.Event()

    by_deadline = asyncio.create_task(wait_until(event, clock=clock, deadline_s=4), name="by-deadline")
    await clock.run_for(3)
    assert not by_deadline.done()
    await clock.run_for(1)
    assert await by_deadline is False

    by_event = asyncio.create_task(wait_until(event, clock=clock, deadline_s=100), name="by-event")
    without_deadline = asyncio.create_task(
        wait_until(event, clock=clock, deadline_s=None), name="no-deadline"
    )
    await clock.run_for(1)
    event.set()
    assert await by_event is True
    assert await without_deadline is True
    assert clock.next_deadline_s is None


async def test_a_cancelled_wait_leaves_nothing_behind() -> None:
    clock = ManualClock()
    wait = asyncio.create_task(wait_until(asyncio.Event(), clock=clock, deadline_s=2000), name="wait")
    await clock.run_for(1)

    wait.cancel()
    await asyncio.gather(wait, return_exceptions=True)

    assert clock.next_deadline_s is None
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("turns", range(5))
async def test_a_message_and_the_deadline_may_come_together(turns: int) -> None:
    clock, event = ManualClock(), asyncio.Event()
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    waiting = asyncio.create_task(wait_until(event, clock=clock, deadline_s=clock.monotonic() + 1.0))
    await asyncio.sleep(0.01)
    clock.advance(1.0)
    for _ in range(turns):
        await asyncio.sleep(0)
    event.set()
    await waiting
    await asyncio.sleep(0.01)
    assert complaints == []
