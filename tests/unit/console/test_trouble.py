"""What a list says while the headend answers, but cannot say what is asked of it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from der_client import AsyncHeadendClient
from der_client.fake import BATTERY_A, FakeHeadend
from der_console.console import Console
from der_console.feeds.events import EventsFeed, EventsWanted
from der_console.topics import TROUBLE, Topic
from kit.database_away import DatabaseAway
from kit.scripted_headend import until


@pytest.fixture
async def database(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[DatabaseAway, Topic, EventsFeed]]:
    """The list of events of a headend whose database is there at first."""
    monkeypatch.setattr("der_console.hub._TICK_S", 0.01)
    monkeypatch.setattr("der_console.topics._AGAIN_S", 0.01)
    headend = FakeHeadend()
    headend.raise_event("inverter_trip", asset_id=BATTERY_A)
    transport = DatabaseAway(headend)
    transport.away = False
    async with AsyncHeadendClient("http://headend", transport=transport) as client:
        console = Console(client, url="http://headend")
        feed = EventsFeed(console, EventsWanted())
        topic = Topic("events", feed)
        running = [asyncio.create_task(work) for work in (console.hub.run(lambda _: None), topic._keep())]
        yield transport, topic, feed
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def test_rows_that_cannot_be_read_anew_stay_and_say_why_and_of_when_they_are(
    database: tuple[DatabaseAway, Topic, EventsFeed],
) -> None:
    transport, topic, feed = database
    await until(lambda: "events" in topic.cells)
    shown = topic.cells["events"]
    assert len(shown["rows"]) == 1
    assert TROUBLE not in topic.cells
    transport.away = True
    feed.due.set()
    await until(lambda: TROUBLE in topic.cells)
    said = topic.cells[TROUBLE]["t"]
    assert said.startswith("The database does not answer. (database_unavailable) This is as it was at ")
    assert topic.cells["events"] is shown
    transport.away = False
    await until(lambda: topic.cells[TROUBLE]["t"] == "")
