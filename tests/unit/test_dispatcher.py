"""The dispatcher against scripted agents, in virtual time; a hazard of spec 9 that it must stand has its name here."""

import asyncio
import itertools
from uuid import UUID, uuid4

import pytest

from der_core.dispatch import Dispatch
from der_core.errors import Conflict, NotFound, Rejected, Unavailable
from der_core.freshness import STALE_AFTER_S
from der_core.lifecycle import State
from der_core.request import DispatchRequest
from der_headend.ports import Batch, DispatchQuery
from der_headend.store.memory import MemoryStore
from kit.headend import (
    OTHER_SITE,
    SITE,
    A,
    B,
    C,
    D,
    NotingLink,
    World,
    gateway,
    holds,
    killed,
    link_of,
    restarted,
    says,
    ticking,
)


def states(record: Dispatch) -> list[State]:
    return [t.state for t in record.stage.transitions]


async def test_a_site_dispatch_goes_whole_to_its_gateway_and_follows_its_reports() -> None:
    world = World()
    session = await world.connect(gateway())
    record = await world.dispatcher.submit(DispatchRequest(mw=12.0, site_id=SITE))
    assert record.state is State.SENT
    (command,) = link_of(session).commands
    assert (command.mw, command.site_wide, command.asset_ids) == (12.0, True, (A, B, C))
    shares = {A: 7.2, B: 2.4, C: 2.4}
    world.dispatcher.reported(session, says(world, record.id, State.ACKNOWLEDGED, shares, unserved_mw=0.0))
    world.clock.advance(0.1)
    world.dispatcher.reported(session, says(world, record.id, State.ACTIVE, shares))
    world.clock.advance(1.0)
    world.show({A: 7.1, B: 2.4, C: 2.4})
    now = await world.dispatcher.get(record.id)
    assert states(now) == [State.SUBMITTED, State.QUEUED, State.SENT, State.ACKNOWLEDGED, State.ACTIVE]
    assert [p.mw for p in now.allocations] == [7.2, 2.4, 2.4]
    assert [p.applied_mw for p in now.allocations] == [7.2, 2.4, 2.4]
    assert [p.measured_mw for p in now.allocations] == [7.1, 2.4, 2.4]
    assert now.mw == pytest.approx(12.0)
    assert not now.clamped


async def test_what_an_open_part_does_is_only_said_while_its_asset_is_heard() -> None:
    world = World()
    session = await world.connect(gateway())
    record = await world.dispatcher.submit(DispatchRequest(mw=12.0, site_id=SITE))
    world.dispatcher.reported(session, says(world, record.id, State.ACTIVE, {A: 7.2, B: 2.4, C: 2.4}))

    async def measured() -> list[float | None]:
        return [part.measured_mw for part in (await world.dispatcher.get(record.id)).allocations]

    world.clock.advance(1.0)
    world.show({A: 7.1, B: 2.4, C: 2.4})
    world.clock.advance(STALE_AFTER_S)
    assert await measured() == [7.1, 2.4, 2.4]
    world.clock.advance(0.1)
    world.show({B: 2.3})
    assert await measured() == [None, 2.3, None]
    world.sessions.close(session.id, "link lost")
    assert await measured() == [None, None, None]


async def test_what_an_ended_part_did_last_stays() -> None:
    world = World()
    session = await world.connect(gateway())
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    world.dispatcher.reported(session, says(world, record.id, State.ACTIVE, {A: 5.0}))
    world.clock.advance(1.0)
    world.show({A: 4.9})
    world.clock.advance(60.0)
    world.dispatcher.reported(session, says(world, record.id, State.FAILED, {A: 5.0}))
    (part,) = (await world.dispatcher.get(record.id)).allocations
    assert (part.state, part.measured_mw) == (State.FAILED, 4.9)


async def test_a_command_has_the_right_of_way_from_its_record_to_the_answer_of_its_agent() -> None:
    began: list[bool] = []

    class Watched(MemoryStore):
        async def commit(self, batch: Batch) -> None:
            began.append(world.right_of_way.taken())
            await super().commit(batch)

    world = World(store=Watched(assets=4, history_samples=10_000))
    session = await world.connect(gateway())
    began.clear()
    record = await world.dispatcher.submit(DispatchRequest(mw=12.0, site_id=SITE))
    assert began == [True]
    assert world.right_of_way.taken()
    shares = {A: 7.2, B: 2.4, C: 2.4}
    world.dispatcher.reported(session, says(world, record.id, State.ACKNOWLEDGED, shares))
    assert not world.right_of_way.taken()
    world.dispatcher.reported(session, says(world, record.id, State.ACTIVE, shares))
    assert not world.right_of_way.taken()
    await world.dispatcher.cancel(record.id)
    assert world.right_of_way.taken()
    world.dispatcher.reported(session, says(world, record.id, State.CANCELLED, shares))
    assert not world.right_of_way.taken()


