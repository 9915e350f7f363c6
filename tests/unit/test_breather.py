"""Between the pieces of long work all else goes on for as long as a piece takes, if there is anything else."""

import asyncio
from time import perf_counter

from der_runtime.breather import Breather
from der_runtime.clock import ManualClock
from der_runtime.right_of_way import LONGEST_S, RightOfWay

PIECE_S = 0.01
TURN_S = 0.001


def busy(for_s: float) -> None:
    end_s = perf_counter() + for_s
    while perf_counter() < end_s:
        pass


async def test_others_have_as_much_of_the_loop_as_the_work() -> None:
    had = 0

    async def others() -> None:
        nonlocal had
        while True:
            busy(TURN_S)
            had += 1
            await asyncio.sleep(0)

    going_on = asyncio.create_task(others())
    breather = Breather(None)
    busy(PIECE_S)
    await breather.pause()
    going_on.cancel()
    assert had > 1


async def test_the_work_goes_on_at_once_when_nobody_else_has_something_to_do() -> None:
    breather = Breather(None)
    breather._since_s -= 60.0
    async with asyncio.timeout(20.0):
        await breather.pause()


async def test_the_work_waits_while_a_command_is_under_way() -> None:
    clock = ManualClock()
    right_of_way = RightOfWay(clock)
    breather = Breather(right_of_way)
    right_of_way.begin("a command")
    pausing = asyncio.create_task(breather.pause())
    await clock.run_for(LONGEST_S / 2)
    assert not pausing.done()
    right_of_way.end("a command")
    await clock.run_for(LONGEST_S / 4)
    assert pausing.done()
