"""What waits goes to its agents as they come back: what has been sent before, and what never was."""

from uuid import UUID, uuid4

import pytest

from der_core.dispatch import Dispatch
from der_core.errors import Defect, Unavailable
from der_core.lifecycle import State
from der_core.request import DispatchRequest
from der_headend.agents import Session
from der_headend.dispatcher.handover import HAND_OVER_AGAIN_S, PATIENCE_S
from der_headend.ports import Batch, Journal
from der_headend.store.memory import MemoryStore
from kit.headend import SITE, A, B, C, NotingLink, World, gateway, holds, killed, link_of, restarted, ticking

SPOOLS = {A: UUID(int=1), B: UUID(int=2), C: UUID(int=3)}


class Flaky:
    """A journal whose store is away at times, and refuses a dispatch."""

    def __init__(self, store: Journal) -> None:
        self.store = store
        self.away = False
        self.refused: UUID | None = None

    async def commit(self, batch: Batch) -> None:
        if self.away:
            raise Unavailable("store_unavailable", "away", retry_after_s=1.0)
        if self.refused in batch.dispatches:
            raise Defect("database_defect", "refused")
        await self.store.commit(batch)

    async def mark(self, spool_id: UUID) -> int:
        return 0


def flaky() -> tuple[World, Flaky]:
    store = MemoryStore(assets=4)
    journal = Flaky(store)
    return World(store=store, journal=journal), journal


async def come(world: World, asset_id: UUID, *, has: Dispatch | None = None, mw: float = 0.0) -> Session:
    """The agent of one asset connects, ``has`` in force there at ``mw``."""
    held = () if has is None else [holds(has, asset_id, mw, world.clock.now())]
    registration = gateway(asset_id, agent_id=str(asset_id), spool_id=SPOOLS[asset_id], in_force=held)
    session = await world.connect(registration)
    world.show({asset_id: 0.0})
    return session


def told(session: Session) -> list[tuple[tuple[UUID, ...], float]]:
    return [(command.asset_ids, command.mw) for command in link_of(session).commands]


async def part_of(world: World, record: Dispatch, asset_id: UUID) -> tuple[State, str | None]:
    part = (await world.dispatcher.get(record.id)).allocation(asset_id)
    assert part is not None
    return part.state, part.reason


async def test_shares_that_were_sent_wait_for_their_own_agents_after_all_links_were_lost() -> None:
    world = World()
    sessions = [await come(world, asset_id) for asset_id in (A, B, C)]
    record = await world.dispatcher.submit(DispatchRequest(mw=12.0, site_id=SITE))
    for session in sessions:
        world.sessions.close(session.id, "link lost")
    assert told(await come(world, A)) == [((A,), 7.2)]
    assert await part_of(world, record, B) == (State.QUEUED, "link_lost")
    assert told(await come(world, B)) == [((B,), 2.4)]
    assert told(await come(world, C)) == [((C,), 2.4)]


async def test_shares_that_were_sent_wait_for_their_own_agents_after_a_restart_of_the_headend() -> None:
    world = World()
    for asset_id in (A, B, C):
        await come(world, asset_id)
    record = await world.dispatcher.submit(DispatchRequest(mw=12.0, site_id=SITE, ttl_s=10.0))
    after = await restarted(world)
    async with ticking(after):
        assert told(await come(after, A)) == [((A,), 7.2)]
        assert await part_of(after, record, B) == (State.QUEUED, "headend_restarted")
        assert told(await come(after, B)) == [((B,), 2.4)]
        await after.clock.run_for(10.1)
        assert await part_of(after, record, C) == (State.FAILED, "no_answer_within_ttl")


async def test_what_was_sent_is_not_rejected_when_it_can_not_be_sent_again() -> None:
    """It may have been applied."""
    world = World()
    async with ticking(world):
        spool = uuid4()
        session = await world.connect(gateway(spool_id=spool))
        record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A, ttl_s=10.0))
        world.sessions.close(session.id, "link lost")
        await world.connect(gateway(spool_id=spool), NotingLink(room=0))
        assert await part_of(world, record, A) == (State.QUEUED, "link_lost")
        await world.clock.run_for(10.1)
        assert await part_of(world, record, A) == (State.FAILED, "no_answer_within_ttl")


async def test_nobody_gets_the_whole_of_a_split_of_which_another_has_its_share() -> None:
    """The headend was killed when the shares were on their way and not on record yet."""
    world = World()
    for asset_id in (A, B, C):
        await come(world, asset_id)
    record = await world.dispatcher.submit(DispatchRequest(mw=12.0, site_id=SITE))
    after = await killed(world)
    await come(after, A, has=record, mw=7.2)
    assert told(await come(after, B)) == []
    assert told(await come(after, C, has=record, mw=2.4)) == []
    assert [state for state, _ in [await part_of(after, record, i) for i in (A, B, C)]] == [
        State.ACTIVE,
        State.QUEUED,
        State.ACTIVE,
    ]


