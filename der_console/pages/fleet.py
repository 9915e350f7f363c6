"""The fleet: its sums, the power of its sites, and the table of its assets."""

from nicegui import ui

from der_console import shell, targets
from der_console.console import Console
from der_console.feeds.fleet import SITES_CHARTED, FleetFeed, power_series
from der_console.parts.chart import PARTIAL, Chart
from der_console.parts.elements import card, link, tag, words
from der_console.parts.grid import Grid, GridColumn
from der_console.parts.listing import Column, Listing
from der_console.parts.target_box import TargetBox
from der_console.parts.tiles import HEADROOM, Tile, tiles
from der_console.parts.value import Value
from der_console.targets import Target
from der_console.topics import Topic
from der_console.trends import KEPT_S
from der_console.turns import give_way

_SITES = (
    Column("name", "Site"),
    Column("mw", "MW", "number"),
    Column("soc", "SOC %", "number"),
    Column("up", "Up", "number", wide=True),
    Column("down", "Down", "number", wide=True),
    Column("online", "Online", "number"),
    Column("alarms", "Alarms", "number"),
)
ASSET_COLUMNS = (
    GridColumn("name", "Asset", width=130),
    GridColumn("site_name", "Site", wide=True, choose=True, width=120),
    GridColumn("asset_type", "Type", wide=True, choose=True, width=85),
    GridColumn("max_mw", "Max MW", "number", wide=True, width=95),
    GridColumn("min_mw", "Min MW", "number", wide=True, width=95),
    GridColumn("online", "", "hidden", live=True),
    GridColumn("current_mw", "MW", "power", live=True, width=85),
    GridColumn("setpoint_mw", "Setpoint MW", "power", live=True, wide=True, width=130),
    GridColumn("soc_pct", "SOC %", "percent", live=True, width=85),
    GridColumn("status", "Status", live=True, doubted=True, width=125),
    GridColumn("at", "Age", "at", live=True, wide=True, width=75),
    GridColumn("state", "Data", "state", wide=True, choose=True, width=120),
)


async def show(console: Console) -> None:
    """The page."""
    topic = await console.show("fleet", FleetFeed(console))
    async with shell.page(console, "Fleet", under="Fleet"):
        with tag("div", "page-head"):
            words("Fleet", "h1")
            tag("span", "grow")
            link("Dispatch …", "/ui/dispatch", "button primary")
        Value(topic, "left_out").classes("warnings")
        await tiles(
            topic,
            Tile("Net power", "net", "MW", note="net_word", part="part"),
            Tile("Stored energy", "energy", "MWh", note="energy_of", part="part"),
            *HEADROOM,
            Tile("Connected assets", "connected", note="stale"),
            Tile("Active alarms", "alarms", note="alarms_word"),
        )
        with tag("div", "cols"):
            _chart(topic)
            await give_way()
            with card("Sites", "sites"):
                Listing(
                    topic, "sites", _SITES, label="Sites", empty="The inventory has no sites.", as_of="read"
                )
                Value(topic, "more_sites").classes("note")
        await give_way()
        with card("Assets"):
            Value(topic, "assets_note").classes("note")
            if console.hub.picture.whole:
                Grid(
                    topic.made_by(FleetFeed).assets,
                    ASSET_COLUMNS,
                    label="Assets with live values",
                    link="/ui/asset/",
                )
            else:
                TargetBox(
                    "Find a site",
                    search=lambda typed: targets.search(console.hub.picture, typed),
                    on_choose=_open,
                    hint="Type a part of its name",
                )


def _open(target: Target | None) -> None:
    if target is not None:
        ui.navigate.to(f"/ui/{target.key}")


def _chart(topic: Topic) -> None:
    feed = topic.made_by(FleetFeed)
    with card("Power, up to 15 minutes back"):
        Chart(
            power_series(feed.charted_names),
            feed.trend.columns(),
            label=f"Power in MW of all sites and of {SITES_CHARTED} of them at most, up to 15 minutes back",
            channel="fleet-power",
            span_s=KEPT_S,
        )
        words(PARTIAL, "p", "note")
