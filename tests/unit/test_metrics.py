"""What ``/metrics`` says of the headend's parts, and that it says it as Prometheus wants it."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from uuid import UUID

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from der_core.errors import Rejected, Unavailable
from der_core.events import EventKind, Severity
from der_core.freshness import STALE_AFTER_S
from der_core.lifecycle import State
from der_core.request import DispatchRequest
from der_headend import measures, turns
from der_headend.absences import GRACE_S
from der_headend.measures import LOOP_LAG_S, Distribution, watch_loop
from der_headend.metrics import HeadendMetrics
from der_headend.ports import Batch
from der_headend.sessions import CLOSED_BY_AGENT
from der_wire._gen import agent_link_pb2 as pb
from kit import records
from kit.headend import OTHER_SITE, SITE, A, B, D, World, frame, gateway, says
from kit.scripted_headend import until


def scraped(world: World) -> dict[str, float]:
    """Every sample by its name and labels, read from the text that Prometheus gets."""
    registry = CollectorRegistry()
    registry.register(
        HeadendMetrics(
            fleet=world.fleet,
            alarms=world.alarms,
            sessions=world.sessions,
            absences=world.absences,
            admissions=world.admissions,
            ingest=world.ingest,
            turns=world.turns,
            right_of_way=world.right_of_way,
            dispatches=world.dispatcher.tally,
            announcements=world.announcements,
            store=world.store,
            clock=world.clock,
            loop_lag_s=Distribution(LOOP_LAG_S),
            version="1.2.3",
        )
    )
    text = generate_latest(registry).decode()
    return {
        sample.name + "".join(f"|{value}" for value in sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_samples_are_counted_once_stored() -> None:
    world = World()
    session = await world.connect(gateway())
    world.ingest.frame(session, 1, frame(world, [1.0, -3.0, 0.5]))
    world.ingest.read_in()
    world.clock.advance(2.5)
    found = scraped(world)
    assert (found["der_ingest_waiting|samples"], found["der_ingest_rows_total"]) == (3, 0)
    assert found["der_ingest_lag_seconds"] == 2.5
    await world.ingest.flush()
    found = scraped(world)
    assert (found["der_ingest_waiting|samples"], found["der_ingest_rows_total"]) == (0, 3)
    assert (found["der_ingest_lag_seconds"], found["der_store_commit_seconds_count"]) == (0, 1)
    assert found["der_fleet_power_watts"] == -1.5e6


async def test_samples_too_old_to_be_stored_are_counted_apart() -> None:
    world = World()
    session = await world.connect(gateway())
    world.ingest.frame(session, 1, frame(world, [1.0, -3.0, 0.5]))
    await world.ingest.flush()
    world.store.samples_too_old = 2
    found = scraped(world)
    assert (found["der_ingest_rows_total"], found["der_ingest_rows_too_old_total"]) == (1, 2)


async def test_power_is_of_the_assets_that_are_heard_as_in_every_other_sum() -> None:
    world = World()
    assert "der_fleet_power_watts" not in scraped(world)  # unknown is not 0
    one = await world.connect(gateway())
    other = await world.connect(gateway(D, agent_id=str(OTHER_SITE), site_id=OTHER_SITE))
    world.ingest.frame(one, 1, frame(world, [1.0, 2.0, float("nan")]))
    world.ingest.frame(other, 1, frame(world, [10.0], ago_s=STALE_AFTER_S - 1))
    world.ingest.read_in()

    def heard() -> tuple[float, float | None]:
        found = scraped(world)
        return found["der_assets_heard"], found.get("der_fleet_power_watts")

    assert heard() == (3, 13e6)
    world.clock.advance(2)
    assert heard() == (2, 3e6)
    world.sessions.close(one.id, CLOSED_BY_AGENT)
    assert heard() == (0, None)


async def test_lag_goes_on_while_the_store_is_away(away: World) -> None:
    session = await away.connect(gateway())
    away.ingest.frame(session, 1, frame(away, [1.0, 2.0, 3.0]))
    flushing = asyncio.create_task(away.ingest.flush())
    await away.clock.run_for(9.0)
    away.ingest.frame(session, 2, frame(away, [1.0, 2.0, 3.0]))
    found = scraped(away)
    assert found["der_ingest_lag_seconds"] == 9.0
    assert found["der_ingest_waiting|samples"] == 6
    assert found["der_store_commits_failed_total"] >= 9
    flushing.cancel()
    with suppress(asyncio.CancelledError):
        await flushing


async def test_agents_that_wait_for_their_turn_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "WAITING_ROWS", 0)
    world = World()
    session = await world.connect(gateway())
    world.ingest.frame(session, 1, frame(world, [1.0, -3.0, 0.5]))
    world.turns.sent(session, more=True)
    await world.ingest.flush()
    assert scraped(world)["der_agents_waiting"] == 1
    monkeypatch.setattr(turns, "WAITING_ROWS", 1)
    world.turns.beat(session)
    assert scraped(world)["der_agents_waiting"] == 0


async def test_how_long_samples_gave_way_to_commands() -> None:
    world = World()
    world.right_of_way.begin("a command")
    world.clock.advance(0.1)
    world.right_of_way.end("a command")
    assert scraped(world)["der_right_of_way_seconds_total"] == pytest.approx(0.1)


async def test_sessions_and_heartbeats() -> None:
    world = World()
    session = await world.connect(gateway())
    beat = replace(records.heartbeat(0), agent_id=session.agent_id, spooled_records=4, spooled_bytes=500)
    world.sessions.beat(session, replace(beat, dropped_records=100))
    world.clock.advance(31.0)
    world.sessions.beat(session, replace(beat, dropped_records=107))
    found = scraped(world)
    assert (found["der_sessions"], found["der_sessions_opened_total"], found["der_assets_served"]) == (
        1,
        1,
        3,
    )
    assert (found["der_heartbeats_received_total"], found["der_heartbeats_missed_total"]) == (2, 2)
    assert (found["der_agent_spool_records"], found["der_agent_spool_bytes"]) == (4, 500)
    assert found["der_agent_records_dropped_total"] == 7
    session = await world.connect(gateway())
    world.sessions.beat(session, replace(beat, dropped_records=3))  # a new spool
    world.sessions.close(session.id, CLOSED_BY_AGENT)
    session = await world.connect(gateway())
    world.sessions.close(session.id, "more than 4 records without an acknowledgement")
    found = scraped(world)
    assert found["der_agent_records_dropped_total"] == 10
    assert (found["der_sessions"], found["der_agent_spool_bytes"], found["der_assets_served"]) == (0, 0, 0)
    assert found["der_agents_lost"] == 0
    world.clock.advance(GRACE_S)
    world.absences.look()
    assert scraped(world)["der_agents_lost"] == 1
    closed = {
        name: found[f"der_sessions_closed_total|{name}"] for name in ("replaced", "agent_closed", "link_lost")
    }
    assert closed == {"replaced": 1, "agent_closed": 1, "link_lost": 0}
    assert found["der_sessions_closed_total|agent_misbehaved"] == 1


async def test_registrations_that_were_refused() -> None:
    world = World()
    assert not any(name.startswith("der_agents_refused_total") for name in scraped(world))
    world.admissions.refused(pb.Register(), Rejected("invalid", "what?"), peer="nobody")
    assert scraped(world)["der_agents_refused_total|invalid"] == 1


async def test_dispatches_by_their_end_and_how_long_they_took() -> None:
    world = World()
    session = await world.connect(gateway())
    first = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=A))
    world.clock.advance(0.03)
    world.dispatcher.reported(session, says(world, first.id, State.ACTIVE, {A: 5.0}))
    world.clock.advance(60)
    world.dispatcher.reported(session, says(world, first.id, State.COMPLETED, {A: 5.0}))
    second = await world.dispatcher.submit(DispatchRequest(mw=5.0, asset_id=B))
    world.dispatcher.reported(
        session, says(world, second.id, State.REJECTED, {B: 5.0}, reason="driver_timeout")
    )
    await world.dispatcher.submit(DispatchRequest(mw=12.0, site_id=SITE))
    found = scraped(world)
    assert found["der_dispatches_open"] == 1
    ended = {state: found[f"der_dispatches_ended_total|{state}"] for state in State if state.final}
    assert ended == dict.fromkeys(ended, 0) | {"completed": 1, "rejected": 1}
    assert found["der_dispatch_active_seconds_sum"] == pytest.approx(0.03)
    assert [found[f"der_dispatch_active_seconds_bucket|{le}"] for le in ("0.02", "0.05", "+Inf")] == [0, 1, 1]


async def test_the_dispatches_of_an_earlier_run_are_open_and_not_counted_as_ended() -> None:
    world = World()
    waiting, over = records.dispatch(0), records.ended(records.dispatch(1))
    world.dispatcher.restore([waiting], newest=[waiting, over])
    found = scraped(world)
    assert (found["der_dispatches_open"], found["der_dispatches_ended_total|cancelled"]) == (1, 0)


async def test_alarms_listeners_and_what_they_lost() -> None:
    world = World()
    trip = records.event(0, kind=EventKind.RAISED, severity=Severity.CRITICAL)
    world.alarms.note(trip)
    with world.announcements.listen() as listener:
        for _ in range(1003):
            world.announcements.announce(trip)
        list(listener.take())
        found = scraped(world)
    assert (found["der_stream_listeners"], found["der_stream_announcements_lost_total"]) == (1, 3)
    assert (found["der_alarms_raised|critical"], found["der_alarms_raised|info"]) == (1, 0)
    assert scraped(world)["der_stream_listeners"] == 0


async def test_the_event_loop_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measures, "LOOK_AT_LOOP_S", 0.001)
    lag_s = Distribution(LOOP_LAG_S)
    watching = asyncio.create_task(watch_loop(lag_s))
    await until(lambda: lag_s.cumulative()[-1][1] > 0)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert lag_s.total >= 0


def test_a_value_counts_for_every_bound_that_it_does_not_exceed() -> None:
    values = Distribution((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 99.0):
        values.add(value)
    assert values.cumulative() == [(1.0, 2), (2.0, 3), (float("inf"), 4)]
    assert values.total == 102.0


class Away:
    """A journal that is never there."""

    async def commit(self, batch: Batch) -> None:
        raise Unavailable("database_unavailable", "away", retry_after_s=1.0)

    async def mark(self, spool_id: UUID) -> int:
        return 0


@pytest.fixture
async def away() -> World:
    return World(journal=Away())
