"""What is told of an agent that is lost, when it is raised and cleared, and that a crowd of agents makes few events."""

from uuid import UUID, uuid4

import pytest

from der_core.assets import Inventory
from der_core.events import Event, EventKind, Severity
from der_headend import absences, own_alarms
from der_headend.absences import AGAIN_S, GRACE_S, NOTICED_AFTER_S
from der_headend.own_alarms import LOOK_S, WITHIN_S
from der_headend.ports import EventQuery
from der_headend.sessions import CLOSED_BY_AGENT, HEADEND_STOPPING, HEARTBEAT_MISSED, LINK_LOST
from kit.headend import INVENTORY, SITE, A, B, C, World, gateway


class Watched(World):
    """A headend that looks for who is lost."""

    async def comes_and_goes(self, *asset_ids: UUID, agent_id: str = "lost", reason: str = LINK_LOST) -> None:
        session = await self.connect(gateway(*asset_ids, agent_id=agent_id))
        self.sessions.close(session.id, reason)

    async def told(self, *kinds: EventKind) -> list[Event]:
        """What was told of those kinds, oldest first."""
        await self.ingest.flush()
        found = (await self.store.events.page(EventQuery(limit=1000))).items
        return [stored.event for stored in reversed(found) if stored.event.kind in kinds]

    async def after(self, seconds: float) -> list[tuple[EventKind, UUID | None]]:
        """Which alarms were raised and cleared until then, oldest first."""
        for _ in range(int(seconds / LOOK_S)):
            self.clock.advance(LOOK_S)
            self.absences.look()
        told = await self.told(EventKind.RAISED, EventKind.CLEARED)
        return [(event.kind, event.asset_id) for event in told]

    async def restarted(self, inventory: Inventory = INVENTORY) -> "Watched":
        """The next run of this headend, with what is stored of this one."""
        for session_id in list(self.sessions.live):
            self.sessions.close(session_id, HEADEND_STOPPING)
        other = Watched(store=self.store, inventory=inventory)
        other.clock.advance((self.clock.now() - other.clock.now()).total_seconds())
        other.session_changes.extend(self.session_changes)
        newest = {record.session_id: record for record in self.session_changes}
        other.sessions.restore(reversed(newest.values()))
        other.alarms.restore(await self.store.events.open_alarms())
        other.absences.take_up()
        return other


async def test_an_agent_that_stays_away_is_an_alarm_until_it_is_back() -> None:
    world = Watched()
    await world.comes_and_goes()
    assert await world.after(GRACE_S - LOOK_S) == []
    assert await world.after(10 * LOOK_S) == [(EventKind.RAISED, None)]
    (alarm,) = world.alarms.active()
    assert (alarm.event.code, alarm.event.severity) == ("agent_disconnected", Severity.WARNING)
    assert alarm.event.message == (
        "Gateway-Test: not heard since 2026-06-01 12:00:00 UTC (link lost), agent lost of 3 assets"
    )
    assert world.absences.missed == 1
    await world.connect(gateway(agent_id="lost"))
    assert await world.after(10 * LOOK_S) == [(EventKind.RAISED, None), (EventKind.CLEARED, None)]
    assert world.alarms.count(SITE) == world.absences.missed == 0


async def test_the_alarm_of_an_agent_of_one_asset_is_that_asset_s() -> None:
    world = Watched()
    await world.comes_and_goes(B)
    assert await world.after(2 * GRACE_S) == [(EventKind.RAISED, B)]
    (alarm,) = world.alarms.active()
    assert alarm.event.message == (
        "GT-BESS-B at Gateway-Test: not heard since 2026-06-01 12:00:00 UTC (link lost), agent lost"
    )


