"""Between the pieces of long work all else goes on for as long as a piece takes, if there is anything else."""

import asyncio
from time import perf_counter

from der_runtime.breather import Breather

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
    breather = Breather()
    busy(PIECE_S)
    await breather.pause()
    going_on.cancel()
    assert had > 1


async def test_the_work_goes_on_at_once_when_nobody_else_has_something_to_do() -> None:
    breather = Breather()
    breather._since_s -= 60.0
    async with asyncio.timeout(20.0):
        await breather.pause()
