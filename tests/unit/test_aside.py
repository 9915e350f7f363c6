"""What is made aside comes in order, from a thread, and what goes wrong there is told here."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from der_runtime.aside import made_aside


async def test_items_are_made_in_a_thread_while_the_loop_goes_on() -> None:
    may_go_on, makers = threading.Event(), set[int]()

    def items() -> Iterator[int | None]:
        for item in (1, None, 0):
            assert may_go_on.wait(timeout=10.0)
            makers.add(threading.get_ident())
            yield item

    asyncio.get_running_loop().call_later(0.01, may_go_on.set)
    assert [item async for item in made_aside(items())] == [1, None, 0]
    assert threading.get_ident() not in makers


async def test_what_goes_wrong_is_raised_where_it_is_awaited() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("two")

    made = made_aside(items())
    assert await anext(made) == 1
    with pytest.raises(ValueError, match="two"):
        await anext(made)
