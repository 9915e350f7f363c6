"""What becomes of the alarms of an agent that comes without memory of them, now and after a restart of the headend."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from der_core.assets import Inventory
from der_core.events import EventKind
from der_headend.alarms import AGENT_DISCONNECTED, GIVEN_UP, LEFT_BEHIND, Alarms
from der_headend.ports import EventQuery, StoredEvent
from der_wire._gen import agent_link_pb2 as pb
from der_wire.registration import registration_to_wire
from kit import records
from kit.headend import INVENTORY, OTHER_SITE, SITE, A, B, C, World, gateway


class Stream:
    """What an agent says, and then the end."""

    def __init__(self, *messages: pb.Uplink) -> None:
        self._messages = iter(messages)

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    async def read(self) -> bytes | None:
        message = next(self._messages, None)
        return None if message is None else message.SerializeToString()

    async def write(self, _message: pb.Downlink) -> None:
        pass


async def visit(
    world: World,
    spool_id: UUID,
    events: Sequence[pb.Event] = (),
    asset_ids: Sequence[UUID] = (A, B),
    *,
    agent_id: str = "",
    first_seq: int = 1,
) -> None:
    """An agent of some assets connects, sends some events, and goes."""
    link: Any = world.link
    registration = gateway(*asset_ids, agent_id=agent_id or str(asset_ids[0]), spool_id=spool_id)
    sent = (
        pb.Uplink(record=pb.Record(seq=n, event=event)) for n, event in enumerate(events, start=first_seq)
    )
    await link.Connect(None, Stream(pb.Uplink(register=registration_to_wire(registration)), *sent))
    await world.ingest.flush()


def raised(world: World, code: str, *, asset: int | None = 0, ago_s: float = 0.0) -> pb.Event:
    at_us = int((world.clock.now().timestamp() - ago_s) * 1e6)
    return pb.Event(
        id=str(uuid4()),
        at_us=at_us,
        asset=asset,
        severity=pb.Event.SEVERITY_WARNING,
        kind=pb.Event.KIND_RAISED,
        code=code,
        message=code,
    )


def cleared(world: World, code: str, *, asset: int | None = 0) -> pb.Event:
    event = raised(world, code, asset=asset)
    event.kind = pb.Event.KIND_CLEARED
    return event


async def restarted(world: World, *, inventory: Inventory) -> World:
    """The next run of a headend, of another inventory."""
    other = World(store=world.store, inventory=inventory)
    other.clock.advance((world.clock.now() - other.clock.now()).total_seconds())
    newest = {record.session_id: record for record in world.session_changes}
    other.sessions.restore(reversed(newest.values()))
    other.alarms.restore(await world.store.events.open_alarms())
    return other


async def after_a_restart(world: World) -> list[str]:
    """The codes of the alarms with which a restarted headend would begin."""
    alarms = Alarms()
    alarms.restore(await world.store.events.open_alarms())
    return [alarm.event.code for alarm in alarms.active()]


async def test_what_a_new_spool_left_behind_is_cleared_for_good() -> None:
    world = World()
    await visit(world, uuid4(), [raised(world, "trip"), raised(world, "spool_full", asset=None)])
    assert await after_a_restart(world) == ["trip", "spool_full"]
    world.clock.advance(60.0)
    await visit(world, uuid4())
    assert list(world.alarms.active()) == []
    assert await after_a_restart(world) == []
    events = [stored.event for stored in (await world.store.events.page(EventQuery(limit=10))).items]
    cleared = [event for event in events if event.kind is EventKind.CLEARED]
    assert {(event.asset_id, event.code, event.message) for event in cleared} == {
        (A, "trip", LEFT_BEHIND),
        (A, "spool_full", LEFT_BEHIND),
    }
    assert {event.at for event in cleared} == {world.clock.now() - timedelta(seconds=60)}


async def test_what_another_agent_of_the_site_has_raised_is_left_alone() -> None:
    """An alarm about an agent itself is at the first of its assets, unless it serves all of the site."""
    world = World()
    await visit(world, uuid4(), [raised(world, "spool_full", asset=None)], asset_ids=(C,))
    await visit(world, uuid4(), [raised(world, "spool_full", asset=None)], asset_ids=(A, B))
    assert {alarm.event.asset_id for alarm in world.alarms.active()} == {A, C}
    again = World(store=world.store)
    again.alarms.restore(await world.store.events.open_alarms())
    await visit(again, uuid4(), asset_ids=(A, B))
    assert [alarm.event.asset_id for alarm in again.alarms.active()] == [C]
    assert await after_a_restart(again) == ["spool_full"]


async def test_what_the_gateway_of_the_whole_site_has_raised_ends_with_its_successors() -> None:
    world = World()
    await visit(world, uuid4(), [raised(world, "spool_full", asset=None)], asset_ids=(A, B, C))
    assert [alarm.event.asset_id for alarm in world.alarms.active()] == [None]
    await visit(world, uuid4(), asset_ids=(A,))
    assert await after_a_restart(world) == []


@pytest.mark.parametrize("grown", [True, False])
async def test_what_an_agent_says_of_itself_ends_also_where_it_was_before_its_site_has_changed(
    *, grown: bool
) -> None:
    """Its alarm is the site's while it serves all of it, and that of the first of its assets once it does not."""
    whole = [asset for asset in INVENTORY.in_order if asset.site_id == SITE]
    more = [*whole, replace(whole[0], id=uuid4(), name="GT-BESS-D")]
    before, after = (
        Inventory(INVENTORY.sites.values(), assets) for assets in (whole, more)[:: 1 if grown else -1]
    )
    world, spool_id = World(inventory=before), uuid4()
    await visit(world, spool_id, [raised(world, "spool_full", asset=None)], asset_ids=(A, B, C))
    assert [alarm.event.asset_id for alarm in world.alarms.active()] == [None if grown else A]
    again = await restarted(world, inventory=after)
    await visit(again, spool_id, [cleared(world, "spool_full", asset=None)], (A, B, C), first_seq=2)
    assert list(again.alarms.active()) == []
    assert await after_a_restart(again) == []


