"""Python's collector: it looks the less often the more agents are connected."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from der_headend import collector
from kit.scripted_headend import until


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)


@pytest.mark.parametrize(("agents", "young"), [(0, 2_000), (200, 2_000), (10_000, 100_000)])
async def test_the_more_agents_there_are_the_less_often_it_looks(agents: int, young: int) -> None:
    gc.set_threshold(1, 1, 1)
    keeping = asyncio.create_task(collector.keep_pace(lambda: agents))
    await until(lambda: gc.get_threshold()[0] != 1)
    assert gc.get_threshold() == (young, 50, 80)
    keeping.cancel()