async def test_what_waits_for_its_agent_has_no_right_of_way() -> None:
    world = World()
    record = await world.dispatcher.submit(DispatchRequest(mw=12.0, site_id=SITE))
    assert record.state is State.QUEUED
    assert not world.right_of_way.taken()


async def test_an_asset_named_with_a_site_is_dispatched_alone() -> None:
    world = World()
    session = await world.connect(gateway())
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=B, site_id=OTHER_SITE))
    (command,) = link_of(session).commands
    assert (command.asset_ids, command.site_wide) == ((B,), False)
    assert "not the site of GT-BESS-B" in record.warnings[0]


async def test_hazard_unknown_asset_with_a_site_moves_nothing() -> None:
    world = World()
    session = await world.connect(gateway())
    with pytest.raises(NotFound) as refused:
        await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=uuid4(), site_id=SITE))
    assert (refused.value.code, refused.value.field) == ("unknown_asset", "asset_id")
    assert link_of(session).commands == []


async def test_a_request_without_a_target_or_for_an_unknown_site_is_refused() -> None:
    world = World()
    with pytest.raises(Rejected, match="asset_id or a site_id"):
        await world.dispatcher.submit(DispatchRequest(mw=5.0))
    with pytest.raises(NotFound, match="not in the inventory"):
        await world.dispatcher.submit(DispatchRequest(mw=5.0, site_id=uuid4()))


async def test_a_share_beyond_the_rating_is_clamped_and_says_so_at_once() -> None:
    world = World()
    record = await world.dispatcher.submit(DispatchRequest(mw=90.0, asset_id=A))
    assert (record.requested_mw, record.mw, record.clamped, record.unserved_mw) == (90.0, 60.0, True, 30.0)


@pytest.mark.parametrize(
    ("soc_pct", "mw", "code"), [(10.0, 5.0, "soc_at_minimum"), (90.0, -5.0, "soc_at_maximum")]
)
async def test_the_state_of_charge_forbids_one_direction_only(soc_pct: float, mw: float, code: str) -> None:
    world = World()
    await world.connect(gateway())
    world.show({A: 0.0}, soc_pct=soc_pct)
    with pytest.raises(Conflict) as refused:
        await world.dispatcher.submit(DispatchRequest(mw=mw, asset_id=A))
    assert refused.value.code == code
    assert (await world.dispatcher.submit(DispatchRequest(mw=-mw, asset_id=A))).state is State.SENT


async def test_hazard_a_command_for_an_absent_agent_expires_and_is_never_sent_late() -> None:
    world = World()
    async with ticking(world):
        record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A, ttl_s=30.0))
        assert record.state is State.QUEUED
        await world.clock.run_for(29.9)
        assert (await world.dispatcher.get(record.id)).state is State.QUEUED
        await world.clock.run_for(0.2)
        ended = await world.dispatcher.get(record.id)
        assert states(ended) == [State.SUBMITTED, State.QUEUED, State.EXPIRED]
        session = await world.connect(gateway())
        assert link_of(session).commands == []


async def test_a_waiting_command_is_delivered_once_with_the_time_it_has_left() -> None:
    world = World()
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A, ttl_s=30.0, duration_s=60.0))
    world.clock.advance(10.0)
    session = await world.connect(gateway())
    (command,) = link_of(session).commands
    assert (command.dispatch_id, command.duration_s) == (record.id, 60.0)
    assert command.expires_in_s == pytest.approx(20.0)


async def test_hazard_of_five_waiting_commands_only_the_newest_is_delivered() -> None:
    world = World()
    records = [await world.dispatcher.submit(DispatchRequest(mw=float(n), asset_id=A)) for n in range(1, 6)]
    session = await world.connect(gateway())
    assert [c.mw for c in link_of(session).commands] == [5.0]
    for older, newer in itertools.pairwise(records):
        ended = await world.dispatcher.get(older.id)
        assert ended.state is State.SUPERSEDED
        assert str(newer.id) in str(ended.stage.last.reason)


async def test_a_newer_command_for_one_asset_leaves_the_rest_of_a_waiting_site_dispatch() -> None:
    world = World()
    site = await world.dispatcher.submit(DispatchRequest(mw=12.0, site_id=SITE))
    await world.dispatcher.submit(DispatchRequest(mw=1.0, asset_id=B))
    session = await world.connect(gateway())
    assert [(c.asset_ids, c.mw) for c in link_of(session).commands] == [((A, C), 12.0), ((B,), 1.0)]
    part = (await world.dispatcher.get(site.id)).allocation(B)
    assert part is not None
    assert part.state is State.SUPERSEDED


