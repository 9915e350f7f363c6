"""Which agents that are gone somebody misses: not those that others stand in for.

The list of agents keeps those that have gone. One of another id may serve the same assets since, as when a site that
was served asset by asset goes over to Gateway Mode: nothing is wrong then.
"""

from collections.abc import Iterable, Sequence

from der_client.models import Agent


def unserved(gone: Iterable[Agent]) -> set[str]:
    """The ids of the assets of agents that are gone; ``relieve`` takes away those that are served."""
    return {asset["id"] for agent in gone for asset in agent["assets"]}


def relieve(unserved: set[str], agent: Agent) -> None:
    """Take away the assets that an agent serves, if it is connected."""
    if unserved and agent["connected"]:
        unserved.difference_update(asset["id"] for asset in agent["assets"])


def is_missed(gone: Agent, unserved: set[str]) -> bool:
    """Whether an agent that is gone had assets that nobody serves now, or it is not known which it had."""
    return not gone["assets"] or any(asset["id"] in unserved for asset in gone["assets"])


def missed(agents: Sequence[Agent]) -> list[Agent]:
    """Those of all ``agents`` that are gone and missed."""
    gone = [agent for agent in agents if not agent["connected"]]
    left = unserved(gone)
    for agent in agents:
        relieve(left, agent)
    return [agent for agent in gone if is_missed(agent, left)]
