"""Why a dispatch is still in the queue: its agent is away. Since when, and for how long it is waited for."""

from collections.abc import Iterable
from datetime import datetime

from der_cli.agents import link_since
from der_cli.screen import age, clock, instant, words
from der_client.models import Agent, Dispatch


def why_it_waits(record: Dispatch, agents: Iterable[Agent], *, now: datetime) -> str | None:
    """In a sentence or two; ``None`` if one of its agents is connected and it is not for them that it waits."""
    meant = {part["asset_id"] for part in record["allocations"]}
    serving = [agent for agent in agents if any(asset["id"] in meant for asset in agent["assets"])]
    if any(agent["connected"] for agent in serving):
        return None
    waits = (
        f"The dispatch waits, and is handed over when it connects; if that is not before "
        f"{clock(instant(record['expires_at']), now)} UTC, it expires."
    )
    if not serving:
        return f"No agent that serves this has connected yet. {waits}"
    lost = {agent["site_name"]: instant(link_since(agent)) for agent in serving}
    site, since = max(lost.items(), key=lambda each: each[1])
    away = f"since {clock(since, now)} UTC ({age((now - since).total_seconds())} ago)"
    return f"The agent of {words(site)} is not connected, {away}. {waits}"