async def test_a_split_that_may_be_in_force_is_made_again_when_all_its_agents_have_said_that_it_is_not() -> (
    None
):
    world = World()
    for asset_id in (A, B, C):
        await come(world, asset_id)
    await world.dispatcher.submit(DispatchRequest(mw=12.0, site_id=SITE))
    after = await killed(world)
    async with ticking(after):
        sessions = [await come(after, B), await come(after, C)]
        await after.clock.run_for(5.0)
        assert [told(session) for session in sessions] == [[], []]
        after.show({A: 0.0})
        sessions.append(await come(after, A))
        assert [told(session) for session in sessions] == [[((B,), 2.4)], [((C,), 2.4)], [((A,), 7.2)]]


async def test_a_sites_dispatch_that_is_about_to_expire_does_not_wait_for_the_rest_of_its_agents() -> None:
    world = World()
    async with ticking(world):
        record = await world.dispatcher.submit(DispatchRequest(mw=12.0, site_id=SITE, ttl_s=10.0))
        await world.clock.run_for(8.0)
        session = await come(world, A)
        assert told(session) == []
        await world.clock.run_for(1.1)
        assert told(session) == [((A,), 12.0)]
        assert await part_of(world, record, B) == (State.REJECTED, "agent_offline")


async def test_what_waited_is_not_sent_before_that_can_be_recorded() -> None:
    """Else a headend killed before the store is back would take it for never sent."""
    world, journal = flaky()
    async with ticking(world):
        record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
        await world.ingest.flush()
        journal.away = True
        session = await come(world, A)
        assert told(session) == []
        await come(world, B)
        assert told(session) == []
        journal.away = False
        await world.ingest.flush()
        await world.clock.run_for(2.1)
        assert told(session) == [((A,), 5.0)]
        stored = await world.store.dispatches.get(record.id)
        assert stored is not None
        assert stored.state is State.SENT


async def test_a_split_waits_until_it_is_on_record_for_all_who_get_a_share() -> None:
    world, journal = flaky()
    async with ticking(world):
        await world.dispatcher.submit(DispatchRequest(mw=16.0, site_id=SITE))
        await world.ingest.flush()
        sessions = [await come(world, A)]
        journal.away = True
        sessions.append(await come(world, B))
        await world.clock.run_for(4.0)
        assert [told(session) for session in sessions] == [[], []]
        journal.away = False
        await world.ingest.flush()
        await world.clock.run_for(5.1)
        assert [told(session) for session in sessions] == [[((A,), 12.0)], [((B,), 4.0)]]


async def test_a_dispatch_that_the_store_refuses_is_not_sent_and_holds_nothing_else_up() -> None:
    world, journal = flaky()
    async with ticking(world) as running:
        refused = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A, ttl_s=10.0))
        await world.dispatcher.submit(DispatchRequest(mw=6.0, asset_id=B))
        await world.ingest.flush()
        journal.refused = refused.id
        session = await world.connect(gateway())
        assert told(session) == [((B,), 6.0)]
        await world.clock.run_for(5.0)
        assert not running.done()
        journal.refused = None
        await world.clock.run_for(2.1)
        assert told(session) == [((B,), 6.0), ((A,), 5.0)]


async def test_a_new_dispatch_that_the_store_refuses_is_refused() -> None:
    world, journal = flaky()
    session = await world.connect(gateway())
    asked = DispatchRequest(mw=5.0, asset_id=A, id=uuid4())
    journal.refused = asked.id
    with pytest.raises(Defect):
        await world.dispatcher.submit(asked)
    assert told(session) == []


async def test_a_split_waits_until_a_headend_that_was_restarted_has_heard_what_the_assets_can_do() -> None:
    world = World()
    await world.dispatcher.submit(DispatchRequest(mw=12.0, site_id=SITE))
    after = await restarted(world)
    sessions = [
        await after.connect(gateway(each, agent_id=str(each), spool_id=SPOOLS[each])) for each in (A, B, C)
    ]
    assert [told(session) for session in sessions] == [[], [], []]
    after.show({A: 0.0, B: 0.0, C: 0.0})
    async with ticking(after):
        await after.clock.run_for(PATIENCE_S + 0.1)
    assert [told(session) for session in sessions] == [[((A,), 7.2)], [((B,), 2.4)], [((C,), 2.4)]]


async def test_what_was_sent_goes_again_once_its_agent_has_room_for_it() -> None:
    world = World()
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    session = await come(world, A)
    world.sessions.close(session.id, "link lost")
    link = NotingLink(room=0)
    again = await world.connect(gateway(A, agent_id=str(A), spool_id=SPOOLS[A]), link=link)
    assert await part_of(world, record, A) == (State.QUEUED, "link_lost")
    link.room = 1
    async with ticking(world):
        await world.clock.run_for(HAND_OVER_AGAIN_S + 0.1)
    assert told(again) == [((A,), 5.0)]


async def test_an_asset_that_gets_no_share_of_a_split_made_again_has_failed() -> None:
    world = World()
    for asset_id in (A, B, C):
        await come(world, asset_id)
    record = await world.dispatcher.submit(DispatchRequest(mw=12.0, site_id=SITE))
    after = await killed(world)
    async with ticking(after):
        await come(after, A)
        await come(after, B)
        silent = await after.connect(gateway(C, agent_id=str(C), spool_id=SPOOLS[C]))
        await after.clock.run_for(PATIENCE_S + 0.1)
    assert told(silent) == []
    assert await part_of(after, record, A) == (State.SENT, None)
    assert await part_of(after, record, C) == (State.FAILED, "asset_offline")
