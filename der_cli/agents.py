"""``der agents``: who has connected, and whether the link is up."""

import typer
from rich.text import Text

from der_cli.screen import out, print_json, since, words
from der_cli.table import Column, show
from der_cli.world import DEFAULT_HEADEND, HeadendOption, JsonOption, world_of
from der_client.models import Agent


def agents(ctx: typer.Context, headend: HeadendOption = DEFAULT_HEADEND, as_json: JsonOption = False) -> None:
    """Show the agents: connected or not, since when, with how many assets."""
    world = world_of(ctx)
    with world.headend(headend) as client:
        listed = list(client.agents())
    if as_json:
        print_json(listed)
        return
    if not listed:
        out().print(
            "No agent has connected yet. Does its HEADEND_GRPC match the headend's HEADEND_GRPC_ADDR?"
        )
        return
    now = world.now()
    columns: list[Column[Agent]] = [
        Column("Site", lambda a: words(a["site_name"])),
        Column("Link", _link),
        Column("Since", lambda a: since(link_since(a), now), rank=2, right=True),
        Column("Last seen", lambda a: since(a["last_seen_at"], now), rank=1, right=True),
        Column("Assets", lambda a: str(len(a["assets"])), rank=3, right=True),
        Column("Mode", lambda a: words(a["mode"]), rank=5),
        Column("Peer", lambda a: words(a["peer"]), rank=6),
        Column("Agent", lambda a: words(a["agent_id"]), rank=4),
    ]
    show(columns, listed, caption="Since: how long the link has been as it is.")


def _link(agent: Agent) -> Text:
    return Text("connected", style="green") if agent["connected"] else Text("disconnected", style="red")


def link_since(agent: Agent) -> str:
    """Since when the link is as it is."""
    lost = agent["sessions"][0]["disconnected_at"] if agent["sessions"] else None
    return agent["connected_at"] if agent["connected"] or lost is None else lost
