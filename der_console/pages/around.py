"""What has happened around an asset or a site: dispatches, events, sessions."""

from der_client.models import Agent
from der_console.console import Console
from der_console.feeds import dispatches, events
from der_console.feeds.agents import AgentsFeed
from der_console.feeds.sessions import SessionsFeed
from der_console.parts.elements import card, tag
from der_console.parts.listing import Column, Listing
from der_console.targets import Target
from der_console.turns import give_way

_DISPATCHES = (
    Column("at", "Submitted UTC", "time"),
    Column("target", "Target"),
    Column("requested", "Requested MW", "number"),
    Column("allocated", "Allocated MW", "number"),
    Column("duration", "Duration"),
    Column("state", "State"),
)
_EVENTS = (
    Column("at", "Time UTC", "time"),
    Column("severity", "Severity"),
    Column("what", "What", "words"),
    Column("asset", "Asset"),
)
_SESSIONS = (
    Column("agent", "Agent"),
    Column("from", "From UTC", "time"),
    Column("to", "To UTC", "time"),
    Column("reason", "Reason"),
)


async def around(console: Console, target: Target) -> None:
    """Three cards."""
    sent = dispatches.DispatchesWanted(target=target)
    seen = events.EventsWanted(target=target)
    sent_topic = console.topics.show(sent.key, dispatches.DispatchesFeed(console, sent))
    seen_topic = console.topics.show(seen.key, events.EventsFeed(console, seen))
    everyone = console.topics.show("agents", AgentsFeed(console)).made_by(AgentsFeed)

    def serves(agent: Agent) -> bool:
        if target.site_id is not None:
            return agent["site_id"] == target.site_id
        return any(asset["id"] == target.asset_id for asset in agent["assets"])

    links = console.topics.show(f"sessions/{target.key}", SessionsFeed(console, everyone, serves))
    with tag("div", "stack"):
        with card("Dispatches"):
            Listing(
                sent_topic,
                "dispatches",
                _DISPATCHES,
                label="Dispatches",
                empty="Nothing was dispatched.",
                blocks=True,
            )
        await give_way()
        with card("Events"):
            Listing(seen_topic, "events", _EVENTS, label="Events", empty="Nothing has happened.", blocks=True)
        with card("Sessions"):
            Listing(
                links, "sessions", _SESSIONS, label="Sessions of its agents", empty="No agent has connected."
            )
