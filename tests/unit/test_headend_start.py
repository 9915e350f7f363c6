"""A headend that starts: without its store, or without any assets."""

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from der_core.errors import Defect, Unavailable
from der_headend import factory
from der_headend.headend import prepared
from der_headend.settings import HeadendSettings
from der_runtime.failure import StartFailed
from kit.processes import SHIPPED_INVENTORY


@dataclass
class Start:
    """A preparation that fails so many times; what was done is in ``done``."""

    losses: int = 0
    error: Exception = field(
        default_factory=lambda: Unavailable("database_unavailable", "gone", retry_after_s=1.0)
    )
    done: list[str] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> bool:
        return await prepared(self._prepare, close=self._close, stop=self.stop)

    async def _prepare(self) -> None:
        self.done.append("prepare")
        if self.losses:
            self.losses -= 1
            raise self.error

    async def _close(self) -> None:
        self.done.append("close")
        self.closed.set()


async def test_a_store_that_is_lost_on_the_way_is_opened_again_from_the_beginning() -> None:
    start = Start(losses=1)
    assert await start.run() is True
    assert start.done == ["prepare", "close", "prepare"]


async def test_what_an_operator_must_mend_ends_the_start() -> None:
    start = Start(losses=1, error=StartFailed("no database"))
    with pytest.raises(StartFailed):
        await start.run()


async def test_a_start_that_waits_for_the_store_can_be_stopped() -> None:
    start = Start(losses=1000)
    running = asyncio.create_task(start.run())
    await start.closed.wait()
    start.stop.set()
    assert await running is False


async def test_a_start_that_hangs_can_be_stopped() -> None:
    hanging, stop = asyncio.Event(), asyncio.Event()

    async def prepare() -> None:
        hanging.set()
        await asyncio.Event().wait()

    running = asyncio.create_task(prepared(prepare, close=prepare, stop=stop))
    await hanging.wait()
    stop.set()
    assert await running is False


async def test_a_damaged_schema_is_one_line_of_advice() -> None:
    start = Start(losses=1, error=Defect("database_defect", "relation does not exist"))
    with pytest.raises(StartFailed, match="der db status"):
        await start.run()


@pytest.mark.parametrize(("assets", "warnings"), [(False, 1), (True, 0)])
async def test_an_inventory_without_assets_is_warned_of_once(
    tmp_path: Path, assets: bool, warnings: int
) -> None:
    path = SHIPPED_INVENTORY if assets else tmp_path / "empty.yaml"
    if not assets:
        path.write_text("sites: []\nassets: []\n", encoding="utf-8")
    chosen: dict[str, Any] = {"ASSETS_PATH": str(path), "CONSOLE": "0"}
    with capture_logs() as logs:
        assert await factory.build(HeadendSettings(**chosen), asyncio.Event()) is not None
    told = [line for line in logs if line["log_level"] == "warning"]
    assert [line["path"] for line in told] == warnings * [str(path)]
    assert all("no assets" in line["event"] and "restart" in line["event"] for line in told)
