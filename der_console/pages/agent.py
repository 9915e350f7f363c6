"""One agent: its link, its spool and its sessions."""

from urllib.parse import quote

from der_console import shell
from der_console.console import Console
from der_console.feeds.agents import AgentFeed, AgentsFeed, name_of
from der_console.pages.missing import missing
from der_console.parts.elements import card, crumbs, identifier, tag, words
from der_console.parts.listing import Column, Listing
from der_console.parts.tiles import Tile, tiles
from der_console.parts.value import Value
from der_console.topics import Topic

_SESSIONS = (
    Column("from", "Connected UTC", "time"),
    Column("to", "Until UTC", "time"),
    Column("length", "For", "number"),
    Column("reason", "Ended because", "words"),
    Column("peer", "Peer", wide=True),
)


async def show(console: Console, agent_id: str) -> None:
    """The page."""
    everyone = await console.show("agents", AgentsFeed(console))
    id_ = quote(agent_id, safe="")
    feed = everyone.made_by(AgentsFeed)
    if id_ not in feed.agents:
        await missing(console, "agent", agent_id, under="Agents", known=bool(everyone.cells))
        return
    topic = console.topics.show(f"agent/{id_}", AgentFeed(console, feed, id_))
    await topic.ready()
    async with shell.page(console, "Agent", under="Agents"):
        crumbs(("Agents", "/ui/agents"), here=name_of(feed.agents[id_]))
        with tag("div", "page-head"):
            with tag("h1"):
                Value(topic, "title")
            Value(topic, "link").classes("state")
            Value(topic, "since").classes("note")
            identifier(agent_id)
        await _build(topic)


async def _build(topic: Topic) -> None:
    await tiles(
        topic,
        Tile("Heartbeats missed", "missed", note="heartbeat_s"),
        Tile("Last seen", "seen"),
        Tile("Clock skew", "skew", "s"),
        Tile("Spooled records", "spooled", note="spooled_size"),
        Tile("Dropped records", "dropped"),
    )
    with tag("div", "cols"):
        with card("Sessions, newest first"):
            Listing(
                topic, "sessions", _SESSIONS, label="Sessions", empty="No session is remembered.", blocks=True
            )
        with card("About"):
            with tag("dl", "facts"):
                for label, key in (("Software", "software"), ("Mode", "mode"), ("Peer", "peer")):
                    words(label, "dt")
                    with tag("dd"):
                        Value(topic, key)
            Listing(topic, "assets", (Column("name", "Serves"),), label="Assets", empty="It serves no asset.")