async def test_a_notice_says_at_once_that_an_agent_is_gone_and_not_again_while_its_link_flaps() -> None:
    world = Watched()
    for _ in range(3):
        await world.comes_and_goes(B)
        await world.after(LOOK_S)
    (notice,) = await world.told(EventKind.NOTICE)
    assert (notice.code, notice.severity, notice.asset_id) == ("agent_link_lost", Severity.INFO, B)
    assert notice.message == (
        "GT-BESS-B at Gateway-Test: not heard since 2026-06-01 12:00:00 UTC (link lost), agent lost; "
        "an alarm follows unless it is back within 120 s"
    )
    await world.after(AGAIN_S)
    session = await world.connect(gateway(B, agent_id="lost"))
    await world.after(LOOK_S)
    world.sessions.close(session.id, LINK_LOST)
    await world.after(LOOK_S)
    assert len(await world.told(EventKind.NOTICE)) == 2


async def test_of_an_agent_that_is_back_at_once_there_is_no_notice() -> None:
    world = Watched()
    await world.comes_and_goes(B)
    world.clock.advance(NOTICED_AFTER_S / 2)
    world.absences.look()
    await world.connect(gateway(B, agent_id="lost"))
    await world.after(LOOK_S)
    assert await world.told(EventKind.NOTICE) == []


async def test_of_a_crowd_only_so_many_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absences, "NOTICES", 2)
    world = Watched()
    for asset_id in (A, B, C):
        await world.comes_and_goes(asset_id, agent_id=str(asset_id))
    await world.after(AGAIN_S / 2)
    assert {event.asset_id for event in await world.told(EventKind.NOTICE)} == {A, B}


async def test_after_a_restart_of_the_headend_there_is_no_notice() -> None:
    world = Watched()
    await world.connect(gateway())
    again = await world.restarted()
    await again.after(LOOK_S)
    assert await again.told(EventKind.NOTICE) == []


async def test_a_clock_that_is_set_makes_nobody_lost() -> None:
    world = Watched()
    await world.comes_and_goes()
    world.clock.step_wall_time(10 * GRACE_S)
    assert await world.after(GRACE_S - LOOK_S) == []
    world.clock.step_wall_time(-20 * GRACE_S)
    assert await world.after(10 * LOOK_S) == [(EventKind.RAISED, None)]


async def test_agents_that_flap_within_the_grace_time_leave_no_event_and_are_not_missed() -> None:
    world = Watched()
    for agent_id in ("one", "other") * 10:
        await world.comes_and_goes(agent_id=agent_id)
        assert await world.after(GRACE_S - LOOK_S) == []
        assert world.absences.missed == 0


async def test_an_agent_that_went_on_purpose_or_has_a_successor_is_not_missed() -> None:
    world = Watched()
    await world.comes_and_goes(A, agent_id="stopped", reason=CLOSED_BY_AGENT)
    await world.comes_and_goes(B, agent_id="before")
    await world.connect(gateway(B, agent_id="after"))
    assert await world.after(2 * GRACE_S) == []
    await world.comes_and_goes(C, agent_id="replaced")
    raised = [(EventKind.RAISED, C)]
    assert await world.after(2 * GRACE_S) == raised
    await world.connect(gateway(C, agent_id="replacement"))
    assert await world.after(LOOK_S) == [*raised, (EventKind.CLEARED, C)]


async def test_after_a_restart_agents_have_the_grace_time_to_come_back() -> None:
    world = Watched()
    await world.comes_and_goes(A, agent_id="comes")
    await world.connect(gateway(B, agent_id="stays away"))
    again = await world.restarted()
    assert await again.after(GRACE_S - LOOK_S) == []
    assert again.absences.missed == 0
    await again.connect(gateway(A, agent_id="comes"))
    assert await again.after(2 * LOOK_S) == [(EventKind.RAISED, B)]
    (alarm,) = again.alarms.active()
    assert "(headend is stopping), agent stays away" in alarm.event.message


async def test_an_alarm_of_an_earlier_run_is_neither_raised_again_nor_left() -> None:
    world = Watched()
    await world.comes_and_goes()
    raised = [(EventKind.RAISED, None)]
    assert await world.after(2 * GRACE_S) == raised
    again = await world.restarted()
    assert await again.after(LOOK_S) == raised
    assert again.absences.missed == 1
    assert await again.after(2 * GRACE_S) == raised
    await again.connect(gateway(agent_id="lost", spool_id=uuid4()))
    assert await again.after(LOOK_S) == [*raised, (EventKind.CLEARED, None)]
    assert await again.store.events.open_alarms() == []


