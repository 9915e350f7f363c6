"""Agents that are gone are missed, but not those that others stand in for."""

from der_client.missed import missed
from kit.fake_headend import A, B, agent


def test_who_is_gone_is_missed_until_all_its_assets_are_served_by_others() -> None:
    assert [each["agent_id"] for each in missed([agent(), agent(agent_id=B, connected=False)])] == []
    gone = agent(agent_id="b", connected=False, assets=[{"id": A, "name": "a"}, {"id": B, "name": "b"}])
    assert missed([agent(), gone]) == [gone]
    also_b = agent(agent_id="c", assets=[{"id": B, "name": "b"}])
    assert missed([agent(), gone, also_b]) == []


def test_who_had_no_assets_that_are_known_is_missed() -> None:
    gone = agent(connected=False, assets=[])
    assert missed([gone, agent(agent_id="b")]) == [gone]
    assert missed([]) == []


def test_another_that_is_gone_stands_in_for_nobody() -> None:
    both = [agent(connected=False), agent(agent_id="b", connected=False)]
    assert missed(both) == both
