"""The alarm of an agent that is lost: when it is raised and cleared, and that a crowd of agents makes few events."""

from uuid import UUID, uuid4

import pytest

from der_core.events import EventKind, Severity
from der_headend import absences
from der_headend.absences import GRACE_S, LOOK_S, Absences
from der_headend.ports import EventQuery
from der_headend.sessions import CLOSED_BY_AGENT, LINK_LOST
from der_headend.store.memory import MemoryStore
from kit.headend import SITE, A, B, C, World, gateway


class Watched(World):
    """A headend that looks for who is lost."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        super().__init__(store=store)
        self.absences = Absences(
            sessions=self.sessions, alarms=self.alarms, note=self.ingest.note, clock=self.clock
        )
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
        other = Watched(self.store)
        other.clock.advance((self.clock.now() - other.clock.now()).total_seconds())
        other.began_at = other.clock.now()
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
    assert alarm.event.message == "agent lost is away (link lost), last heard 2026-06-01 12:00:00 UTC"
    await world.connect(gateway(agent_id="lost"))
    assert await world.after(10 * LOOK_S) == [(EventKind.RAISED, None), (EventKind.CLEARED, None)]
    assert world.alarms.count(SITE) == 0


async def test_the_alarm_of_an_agent_of_one_asset_is_that_asset_s() -> None:
    world = Watched()
    await world.comes_and_goes(B)
    assert await world.after(2 * GRACE_S) == [(EventKind.RAISED, B)]


async def test_an_agent_that_flaps_within_the_grace_time_leaves_no_event() -> None:
    world = Watched()
    for _ in range(20):
        await world.comes_and_goes()
        assert await world.after(GRACE_S - LOOK_S) == []


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
    await world.comes_and_goes(B, agent_id="stays away")
    again = await world.restarted()
    assert await again.after(GRACE_S - LOOK_S) == []
    await again.connect(gateway(A, agent_id="comes"))
    assert await again.after(2 * LOOK_S) == [(EventKind.RAISED, B)]


async def test_an_alarm_of_an_earlier_run_is_neither_raised_again_nor_left() -> None:
    world = Watched()
    await world.comes_and_goes()
    raised = [(EventKind.RAISED, None)]
    assert await world.after(2 * GRACE_S) == raised
    again = await world.restarted()
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
