"""One asset: live values, power over time, dispatches, events, sessions."""

from der_console import shell
from der_console.console import Console
from der_console.feeds.measured import AssetFeed
from der_console.feeds.past import Span, asset_past
from der_console.pages.around import around
from der_console.pages.missing import missing
from der_console.pages.power import power_card
from der_console.parts.elements import card, crumbs, identifier, link, tag, words
from der_console.parts.listing import Column, Listing
from der_console.parts.tiles import Tile, tiles
from der_console.parts.value import Value
from der_console.targets import of_asset
from der_console.trends import Columns

_PAIRS = (Column("name", "What"), Column("value", "Value", "number"))


async def show(console: Console, asset_id: str) -> None:
    """The page."""
    topic = await console.show(f"asset/{asset_id}", AssetFeed(console, asset_id))
    asset = topic.made_by(AssetFeed).asset
    if asset is None:
        await missing(console, "asset", asset_id)
        return

    async def past(span: Span) -> Columns:
        return await asset_past(console.headend, asset, span)

    async with shell.page(console, asset["name"], under="Fleet"):
        crumbs(("Fleet", "/"), (asset["site_name"], f"/ui/site/{asset['site_id']}"))
        with tag("div", "page-head"):
            words(asset["name"], "h1")
            Value(topic, "data").classes("pill")
            Value(topic, "updated", age=True).classes("note")
            identifier(asset_id)
            tag("span", "grow")
            link("Dispatch …", f"/ui/dispatch?asset={asset_id}", "button primary")
        await tiles(
            topic,
            Tile("Power", "power", "MW", note="word"),
            Tile("Setpoint", "setpoint", "MW", note="status"),
            Tile("State of charge", "soc", "%", gauge="gauge"),
            Tile("Stored energy", "energy", "MWh"),
        )
        with tag("div", "cols"):
            with tag("div", "stack"):
                await power_card(asset["name"], past, channel=f"power-{asset_id}")
                await around(console, of_asset(asset))
            with tag("div", "stack"):
                with card("Measured"):
                    Listing(
                        topic,
                        "signals",
                        _PAIRS,
                        label="Measured signals",
                        empty="Nothing else is measured.",
                        as_of="updated",
                    )
                with card("Inventory"):
                    Listing(topic, "facts", _PAIRS, label="What the inventory says", empty="Nothing.")