async def test_the_agent_ends_what_a_newer_active_command_replaces() -> None:
    world = World()
    session = await world.connect(gateway())
    first = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    world.dispatcher.reported(session, says(world, first.id, State.ACTIVE, {A: 5.0}))
    second = await world.dispatcher.submit(DispatchRequest(mw=6.0, asset_id=A))
    assert (await world.dispatcher.get(first.id)).state is State.ACTIVE
    world.dispatcher.reported(session, says(world, second.id, State.ACTIVE, {A: 6.0}))
    world.dispatcher.reported(session, says(world, first.id, State.SUPERSEDED, {A: 5.0}))
    assert (await world.dispatcher.get(first.id)).state is State.SUPERSEDED
    assert (await world.dispatcher.get(second.id)).state is State.ACTIVE


async def test_the_same_id_again_is_the_same_record_and_other_content_a_conflict() -> None:
    world = World()
    session = await world.connect(gateway())
    asked = DispatchRequest(mw=5.0, asset_id=A, id=uuid4())
    first = await world.dispatcher.submit(asked)
    again = await world.dispatcher.submit(asked)
    assert again.id == first.id
    assert len(link_of(session).commands) == 1
    with pytest.raises(Conflict, match="asks for something else"):
        await world.dispatcher.submit(DispatchRequest(mw=6.0, asset_id=A, id=asked.id))


async def test_the_same_id_after_its_end_is_still_the_same_record() -> None:
    world = World()
    session = await world.connect(gateway())
    asked = DispatchRequest(mw=5.0, asset_id=A, id=uuid4(), duration_s=1.0)
    first = await world.dispatcher.submit(asked)
    world.dispatcher.reported(session, says(world, first.id, State.COMPLETED, {A: 5.0}))
    again = await world.dispatcher.submit(asked)
    assert again.state is State.COMPLETED
    assert len(link_of(session).commands) == 1


async def test_a_lost_link_puts_the_unanswered_back_in_line_and_a_reconnect_sends_it_again() -> None:
    world = World()
    spool = uuid4()
    session = await world.connect(gateway(spool_id=spool))
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    world.sessions.close(session.id, "link lost")
    assert (await world.dispatcher.get(record.id)).state is State.QUEUED
    back = await world.connect(gateway(spool_id=spool))
    assert [c.dispatch_id for c in link_of(back).commands] == [record.id]


async def test_hazard_an_agent_that_lost_its_memory_is_not_sent_a_command_twice() -> None:
    world = World()
    session = await world.connect(gateway())
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    world.sessions.close(session.id, "link lost")
    back = await world.connect(gateway())
    assert link_of(back).commands == []
    ended = await world.dispatcher.get(record.id)
    assert (ended.state, ended.stage.last.reason) == (State.FAILED, "agent_restarted")


async def test_a_command_that_was_sent_and_never_answered_does_not_stay_sent() -> None:
    world = World()
    async with ticking(world):
        await world.connect(gateway())
        record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A, ttl_s=5.0))
        await world.clock.run_for(5.1)
        ended = await world.dispatcher.get(record.id)
        assert (ended.state, ended.stage.last.reason) == (State.FAILED, "no_answer_within_ttl")


async def test_hazard_what_the_edge_has_in_force_wins_over_the_record() -> None:
    """The link was lost before the answer came; the agent had applied it."""
    world = World()
    spool = uuid4()
    session = await world.connect(gateway(spool_id=spool))
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    applied_at = world.clock.now()
    world.sessions.close(session.id, "link lost")
    world.clock.advance(5.0)
    back = await world.connect(gateway(spool_id=spool, in_force=[holds(record, A, 5.0, applied_at)]))
    assert link_of(back).commands == []
    now = await world.dispatcher.get(record.id)
    assert now.state is State.ACTIVE
    assert now.allocations[0].applied_mw == 5.0


async def test_what_the_headend_has_ended_meanwhile_is_taken_back_from_the_agent() -> None:
    world = World()
    async with ticking(world):
        spool = uuid4()
        session = await world.connect(gateway(spool_id=spool))
        record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A, ttl_s=5.0))
        since = world.clock.now()
        world.sessions.close(session.id, "link lost")
        await world.clock.run_for(6.0)
        back = await world.connect(gateway(spool_id=spool, in_force=[holds(record, A, 5.0, since)]))
        assert [(c.dispatch_id, c.asset_ids) for c in link_of(back).cancellations] == [(record.id, (A,))]


async def test_a_report_of_something_running_that_has_ended_here_is_answered_with_a_cancel() -> None:
    world = World()
    async with ticking(world):
        session = await world.connect(gateway())
        record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A, ttl_s=5.0))
        await world.clock.run_for(6.0)
        world.dispatcher.reported(session, says(world, record.id, State.ACTIVE, {A: 5.0}))
        assert [c.dispatch_id for c in link_of(session).cancellations] == [record.id]


