"""``/stream``: what a listener is sent and when, and that it ends when the listener goes or the headend stops."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import pytest

from der_core.dispatch import Target
from der_headend.announcements import Announcements
from der_headend.rest import feed as feeds
from der_headend.rest.feed import Watch, feed
from der_headend.rest.problems import Problem
from der_headend.rest.services import Services
from kit import records
from kit.headend import OTHER_SITE, SITE, A, B, D, World, gateway
from kit.processes import wait_until
from kit.rest import served, services_of

EVERYTHING = Watch(telemetry_s=0.2)
DEADLINE_S = 20.0


class Sent(NamedTuple):
    """One server-sent event."""

    event: str
    data: Any
    id: str = ""

    def mw(self) -> dict[str, float]:
        """By asset, the power that a telemetry event shows."""
        assert self.event == "telemetry"
        return {sample["asset_id"]: sample["current_mw"] for sample in self.data}


async def events_in(chunks: AsyncIterator[bytes]) -> AsyncIterator[Sent]:
    """The events of a stream, without its comments."""
    async for chunk in chunks:
        lines = dict(line.split(": ", 1) for line in chunk.decode().splitlines() if line)
        if "event" in lines:
            yield Sent(lines["event"], json.loads(lines["data"]), lines["id"])


async def upcoming(events: AsyncIterator[Sent]) -> Sent:
    async with asyncio.timeout(DEADLINE_S):
        return await anext(events)


@pytest.fixture
async def world() -> World:
    return World()


@pytest.fixture
async def services(world: World) -> Services:
    return services_of(world)


async def test_telemetry_begins_with_what_is_known_and_goes_on_with_what_changes(
    world: World, services: Services
) -> None:
    world.show({A: 1.0, B: 2.0})
    events = events_in(feed(services, EVERYTHING))
    assert (await upcoming(events)).mw() == {str(A): 1.0, str(B): 2.0}
    world.clock.advance(1)
    world.show({B: 3.0})
    assert (await upcoming(events)).mw() == {str(B): 3.0}


async def test_telemetry_waits_for_its_time_and_announcements_do_not(
    world: World, services: Services
) -> None:
    world.show({A: 1.0})
    events = events_in(feed(services, Watch(telemetry_s=60)))
    await upcoming(events)
    world.clock.advance(30)
    world.show({A: 2.0})
    happened = records.event(0)
    world.announcements.announce(happened)
    sent = await upcoming(events)
    assert (sent.event, sent.data["id"]) == ("event", str(happened.id))
    following = asyncio.create_task(upcoming(events))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not following.done()
    world.clock.advance(30)
    assert (await following).mw() == {str(A): 2.0}


async def test_large_fleet_comes_in_turns(
    world: World, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "SAMPLES_PER_ROUND", 3)
    everybody = {asset.id: 0.0 for asset in world.fleet.assets}
    seen: list[str] = []
    world.show(everybody)
    events = events_in(feed(services, EVERYTHING))
    for _ in range(4):
        seen += (await upcoming(events)).mw()
        world.clock.advance(1)
        world.show(everybody)
    assert sorted(seen) == sorted(str(id) for id in list(everybody) * 3)


async def test_a_round_comes_in_small_events(
    world: World, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "SAMPLES_AT_ONCE", 2)
    everybody = [asset.id for asset in world.fleet.assets]
    world.show(dict.fromkeys(everybody, 0.0))
    events = events_in(feed(services, Watch(telemetry_s=60)))
    sent = []
    for _ in range(len(everybody) // 2):
        sent.append(await upcoming(events))
        world.clock.advance(1)
    assert [len(event.data) for event in sent] == [2] * (len(everybody) // 2)
    assert [sample["asset_id"] for event in sent for sample in event.data] == list(map(str, everybody))


async def test_an_announcement_amid_a_round_does_not_hasten_it(
    world: World, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "SAMPLES_AT_ONCE", 2)
    world.show({A: 1.0, B: 2.0, D: 3.0})
    events = events_in(feed(services, Watch(telemetry_s=60)))
    assert len((await upcoming(events)).mw()) == 2
    world.announcements.announce(records.event(0))
    assert (await upcoming(events)).event == "event"
    following = asyncio.create_task(upcoming(events))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not following.done()
    world.clock.advance(1)
    assert len((await following).mw()) == 1


async def test_dispatches_and_links_are_announced(world: World, services: Services) -> None:
    events = events_in(feed(services, EVERYTHING))
    listening = asyncio.create_task(upcoming(events))
    await asyncio.sleep(0)
    record = records.dispatch(0)
    world.announcements.announce(record)
    sent = await listening
    assert (sent.event, sent.data["id"], sent.data["state"]) == ("dispatch", str(record.id), "queued")
    session = await world.connect(gateway())
    world.announcements.announce(session.record)
    sent = await upcoming(events)
    assert (sent.event, sent.data["connected"], sent.data["agent_id"]) == ("link", True, str(SITE))


@pytest.mark.parametrize(
    ("watch", "expected"),
    [
        (Watch(telemetry_s=1), [True, True, True, True]),
        (Watch(telemetry_s=1, site_id=SITE), [True, True, True, False]),
        (Watch(telemetry_s=1, asset_id=A), [True, True, False, False]),
        (Watch(telemetry_s=1, asset_id=B), [False, True, False, False]),
        (Watch(telemetry_s=1, site_id=SITE, asset_id=D), [False, False, False, False]),
    ],
)
def test_watch_includes_what_concerns_it(watch: Watch, expected: list[bool]) -> None:
    announcements = (
        records.dispatch(0),
        records.dispatch(0, assets=(A, B), target=Target.SITE),
        records.event(0, asset_id=None),
        records.event(0, asset_id=D, site_id=OTHER_SITE),
    )
    assert [watch.includes(announcement) for announcement in announcements] == expected


async def test_watched_asset_shows_alone(world: World, services: Services) -> None:
    world.show({A: 1.0, B: 2.0, D: 3.0})
    of_asset = events_in(feed(services, Watch(telemetry_s=1, asset_id=B)))
    assert (await upcoming(of_asset)).mw() == {str(B): 2.0}
    of_site = events_in(feed(services, Watch(telemetry_s=1, site_id=OTHER_SITE)))
    assert (await upcoming(of_site)).mw() == {str(D): 3.0}


async def test_slow_listener_is_told_what_it_lost(world: World) -> None:
    world.announcements = Announcements(room=2)
    events = events_in(feed(services_of(world), EVERYTHING))
    world.show({A: 1.0})
    await upcoming(events)
    for _ in range(5):
        world.announcements.announce(records.event(0))
    assert (await upcoming(events))[:2] == ("lost", {"count": 3})
    assert [(await upcoming(events)).event for _ in range(2)] == ["event", "event"]


async def test_who_comes_back_with_the_last_id_gets_what_he_missed(world: World, services: Services) -> None:
    events = events_in(feed(services, EVERYTHING))
    announced = [records.event(0) for _ in range(4)]
    world.announcements.announce(announced[0])
    first = asyncio.create_task(upcoming(events))
    await asyncio.sleep(0)
    world.announcements.announce(announced[1])
    last_id = (await first).id
    for event in announced[2:]:
        world.announcements.announce(event)
    again = events_in(feed(services, EVERYTHING, after=last_id))
    assert [(await upcoming(again)).data["id"] for _ in range(2)] == [str(e.id) for e in announced[2:]]


async def test_the_place_moves_on_with_what_a_narrow_watch_does_not_show(
    world: World, services: Services
) -> None:
    world.show({A: 1.0})
    watch = Watch(telemetry_s=0.2, asset_id=A)
    events = events_in(feed(services, watch))
    before = (await upcoming(events)).id
    world.announcements.announce(records.event(0, asset_id=D, site_id=OTHER_SITE))
    world.clock.advance(1)
    world.show({A: 2.0})
    after = (await upcoming(events)).id
    assert (before, after) == (world.announcements.place(0), world.announcements.place(1))


@pytest.mark.parametrize(
    "place", ["", "-1", "00000000-1", "{run}-4", "{run}-x", "{run}--1", "{run}-" + "9" * 5000]
)
async def test_who_comes_back_with_a_strange_id_is_told_so_and_then_what_is_new(
    world: World, services: Services, place: str
) -> None:
    for _ in range(3):
        world.announcements.announce(records.event(0))
    run = world.announcements.place(0).removesuffix("-0")
    events = events_in(feed(services, EVERYTHING, after=place.format(run=run)))
    lost = await upcoming(events)
    assert lost == Sent("lost", {"count": None}, world.announcements.place(3))
    happened = records.event(0)
    world.announcements.announce(happened)
    assert (await upcoming(events)).data["id"] == str(happened.id)


async def test_who_stays_away_too_long_is_told_how_much_is_gone(world: World) -> None:
    world.announcements = Announcements(room=2)
    place = world.announcements.place(0)
    for _ in range(5):
        world.announcements.announce(records.event(0))
    events = events_in(feed(services_of(world), EVERYTHING, after=place))
    assert (await upcoming(events))[:2] == ("lost", {"count": 3})
    assert [(await upcoming(events)).event for _ in range(2)] == ["event", "event"]


def test_large_dispatches_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("der_headend.announcements.PARTS_KEPT", 5)
    announcements = Announcements()
    for _ in range(4):
        announcements.announce(records.dispatch(0, assets=(A, B), target=Target.SITE))
    assert (announcements.first, announcements.count) == (3, 4)
    announcements.announce(records.event(0))
    assert announcements.first == 3


async def test_quiet_stream_shows_that_it_lives(world: World, services: Services) -> None:
    chunks = feed(services, Watch(telemetry_s=60))
    assert (await anext(chunks)).startswith(b":")
    waiting = asyncio.ensure_future(anext(chunks))
    await asyncio.sleep(0)
    world.clock.advance(15)
    async with asyncio.timeout(DEADLINE_S):
        assert (await waiting).startswith(b":")


async def test_a_browser_resumes_over_a_socket(world: World, services: Services) -> None:
    place = world.announcements.place(0)
    happened = records.event(0)
    world.announcements.announce(happened)
    async with (
        served(services) as address,
        httpx.AsyncClient() as client,
        client.stream("GET", f"http://{address}/stream", headers={"Last-Event-ID": place}) as response,
        asyncio.timeout(DEADLINE_S),
    ):
        sent = await upcoming(events_in(response.aiter_bytes()))
    assert (sent.event, sent.data["id"], sent.id) == ("event", str(happened.id), world.announcements.place(1))


async def test_stream_over_a_socket_ends_with_its_listener(world: World, services: Services) -> None:
    world.show({A: 1.0})
    async with served(services) as address, httpx.AsyncClient() as client:
        async with client.stream("GET", f"http://{address}/stream?telemetry_s=0.2") as response:
            assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert response.headers["cache-control"] == "no-store"
            lines = response.aiter_lines()
            async with asyncio.timeout(DEADLINE_S):
                while await anext(lines) != "event: telemetry":
                    pass
            assert len(services.announcements._listeners) == 1
        await asyncio.to_thread(wait_until, lambda: not services.announcements._listeners)


async def test_stream_over_a_socket_ends_when_the_headend_stops(services: Services) -> None:
    async with (
        served(services) as address,
        httpx.AsyncClient() as client,
        client.stream("GET", f"http://{address}/stream") as response,
        asyncio.timeout(DEADLINE_S),
    ):
        services.stopping.set()
        assert "event" not in "".join([text async for text in response.aiter_text()])


@pytest.mark.parametrize(
    ("query", "status", "code", "field"),
    [
        ("telemetry_s=0.1", 422, "invalid_value", "telemetry_s"),
        ("telemetry_s=61", 422, "invalid_value", "telemetry_s"),
        ("telemetry_s=nan", 422, "not_finite", "telemetry_s"),
        ("asset_id=x", 422, "invalid_uuid", "asset_id"),
        (f"asset_id={uuid4()}", 404, "unknown_asset", "asset_id"),
        (f"site_id={uuid4()}", 404, "unknown_site", "site_id"),
    ],
)
async def test_wrong_questions_get_a_problem_instead(
    services: Services, query: str, status: int, code: str, field: str
) -> None:
    async with served(services) as address, httpx.AsyncClient() as client:
        response = await client.get(f"http://{address}/stream?{query}")
    found = Problem.model_validate_json(response.content)
    assert (response.status_code, found.code, found.field) == (status, code, field)
