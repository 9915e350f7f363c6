"""The agents: who is connected, how well, and with which software."""

from der_console import shell
from der_console.console import Console
from der_console.feeds.agents import LINKS, AgentsFeed
from der_console.parts.elements import card, words
from der_console.parts.grid import Grid, GridColumn
from der_console.parts.tiles import Tile, tiles

_COLUMNS = (
    GridColumn("name", "Agent", width=130),
    GridColumn("site_name", "Site", wide=True, width=118),
    GridColumn("mode", "Mode", wide=True, choose=True, width=95),
    GridColumn("agent_id", "Id", wide=True, width=90),
    GridColumn("online", "", "hidden", live=True),
    GridColumn("link", "Link", live=True, choose=True, width=115, options=LINKS),
    GridColumn("since", "For", "at", live=True, width=70),
    GridColumn("seen", "Seen", "at", live=True, wide=True, width=75),
    GridColumn("missed", "Missed", "count", live=True, width=85),
    GridColumn("skew", "Skew s", "number", live=True, wide=True, width=85),
    GridColumn("spooled", "Spooled", "count", live=True, wide=True, width=90),
    GridColumn("dropped", "Dropped", "count", live=True, wide=True, width=95),
    GridColumn("software", "Software", live=True, wide=True, width=140),
)


async def show(console: Console) -> None:
    """The page."""
    topic = await console.show("agents", AgentsFeed(console))
    async with shell.page(console, "Agents", under="Agents"):
        words("Agents", "h1")
        await tiles(
            topic,
            Tile("Connected", "connected", note="away"),
            Tile("Missing heartbeats", "silent"),
            Tile("Spooled", "spooled", note="spooled_size"),
            Tile("Dropped records", "dropped"),
            Tile("Largest clock skew", "skew", "s"),
            Tile("Software versions", "versions", note="version"),
        )
        with card("All agents that have connected"):
            Grid(
                topic.made_by(AgentsFeed).table,
                _COLUMNS,
                label="Agents with the state of their links",
                link="/ui/agents/",
            )
