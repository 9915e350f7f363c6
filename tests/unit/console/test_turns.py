"""No piece of the console's work is long, for it may stand in the way of a dispatch. Counted, not timed."""

import types
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterator
from itertools import pairwise
from typing import Any

import pytest
from nicegui import Client
from nicegui.page import page

from der_client import AsyncHeadendClient
from der_client.fake import BATTERY_A, GATEWAY_SITE, FakeHeadend
from der_console.console import Console
from der_console.feeds import fleet as fleet_feed
from der_console.pages import agents, asset, dispatch, events, fleet, site
from der_console.turns import AT_ONCE, LOOKED_AT_AT_ONCE, in_turns

MOST_AT_ONCE = 30
"""Elements of a page that are made before others have their turn: some three milliseconds."""

PAGES: dict[str, Callable[[Console], Coroutine[Any, Any, None]]] = {
    "fleet": fleet.show,
    "asset": lambda console: asset.show(console, BATTERY_A),
    "site": lambda console: site.show(console, GATEWAY_SITE),
    "dispatch": lambda console: dispatch.show(console, asset_id=None, site_id=None),
    "events": events.show,
    "agents": agents.show,
}


@pytest.fixture
async def console() -> AsyncIterator[Console]:
    async with AsyncHeadendClient("http://headend", transport=FakeHeadend().async_transport) as headend:
        made = Console(headend, url="http://headend")
        yield made
        await made.topics.close()


@types.coroutine
def watched(work: Coroutine[Any, Any, None], look: Callable[[], None]) -> Generator[Any, Any, None]:
    """Do the work, and look at it whenever others have their turn and at its end."""
    while True:
        try:
            waits_for = work.send(None)
        except StopIteration:
            return
        finally:
            look()
        yield waits_for


@pytest.mark.parametrize("name", PAGES)
async def test_a_page_is_built_in_small_parts(console: Console, name: str) -> None:
    made = [0]
    with Client(page("")) as client:
        await watched(PAGES[name](console), lambda: made.append(len(client.elements)))
        steps = [after - before for before, after in pairwise(made)]
        client.delete()
    assert made[-1] > MOST_AT_ONCE
    assert max(steps) <= MOST_AT_ONCE


async def test_sites_are_ranked_in_small_parts() -> None:
    looked_at = [0]
    found: list[Any] = []

    def sites() -> Iterator[Any]:
        for n in range(2 * LOOKED_AT_AT_ONCE):
            looked_at[-1] += 1
            yield {
                "name": f"site {n:04}",
                "alarms": int(n == 900),
                "assets_online": n != 999,
                "assets_total": 1,
            }

    async def rank() -> None:
        found.extend(await fleet_feed.listed(sites()))

    await watched(rank(), lambda: looked_at.append(0))
    assert max(looked_at) <= LOOKED_AT_AT_ONCE
    assert [int(site["name"].split()[1]) for site in found] == [900, 999, *range(fleet_feed.SITES_LISTED - 2)]


async def test_everything_has_its_turn() -> None:
    entries = range(2 * AT_ONCE + 1)
    assert [list(some) async for some in in_turns(entries)] == [
        list(entries[:AT_ONCE]),
        list(entries[AT_ONCE : 2 * AT_ONCE]),
        [entries[-1]],
    ]