async def test_an_alarm_of_an_earlier_run_that_nobody_misses_is_cleared() -> None:
    world = Watched()
    await world.comes_and_goes()
    await world.after(2 * GRACE_S)
    others = [asset for asset in INVENTORY.in_order if asset.site_id != SITE]
    again = await world.restarted(Inventory(INVENTORY.sites.values(), others))
    assert again.sessions.agent("lost") is not None
    assert (await again.after(2 * GRACE_S))[1:] == [(EventKind.CLEARED, None)]
    assert again.absences.missed == 0


async def test_an_alarm_of_an_earlier_run_stays_while_its_agent_is_missed_at_a_site_of_fewer_assets() -> None:
    world = Watched()
    await world.comes_and_goes()
    await world.after(2 * GRACE_S)
    others = [asset for asset in INVENTORY.in_order if asset.id != A]
    again = await world.restarted(Inventory(INVENTORY.sites.values(), others))
    assert await again.after(2 * GRACE_S) == [(EventKind.RAISED, None)]
    assert again.absences.missed == 1


async def test_of_a_crowd_only_so_many_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_alarms, "MOST", 2)
    world = Watched()
    for asset_id in (A, B, C):
        await world.comes_and_goes(asset_id, agent_id=str(asset_id))
    assert set(await world.after(3 * GRACE_S)) == {(EventKind.RAISED, A), (EventKind.RAISED, B)}
    assert world.absences.missed == 3


async def test_while_a_crowd_comes_back_no_further_ones_are_raised_in_the_places_of_those_who_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(own_alarms, "MOST", 2)
    world = Watched()
    for asset_id in (A, B, C):
        await world.comes_and_goes(asset_id, agent_id=str(asset_id))
    await world.after(2 * GRACE_S)
    await world.connect(gateway(A, agent_id=str(A)))
    told = await world.after(2 * GRACE_S)
    assert (told[2:], world.absences.missed) == ([(EventKind.CLEARED, A)], 2)
    assert (await world.after(WITHIN_S))[3:] == [(EventKind.RAISED, C)]


async def test_while_much_waits_for_the_store_nothing_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_alarms, "EVENTS_WAITING", 2)
    monkeypatch.setattr(absences, "NOTICES", 0)
    world = Watched()
    for asset_id in (A, B, C):
        await world.comes_and_goes(asset_id, agent_id=str(asset_id))
    assert set(await world.after(3 * GRACE_S)) == {(EventKind.RAISED, A), (EventKind.RAISED, B)}
    assert (await world.after(LOOK_S))[2:] == [(EventKind.RAISED, C)]


async def test_of_two_agents_at_a_site_each_has_its_own_alarm_also_after_a_restart() -> None:
    world = Watched()
    await world.comes_and_goes(A, B, agent_id="one")
    await world.connect(gateway(B, C, agent_id="other"))
    raised = [(EventKind.RAISED, A)]
    assert await world.after(2 * GRACE_S) == raised
    (alarm,) = world.alarms.active()
    await world.store.events.acknowledge(alarm.event.id, world.clock.now())

    second = await world.restarted()
    session = await second.connect(gateway(B, C, agent_id="other"))
    assert await second.after(2 * GRACE_S) == raised
    (alarm,) = second.alarms.active()
    assert alarm.acknowledged_at is not None
    second.sessions.close(session.id, HEARTBEAT_MISSED)
    raised.append((EventKind.RAISED, B))
    assert await second.after(2 * GRACE_S) == raised

    third = await second.restarted()
    assert [alarm.event.asset_id for alarm in third.alarms.active()] == [A, B]
    await third.connect(gateway(A, agent_id="one"))
    assert await third.after(2 * GRACE_S) == [*raised, (EventKind.CLEARED, A)]
    assert [alarm.event.asset_id for alarm in third.alarms.active()] == [B]
