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
