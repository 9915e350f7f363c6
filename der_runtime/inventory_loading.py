"""Reading an inventory beside the event loop: signals are heard meanwhile, and a long reading says how far it is."""

import asyncio
import time
from pathlib import Path

from der_core.assets import Inventory
from der_runtime.inventory_file import load_inventory
from der_runtime.logs import get_logger

PROGRESS_EVERY_S = 5.0

_log = get_logger(__name__)


class _Stopped(Exception):
    pass


async def load_unless_stopped(
    path: Path, stop: asyncio.Event, *, progress_every_s: float = PROGRESS_EVERY_S
) -> Inventory | None:
    """The inventory in a file, read in a thread; ``None`` if ``stop`` is set before it is read.

    Raises:
        InventoryFileInvalid: as ``load_inventory``.
    """
    say_at_s = time.monotonic() + progress_every_s

    def progress(share: float) -> None:
        nonlocal say_at_s
        if stop.is_set():
            raise _Stopped
        if time.monotonic() >= say_at_s:
            say_at_s = time.monotonic() + progress_every_s
            _log.info("reading the inventory", path=str(path), percent=round(share * 100))

    try:
        return await asyncio.to_thread(load_inventory, path, progress=progress)
    except _Stopped:
        return None
