"""Who may register what, and what operators are told of those who are refused or know their assets otherwise."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest

from der_core.assets import Inventory
from der_core.errors import Conflict, Rejected
from der_core.events import Event, EventKind
from der_core.registration import RegisteredAsset, Registration
from der_headend import admissions, own_alarms
from der_headend.admissions import QUIET_S, differences
from der_headend.own_alarms import LOOK_S
from der_headend.ports import Batch, EventQuery
from der_wire._gen import agent_link_pb2 as pb
from der_wire.registration import registration_to_wire
from kit.headend import INVENTORY, OTHER_SITE, SITE, A, B, C, D, World, gateway
from kit.scripted_headend import until

STRANGER = RegisteredAsset(id=uuid4(), name="X", capacity_mwhr=1.0, max_mw=1.0, min_mw=-1.0)


class Stream:
    """Introduces itself, and goes or ``stays``."""

    def __init__(self, introduction: pb.Register, *, stays: bool = False) -> None:
        self._messages = iter([pb.Uplink(register=introduction)])
        self._stays = stays
        self.heard: list[pb.Downlink] = []

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    async def read(self) -> bytes | None:
        if (message := next(self._messages, None)) is None and self._stays:
            await asyncio.Event().wait()
        return None if message is None else message.SerializeToString()

    async def write(self, message: pb.Downlink) -> None:
        self.heard.append(message)


class Door(World):
    """A headend at which agents knock."""

    async def knocks(self, introduction: pb.Register | Registration) -> str:
        """The code of the refusal; empty if there is none."""
        link: Any = self.link
        if isinstance(introduction, Registration):
            introduction = registration_to_wire(introduction)
        stream = Stream(introduction)
        await link.Connect(None, stream)
        return "".join(message.refused.code for message in stream.heard)

    async def after(self, seconds: float) -> None:
        for _ in range(int(seconds / LOOK_S)):
            self.clock.advance(LOOK_S)
            self.admissions.look()

    async def told(self) -> list[Event]:
        """Oldest first."""
        await self.ingest.flush()
        found = (await self.store.events.page(EventQuery(limit=1000))).items
        return [stored.event for stored in reversed(found)]

    async def restarted(self, inventory: Inventory = INVENTORY) -> "Door":
        await self.ingest.flush()
        other = Door(store=self.store, inventory=inventory)
        other.clock.advance((self.clock.now() - other.clock.now()).total_seconds())
        newest = {record.session_id: record for record in self.session_changes}
        other.sessions.restore(reversed(newest.values()))
        other.alarms.restore(await self.store.events.open_alarms())
        other.admissions.take_up()
        return other

    @property
    def raised(self) -> list[tuple[UUID, UUID | None, str]]:
        return [(a.event.site_id, a.event.asset_id, a.event.code) for a in self.alarms.active()]


def single(asset_id: UUID, *, agent_id: str) -> pb.Register:
    introduction = registration_to_wire(gateway(asset_id, agent_id=agent_id))
    introduction.mode = pb.MODE_SINGLE_ASSET
    return introduction


async def test_hazard_an_asset_of_another_live_agent_can_not_be_taken() -> None:
    world = World()
    first = await world.connect(gateway(A, agent_id="first"))
    with pytest.raises(Conflict, match="served by agent first") as refused:
        await world.connect(gateway(A, B, agent_id="second"))
    assert refused.value.code == "asset_served_elsewhere"
    assert world.sessions.serving(A) is first
    world.sessions.close(first.id, "gone")
    second = await world.connect(gateway(A, B, agent_id="second"))
    assert world.sessions.serving(A) is second


async def test_assets_that_the_headend_does_not_know_or_knows_elsewhere_are_refused() -> None:
    world = World()
    stranger = RegisteredAsset(id=uuid4(), name="X", capacity_mwhr=1.0, max_mw=1.0, min_mw=-1.0)
    known = gateway(A)
    for registration, code in (
        (replace(known, assets=(stranger,)), "unknown_asset"),
        (replace(known, site_id=uuid4()), "unknown_site"),
        (replace(known, site_id=OTHER_SITE), "wrong_site"),
    ):
        with pytest.raises(Rejected) as refused:
            await world.connect(registration)
        assert refused.value.code == code
    assert not world.sessions.live


async def test_a_spool_of_another_live_agent_can_not_be_written_by_a_copy() -> None:
    world, spool_id = World(), uuid4()
    await world.connect(gateway(A, agent_id="first", spool_id=spool_id))
    with pytest.raises(Conflict) as refused:
        await world.connect(gateway(B, agent_id="second", spool_id=spool_id))
    assert refused.value.code == "spool_served_elsewhere"


async def test_an_agent_that_is_refused_again_and_again_is_one_alarm_until_it_is_let_in() -> None:
    world = Door()
    rival = await world.connect(gateway(B, agent_id="rival"))
    for _ in range(50):
        assert await world.knocks(single(B, agent_id="late")) == "asset_served_elsewhere"
        await world.after(LOOK_S)
    (event,) = await world.told()
    assert (event.kind, event.site_id, event.asset_id) == (EventKind.RAISED, SITE, B)
    assert event.code == "refused_asset_served_elsewhere"
    assert event.message == (
        "GT-BESS-B at Gateway-Test: agent late from 127.0.0.1:1 is refused: "
        f"asset {B} (GT-BESS-B) is served by agent rival from 127.0.0.1:1; stop that agent first"
    )
    assert world.admissions.refused_counts == {"asset_served_elsewhere": 50}
    world.sessions.close(rival.id, "gone")
    assert await world.knocks(single(B, agent_id="late")) == ""
    await world.after(LOOK_S)
    cleared = (await world.told())[-1]
    assert (cleared.kind, cleared.asset_id) == (EventKind.CLEARED, B)
    assert "was let in (refused 50 times)" in cleared.message
    assert world.raised == []


async def test_an_alarm_of_one_who_gave_up_ends_by_itself_also_after_a_restart() -> None:
    world = Door()
    await world.knocks(replace(gateway(A), assets=(STRANGER,)))
    await world.after(QUIET_S / 2)
    raised = [(SITE, None, "refused_unknown_asset")]
    assert world.raised == raised
    again = await world.restarted()
    await again.after(QUIET_S - LOOK_S)
    assert again.raised == raised
    await again.after(LOOK_S)
    assert (await again.told())[-1].kind is EventKind.CLEARED
    assert again.raised == []
    assert await again.store.events.open_alarms() == []


async def test_an_alarm_of_several_who_are_refused_goes_on_until_the_last_of_them_is_let_in() -> None:
    world = Door()
    agents = [gateway(asset_id, agent_id=f"gateway of {asset_id}") for asset_id in (A, B)]
    raised = [(SITE, None, "refused_unknown_asset")]
    for agent in agents:
        assert await world.knocks(replace(agent, assets=(STRANGER,))) == "unknown_asset"
    for agent, still_raised in zip(agents, (raised, []), strict=True):
        assert await world.knocks(agent) == ""
        await world.after(LOOK_S)
        assert world.raised == still_raised


async def test_of_more_agents_than_are_remembered_for_a_cause_none_is_taken_for_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admissions, "AGENTS_PER_CAUSE", 2)
    world = Door()
    for asset_id in (A, B, C):
        await world.knocks(replace(gateway(agent_id=str(asset_id)), assets=(STRANGER,)))
    for asset_id in (A, B):
        assert await world.knocks(gateway(asset_id, agent_id=str(asset_id))) == ""
    await world.after(LOOK_S)
    assert world.raised == [(SITE, None, "refused_unknown_asset")]
    await world.after(QUIET_S)
    assert "not tried again for 120 s (refused 3 times)" in (await world.told())[-1].message


async def test_an_agent_that_is_refused_most_often_is_not_the_one_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(admissions, "AGENTS_KNOWN", 2)
    world = Door()
    for n in range(4):
        await world.knocks(replace(gateway(agent_id="stubborn"), assets=(STRANGER,)))
        await world.knocks(replace(gateway(D, agent_id=f"other {n}", site_id=OTHER_SITE), assets=(STRANGER,)))
    assert await world.knocks(gateway(agent_id="stubborn")) == ""
    await world.after(LOOK_S)
    assert world.raised == [(OTHER_SITE, None, "refused_unknown_asset")]


async def test_after_a_restart_the_alarm_of_one_who_is_let_in_ends_at_once() -> None:
    world = Door()
    await world.knocks(replace(gateway(agent_id="gateway"), assets=(STRANGER,)))
    old = single(D, agent_id="single")
    old.site_id, old.protocol = str(OTHER_SITE), 99
    await world.knocks(old)
    of_site, of_asset = (SITE, None, "refused_unknown_asset"), (OTHER_SITE, D, "refused_protocol_version")

    again = await world.restarted()
    await again.after(LOOK_S)
    assert again.raised == [of_site, of_asset]
    assert await again.knocks(single(A, agent_id="single of the site")) == ""
    await again.after(LOOK_S)
    assert again.raised == [of_site, of_asset]
    old.protocol = 1
    assert await again.knocks(old) == ""
    await again.after(LOOK_S)
    assert again.raised == [of_site]
    assert await again.knocks(gateway(B, C, agent_id="gateway")) == ""
    await again.after(LOOK_S)
    cleared = (await again.told())[-1]
    assert (cleared.kind, cleared.message) == (EventKind.CLEARED, "Gateway-Test: the agent was let in")
    assert again.raised == []


async def test_after_a_restart_the_alarm_of_one_who_is_refused_again_goes_on() -> None:
    world = Door()
    await world.knocks(replace(gateway(agent_id="gateway"), assets=(STRANGER,)))
    again = await world.restarted()
    await again.knocks(replace(gateway(agent_id="gateway"), assets=(STRANGER,)))
    assert await again.knocks(gateway(A, agent_id="other gateway")) == ""
    await again.after(LOOK_S)
    assert again.raised == [(SITE, None, "refused_unknown_asset")]


async def test_causes_are_told_apart_by_code_and_place() -> None:
    world = Door()
    old = registration_to_wire(gateway(agent_id="old"))
    old.protocol = 99
    for introduction in (
        old,
        gateway(A, agent_id="elsewhere", site_id=OTHER_SITE),
        single(C, agent_id="without a place"),
    ):
        await world.knocks(introduction)
    misplaced = single(C, agent_id="misplaced")
    misplaced.site_id = str(OTHER_SITE)
    await world.knocks(misplaced)
    assert set(world.raised) == {
        (SITE, None, "refused_protocol_version"),
        (OTHER_SITE, None, "refused_wrong_site"),
        (SITE, C, "refused_wrong_site"),
    }


async def test_whatever_strangers_send_alarms_and_memory_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admissions, "STRANGE_SITES", 3)
    monkeypatch.setattr(admissions, "AGENTS_KNOWN", 5)
    world = Door()
    for n in range(50):
        stranger = registration_to_wire(gateway(A, agent_id=f"stranger {n}"))
        stranger.site_id = str(UUID(int=n + 1))
        assert await world.knocks(stranger) == "unknown_site"
        stranger.site_id = "nowhere\x1b[31m"
        assert await world.knocks(stranger) == "invalid"
        assert (
            await world.knocks(replace(gateway(agent_id=f"known {n}"), assets=(STRANGER,))) == "unknown_asset"
        )
    assert len(world.raised) == 4
    assert len(world.admissions._refused) == 6
    assert len(world.admissions._refused_for) == 5
    assert world.admissions.refused_counts == {"unknown_site": 50, "invalid": 50, "unknown_asset": 50}


async def test_of_many_causes_only_so_many_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_alarms, "MOST", 2)
    world = Door()
    for asset_id in (A, B, C):
        introduction = single(asset_id, agent_id=str(asset_id))
        introduction.protocol = 99
        await world.knocks(introduction)
    assert [asset_id for _, asset_id, _ in world.raised] == [A, B]
    assert world.admissions.refused_counts == {"protocol_version": 3}


def otherwise(registration: Registration, **fields: object) -> Registration:
    """The same agent, which knows its first asset otherwise."""
    first, *rest = registration.assets
    return replace(registration, assets=(replace(first, **fields), *rest))  # type: ignore[arg-type] # as dataclasses are


def test_differences_between_agent_and_inventory_are_named() -> None:
    found = differences(otherwise(gateway(A, B), name="SA-BESS-1", max_mw=50.0), INVENTORY)
    assert [str(each) for each in found] == [
        "GT-BESS-A: name SA-BESS-1 (here GT-BESS-A)",
        "GT-BESS-A: max_mw 50.0 (here 60.0)",
    ]


async def test_an_agent_with_other_limits_is_one_alarm_until_it_comes_without_the_difference() -> None:
    world = Door()
    assert await world.knocks(otherwise(gateway(B, C), name="another name alone")) == ""
    for _ in range(3):
        assert await world.knocks(otherwise(gateway(B, C), max_mw=50.0)) == ""
    (event,) = await world.told()
    assert (event.kind, event.asset_id, event.code) == (EventKind.RAISED, B, "limits_differ")
    assert event.message == (
        f"GT-BESS-B at Gateway-Test: agent {SITE} has max_mw 50.0 (here 20.0); "
        "a dispatch is clamped by the limits of both"
    )
    again = await world.restarted()
    await again.knocks(otherwise(gateway(B, C), max_mw=50.0))
    assert len(await again.told()) == 1
    again.clock.advance(1.0)
    await again.knocks(gateway(B, C))
    assert (await again.told())[-1].kind is EventKind.CLEARED
    assert again.raised == []


@pytest.mark.parametrize("moved", [False, True])
async def test_a_difference_in_an_asset_that_is_no_more_or_elsewhere_is_cleared(*, moved: bool) -> None:
    world = Door()
    await world.knocks(otherwise(gateway(B), max_mw=50.0))
    others = [asset for asset in INVENTORY.in_order if asset.id != B]
    if moved:
        others.append(replace(INVENTORY.assets[B], site_id=OTHER_SITE))
    again = await world.restarted(Inventory(INVENTORY.sites.values(), others))
    assert again.raised == []


async def test_a_difference_in_an_asset_that_its_agent_does_not_serve_any_more_is_cleared() -> None:
    world = Door()
    await world.knocks(otherwise(gateway(B, C), max_mw=50.0))
    again = await world.restarted()
    again.clock.advance(1.0)
    assert await again.knocks(gateway(C)) == ""
    assert (await again.told())[
        -1
    ].message == "GT-BESS-B at Gateway-Test: its agent does not serve it any more"
    assert again.raised == []


async def test_a_difference_of_the_agent_that_has_taken_over_an_asset_is_left_alone() -> None:
    world = Door()
    assert await world.knocks(gateway(B, C, agent_id="before")) == ""
    assert await world.knocks(otherwise(gateway(B, agent_id="after"), max_mw=50.0)) == ""
    assert await world.knocks(gateway(C, agent_id="before")) == ""
    assert world.raised == [(SITE, B, "limits_differ")]


class Slow:
    """A store that answers the first who asks last."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers = asyncio.Event()

    async def commit(self, batch: Batch) -> None: ...

    async def mark(self, spool_id: UUID) -> int:
        self.asked += 1
        if self.asked == 1:
            await self.answers.wait()
        return 0


