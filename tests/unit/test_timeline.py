"""Lists in order of time: every entry on one page, and a page costs what is on it."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from uuid import UUID

import pytest

from der_core.assets import Inventory
from der_core.dispatch import Dispatch
from der_core.events import EventKind
from der_core.request import DispatchRequest
from der_headend.alarms import Alarms
from der_headend.ports import DispatchQuery, EventQuery, Page, StoredEvent
from der_headend.timeline import Timeline
from kit import records
from kit.calls import calls_of
from kit.headend import INVENTORY, SITE, A, World

ENTRIES = 100


def timeline_of(entries: Iterable[StoredEvent]) -> tuple[Timeline, dict[UUID, StoredEvent]]:
    known = {entry.event.id: entry for entry in entries}
    timeline = Timeline()
    for entry in known.values():
        timeline.add(entry.event.at, entry.event.id)
    return timeline, known


@pytest.mark.parametrize("limit", [1, 7, ENTRIES - 1, ENTRIES, ENTRIES + 1])
def test_page_after_page_each_entry_comes_once_newest_first(limit: int) -> None:
    entries = [StoredEvent(records.event(n // 3)) for n in range(ENTRIES)]
    timeline, known = timeline_of(entries)
    found: list[StoredEvent] = []
    cursor: str | None = None
    while True:
        page = timeline.page(known, EventQuery(limit=limit, cursor=cursor))
        found += page.items
        if (cursor := page.next_cursor) is None:
            break
        assert len(page.items) == limit
    assert found == sorted(entries, key=lambda entry: (entry.event.at, entry.event.id), reverse=True)


def alarms_of(count: int) -> Callable[[], Page[StoredEvent]]:
    alarms = Alarms()
    for n in range(count):
        alarms.note(records.event(n, kind=EventKind.RAISED, code=f"trip_{n}"))
    return partial(alarms.page, EventQuery(limit=5))


def dispatches_of(count: int) -> Callable[[], Page[Dispatch]]:
    assets = [
        replace(asset, id=UUID(int=n), site_id=SITE)
        for n, asset in enumerate(count * [INVENTORY.assets[A]], start=1)
    ]
    world = World(inventory=Inventory(INVENTORY.sites.values(), assets))
    for asset in assets:
        asyncio.run(world.dispatcher.submit(DispatchRequest(mw=1.0, asset_id=asset.id)))
    return partial(world.dispatcher.open_page, DispatchQuery(limit=5))


@pytest.mark.parametrize("pages_of", [alarms_of, dispatches_of])
def test_a_page_costs_the_same_however_long_the_list(pages_of: Callable[[int], Callable[[], object]]) -> None:
    assert calls_of(pages_of(10)) == calls_of(pages_of(50))
