"""What the memory store forgets so that it stays bounded."""

import math

import pytest

from der_headend.ports import Batch, DispatchQuery, EventQuery, HistoryQuery
from der_headend.store.memory import MemoryStore
from der_headend.store.memory.dispatches import MemoryDispatches
from der_headend.store.memory.events import MemoryEvents
from der_headend.store.memory.heartbeats import MemoryHeartbeats
from der_headend.store.memory.telemetry import DEPTH_MAX, MemoryTelemetry
from kit import records
from kit.records import rows

ALL = HistoryQuery(slot=0, start_us=0, end_us=10**15, limit=10**6)


async def test_open_dispatches_stay_whatever_else_ends() -> None:
    store = MemoryDispatches(ended_kept=2)
    waiting = records.dispatch(0)
    store.put(waiting)
    over = [records.ended(records.dispatch(n)) for n in range(1, 5)]
    for record in over:
        store.put(record)
    kept = (await store.page(DispatchQuery(limit=10))).items
    assert [d.id for d in kept] == [over[3].id, over[2].id, waiting.id]
    assert await store.get(over[0].id) is None
    assert await store.unfinished() == [waiting]


async def test_events_are_the_newest() -> None:
    store = MemoryEvents(kept=2)
    happened = [records.event(n) for n in (3, 1, 2)]
    for event in happened:
        store.add(event)
    kept = (await store.page(EventQuery(limit=10))).items
    assert [k.event for k in kept] == [happened[0], happened[2]]
    assert await store.acknowledge(happened[1].id, records.at(9)) is None


async def test_heartbeats_are_the_last_of_the_last_agents() -> None:
    store = MemoryHeartbeats(agents_kept=2, per_agent_kept=3)
    for n, agent_id in enumerate(["a", "b", "b", "b", "b", "c"]):
        store.add(records.heartbeat(n, agent_id=agent_id))
    assert await store.latest("a", 10) == []
    assert [b.at for b in await store.latest("b", 10)] == [records.at(n) for n in (4, 3, 2)]
    assert len(await store.latest("c", 10)) == 1


async def test_ring_keeps_the_last_samples_of_each_asset() -> None:
    store = MemoryTelemetry(assets=2, history_samples=10)
    store.add(rows(1, [1], {"current_mw": [9.0]}))
    for t in range(1, 9):
        store.add(rows(t, [0], {"current_mw": [float(t)]}))
    found = await store.history(ALL)
    assert found.timestamps_us.tolist() == list(range(4, 9))
    assert found.columns["current_mw"]["last"].tolist() == [float(t) for t in range(4, 9)]
    other = await store.history(HistoryQuery(slot=1, start_us=0, end_us=10, limit=10))
    assert other.timestamps_us.tolist() == [1]


async def test_value_of_an_overwritten_sample_does_not_shine_through() -> None:
    store = MemoryTelemetry(assets=1, history_samples=5)
    store.add(rows(1, [0], {"current_mw": [1.0], "voltage_v": [400.0]}))
    for t in range(2, 7):
        store.add(rows(t, [0], {"current_mw": [1.0]}))
    found = await store.history(ALL)
    assert all(math.isnan(v) for v in found.columns["voltage_v"]["last"].tolist())


@pytest.mark.parametrize(
    ("assets", "samples", "depth"),
    [(1, 10**9, DEPTH_MAX), (1000, 100, 1), (10, 1000, 100), (0, 5, 5)],
)
def test_depth_follows_the_budget(assets: int, samples: int, depth: int) -> None:
    store = MemoryTelemetry(assets=assets, history_samples=samples)
    assert store._timestamps_us.shape == (depth, assets)


async def test_marks_of_spools_long_gone_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("der_headend.store.memory.store.MARKS_KEPT", 1)
    store = MemoryStore(assets=1)
    await store.commit(Batch(marks={records.A: 1}))
    await store.commit(Batch(marks={records.B: 2}))
    assert (await store.mark(records.A), await store.mark(records.B)) == (0, 2)
