"""What a headend without its records takes up of dispatches that only their agents know."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from der_core.dispatch import InForce, Target
from der_core.errors import Conflict
from der_core.lifecycle import State
from der_core.request import DispatchRequest
from kit.headend import OTHER_SITE, SITE, A, B, C, World, gateway, holds, link_of, says


def share_of(dispatch_id: UUID, asset_id: UUID, mw: float) -> InForce:
    """What an agent has in force of a split that a headend made, which told it nothing of the whole."""
    return InForce(
        dispatch_id=dispatch_id,
        asset_id=asset_id,
        mw=mw,
        active_since=datetime(2026, 6, 1, 12, tzinfo=UTC),
        remaining_s=None,
        requested_mw=mw,
        site_wide=False,
        duration_s=None,
    )


async def test_what_only_the_agent_knows_is_adopted() -> None:
    lost, world = World(), World()
    record = await lost.dispatcher.submit(DispatchRequest(mw=12.0, site_id=SITE, duration_s=600.0))
    since = world.clock.now()
    parts = [holds(record, A, 7.2, since, 590.0), holds(record, B, 2.4, since, 590.0)]
    session = await world.connect(gateway(in_force=parts))
    adopted = await world.dispatcher.get(record.id)
    assert (adopted.state, adopted.requested_mw, adopted.duration_s) == (State.ACTIVE, 12.0, 600.0)
    assert [(p.asset_id, p.mw) for p in adopted.allocations] == [(A, 7.2), (B, 2.4)]
    world.dispatcher.reported(session, says(world, record.id, State.COMPLETED, {A: 7.2, B: 2.4}))
    assert (await world.dispatcher.get(record.id)).state is State.COMPLETED


async def test_the_shares_of_a_site_with_several_agents_are_adopted_as_they_come_back() -> None:
    world = World()
    dispatch_id, shares = uuid4(), {C: 20.0, A: 60.0, B: 20.0}
    sessions = {}
    for asset_id, mw in shares.items():
        share = share_of(dispatch_id, asset_id, mw)
        sessions[asset_id] = await world.connect(gateway(asset_id, agent_id=str(asset_id), in_force=[share]))
        world.clock.advance(1.0)
    assert [link_of(session).cancellations for session in sessions.values()] == [[], [], []]
    adopted = await world.dispatcher.get(dispatch_id)
    assert (adopted.state, adopted.target, adopted.asset_id) == (State.ACTIVE, Target.SITE, None)
    assert [(p.asset_id, p.state, p.mw, p.agent_id) for p in adopted.allocations] == [
        (asset_id, State.ACTIVE, shares[asset_id], str(asset_id)) for asset_id in (A, B, C)
    ]
    assert (adopted.requested_mw, adopted.mw, adopted.unserved_mw) == (100.0, 100.0, 0.0)
    for asset_id, mw in shares.items():
        said = says(world, dispatch_id, State.COMPLETED, {asset_id: mw})
        world.dispatcher.reported(sessions[asset_id], said)
    assert (await world.dispatcher.get(dispatch_id)).state is State.COMPLETED


async def test_the_shares_of_several_assets_of_one_agent_are_adopted_as_a_sites_dispatch() -> None:
    world = World()
    dispatch_id = uuid4()
    shares = [share_of(dispatch_id, A, 7.2), share_of(dispatch_id, B, 2.4)]
    await world.connect(gateway(A, B, in_force=shares))
    adopted = await world.dispatcher.get(dispatch_id)
    assert (adopted.target, adopted.asset_id) == (Target.SITE, None)
    assert adopted.requested_mw == pytest.approx(9.6)
    assert adopted.unserved_mw == 0.0


async def test_what_a_gateway_applied_later_than_the_rest_is_adopted_when_it_comes_again() -> None:
    lost, world = World(), World()
    record = await lost.dispatcher.submit(DispatchRequest(mw=12.0, site_id=SITE))
    spool, since = uuid4(), world.clock.now()
    parts = [holds(record, A, 7.2, since), holds(record, B, 2.4, since)]
    session = await world.connect(gateway(spool_id=spool, in_force=parts[:1]))
    world.sessions.close(session.id, "link lost")
    back = await world.connect(gateway(spool_id=spool, in_force=parts))
    assert link_of(back).cancellations == []
    adopted = await world.dispatcher.get(record.id)
    assert [(p.asset_id, p.state, p.mw) for p in adopted.allocations] == [
        (A, State.ACTIVE, 7.2),
        (B, State.ACTIVE, 2.4),
    ]
    assert adopted.requested_mw == 12.0
    assert adopted.unserved_mw == pytest.approx(2.4)


async def test_what_was_adopted_and_cancelled_is_cancelled_at_agents_that_come_later_too() -> None:
    world = World()
    dispatch_id = uuid4()
    await world.connect(gateway(A, agent_id="a", in_force=[share_of(dispatch_id, A, 7.2)]))
    await world.dispatcher.cancel(dispatch_id)
    session_b = await world.connect(gateway(B, agent_id="b", in_force=[share_of(dispatch_id, B, 2.4)]))
    assert [(c.dispatch_id, c.asset_ids) for c in link_of(session_b).cancellations] == [(dispatch_id, (B,))]
    world.dispatcher.reported(session_b, says(world, dispatch_id, State.CANCELLED, {B: 0.0}))
    part = (await world.dispatcher.get(dispatch_id)).allocation(B)
    assert part is not None
    assert part.state is State.CANCELLED


async def test_a_part_that_ended_is_taken_back_from_an_agent_that_still_has_it() -> None:
    world = World()
    dispatch_id, spool = uuid4(), uuid4()
    share = share_of(dispatch_id, A, 7.2)
    session_a = await world.connect(gateway(A, agent_id="a", spool_id=spool, in_force=[share]))
    await world.connect(gateway(B, agent_id="b", in_force=[share_of(dispatch_id, B, 2.4)]))
    world.dispatcher.reported(session_a, says(world, dispatch_id, State.FAILED, {A: 7.2}))
    back = await world.connect(gateway(A, agent_id="a", spool_id=spool, in_force=[share]))
    assert [(c.dispatch_id, c.asset_ids) for c in link_of(back).cancellations] == [(dispatch_id, (A,))]


async def test_what_an_agent_has_of_a_dispatch_that_was_made_for_another_asset_alone_is_taken_back() -> None:
    world = World()
    session_a = await world.connect(gateway(A, agent_id="a"))
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    world.dispatcher.reported(session_a, says(world, record.id, State.ACTIVE, {A: 5.0}))
    session_b = await world.connect(gateway(B, agent_id="b", in_force=[share_of(record.id, B, 2.4)]))
    assert [(c.dispatch_id, c.asset_ids) for c in link_of(session_b).cancellations] == [(record.id, (B,))]


async def test_the_request_of_an_adopted_dispatch_again_is_the_same_record() -> None:
    """Its time to live nobody knows any more, nor what the headend had clamped."""
    lost, world = World(), World()
    asked = DispatchRequest(mw=90.0, asset_id=A, duration_s=600.0, ttl_s=30.0, id=uuid4())
    session = await lost.connect(gateway())
    record = await lost.dispatcher.submit(asked)
    told_mw = link_of(session).commands[0].mw
    held = replace(holds(record, A, told_mw, world.clock.now(), 590.0), requested_mw=told_mw)
    await world.connect(gateway(in_force=[held]))
    again = await world.dispatcher.submit(asked)
    assert (again.id, again.state, again.requested_mw) == (record.id, State.ACTIVE, 60.0)
    for other in (
        replace(asked, mw=50.0),
        replace(asked, mw=-90.0),
        replace(asked, asset_id=B),
        replace(asked, duration_s=None),
    ):
        with pytest.raises(Conflict, match="asks for something else"):
            await world.dispatcher.submit(other)


async def test_the_request_of_a_site_again_is_the_dispatch_that_its_gateway_has() -> None:
    lost, world = World(), World()
    asked = DispatchRequest(mw=12.0, site_id=SITE, ttl_s=30.0, id=uuid4())
    record = await lost.dispatcher.submit(asked)
    held = [holds(record, asset_id, mw, world.clock.now()) for asset_id, mw in ((A, 7.2), (B, 2.4))]
    await world.connect(gateway(in_force=held))
    assert (await world.dispatcher.submit(asked)).state is State.ACTIVE
    for other in (replace(asked, mw=13.0), replace(asked, site_id=None, asset_id=A)):
        with pytest.raises(Conflict, match="asks for something else"):
            await world.dispatcher.submit(other)


@pytest.mark.parametrize("shares", [{A: 60.0}, {A: 60.0, B: 20.0, C: 20.0}])
async def test_the_request_of_a_site_again_is_the_dispatch_of_which_shares_were_adopted(
    shares: dict[UUID, float],
) -> None:
    """The whole of it, 150 MW, no agent was told."""
    world = World()
    asked = DispatchRequest(mw=150.0, site_id=SITE, id=uuid4())
    assert asked.id is not None
    for asset_id, mw in shares.items():
        share = share_of(asked.id, asset_id, mw)
        await world.connect(gateway(asset_id, agent_id=str(asset_id), in_force=[share]))
    assert (await world.dispatcher.submit(asked)).state is State.ACTIVE
    for other in (replace(asked, mw=50.0), replace(asked, mw=-150.0), replace(asked, site_id=OTHER_SITE)):
        with pytest.raises(Conflict, match="asks for something else"):
            await world.dispatcher.submit(other)