async def test_what_a_restarted_agent_does_not_have_any_more_has_failed() -> None:
    world = World()
    session = await world.connect(gateway())
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    world.dispatcher.reported(session, says(world, record.id, State.ACTIVE, {A: 5.0}))
    world.sessions.close(session.id, "link lost")
    assert (await world.dispatcher.get(record.id)).state is State.ACTIVE
    await world.connect(gateway())
    ended = await world.dispatcher.get(record.id)
    assert (ended.state, ended.stage.last.reason) == (State.FAILED, "agent_restarted")


async def test_of_what_a_restarted_agent_does_not_have_any_more_the_older_one_gave_way_to_the_newer() -> None:
    world = World()
    session = await world.connect(gateway())
    older = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    world.dispatcher.reported(session, says(world, older.id, State.ACTIVE, {A: 5.0}))
    newer = await world.dispatcher.submit(DispatchRequest(mw=7.0, asset_id=A))
    world.sessions.close(session.id, "link lost")
    await world.connect(gateway())
    ended = await world.dispatcher.get(older.id)
    assert (ended.state, ended.stage.last.reason) == (State.SUPERSEDED, f"superseded_by {newer.id}")
    ended = await world.dispatcher.get(newer.id)
    assert (ended.state, ended.stage.last.reason) == (State.FAILED, "agent_restarted")


async def test_what_gave_way_to_the_dispatch_in_force_is_superseded_though_its_report_was_dropped() -> None:
    world = World()
    spool = uuid4()
    session = await world.connect(gateway(spool_id=spool))
    older = await world.dispatcher.submit(DispatchRequest(mw=12.0, site_id=SITE))
    world.dispatcher.reported(session, says(world, older.id, State.ACTIVE, {A: 7.2, B: 2.4, C: 2.4}))
    newer = await world.dispatcher.submit(DispatchRequest(mw=7.0, asset_id=A))
    world.sessions.close(session.id, "link lost")
    holding = [holds(newer, A, 7.0, world.clock.now()), holds(older, B, 2.4, world.clock.now())]
    await world.connect(gateway(spool_id=spool, first_seq=100, in_force=holding))
    parts = {part.asset_id: part for part in (await world.dispatcher.get(older.id)).allocations}
    assert (parts[A].state, parts[A].reason) == (State.SUPERSEDED, f"superseded_by {newer.id}")
    assert (parts[B].state, parts[C].reason) == (State.ACTIVE, "agent_restarted")
    assert (await world.dispatcher.get(newer.id)).state is State.ACTIVE


async def test_what_an_agent_that_remembers_does_not_list_waits_for_its_report() -> None:
    world = World()
    spool = uuid4()
    session = await world.connect(gateway(spool_id=spool))
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A, duration_s=5.0))
    world.dispatcher.reported(session, says(world, record.id, State.ACTIVE, {A: 5.0}))
    world.sessions.close(session.id, "link lost")
    back = await world.connect(gateway(spool_id=spool))
    assert (await world.dispatcher.get(record.id)).state is State.ACTIVE
    world.dispatcher.reported(back, says(world, record.id, State.COMPLETED, {A: 5.0}))
    assert (await world.dispatcher.get(record.id)).state is State.COMPLETED


async def test_an_agent_whose_spool_dropped_records_can_not_be_waited_for() -> None:
    world = World()
    spool = uuid4()
    session = await world.connect(gateway(spool_id=spool))
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    world.dispatcher.reported(session, says(world, record.id, State.ACTIVE, {A: 5.0}))
    world.sessions.close(session.id, "link lost")
    await world.connect(gateway(spool_id=spool, first_seq=7))
    assert (await world.dispatcher.get(record.id)).state is State.FAILED


async def test_an_agent_has_no_say_over_another_agents_part() -> None:
    world = World()
    session_a = await world.connect(gateway(A, agent_id="a"))
    session_b = await world.connect(gateway(B, agent_id="b"))
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    world.dispatcher.reported(session_b, says(world, record.id, State.COMPLETED, {A: 5.0}))
    assert (await world.dispatcher.get(record.id)).state is State.SENT
    world.dispatcher.reported(session_a, says(world, record.id, State.ACTIVE, {A: 5.0}))
    assert (await world.dispatcher.get(record.id)).state is State.ACTIVE


async def test_a_site_with_several_agents_is_split_by_the_headend() -> None:
    world = World()
    sessions = [await world.connect(gateway(a, agent_id=str(a))) for a in (A, B, C)]
    world.show({A: 0.0, B: 0.0, C: 0.0})
    record = await world.dispatcher.submit(DispatchRequest(mw=150.0, site_id=SITE))
    commands = [c for s in sessions for c in link_of(s).commands]
    assert [(c.asset_ids, c.mw, c.site_wide) for c in commands] == [
        ((A,), 60.0, False),
        ((B,), 20.0, False),
        ((C,), 20.0, False),
    ]
    assert (record.mw, record.unserved_mw) == (100.0, 50.0)


