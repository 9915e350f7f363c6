"""What a dispatch costs the headend grows with its own assets, in proportion, and with nothing else."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any
from uuid import UUID

from der_core.assets import Asset, Inventory, Site
from der_core.dispatch import Dispatch
from der_core.lifecycle import State
from der_core.registration import Registration
from der_core.request import DispatchRequest
from der_headend.agents import Session
from kit.calls import calls_of
from kit.headend import World, gateway, holds, says

SITE = Site(UUID(int=1), "Large", "Here")

Work = Callable[[Coroutine[Any, Any, Any]], Any]


def ids(assets: int) -> list[UUID]:
    return [UUID(int=1000 + number) for number in range(assets)]


def world_of(assets: int) -> World:
    members = [
        Asset(
            id=asset_id,
            name=f"B-{place}",
            site_id=SITE.id,
            capacity_mwhr=4.0,
            max_mw=1.0,
            min_mw=-1.0,
            efficiency=0.9,
            ramp_rate_mw_per_min=10.0,
        )
        for place, asset_id in enumerate(ids(assets))
    ]
    return World(inventory=Inventory([SITE], members))


def introduced(world: World, *asset_ids: UUID, **more: Any) -> Registration:
    """The introduction of an agent of some of its assets."""
    return gateway(
        *asset_ids,
        agent_id=str(asset_ids[0]),
        site_id=SITE.id,
        inventory=world.fleet.inventory,
        **more,
    )


def told(world: World, session: Session, record: Dispatch, state: State) -> None:
    shares = {part.asset_id: 0.1 for part in record.allocations}
    world.dispatcher.reported(session, says(world, record.id, state, shares, unserved_mw=0.0))


def life_of_site_dispatches(world: World, run: Work) -> None:
    """One is acknowledged, active and superseded; one sent again; one waits in vain; the last is still in force."""
    assets = list(world.fleet.inventory.assets)
    introduction = introduced(world, *assets)
    session = run(world.connect(introduction))
    request = DispatchRequest(mw=len(assets) / 10, site_id=SITE.id)
    first = run(world.dispatcher.submit(request))
    for state in (State.ACKNOWLEDGED, State.ACTIVE):
        told(world, session, first, state)
    run(world.dispatcher.submit(request))
    told(world, session, first, State.SUPERSEDED)
    world.sessions.close(session.id, "link lost")
    for _ in range(2):
        run(world.dispatcher.submit(request))
    held = [holds(first, asset_id, 0.1, world.clock.now()) for asset_id in assets]
    again = introduced(world, *assets, spool_id=introduction.spool_id, in_force=held)
    run(world.connect(again))


def test_the_cost_of_a_site_dispatch_is_in_proportion_to_its_assets() -> None:
    costs = []
    for assets in (25, 100):
        world = world_of(assets)
        with asyncio.Runner() as runner:
            costs.append(calls_of(partial(life_of_site_dispatches, world, runner.run)))
    assert costs[1] < 4.2 * costs[0]


def test_the_cost_of_a_site_dispatch_is_in_proportion_to_its_agents() -> None:
    """The headend splits it, and each agent gets its share."""
    costs = []
    for agents in (10, 40):
        world = world_of(agents)
        world.show(dict.fromkeys(ids(agents), 0.0))
        with asyncio.Runner() as runner:
            for asset_id in ids(agents):
                runner.run(world.connect(introduced(world, asset_id)))
            request = DispatchRequest(mw=1.0, site_id=SITE.id)
            costs.append(calls_of(lambda: runner.run(world.dispatcher.submit(request))))  # noqa: B023 - called at once
    assert costs[1] < 4.2 * costs[0]


def test_the_cost_of_a_dispatch_does_not_depend_on_how_many_are_open_at_its_site() -> None:
    world = world_of(200)
    with asyncio.Runner() as runner:
        session = runner.run(world.connect(introduced(world, *ids(200))))

        def dispatch(asset_id: UUID) -> None:
            submitted = runner.run(world.dispatcher.submit(DispatchRequest(mw=0.1, asset_id=asset_id)))
            told(world, session, submitted, State.ACTIVE)

        first, *others, last = ids(200)
        few = calls_of(partial(dispatch, first))
        for asset_id in others:
            dispatch(asset_id)
        many = calls_of(partial(dispatch, last))
    assert many < 1.1 * few