async def test_hazard_an_older_stream_that_is_answered_late_does_not_replace_the_newer_one() -> None:
    store = Slow()
    world = World(journal=store)
    link: Any = world.link
    introduction = registration_to_wire(gateway(spool_id=uuid4()))
    older, newer = Stream(introduction, stays=True), Stream(introduction, stays=True)
    first = asyncio.create_task(link.Connect(None, older))
    await until(lambda: store.asked == 1)
    second = asyncio.create_task(link.Connect(None, newer))
    await until(lambda: bool(newer.heard))
    store.answers.set()
    await asyncio.wait_for(first, 10.0)
    assert older.heard == []
    assert len(world.sessions.live) == 1
    assert not second.done()
    second.cancel()
    await asyncio.gather(second, return_exceptions=True)


async def test_after_a_restart_with_its_asset_a_single_agent_ends_what_was_said_of_it_at_its_site() -> None:
    here = [asset for asset in INVENTORY.in_order if asset.id != A]
    world = Door(inventory=Inventory(INVENTORY.sites.values(), here))
    assert await world.knocks(single(A, agent_id="single")) == "unknown_asset"
    again = await world.restarted()
    await again.after(LOOK_S)
    assert again.raised == [(SITE, None, "refused_unknown_asset")]
    assert await again.knocks(single(A, agent_id="single")) == ""
    await again.after(LOOK_S)
    assert again.raised == []


async def test_as_many_agents_as_are_remembered_all_end_their_alarm() -> None:
    world = Door()
    names = [f"agent {n}" for n in range(admissions.AGENTS_PER_CAUSE)]
    for name in (*names, *names):
        await world.knocks(replace(gateway(agent_id=name), assets=(STRANGER,)))
    for name in names:
        assert await world.knocks(gateway(agent_id=name)) == ""
    await world.after(LOOK_S)
    assert world.raised == []