async def test_hazard_a_share_sent_again_after_a_lost_link_is_not_widened_to_the_whole() -> None:
    world = World()
    spool = uuid4()
    await world.connect(gateway(A, agent_id="a"))
    session_b = await world.connect(gateway(B, agent_id="b", spool_id=spool))
    world.show({A: 0.0, B: 0.0})
    await world.dispatcher.submit(DispatchRequest(mw=12.0, site_id=SITE))
    world.sessions.close(session_b.id, "link lost")
    back = await world.connect(gateway(B, agent_id="b", spool_id=spool))
    assert [(c.asset_ids, c.mw) for c in link_of(back).commands] == [((B,), 3.0)]


async def test_cancelling_what_waits_ends_it_at_once_and_what_runs_when_the_agent_says_so() -> None:
    world = World()
    waiting = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=D))
    assert (await world.dispatcher.cancel(waiting.id)).state is State.CANCELLED
    session = await world.connect(gateway())
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    world.dispatcher.reported(session, says(world, record.id, State.ACTIVE, {A: 5.0}))
    asked = await world.dispatcher.cancel(record.id)
    assert (asked.state, asked.cancel_requested_at) == (State.ACTIVE, world.clock.now())
    assert [c.dispatch_id for c in link_of(session).cancellations] == [record.id]
    world.dispatcher.reported(session, says(world, record.id, State.CANCELLED, {A: 0.0}))
    assert (await world.dispatcher.cancel(record.id)).state is State.CANCELLED


async def test_a_cancel_that_could_not_be_sent_is_sent_when_the_agent_is_back() -> None:
    world = World()
    spool = uuid4()
    session = await world.connect(gateway(spool_id=spool))
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    world.dispatcher.reported(session, says(world, record.id, State.ACTIVE, {A: 5.0}))
    since = world.clock.now()
    world.sessions.close(session.id, "link lost")
    assert (await world.dispatcher.cancel(record.id)).state is State.ACTIVE
    back = await world.connect(gateway(spool_id=spool, in_force=[holds(record, A, 5.0, since)]))
    assert [(c.dispatch_id, c.asset_ids) for c in link_of(back).cancellations] == [(record.id, (A,))]


async def test_a_link_that_takes_no_more_rejects_the_dispatch() -> None:
    world = World()
    await world.connect(gateway(), NotingLink(room=1))
    await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    refused = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=B))
    assert (refused.state, refused.stage.last.reason) == (State.REJECTED, "agent_busy")


class Away:
    """A journal whose store is away."""

    async def commit(self, batch: Batch) -> None:
        raise Unavailable("store_unavailable", "away", retry_after_s=1.0)

    async def mark(self, spool_id: UUID) -> int:
        return 0


async def test_a_dispatch_while_the_store_is_away_is_sent_and_kept_to_be_stored() -> None:
    world = World(journal=Away())
    session = await world.connect(gateway())
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    assert [c.dispatch_id for c in link_of(session).commands] == [record.id]
    assert any("will be stored" in warning for warning in record.warnings)
    assert world.ingest.dispatches_waiting == 1


async def test_nothing_is_sent_when_too_many_dispatches_wait_for_the_store(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("der_headend.dispatcher.service.UNSTORED_DISPATCHES", 1)
    world = World(journal=Away())
    session = await world.connect(gateway())
    await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    with pytest.raises(Unavailable, match="nothing was sent"):
        await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=B))
    assert len(link_of(session).commands) == 1


async def test_however_many_end_before_they_are_stored_each_is_found_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("der_headend.dispatcher.records.ENDED_KEPT", 2)
    world = World()
    session = await world.connect(gateway())
    asked = [DispatchRequest(mw=5.0, asset_id=A, id=uuid4()) for _ in range(4)]
    for each in asked:
        record = await world.dispatcher.submit(each)
        world.dispatcher.reported(session, says(world, record.id, State.ACTIVE, {A: 5.0}))
        world.dispatcher.reported(session, says(world, record.id, State.COMPLETED, {A: 5.0}))
    assert [(await world.dispatcher.submit(each)).state for each in asked] == [State.COMPLETED] * 4
    assert len(link_of(session).commands) == 4
    ended = await world.dispatcher.page(DispatchQuery(limit=10, state=State.COMPLETED))
    assert {record.id for record in ended.items} == {each.id for each in asked}
    await world.ingest.flush()
    await world.dispatcher.cancel((await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=D))).id)
    at_hand = [each.id for each in asked if each.id and world.dispatcher._records.at_hand(each.id)]
    assert len(at_hand) == 1
    assert [(await world.dispatcher.submit(each)).state for each in asked] == [State.COMPLETED] * 4


