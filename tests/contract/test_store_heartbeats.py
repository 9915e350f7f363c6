"""What every ``HeartbeatStore`` must do."""

from der_headend.ports import Batch
from kit import records
from kit.stores import Stores


async def test_latest_are_newest_first_and_of_one_agent(stores: Stores) -> None:
    mine = [records.heartbeat(n) for n in range(3)]
    await stores.journal.commit(Batch(heartbeats=[mine[0], records.heartbeat(1, agent_id="other"), mine[1]]))
    await stores.journal.commit(Batch(heartbeats=[mine[2]]))
    assert await stores.heartbeats.latest("gateway", 10) == [mine[2], mine[1], mine[0]]
    assert await stores.heartbeats.latest("gateway", 2) == [mine[2], mine[1]]


async def test_unknown_agent_has_none(stores: Stores) -> None:
    assert await stores.heartbeats.latest("nobody", 10) == []


async def test_as_many_as_ten_thousand_agents_send_are_stored_together(stores: Stores) -> None:
    beats = [records.heartbeat(n % 3, agent_id=f"agent {n}") for n in range(1_201)]
    await stores.journal.commit(Batch(heartbeats=beats))
    for n in (0, 499, 500, 1_200):
        assert await stores.heartbeats.latest(f"agent {n}", 10) == [beats[n]]
