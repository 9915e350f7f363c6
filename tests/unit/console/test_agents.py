"""The sums over all agents."""

from der_client.models import Agent
from der_console.feeds.agents import AgentSums
from kit.fake_headend import B, agent


def shown(*agents: Agent) -> tuple[str, str]:
    sums = AgentSums()
    for each in agents:
        sums.add(each)
    for each in agents:
        sums.relieve(each)
    made = sums.cells()
    return made["connected"]["t"], made["away"]["t"]


def test_an_agent_that_another_stands_in_for_is_not_missed() -> None:
    assert shown() == ("0 / 0", "none has connected")
    assert shown(agent(agent_id="old", connected=False), agent()) == ("1 / 1", "all of them")
    elsewhere = agent(agent_id="b", connected=False, assets=[{"id": B, "name": "b"}])
    assert shown(elsewhere, agent()) == ("1 / 2", "1 disconnected")
