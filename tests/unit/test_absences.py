"""The alarm of an agent that is lost: when it is raised and cleared, and that a crowd of agents makes few events."""

from uuid import UUID, uuid4

import pytest

from der_core.events import EventKind, Severity
from der_headend import absences
from der_headend.absences import GRACE_S, LOOK_S
from der_headend.ports import EventQuery
from der_headend.sessions import CLOSED_BY_AGENT, HEADEND_STOPPING, HEARTBEAT_MISSED, LINK_LOST
from der_headend.store.memory import MemoryStore
from kit.headend import SITE, A, B, C, World, gateway


class Watched(World):
    """A headend that looks for who is lost."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        super().__init__(store=store)
        self.began_at = self.clock.now()

    async def comes_and_goes(self, *asset_ids: UUID, agent_id: str = "lost", reason: str = LINK_LOST) -> None:
        session = await self.connect(gateway(*asset_ids, agent_id=agent_id))
        self.sessions.close(session.id, reason)

    async def after(self, seconds: float) -> list[tuple[EventKind, UUID | None]]:
        """What was told about agents until then, oldest first."""
        for _ in range(int(seconds / LOOK_S)):
            self.clock.advance(LOOK_S)
            self.absences.look(since=self.began_at)
        await self.ingest.flush()
        found = (await self.store.events.page(EventQuery(limit=1000))).items
        return [(stored.event.kind, stored.event.asset_id) for stored in reversed(found)]

    async def restarted(self) -> "Watched":
        """The next run of this headend, with what is stored of this one."""
        for session_id in list(self.sessions.live):
            self.sessions.close(session_id, HEADEND_STOPPING)
        other = Watched(self.store)
        other.clock.advance((self.clock.now() - other.clock.now()).total_seconds())
        other.began_at = other.clock.now()
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
        "agent lost has not been back since its session ended (link lost), last heard 2026-06-01 12:00:00 UTC"
    )
    assert world.absences.missed == 1
    await world.connect(gateway(agent_id="lost"))
    assert await world.after(10 * LOOK_S) == [(EventKind.RAISED, None), (EventKind.CLEARED, None)]
    assert world.alarms.count(SITE) == world.absences.missed == 0


async def test_the_alarm_of_an_agent_of_one_asset_is_that_asset_s() -> None:
    world = Watched()
    await world.comes_and_goes(B)
    assert await world.after(2 * GRACE_S) == [(EventKind.RAISED, B)]


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
    assert "has not been back since its session ended (headend is stopping)" in alarm.event.message


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
    world.session_changes.clear()  # as if its assets were out of the inventory
    again = await world.restarted()
    assert (await again.after(LOOK_S))[1:] == [(EventKind.CLEARED, None)]


async def test_of_a_crowd_only_so_many_are_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absences, "RAISED_AT_ONCE", 2)
    world = Watched()
    for asset_id in (A, B, C):
        await world.comes_and_goes(asset_id, agent_id=str(asset_id))
    assert set(await world.after(3 * GRACE_S)) == {(EventKind.RAISED, A), (EventKind.RAISED, B)}
    assert world.absences.missed == 3


async def test_while_much_waits_for_the_store_nothing_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(absences, "EVENTS_WAITING", 2)
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