async def test_an_id_that_ended_long_ago_while_the_store_is_away_is_not_dispatched_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("der_headend.dispatcher.records.ENDED_KEPT", 2)
    world = World(journal=Away())
    asked = [DispatchRequest(mw=5.0, asset_id=A, id=uuid4()) for _ in range(4)]
    for each in asked:
        await world.dispatcher.cancel((await world.dispatcher.submit(each)).id)
    session = await world.connect(gateway())
    assert [(await world.dispatcher.submit(each)).state for each in asked] == [State.CANCELLED] * 4
    assert link_of(session).commands == []


async def test_a_restarted_headend_takes_up_what_waits_and_lets_expire_what_is_late() -> None:
    world = World()
    kept = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A, ttl_s=60.0))
    late = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=D, ttl_s=10.0))
    world.clock.advance(20.0)
    after = await restarted(world)
    async with ticking(after):
        await after.clock.run_for(0.1)
        assert (await after.dispatcher.get(late.id)).state is State.EXPIRED
        session = await after.connect(gateway())
        (command,) = link_of(session).commands
        assert command.dispatch_id == kept.id
        assert command.expires_in_s == pytest.approx(39.9)


async def test_a_restarted_headend_agrees_with_the_agent_on_what_had_been_sent() -> None:
    world = World()
    spool = uuid4()
    await world.connect(gateway(spool_id=spool))
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    since = world.clock.now()
    after = await restarted(world)
    assert (await after.dispatcher.get(record.id)).state is State.QUEUED
    await after.connect(gateway(spool_id=spool, in_force=[holds(record, A, 5.0, since)]))
    assert (await after.dispatcher.get(record.id)).state is State.ACTIVE


async def test_what_was_sent_just_before_a_kill_does_not_expire_as_if_it_had_never_been_sent() -> None:
    world = World()
    session = await world.connect(gateway())
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A, ttl_s=10.0))
    assert len(link_of(session).commands) == 1
    after = await killed(world)
    async with ticking(after):
        await after.clock.run_for(10.1)
        ended = await after.dispatcher.get(record.id)
    assert (ended.state, ended.stage.last.reason) == (State.FAILED, "no_answer_within_ttl")


async def test_what_was_delivered_to_an_agent_that_came_just_before_a_kill_does_not_expire_either() -> None:
    world = World()
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A, ttl_s=10.0))
    site = await world.dispatcher.submit(DispatchRequest(mw=5.0, site_id=OTHER_SITE, ttl_s=10.0))
    session = await world.connect(gateway())
    assert len(link_of(session).commands) == 1
    after = await killed(world)
    async with ticking(after):
        await after.clock.run_for(10.1)
        ended, never_sent = [await after.dispatcher.get(id) for id in (record.id, site.id)]
    assert (ended.state, ended.stage.last.reason) == (State.FAILED, "no_answer_within_ttl")
    assert never_sent.state is State.EXPIRED


async def test_what_was_cancelled_just_before_a_kill_is_not_delivered_after_it() -> None:
    world = World()
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    await world.dispatcher.cancel(record.id)
    after = await killed(world)
    session = await after.connect(gateway())
    assert link_of(session).commands == []
    assert (await after.dispatcher.get(record.id)).state is State.CANCELLED


async def test_a_cancel_asked_for_just_before_a_kill_is_sent_after_it() -> None:
    world = World()
    spool = uuid4()
    session = await world.connect(gateway(spool_id=spool))
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    world.dispatcher.reported(session, says(world, record.id, State.ACTIVE, {A: 5.0}))
    since = world.clock.now()
    await world.ingest.flush()
    await world.dispatcher.cancel(record.id)
    after = await killed(world)
    back = await after.connect(gateway(spool_id=spool, in_force=[holds(record, A, 5.0, since)]))
    assert [(c.dispatch_id, c.asset_ids) for c in link_of(back).cancellations] == [(record.id, (A,))]


async def test_a_cancel_does_not_wait_long_for_a_store_and_says_that_it_is_not_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("der_headend.dispatcher.write_ahead.STORE_PATIENCE_S", 0.01)

    class Hanging(MemoryStore):
        hangs = False

        async def commit(self, batch: Batch) -> None:
            if self.hangs:
                await asyncio.Event().wait()
            await super().commit(batch)

    store = Hanging(assets=4)
    world = World(store=store)
    session = await world.connect(gateway())
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    store.hangs = True
    asked = await world.dispatcher.cancel(record.id)
    assert [c.dispatch_id for c in link_of(session).cancellations] == [record.id]
    assert any("will be stored" in warning for warning in asked.warnings)