async def test_what_an_agent_of_one_asset_said_when_that_was_the_site_s_ends_too() -> None:
    world, spool_id = World(), uuid4()
    await visit(world, spool_id, asset_ids=(A,))
    world.alarms.note(records.event(0, asset_id=None, kind=EventKind.RAISED, code="spool_full"))
    await visit(world, spool_id, [cleared(world, "spool_full", asset=None)], asset_ids=(A,))
    assert list(world.alarms.active()) == []


async def test_what_an_agent_says_of_itself_leaves_what_another_says_of_itself() -> None:
    world, spool_id = World(), uuid4()
    await visit(world, uuid4(), [raised(world, "spool_full", asset=None)], asset_ids=(C,))
    events = [raised(world, "spool_full", asset=None), cleared(world, "spool_full", asset=None)]
    await visit(world, spool_id, [*events, cleared(world, "trip", asset=None)], asset_ids=(A, B))
    assert [alarm.event.asset_id for alarm in world.alarms.active()] == [C]
    world.alarms.note(records.event(0, asset_id=None, kind=EventKind.RAISED, code="spool_full"))
    await visit(world, spool_id, events, asset_ids=(A, B))
    assert {alarm.event.asset_id for alarm in world.alarms.active()} == {None, C}, "it was taken before"


@pytest.mark.parametrize("remembers", [True, False])
@pytest.mark.parametrize("b", ["here", "moved", "gone"])
async def test_what_was_raised_of_an_asset_ends_when_its_agent_does_not_serve_it_any_more(
    *, remembers: bool, b: str
) -> None:
    world, spool_id = World(), uuid4()
    await visit(world, uuid4(), [raised(world, "trip")], asset_ids=(C,), agent_id="other")
    trips = [raised(world, "trip", asset=0), raised(world, "trip", asset=1)]
    await visit(world, spool_id, trips, asset_ids=(A, B), agent_id="mine")
    assets = [asset for asset in INVENTORY.in_order if asset.id != B]
    if b != "gone":
        assets.append(replace(INVENTORY.assets[B], site_id=OTHER_SITE if b == "moved" else SITE))
    again = await restarted(world, inventory=Inventory(INVENTORY.sites.values(), assets))
    await visit(again, spool_id if remembers else uuid4(), (), (A,), agent_id="mine")
    assert {alarm.event.asset_id for alarm in again.alarms.active()} == ({A, C} if remembers else {C})
    events = [stored.event for stored in (await world.store.events.page(EventQuery(limit=10))).items]
    assert [event.asset_id for event in events if event.message == GIVEN_UP] == [B]
    assert await after_a_restart(again) == [alarm.event.code for alarm in again.alarms.active()]


async def test_what_was_raised_of_an_asset_that_another_serves_by_now_is_left_alone() -> None:
    world, spool_id = World(), uuid4()
    await visit(world, spool_id, asset_ids=(A, B), agent_id="mine")
    await visit(world, uuid4(), [raised(world, "trip")], asset_ids=(B,), agent_id="other")
    await visit(world, spool_id, asset_ids=(A,), agent_id="mine")
    assert [alarm.event.asset_id for alarm in world.alarms.active()] == [B]


