"""One site: sums, power over time, its assets, dispatches, events, sessions."""

from dataclasses import replace

from der_console import shell
from der_console.console import Console
from der_console.feeds.measured import SiteFeed
from der_console.feeds.past import Span, site_past
from der_console.pages.around import around
from der_console.pages.fleet import ASSET_COLUMNS
from der_console.pages.missing import missing
from der_console.pages.power import power_card
from der_console.parts.elements import card, crumbs, identifier, link, tag, words
from der_console.parts.grid import Grid
from der_console.parts.tiles import HEADROOM, Tile, tiles
from der_console.parts.value import Value
from der_console.targets import of_site
from der_console.trends import Columns

_ASSET_COLUMNS = tuple(
    replace(column, kind="hidden", choose=False) if column.name == "site_name" else column
    for column in ASSET_COLUMNS
)


async def show(console: Console, site_id: str) -> None:
    """The page."""
    topic = await console.show(f"site/{site_id}", SiteFeed(console, site_id))
    site = topic.made_by(SiteFeed).site
    if site is None:
        await missing(console, "site", site_id)
        return

    async def past(span: Span) -> Columns:
        return await site_past(console.headend, site, span)

    async with shell.page(console, site["name"], under="Fleet"):
        crumbs(("Fleet", "/"), here=site["name"])
        with tag("div", "page-head"):
            words(site["name"], "h1")
            words(site["location"], classes="note")
            identifier(site_id)
            tag("span", "grow")
            link("Dispatch …", f"/ui/dispatch?site={site_id}", "button primary")
        Value(topic, "left_out").classes("warnings")
        await tiles(
            topic,
            Tile("Power", "power", "MW", note="word", part="part"),
            Tile("Stored energy", "energy", "MWh", note="energy_of", part="part"),
            Tile("State of charge", "soc", "%", gauge="gauge", part="part"),
            *HEADROOM,
            Tile("Connected assets", "online", note="away"),
            Tile("Active alarms", "alarms", note="alarms_word"),
        )
        await power_card(site["name"], past, channel=f"power-{site_id}", summed=True)
        with card("Assets"):
            Grid(
                topic.made_by(SiteFeed).assets,
                _ASSET_COLUMNS,
                label=f"Assets of {site['name']}",
                link="/ui/asset/",
            )
        await around(console, of_site(site))