async def test_waiting_returns_at_the_state_asked_for_or_when_the_time_is_up() -> None:
    world = World()
    session = await world.connect(gateway())
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    waiting = asyncio.create_task(world.dispatcher.wait(record.id, State.ACTIVE, 5.0))
    await asyncio.sleep(0)
    world.dispatcher.reported(session, says(world, record.id, State.ACTIVE, {A: 5.0}))
    assert (await waiting).state is State.ACTIVE
    assert (await world.dispatcher.wait(record.id, State.COMPLETED, 0.01)).state is State.ACTIVE


async def test_a_preview_sends_nothing_and_says_who_is_left_out() -> None:
    world = World()
    session = await world.connect(gateway(A, B, agent_id="ab"))
    world.show({A: 0.0, B: 0.0})
    shown = world.dispatcher.preview(DispatchRequest(mw=16.0, site_id=SITE))
    assert [(s.asset_id, s.mw) for s in shown.split.shares] == [(A, 12.0), (B, 4.0)]
    assert shown.skipped == ((C, "agent_offline"),)
    assert link_of(session).commands == []


async def test_hazard_of_several_unanswered_commands_only_the_newest_is_sent_again() -> None:
    world = World()
    spool = uuid4()
    session = await world.connect(gateway(spool_id=spool))
    records = [await world.dispatcher.submit(DispatchRequest(mw=float(n), asset_id=A)) for n in range(1, 6)]
    assert len(link_of(session).commands) == 5
    world.sessions.close(session.id, "link lost")
    back = await world.connect(gateway(spool_id=spool))
    assert [c.mw for c in link_of(back).commands] == [5.0]
    ended = [(await world.dispatcher.get(r.id)).state for r in records]
    assert ended == [State.SUPERSEDED] * 4 + [State.SENT]


async def test_what_was_cancelled_before_it_was_answered_is_not_sent_again() -> None:
    world = World()
    spool = uuid4()
    session = await world.connect(gateway(spool_id=spool))
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    assert (await world.dispatcher.cancel(record.id)).state is State.SENT
    world.sessions.close(session.id, "link lost")
    assert (await world.dispatcher.get(record.id)).state is State.CANCELLED
    back = await world.connect(gateway(spool_id=spool))
    assert link_of(back).commands == []


async def test_a_restarted_headend_delivers_only_the_newest_of_what_had_been_sent() -> None:
    world = World()
    spool = uuid4()
    session = await world.connect(gateway(spool_id=spool))
    active = await world.dispatcher.submit(DispatchRequest(mw=1.0, asset_id=A))
    world.dispatcher.reported(session, says(world, active.id, State.ACTIVE, {A: 1.0}))
    since = world.clock.now()
    world.clock.advance(1.0)
    older = await world.dispatcher.submit(DispatchRequest(mw=2.0, asset_id=A))
    world.clock.advance(1.0)
    newest = await world.dispatcher.submit(DispatchRequest(mw=3.0, asset_id=A))
    after = await restarted(world)
    back = await after.connect(gateway(spool_id=spool, in_force=[holds(active, A, 1.0, since)]))
    assert [c.dispatch_id for c in link_of(back).commands] == [newest.id]
    assert (await after.dispatcher.get(older.id)).state is State.SUPERSEDED
    assert (await after.dispatcher.get(active.id)).state is State.ACTIVE


async def test_a_dispatch_made_while_an_agent_registers_waits_for_the_agreement() -> None:
    world = World()
    session = world.sessions.open(gateway(), peer="127.0.0.1:1", link=NotingLink())
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    assert record.state is State.QUEUED
    await world.dispatcher.connected(session, stored_seq=0)
    assert [c.dispatch_id for c in link_of(session).commands] == [record.id]
    assert (await world.dispatcher.get(record.id)).state is State.SENT


async def test_each_agent_of_a_site_speaks_for_its_own_part_only() -> None:
    world = World()
    sessions = {a: await world.connect(gateway(a, agent_id=str(a))) for a in (A, B, C)}
    world.show({A: 0.0, B: 0.0, C: 0.0})
    record = await world.dispatcher.submit(DispatchRequest(mw=150.0, site_id=SITE))
    for asset_id, mw in {A: 60.0, B: 20.0}.items():
        said = says(world, record.id, State.ACTIVE, {asset_id: mw}, unserved_mw=0.0)
        world.dispatcher.reported(sessions[asset_id], said)
    world.dispatcher.reported(
        sessions[C], says(world, record.id, State.REJECTED, {C: 20.0}, unserved_mw=77.0)
    )
    now = await world.dispatcher.get(record.id)
    assert (now.mw, now.unserved_mw, now.clamped) == (80.0, 70.0, True)


