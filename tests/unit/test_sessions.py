"""Sessions by id: replacement, late closes, and liveness by heartbeat."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from der_core.packed import Ids
from der_headend import agents
from der_headend.rest.views import records
from kit.headend import SITE, A, B, C, World, gateway, link_of


async def test_a_newer_session_replaces_the_older_and_at_most_one_is_open() -> None:
    world = World()
    old = await world.connect(gateway())
    new = await world.connect(gateway())
    entry = world.sessions.agent(old.agent_id)
    assert entry is not None
    assert [r.disconnected_at is None for r in entry.sessions] == [True, False]
    assert entry.sessions[0].session_id == new.id
    assert link_of(old).closed == ["replaced by a newer session of the same agent id"]


async def test_hazard_the_late_close_of_an_old_stream_leaves_the_new_one() -> None:
    world = World()
    old = await world.connect(gateway())
    new = await world.connect(gateway())
    assert world.sessions.close(old.id, "stream ended") is None
    assert world.sessions.serving(A) is new
    assert link_of(new).closed == []


async def test_agents_are_told_in_order_of_id_until_they_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    for agent_id, asset_id in (("b", B), ("c", C), ("a", A), ("b", B)):
        await world.connect(gateway(asset_id, agent_id=agent_id))
    assert [entry.agent_id for entry in world.sessions.agents()] == ["a", "b", "c"]
    monkeypatch.setattr(agents, "AGENTS_KEPT", 3)
    gone = world.sessions.serving(B)
    assert gone is not None
    world.sessions.close(gone.id, "gone")
    await world.connect(gateway(B, agent_id="d"))
    assert [entry.agent_id for entry in world.sessions.agents()] == ["a", "c", "d"]


async def test_nobody_inherits_what_a_forgotten_agent_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agents, "AGENTS_KEPT", 2)
    world = World()
    gone = await world.connect(gateway(A, agent_id="a"))
    world.sessions.close(gone.id, "gone")
    await world.connect(gateway(B, agent_id="b"))
    assert world.sessions.last_agent_of(A) is world.sessions.agent("a")

    third = await world.connect(gateway(C, agent_id="c"))

    assert world.sessions.agent("a") is None
    assert world.sessions.last_agent_of(A) is None
    assert world.sessions.last_agent_of(C) is world.sessions.agent("c")
    assert not world.sessions.speaks_for(gone.record, A)
    assert [world.sessions.serving(each) for each in (A, C)] == [None, third]


async def test_of_agents_that_are_all_connected_none_is_forgotten_but_later_they_become_fewer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agents, "AGENTS_KEPT", 1)
    world = World()
    served = {each: await world.connect(gateway(each, agent_id=str(each))) for each in (A, B, C)}
    assert {each: world.sessions.serving(each) for each in served} == served

    for session in served.values():
        world.sessions.close(session.id, "gone")
    for agent_id in ("d", "e"):
        world.sessions.close((await world.connect(gateway(A, agent_id=agent_id))).id, "gone")
    assert [entry.agent_id for entry in world.sessions.agents()] == ["e"]
    assert [world.sessions.last_agent_of(each) for each in (B, C)] == [None, None]


async def test_hazard_a_silent_link_is_closed_after_three_missed_heartbeats() -> None:
    world = World()
    session = await world.connect(gateway())
    watching = asyncio.create_task(world.sessions.watch())
    await world.clock.run_for(20.0)
    world.sessions.heard(session)
    await world.clock.run_for(29.9)
    assert session.id in world.sessions.live
    await world.clock.run_for(0.2)
    assert not world.sessions.live
    entry = world.sessions.agent(session.agent_id)
    assert entry is not None
    assert entry.sessions[0].reason == "heartbeat missed"
    assert entry.sessions[0].last_seen_at < entry.sessions[0].disconnected_at  # type: ignore[operator] # closed above
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_an_agent_is_known_to_remember_only_with_the_spool_it_had() -> None:
    world = World()
    spool = uuid4()
    first = await world.connect(gateway(spool_id=spool))
    again = await world.connect(gateway(spool_id=spool))
    restarted = await world.connect(gateway())
    assert [s.remembers for s in (first, again, restarted)] == [False, True, False]


async def test_who_served_an_asset_last_is_known_after_it_left() -> None:
    world = World()
    session = await world.connect(gateway(A, agent_id="a"))
    world.sessions.close(session.id, "gone")
    entry = world.sessions.last_agent_of(A)
    assert entry is not None
    assert entry.agent_id == "a"
    assert world.sessions.last_agent_of(B) is None


async def test_a_session_keeps_no_second_copy_of_its_part_of_the_inventory() -> None:
    world = World()
    first = await world.connect(gateway())
    assert first.registration.assets == ()
    assert first.record.asset_ids is world.fleet.inventory.assets_of(SITE).ids

    part = await world.connect(gateway(A, B))
    again = await world.connect(gateway(A, B))
    assert again.record.asset_ids == Ids.of((A, B))
    assert again.record.asset_ids is part.record.asset_ids


@pytest.mark.parametrize("served", [(UUID(int=1), A, B), (A, B), (A, B, C)])
async def test_of_an_earlier_run_no_second_copy_is_kept_either(served: Sequence[UUID]) -> None:
    world = World()
    ended = (await World().connect(gateway(A, B))).record

    world.sessions.restore(replace(ended, asset_ids=Ids.of(served)) for _ in range(2))

    entry = world.sessions.agent(ended.agent_id)
    assert entry is not None
    first, second = (record.asset_ids for record in entry.sessions)
    assert first == Ids.of(served)
    assert second is first
    assert (first is world.fleet.inventory.assets_of(SITE).ids) == (served == (A, B, C))
    last = {asset_id for asset_id in (A, B, C) if world.sessions.last_agent_of(asset_id) is entry}
    assert last == {A, B, C}.intersection(served)


async def test_an_agent_is_shown_with_those_of_its_assets_that_are_still_in_the_inventory() -> None:
    world = World()
    ended = (await World().connect(gateway(A, B))).record
    world.sessions.restore([replace(ended, asset_ids=Ids.of((UUID(int=1), A, B)))])

    (entry,) = world.sessions.agents()
    shown = records.agent(entry, sessions=world.sessions, inventory=world.fleet.inventory)

    assert [asset["id"] for asset in shown["assets"]] == [str(A), str(B)]


async def test_an_agent_whose_site_is_no_longer_in_the_inventory_is_shown_with_its_id() -> None:
    world = World()
    ended = (await World().connect(gateway(A, B))).record
    world.sessions.restore([replace(ended, site_id=UUID(int=1), asset_ids=Ids.of([UUID(int=2)]))])

    (entry,) = world.sessions.agents()
    shown = records.agent(entry, sessions=world.sessions, inventory=world.fleet.inventory)

    assert (shown["site_id"], shown["site_name"], shown["assets"]) == (str(UUID(int=1)), str(UUID(int=1)), [])


async def test_of_too_many_agents_of_an_earlier_run_the_newest_are_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agents, "AGENTS_KEPT", 2)
    ended = (await World().connect(gateway(A))).record
    world = World()
    world.sessions.restore(
        replace(ended, agent_id=agent_id) for agent_id in ("newest", "older", "oldest", "older")
    )
    assert [entry.agent_id for entry in world.sessions.agents()] == ["newest", "older"]
    assert [len(entry.sessions) for entry in world.sessions.agents()] == [1, 2]
