"""The form of a dispatch, against a fake headend."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from der_client import AsyncHeadendClient
from der_client.fake import BATTERY_A, GATEWAY_SITE, FakeHeadend
from der_console.console import Console
from der_console.feeds.order import OrderFeed, superseded
from der_console.orders import Order
from der_console.targets import Target
from der_console.topics import Topic
from kit.database_away import DatabaseAway

SITE = Target("site", GATEWAY_SITE, "Gateway-Test", "site, 3 assets")


async def test_a_preview_says_what_would_be_superseded_also_while_the_database_is_away() -> None:
    transport = DatabaseAway(FakeHeadend())
    async with AsyncHeadendClient("http://headend", transport=transport) as client:
        sent = await client.dispatch(mw=1.0, asset_id=BATTERY_A)
        await client.get_dispatch(sent["id"])  # by then it is active
        feed = OrderFeed(Console(client, url="http://headend"))
        topic = Topic("order", feed)
        order = Order(id=str(uuid4()), target=SITE, mw=12.0, duration_s=None)
        notes = await feed.preview(topic, order)
    assert [note for note in notes if note.startswith("+1.00 MW in force since ")]
    assert topic.cells["allocated"]["t"] == "+12.00"


async def test_since_when_a_dispatch_is_in_force_is_said_with_its_date_unless_it_is_todays() -> None:
    noon = datetime(2026, 1, 30, 12, tzinfo=UTC)
    transport = FakeHeadend(now=lambda: noon).async_transport
    async with AsyncHeadendClient("http://headend", transport=transport) as client:
        record = await client.get_dispatch((await client.dispatch(mw=1.0, asset_id=BATTERY_A))["id"])
    for days, since in ((0, "12:00:00 UTC"), (1, "2026-01-30 12:00:00 UTC")):
        (said,) = superseded([record], {BATTERY_A}, now=(noon + timedelta(days=days)).timestamp())
        assert said == f"+1.00 MW in force since {since} would be superseded at GT-BESS-A."