async def test_a_waiting_site_dispatch_gives_the_agents_of_the_site_a_moment_to_come_back() -> None:
    world = World()
    async with ticking(world):
        record = await world.dispatcher.submit(DispatchRequest(mw=16.0, site_id=SITE))
        session_b = await world.connect(gateway(B, agent_id="b"))
        await world.clock.run_for(1.0)
        session_a = await world.connect(gateway(A, agent_id="a"))
        world.show({A: 0.0, B: 0.0})
        assert link_of(session_a).commands == link_of(session_b).commands == []
        await world.clock.run_for(3.0)
        assert [c.mw for c in link_of(session_a).commands] == [12.0]
        assert [c.mw for c in link_of(session_b).commands] == [4.0]
        part = (await world.dispatcher.get(record.id)).allocation(C)
        assert part is not None
        assert (part.state, part.reason) == (State.REJECTED, "agent_offline")


async def test_a_dispatch_whose_agent_never_comes_back_ends() -> None:
    world = World()
    async with ticking(world):
        session = await world.connect(gateway())
        record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A, duration_s=60.0))
        world.dispatcher.reported(session, says(world, record.id, State.ACTIVE, {A: 5.0}))
        world.sessions.close(session.id, "link lost")
        await world.clock.run_for(3600.0)
        assert (await world.dispatcher.get(record.id)).state is State.ACTIVE
        await world.clock.run_for(120.0)
        ended = await world.dispatcher.get(record.id)
        assert (ended.state, ended.stage.last.reason) == (State.FAILED, "agent_gone_outcome_unknown")


async def test_dispatches_that_ended_leave_no_moment_behind_however_long_they_could_have_waited() -> None:
    world = World()
    spool = uuid4()
    for _ in range(300):
        session = await world.connect(gateway(spool_id=spool))
        record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A, ttl_s=604_800.0))
        world.dispatcher.reported(session, says(world, record.id, State.ACTIVE, {A: 5.0}))
        world.sessions.close(session.id, "link lost")
        held = [holds(record, A, 5.0, world.clock.now())]
        session = await world.connect(gateway(spool_id=spool, in_force=held))
        world.dispatcher.reported(session, says(world, record.id, State.COMPLETED, {A: 5.0}))
        world.sessions.close(session.id, "link lost")
    for timers in (world.dispatcher._expiry, world.dispatcher._gone):
        assert not timers._at_s
        assert len(timers._queue) < 100


async def test_an_id_used_again_after_it_was_forgotten_has_one_moment_of_expiry() -> None:
    world = World()
    async with ticking(world):
        asked = DispatchRequest(mw=5.0, asset_id=A, id=uuid4(), ttl_s=60.0)
        record = await world.dispatcher.submit(asked)
        world.dispatcher._expiry.start(record.id, 90.0)
        await world.clock.run_for(61.0)
        assert (await world.dispatcher.get(record.id)).state is State.QUEUED
        await world.clock.run_for(30.0)
        assert (await world.dispatcher.get(record.id)).state is State.EXPIRED


async def test_history_by_state_shows_what_has_not_been_stored_yet() -> None:
    world = World()
    session = await world.connect(gateway())
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    world.dispatcher.reported(session, says(world, record.id, State.ACTIVE, {A: 5.0}))
    found = await world.dispatcher.page(DispatchQuery(limit=10, state=State.ACTIVE))
    assert [r.id for r in found.items] == [record.id]


async def test_stale_telemetry_of_an_absent_agent_does_not_refuse_a_dispatch() -> None:
    world = World()
    session = await world.connect(gateway())
    world.show({A: 0.0}, soc_pct=10.0)
    world.sessions.close(session.id, "link lost")
    assert (await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))).state is State.QUEUED


async def test_stopping_releases_whoever_waits() -> None:
    world = World()
    record = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    waiting = asyncio.create_task(world.dispatcher.wait(record.id, State.ACTIVE, 60.0))
    await asyncio.sleep(0)
    world.dispatcher.release_waiters()
    assert (await waiting).state is State.QUEUED


async def test_an_agent_is_told_no_more_than_the_inventory_allows() -> None:
    world = World()
    session = await world.connect(gateway())
    record = await world.dispatcher.submit(DispatchRequest(mw=90.0, asset_id=A))
    assert [c.mw for c in link_of(session).commands] == [60.0]
    assert (record.mw, record.unserved_mw) == (60.0, 30.0)


async def test_an_id_used_before_a_restart_is_known_while_the_store_is_away() -> None:
    world = World()
    asked = DispatchRequest(mw=5.0, asset_id=A, id=uuid4())
    first = await world.dispatcher.submit(asked)
    await world.dispatcher.cancel(first.id)
    await world.ingest.flush()
    newest = await world.store.dispatches.newest(10)
    after = World(journal=Away())
    after.dispatcher.restore([], newest=newest)
    session = await after.connect(gateway())
    assert (await after.dispatcher.submit(asked)).state is State.CANCELLED
    assert link_of(session).commands == []