async def test_an_agent_has_no_say_in_the_alarms_of_the_headend() -> None:
    world = World()
    world.alarms.note(records.event(0, kind=EventKind.RAISED, code=AGENT_DISCONNECTED))
    mine = raised(world, AGENT_DISCONNECTED)
    mine.kind = pb.Event.KIND_CLEARED
    await visit(world, uuid4(), [mine, raised(world, "refused_unknown_asset")])
    assert [alarm.event.code for alarm in world.alarms.active()] == [AGENT_DISCONNECTED]
    assert world.ingest.set_aside_counts == {"code_of_the_headend": 2}


async def test_an_alarm_of_an_agent_whose_clock_is_late_is_there_after_a_restart() -> None:
    world = World()
    await visit(world, uuid4(), [raised(world, "trip")])
    world.clock.advance(60.0)
    await visit(world, uuid4(), [raised(world, "trip", ago_s=3600.0)])
    assert [alarm.event.code for alarm in world.alarms.active()] == await after_a_restart(world) == ["trip"]


async def test_what_still_holds_is_raised_again_though_it_happened_before_the_agent_could_connect() -> None:
    world = World()
    await visit(world, uuid4(), [raised(world, "trip")])
    world.clock.advance(60.0)
    await visit(world, uuid4(), [raised(world, "trip", ago_s=30.0)])
    assert [alarm.event.code for alarm in world.alarms.active()] == await after_a_restart(world) == ["trip"]


async def test_an_agent_that_remembers_keeps_its_alarms() -> None:
    world, spool_id = World(), uuid4()
    await visit(world, spool_id, [raised(world, "trip")])
    await visit(world, spool_id)
    assert [alarm.event.code for alarm in world.alarms.active()] == ["trip"]


def test_an_agents_alarm_of_an_earlier_run_ends_with_its_clearing() -> None:
    alarms = Alarms()
    full = records.event(0, asset_id=None, kind=EventKind.RAISED, code="spool_full")
    alarms.restore([StoredEvent(full, records.at(1))])
    again = records.event(2, asset_id=None, kind=EventKind.RAISED, code="spool_full")
    alarms.note(again)
    assert list(alarms.active()) == [StoredEvent(again)]
    alarms.note(records.event(3, asset_id=None, kind=EventKind.CLEARED, code="spool_full"))
    assert alarms.count(SITE) == 0


def test_the_headends_own_alarm_about_an_agent_is_none_that_the_agent_left_behind() -> None:
    alarms = Alarms()
    alarms.note(records.event(0, asset_id=None, kind=EventKind.RAISED, code=AGENT_DISCONNECTED))
    assert alarms.end(SITE, {A, None}, why=LEFT_BEHIND, heard_at=None) == []


def test_alarms_of_one_id_and_different_places_are_the_first_of_them() -> None:
    alarms = Alarms()
    first = records.event(0, kind=EventKind.RAISED)
    for event in (
        first,
        replace(first, site_id=OTHER_SITE),
        first,
        replace(first, code="other", at=records.at(1)),
    ):
        alarms.note(event)
    assert list(alarms.page(EventQuery(limit=10)).items) == [StoredEvent(first)]
    alarms.note(replace(first, kind=EventKind.CLEARED))
    assert list(alarms.page(EventQuery(limit=10)).items) == []


async def test_an_end_of_its_own_leaves_what_its_assets_have_of_the_same_code() -> None:
    world, spool = World(), uuid4()
    both = [raised(world, "comm_lost", asset=1), raised(world, "comm_lost", asset=None)]
    await visit(world, spool, both, (A, B), agent_id="g")
    await visit(world, spool, [cleared(world, "comm_lost", asset=None)], (A, B), agent_id="g", first_seq=3)
    assert {alarm.event.asset_id for alarm in world.alarms.active()} == {B}


async def test_a_newcomer_at_a_site_that_has_grown_ends_nothing_of_the_gateway_there() -> None:
    here = [asset for asset in INVENTORY.in_order if asset.site_id == SITE]
    grown = Inventory(INVENTORY.sites.values(), [*here, replace(here[0], id=UUID(int=4), name="GT-BESS-D")])
    world, spool = World(inventory=Inventory(INVENTORY.sites.values(), here)), uuid4()
    await visit(world, spool, [raised(world, "spool_full", asset=None)], (A, B, C), agent_id="g")
    again = await restarted(world, inventory=grown)
    await again.connect(gateway(A, B, C, agent_id="g", spool_id=spool))
    newcomer = gateway(UUID(int=4), agent_id="newcomer", inventory=grown)
    own = [raised(again, "spool_full", asset=None), cleared(again, "spool_full", asset=None)]
    sent = [pb.Uplink(record=pb.Record(seq=seq, event=event)) for seq, event in enumerate(own, 1)]
    link: Any = again.link
    await link.Connect(None, Stream(pb.Uplink(register=registration_to_wire(newcomer)), *sent))
    await again.ingest.flush()
    assert [alarm.event.asset_id for alarm in again.alarms.active()] == [None]
