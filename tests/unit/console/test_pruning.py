"""In the headend NiceGUI does not go through the tasks of all agents when it has nothing to prune."""

import asyncio

import pytest
from nicegui.slot import Slot

from der_console.mounting import create_app


async def test_tasks_are_looked_through_only_if_there_is_something_to_prune(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create_app()
    looks = 0

    def all_tasks() -> set[asyncio.Task[object]]:
        nonlocal looks
        looks += 1
        return set()

    with monkeypatch.context() as watched:
        watched.setattr(asyncio.tasks, "all_tasks", all_tasks)
        watched.setattr(Slot, "stacks", {})
        await Slot.prune_stacks()
        assert looks == 0
        Slot.stacks[1] = []
        await Slot.prune_stacks()
        assert looks == 1
        assert not Slot.stacks
