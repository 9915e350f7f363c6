"""Agents are told in turn how far they are stored, a few at a time; their heartbeats are answered at once."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from der_core.assets import Asset, Inventory, Site
from der_core.errors import Rejected
from der_core.registration import Registration
from der_headend import turns
from der_headend.agents import Session
from der_runtime.right_of_way import LATELY_S
from kit.headend import NotingLink, World, battery, frame, gateway, link_of

AGENTS = 6


def site(place: int) -> tuple[Site, Asset]:
    site_id, asset_id = UUID(int=place), UUID(int=1000 + place)
    return Site(site_id, f"S-{place}", "Local"), battery(asset_id, f"B-{place}", site_id, 10.0, 5.0)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    # A record of one sample counts as 21 samples: two records of each of three agents may be on their way.
    monkeypatch.setattr(turns, "AT_ONCE_ROWS", 5 * 21 + 1)
    monkeypatch.setattr(turns, "LENT_ROWS", 2)
    sites, assets = zip(*(site(place) for place in range(AGENTS)), strict=True)
    return World(inventory=Inventory(sites, assets), room_rows=2 * AGENTS)


def gateway_at(world: World, place: int, spool_id: UUID | None = None) -> Registration:
    of_site, asset = site(place)
    return gateway(
        asset.id,
        agent_id=f"agent-{place}",
        site_id=of_site.id,
        spool_id=spool_id,
        inventory=world.fleet.inventory,
    )


async def connected(world: World) -> Sequence[Session]:
    return [await world.connect(gateway_at(world, place)) for place in range(AGENTS)]


def send(world: World, session: Session, *seqs: int, more: bool) -> None:
    for seq in seqs:
        world.ingest.frame(session, seq, frame(world, [1.0]))
        world.turns.sent(session, more=more)


def told(sessions: Sequence[Session]) -> list[int]:
    return [session.link.told_seq for session in sessions]


async def test_agents_that_are_not_behind_are_told_as_fast_as_that_goes_out(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "AT_ONCE_ROWS", 2 * 21 + 1)
    sessions = await connected(world)
    for session in sessions:
        send(world, session, 1, 2, more=False)
    await world.ingest.flush()
    assert told(sessions) == [2, 2, 2, 0, 0, 0]
    link_of(sessions[1]).gone_out()
    assert told(sessions) == [2, 2, 2, 2, 0, 0], (
        "they may have nothing to send, so nothing else is waited for"
    )
    link_of(sessions[1]).gone_out()
    assert told(sessions) == [2, 2, 2, 2, 0, 0]
    for session in (sessions[0], sessions[2]):
        link_of(session).gone_out()
    assert told(sessions) == [2] * AGENTS
    assert {link_of(session).window for session in sessions} == {world.ingest.window}


async def test_agents_that_are_behind_go_on_in_turn(world: World) -> None:
    sessions = await connected(world)
    for session in sessions:
        send(world, session, 1, 2, more=True)
    await world.ingest.flush()
    assert told(sessions) == [2, 2, 2, 0, 0, 0]
    send(world, sessions[1], 3, more=True)
    assert told(sessions) == [2, 2, 2, 0, 0, 0], "it may send one more"
    send(world, sessions[1], 4, more=True)
    assert told(sessions) == [2, 2, 2, 2, 0, 0]
    send(world, sessions[0], 3, more=False)
    assert told(sessions) == [2, 2, 2, 2, 2, 0]
    await world.ingest.flush()
    assert told(sessions) == [2, 2, 2, 2, 2, 0], "its turn comes after those that waited before it"
    send(world, sessions[2], 3, 4, more=True)
    assert told(sessions) == [2, 2, 2, 2, 2, 2]
    send(world, sessions[3], 3, 4, more=True)
    assert told(sessions) == [2, 4, 2, 2, 2, 2]
    send(world, sessions[4], 3, 4, more=True)
    assert told(sessions) == [3, 4, 2, 2, 2, 2]


async def test_a_heartbeat_with_records_is_answered_when_they_are_stored(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NotingLink, "worth_telling", lambda link, _through_seq: link.asked)
    first, other, *_ = await connected(world)
    for session in (first, other):
        send(world, session, 1, more=False)
    world.turns.beat(first, with_records=True)
    assert link_of(first).acknowledged == []
    await world.ingest.flush()
    assert (link_of(first).acknowledged, link_of(other).acknowledged) == ([1], [])
    send(world, first, 2, more=False)
    await world.ingest.flush()
    assert link_of(first).acknowledged == [1], "it was answered"


async def test_of_heartbeats_with_records_no_two_wait_for_an_answer(world: World) -> None:
    first, *_ = await connected(world)
    send(world, first, 1, more=False)
    await world.ingest.flush()
    world.turns.beat(first, with_records=True)
    world.turns.beat(first, with_records=True)
    assert link_of(first).acknowledged == [1, 1]


async def test_a_heartbeat_with_records_is_answered_at_once_where_that_may_take_long(world: World) -> None:
    behind, other, *_ = await connected(world)
    send(world, behind, 1, more=True)
    world.turns.beat(behind, with_records=True)
    assert link_of(behind).acknowledged == [], "it was told something a moment ago"
    link_of(behind).quiet_s = 7.9
    world.turns.beat(behind, with_records=True)
    assert link_of(behind).acknowledged == []
    link_of(behind).quiet_s = 8.0
    world.turns.beat(behind, with_records=True)
    send(world, other, 1, more=False)
    world.ingest.missed()
    world.turns.beat(other, with_records=True)
    assert (link_of(behind).acknowledged, link_of(other).acknowledged) == ([0], [0])


async def test_frequent_heartbeats_with_records_are_answered_at_once(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "OFTEN_S", 60.0)
    first, *_ = await connected(world)
    send(world, first, 1, more=False)
    world.turns.beat(first, with_records=True)
    assert link_of(first).acknowledged == [0]


async def test_a_turn_that_is_not_used_ends(world: World) -> None:
    sessions = await connected(world)
    for session in sessions:
        send(world, session, 1, 2, more=True)
    await world.ingest.flush()
    world.clock.advance(turns.TURN_S)
    world.turns.beat(sessions[0])
    assert told(sessions) == [2] * AGENTS


async def test_agents_that_are_far_are_called_at_a_pace(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "AT_MOST_ROWS", 9 * 21)
    sessions = await connected(world)
    for session in sessions:
        send(world, session, 1, 2, more=True)
    await world.ingest.flush()
    called = []
    for _ in range(5):
        world.clock.advance(turns.PASSING_S / 5)
        world.turns.beat(sessions[5])
        called.append(told(sessions).count(2))
    assert called == [4, 4, 5, 5, 5], "one after the other, and no more than so many"
    send(world, sessions[0], 3, 4, more=True)
    assert told(sessions) == [2] * AGENTS


async def test_who_has_lost_records_counts_for_nothing(world: World) -> None:
    sessions = await connected(world)
    for session in sessions:
        send(world, session, 1, 2, more=True)
    await world.ingest.flush()
    for session in sessions[3:]:
        send(world, session, 1_000_000, more=True)
    for session in sessions[:3]:
        send(world, session, 3, 4, more=True)
    assert told(sessions) == [2] * AGENTS
    assert 0 <= world.turns._rows < turns.AT_ONCE_ROWS


async def test_a_new_session_may_send_while_what_the_last_one_sent_is_not_stored(world: World) -> None:
    first, *_ = await connected(world)
    send(world, first, 1, 2, more=True)
    again = await world.connect(gateway_at(world, 0, spool_id=first.registration.spool_id))
    send(world, again, 3, 4, more=True)
    with pytest.raises(Rejected, match="more than 4 records"):
        send(world, again, 5, more=True)


async def test_a_heartbeat_is_answered_without_a_turn(world: World) -> None:
    sessions = await connected(world)
    for session in sessions:
        send(world, session, 1, 2, more=True)
    await world.ingest.flush()
    waits = link_of(sessions[4])
    world.turns.beat(sessions[4])
    assert waits.acknowledged == [], "it was told something a moment ago"
    waits.quiet_s = 8.0
    world.turns.beat(sessions[4])
    assert waits.acknowledged == [0]
    assert told(sessions) == [2, 2, 2, 0, 0, 0]


async def test_a_heartbeat_opens_the_window_of_an_agent_that_has_nothing_more_to_send(world: World) -> None:
    first, second, *_ = await connected(world)
    world.turns.beat(first)
    assert link_of(first).window is None, "thousands say so before they send anything"
    send(world, first, 1, more=False)
    send(world, second, 1, more=True)
    world.turns.beat(first)
    world.turns.beat(second)
    assert (link_of(first).window, link_of(second).window) == (world.ingest.window, None)


async def test_while_the_store_is_away_a_heartbeat_opens_the_window_of_who_has_come_back(
    world: World,
) -> None:
    first, *_ = await connected(world)
    world.ingest.missed()
    send(world, first, 1, more=True)
    world.turns.beat(first)
    assert link_of(first).window == world.ingest.window


async def test_who_leaves_gives_up_its_turn_and_its_place(world: World) -> None:
    sessions = await connected(world)
    for session in sessions:
        send(world, session, 1, 2, more=True)
    await world.ingest.flush()
    world.turns.forget(sessions[3])
    assert world.turns.waiting == 2
    world.turns.forget(sessions[0])
    assert told(sessions) == [2, 2, 2, 0, 2, 0]


async def test_all_get_their_turn_in_the_end(world: World) -> None:
    sessions = await connected(world)
    last = 20
    sent = dict.fromkeys(sessions, 0)
    rounds = 0
    while min(told(sessions)) < last:
        for session in sessions:
            while sent[session] < min(session.link.told_seq + world.ingest.window, last):
                sent[session] += 1
                send(world, session, sent[session], more=sent[session] < last)
        await world.ingest.flush()
        rounds += 1
        assert rounds < last * AGENTS
    assert told(sessions) == [last] * AGENTS


async def test_nobody_is_called_while_much_waits_for_the_store(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "WAITING_ROWS", 2)
    sessions = await connected(world)
    for session in sessions:
        send(world, session, 1, 2, more=True)
    await world.ingest.flush()
    send(world, sessions[0], 3, 4, more=True)
    assert told(sessions) == [2, 2, 2, 0, 0, 0]
    await world.ingest.flush()
    assert told(sessions) == [2, 2, 2, 2, 0, 0]


async def test_a_turn_comes_with_a_larger_window_until_the_agent_has_caught_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "LENT_ROWS", 4)
    first, *others = await connected(world)
    send(world, first, 1, 2, more=True)
    with pytest.raises(Rejected, match="more than 2 records"):
        send(world, first, 3, more=True)
    await world.ingest.flush()
    assert link_of(first).window == 4
    send(world, first, 3, 4, 5, 6, more=True)
    with pytest.raises(Rejected, match="more than 4 records"):
        send(world, first, 7, more=True)
    await world.ingest.flush()
    send(world, first, 7, 8, more=False)
    await world.ingest.flush()
    assert (link_of(first).told_seq, link_of(first).window) == (8, world.ingest.window)
    assert {link_of(session).window for session in others} == {None}


async def test_while_a_command_is_under_way_a_few_are_called_and_then_all(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turns, "GIVING_WAY_ROWS", 1)
    sessions = await connected(world)
    for session in sessions:
        send(world, session, 1, 2, more=True)
    world.right_of_way.begin("a command")
    await world.ingest.flush()
    assert told(sessions) == [2, 0, 0, 0, 0, 0]
    send(world, sessions[0], 3, 4, more=True)
    assert told(sessions) == [2, 2, 0, 0, 0, 0]
    world.right_of_way.end("a command")
    monkeypatch.setattr(turns, "LATELY_SHARE", 0.6)
    send(world, sessions[1], 3, 4, more=True)
    assert told(sessions) == [2, 2, 2, 2, 0, 0], "for a while fewer than usual"
    world.clock.advance(LATELY_S)
    send(world, sessions[2], 3, 4, more=True)
    assert told(sessions) == [2, 2, 2, 2, 2, 2]
