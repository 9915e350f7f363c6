"""Of those who come together a few pass in each turn of the loop, and none while a command goes first."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from der_runtime.clock import ManualClock
from der_runtime.gate import AT_ONCE, Gate
from der_runtime.right_of_way import LONGEST_S, RightOfWay


class Entrance:
    """A gate that is kept, and in which order who came has passed."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.right_of_way = RightOfWay(self.clock)
        self.gate = Gate(self.right_of_way)
        self.passed: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []

    def come(self, *visitors: int) -> None:
        self.tasks += [asyncio.create_task(self._pass(each)) for each in visitors]

    async def _pass(self, visitor: int) -> None:
        await self.gate.passed(visitor)
        self.passed.append(visitor)


@pytest.fixture
async def entrance() -> AsyncIterator[Entrance]:
    entrance = Entrance()
    keeping = asyncio.create_task(entrance.gate.run())
    yield entrance
    for task in (keeping, *entrance.tasks):
        task.cancel()
    await asyncio.gather(keeping, *entrance.tasks, return_exceptions=True)


async def test_one_who_comes_alone_passes_at_once() -> None:
    entrance = Entrance()  # nobody keeps it
    for visitor in range(3 * AT_ONCE):
        await asyncio.sleep(0)
        entrance.come(visitor)
    await asyncio.gather(*entrance.tasks)
    assert entrance.passed == list(range(3 * AT_ONCE))


async def test_of_many_a_few_pass_in_each_turn_and_all_in_their_order(entrance: Entrance) -> None:
    entrance.come(*range(10 * AT_ONCE))
    most, before = 0, 0
    for _ in range(40):
        await asyncio.sleep(0)
        most, before = max(most, len(entrance.passed) - before), len(entrance.passed)
    assert entrance.passed == list(range(10 * AT_ONCE))
    assert most == AT_ONCE


async def test_who_comes_later_does_not_overtake_those_who_wait(entrance: Entrance) -> None:
    entrance.right_of_way.begin("a command")
    entrance.come(0, 1)
    await entrance.clock.run_for(LONGEST_S / 4)
    entrance.right_of_way.end("a command")
    entrance.come(2)
    await entrance.clock.run_for(LONGEST_S / 4)
    assert entrance.passed == [0, 1, 2]


async def test_nobody_passes_while_a_command_is_under_way(entrance: Entrance) -> None:
    entrance.right_of_way.begin("a command")
    entrance.come(*range(3))
    await entrance.clock.run_for(LONGEST_S / 2)
    assert entrance.passed == []
    entrance.right_of_way.end("a command")
    await entrance.clock.run_for(LONGEST_S / 4)
    assert entrance.passed == [0, 1, 2]


async def test_a_command_that_is_never_answered_does_not_keep_it_shut(entrance: Entrance) -> None:
    entrance.right_of_way.begin("a command")
    entrance.come(1)
    await entrance.clock.run_for(2 * LONGEST_S)
    assert entrance.passed == [1]


async def test_who_is_let_pass_does_not_wait_for_the_others(entrance: Entrance) -> None:
    entrance.right_of_way.begin("a command")
    entrance.come(0, 1, 2)
    await entrance.clock.run_for(LONGEST_S / 4)
    entrance.gate.let_pass(1)
    entrance.gate.let_pass(7)
    await entrance.clock.run_for(LONGEST_S / 4)
    assert entrance.passed == [1]


async def test_one_who_goes_away_holds_up_nobody(entrance: Entrance) -> None:
    entrance.right_of_way.begin("a command")
    entrance.come(0, 1)
    await entrance.clock.run_for(LONGEST_S / 4)
    entrance.tasks[0].cancel()
    await asyncio.sleep(0)
    entrance.right_of_way.end("a command")
    await entrance.clock.run_for(LONGEST_S / 4)
    assert entrance.passed == [1]
