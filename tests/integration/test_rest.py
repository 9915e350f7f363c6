"""Each route over real fleet, sessions, dispatcher and memory store; every answer is held to its model."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, NoReturn, TypeVar
from uuid import UUID, uuid4

import httpx
import pytest
from pydantic import BaseModel, TypeAdapter

from der_core.errors import Unavailable
from der_core.events import EventKind, Severity
from der_core.lifecycle import State
from der_core.registration import Registration
from der_core.signals import CATALOGUE
from der_headend.agents import Session
from der_headend.ports import Batch
from der_headend.rest.app import create_app
from der_headend.rest.models.agents import Agent, Heartbeat
from der_headend.rest.models.assets import Asset, Site
from der_headend.rest.models.dispatch import Dispatch, Preview
from der_headend.rest.models.events import Event
from der_headend.rest.models.operations import Readiness
from der_headend.rest.models.telemetry import Bucket, Sample, SiteBucket
from der_headend.rest.problems import Problem
from der_headend.rest.services import Check, Services
from der_headend.rest.views.live import Live
from der_headend.store.memory.events import MemoryEvents
from der_wire.codec import encode_frame, state_signals
from kit import records
from kit.headend import OTHER_SITE, SITE, A, B, C, D, World, gateway, link_of, says
from kit.rest import client_of, services_of

M = TypeVar("M", bound=BaseModel)


@pytest.fixture
async def world() -> World:
    return World()


@pytest.fixture
async def services(world: World) -> Services:
    return services_of(world)


@pytest.fixture
async def client(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(create_app(services)) as client:
        yield client


def one(model: type[M], response: httpx.Response, status: int = 200) -> dict[str, Any]:
    """The JSON of a response, which has exactly the model's fields."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    model.model_validate_json(response.content)
    value: dict[str, Any] = response.json()
    return value


def many(model: type[M], response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    TypeAdapter(list[model]).validate_json(response.content)  # type: ignore[valid-type]  # the model is a parameter
    values: list[dict[str, Any]] = response.json()
    return values


def problem(response: httpx.Response, status: int, code: str, field: str | None = None) -> Problem:
    assert response.headers["content-type"] == "application/problem+json", response.text
    found = Problem.model_validate_json(response.content)
    assert (response.status_code, found.status, found.code, found.field) == (status, status, code, field)
    return found


async def send(world: World, session: Session, seq: int, **columns: list[float]) -> None:
    """A frame of all assets of a session, taken in as the servicer would, and stored."""
    places = {signal.name: place for place, signal in enumerate(session.registration.signals)}
    frame = encode_frame(
        int(world.clock.now().timestamp() * 1e6),
        {places[name]: values for name, values in columns.items()},
        state_signals(session.registration.signals),
        None,
    )
    world.ingest.frame(session, seq, frame.SerializeToString())
    await world.ingest.flush()


def gateway_with_all_signals() -> Registration:
    return replace(gateway(), signals=CATALOGUE)


# ------------------------------------------------------------------------------------------------ assets and sites


async def test_assets_before_any_agent(client: httpx.AsyncClient) -> None:
    assets = many(Asset, await client.get("/assets"))
    assert [asset["name"] for asset in assets] == ["GT-BESS-A", "CT-BESS-A", "GT-BESS-B", "GT-BESS-C"]
    assert assets[0] == {
        "id": str(A),
        "name": "GT-BESS-A",
        "site_id": str(SITE),
        "site_name": "Gateway-Test",
        "location": "Local",
        "asset_type": "bess",
        "capacity_mwhr": 120.0,
        "max_mw": 60.0,
        "min_mw": -60.0,
        "min_soc_pct": 10.0,
        "max_soc_pct": 90.0,
        "efficiency": 0.92,
        "ramp_rate_mw_per_min": 1000.0,
        "failsafe_mw": 0.0,
        "current_mw": None,
        "setpoint_mw": None,
        "soc_mwhr": None,
        "soc_pct": None,
        "status": None,
        "online": False,
        "updated_at": None,
    }


async def test_asset_with_live_state(client: httpx.AsyncClient, world: World) -> None:
    session = await world.connect(gateway())
    await send(
        world, session, 1, current_mw=[7.2, 2.4, float("nan")], soc_mwhr=[60, 20, 20], status=[2, 2, 0]
    )
    asset = one(Asset, await client.get(f"/assets/{A}"))
    assert (asset["current_mw"], asset["soc_mwhr"], asset["soc_pct"]) == (7.2, 60.0, None)
    assert (asset["status"], asset["online"]) == ("discharging", True)
    assert asset["updated_at"] == "2026-06-01T12:00:00.000000Z"
    assert one(Asset, await client.get(f"/assets/{C}"))["online"] is False
    world.sessions.close(session.id, "test")
    asset = one(Asset, await client.get(f"/assets/{A}"))
    assert (asset["current_mw"], asset["online"]) == (7.2, False)


async def test_infinite_measurement_is_unknown(client: httpx.AsyncClient, world: World) -> None:
    world.show({A: float("inf")})
    assert one(Asset, await client.get(f"/assets/{A}"))["current_mw"] is None


async def test_assets_page_by_page(client: httpx.AsyncClient) -> None:
    first = await client.get("/assets", params={"limit": 3})
    assert len(many(Asset, first)) == 3
    rest = await client.get("/assets", params={"limit": 3, "cursor": first.headers["X-Next-Cursor"]})
    assert [asset["name"] for asset in many(Asset, rest)] == ["GT-BESS-C"]
    assert "X-Next-Cursor" not in rest.headers


async def test_assets_of_one_site_page_by_page(client: httpx.AsyncClient) -> None:
    first = await client.get("/assets", params={"site_id": str(SITE), "limit": 2})
    rest = await client.get(
        "/assets", params={"site_id": str(SITE), "cursor": first.headers["X-Next-Cursor"]}
    )
    assert [asset["id"] for asset in (*many(Asset, first), *many(Asset, rest))] == [str(A), str(B), str(C)]
    problem(await client.get("/assets", params={"site_id": str(A)}), 404, "unknown_site", "site_id")


async def test_site_sums_up_what_is_known(client: httpx.AsyncClient, world: World) -> None:
    session = await world.connect(gateway())
    await send(
        world, session, 1, current_mw=[10, -5, float("nan")], soc_pct=[50, 10, 50], soc_mwhr=[60, 4, 20]
    )
    world.alarms.note(records.event(0, kind=EventKind.RAISED))
    site = one(Site, await client.get(f"/sites/{SITE}"))
    assert (site["name"], site["location"]) == ("Gateway-Test", "Local")
    assert (site["current_mw"], site["soc_mwhr"], site["capacity_mwhr"]) == (5.0, 64.0, 200.0)
    assert (site["assets_online"], site["assets_total"], site["alarms"]) == (2, 3, 1)
    assert (site["assets_heard"], site["unheard_since"], site["soc_pct"]) == (2, None, 40.0)
    assert site["headroom_up_mw"] == pytest.approx(
        (60 - 10) + (0 + 5)
    )  # B is at its least SOC: it can't discharge
    assert site["headroom_down_mw"] == pytest.approx((10 + 60) + (-5 + 20))
    assert [asset["id"] for asset in site["assets"]] == [str(A), str(B), str(C)]


async def test_a_site_is_the_sum_of_what_is_heard(client: httpx.AsyncClient, world: World) -> None:
    session = await world.connect(gateway())
    await send(world, session, 1, current_mw=[10, -5, 2], soc_mwhr=[60, 4, 20])
    world.clock.advance(10)
    world.show({A: 11.0})
    world.clock.advance(10)
    site = one(Site, await client.get(f"/sites/{SITE}"))
    assert (site["current_mw"], site["soc_mwhr"], site["soc_pct"]) == (11.0, 60.0, 50.0)
    assert (site["headroom_up_mw"], site["headroom_down_mw"]) == (49.0, 71.0)
    assert (site["assets_online"], site["assets_heard"], site["assets_total"]) == (3, 1, 3)
    assert site["unheard_since"] == "2026-06-01T12:00:00.000000Z"
    world.sessions.close(session.id, "test")
    site = one(Site, await client.get(f"/sites/{SITE}"))
    assert (site["current_mw"], site["soc_mwhr"], site["headroom_up_mw"]) == (None, None, None)
    assert (site["assets_online"], site["assets_heard"]) == (0, 0)
    assert site["unheard_since"] == "2026-06-01T12:00:10.000000Z"


async def test_sites(client: httpx.AsyncClient) -> None:
    first = await client.get("/sites", params={"limit": 1})
    rest = await client.get("/sites", params={"cursor": first.headers["X-Next-Cursor"]})
    (gateway_test,), (campus,) = many(Site, first), many(Site, rest)
    assert (gateway_test["id"], campus["id"]) == (str(SITE), str(OTHER_SITE))
    assert (campus["current_mw"], campus["headroom_up_mw"], campus["assets_online"]) == (None, None, 0)


async def test_sites_without_their_assets(client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = many(Site, await client.get("/sites"))
    monkeypatch.setattr(Live, "assets", None)  # they are not even made
    without = many(Site, await client.get("/sites", params={"with_assets": False}))
    assert without == [site | {"assets": []} for site in whole]


# ---------------------------------------------------------------------------------------------------------- agents


async def test_agents_are_none_until_one_connects(client: httpx.AsyncClient) -> None:
    response = await client.get("/agents")
    assert (response.status_code, response.json()) == (200, [])


async def test_agent_stays_after_it_has_gone(client: httpx.AsyncClient, world: World) -> None:
    first = await world.connect(gateway())
    (agent,) = many(Agent, await client.get("/agents"))
    assert (agent["agent_id"], agent["mode"], agent["connected"]) == (str(SITE), "gateway", True)
    assert (agent["site_id"], agent["site_name"]) == (str(SITE), "Gateway-Test")
    assert agent["assets"] == [
        {"id": str(id), "name": name} for id, name in ((A, "GT-BESS-A"), (B, "GT-BESS-B"), (C, "GT-BESS-C"))
    ]
    world.clock.advance(5)
    second = await world.connect(gateway())
    world.clock.advance(2)
    world.sessions.close(second.id, "went away")
    (agent,) = many(Agent, await client.get("/agents"))
    assert (agent["connected"], agent["connected_at"]) == (False, "2026-06-01T12:00:05.000000Z")
    assert [(s["session_id"], s["reason"]) for s in agent["sessions"]] == [
        (str(second.id), "went away"),
        (str(first.id), "replaced by a newer session of the same agent id"),
    ]


HEARD: tuple[str, ...] = (
    "software",
    "heartbeat_s",
    "heartbeats_missed",
    "last_heartbeat_at",
    "spooled_records",
    "spooled_bytes",
    "dropped_records",
    "clock_skew_s",
)


async def test_agent_says_how_it_is(client: httpx.AsyncClient, world: World) -> None:
    session = await world.connect(gateway())

    async def heard() -> tuple[object, ...]:
        (agent,) = many(Agent, await client.get("/agents"))
        return tuple(agent[name] for name in HEARD)

    assert await heard() == ("test", 10.0, 0, None, None, None, None, None)
    now = world.clock.now()
    beat = replace(records.heartbeat(0), at=now + timedelta(seconds=1.5), received_at=now)
    world.sessions.beat(session, replace(beat, spooled_records=7, spooled_bytes=900, dropped_records=2))
    said = ("2026-06-01T12:00:00.000000Z", 7, 900, 2, 1.5)
    world.clock.advance(14.9)
    assert await heard() == ("test", 10.0, 0, *said)
    world.clock.advance(10.2)
    assert await heard() == ("test", 10.0, 2, *said)
    world.sessions.close(session.id, "went away")
    assert await heard() == ("test", 10.0, None, *said)


async def test_agent_of_an_earlier_run_is_not_known_well(world: World) -> None:
    session = await world.connect(gateway())
    world.sessions.close(session.id, "headend is stopping")
    restarted = World()
    restarted.sessions.restore(world.session_changes[-1:])
    async with client_of(create_app(services_of(restarted))) as client:
        (agent,) = many(Agent, await client.get("/agents"))
    assert {agent[name] for name in HEARD} == {None}


async def test_agents_page_by_page(client: httpx.AsyncClient, world: World) -> None:
    await world.connect(gateway(agent_id="b"))
    await world.connect(gateway(D, agent_id="ä", site_id=OTHER_SITE))
    first = await client.get("/agents", params={"limit": 1})
    rest = await client.get("/agents", params={"cursor": first.headers["X-Next-Cursor"]})
    assert [a["agent_id"] for a in (*many(Agent, first), *many(Agent, rest))] == ["b", "ä"]


# ------------------------------------------------------------------------------------------------------- telemetry


async def test_latest_sample(client: httpx.AsyncClient, world: World) -> None:
    session = await world.connect(gateway_with_all_signals())
    await send(world, session, 1, current_mw=[1, 2, 3], status=[0, 1, 2], voltage_v=[400, float("nan"), 402])
    assert one(Sample, await client.get(f"/telemetry/{C}")) == {
        "asset_id": str(C),
        "site_id": str(SITE),
        "asset_type": "bess",
        "timestamp": "2026-06-01T12:00:00.000000Z",
        "current_mw": 3.0,
        "setpoint_mw": None,
        "soc_mwhr": None,
        "soc_pct": None,
        "capacity_mwhr": 40.0,
        "max_mw": 20.0,
        "min_mw": -20.0,
        "status": "discharging",
        "online": True,
        "signals": {"voltage_v": 402.0},
    }
    assert one(Sample, await client.get(f"/telemetry/{B}"))["signals"] == {}


async def test_no_telemetry_yet_is_not_unknown_asset(client: httpx.AsyncClient) -> None:
    problem(await client.get(f"/telemetry/{A}"), 404, "no_telemetry_yet", "asset_id")
    problem(await client.get(f"/telemetry/{uuid4()}"), 404, "unknown_asset", "asset_id")


async def test_history_in_samples_page_by_page(client: httpx.AsyncClient, world: World) -> None:
    session = await world.connect(gateway_with_all_signals())
    for seq in range(1, 6):
        world.clock.advance(10)
        await send(world, session, seq, current_mw=[seq] * 3, status=[1] * 3, voltage_v=[400] * 3)
    world.clock.advance(1)
    first = await client.get(f"/telemetry/{A}/history", params={"limit": 3})
    samples = many(Sample, first)
    assert [s["current_mw"] for s in samples] == [5.0, 4.0, 3.0]
    assert (samples[0]["timestamp"], samples[0]["status"]) == ("2026-06-01T12:00:50.000000Z", "charging")
    assert (samples[0]["signals"], samples[0]["online"]) == ({"voltage_v": 400.0}, True)
    rest = await client.get(f"/telemetry/{A}/history", params={"cursor": first.headers["X-Next-Cursor"]})
    assert [s["current_mw"] for s in many(Sample, rest)] == [2.0, 1.0]
    within = {"start": "2026-06-01T12:00:20Z", "end": "2026-06-01T14:00:40+02:00"}
    bounded = many(Sample, await client.get(f"/telemetry/{A}/history", params=within))
    assert [s["current_mw"] for s in bounded] == [3.0, 2.0]


async def test_history_in_buckets(client: httpx.AsyncClient, world: World) -> None:
    session = await world.connect(gateway_with_all_signals())
    for seq in range(1, 5):
        await send(world, session, seq, current_mw=[seq] * 3, status=[seq % 2] * 3, voltage_v=[400] * 3)
        world.clock.advance(20)
    buckets = many(Bucket, await client.get(f"/telemetry/{A}/history", params={"resolution": "1m"}))
    assert [b["timestamp"] for b in buckets] == ["2026-06-01T12:01:00.000000Z", "2026-06-01T12:00:00.000000Z"]
    assert buckets[1]["current_mw"] == {"mean": 2.0, "min": 1.0, "max": 3.0, "last": 3.0}
    assert buckets[1]["setpoint_mw"] == {"mean": None, "min": None, "max": None, "last": None}
    assert [b["status"] for b in buckets] == [{"last": "idle"}, {"last": "charging"}]
    assert buckets[0]["signals"]["voltage_v"]["mean"] == 400.0


async def test_history_of_a_site_page_by_page(client: httpx.AsyncClient, world: World) -> None:
    session = await world.connect(gateway_with_all_signals())
    for seq in range(1, 5):
        await send(world, session, seq, current_mw=[seq, 10, 20], status=[0] * 3, voltage_v=[400] * 3)
        world.clock.advance(20)
    first = await client.get(f"/sites/{SITE}/history", params={"limit": 1})
    assert many(SiteBucket, first) == [
        {
            "site_id": str(SITE),
            "timestamp": "2026-06-01T12:01:00.000000Z",
            "assets": 3,
            "current_mw": {"mean": 34.0},
            "setpoint_mw": None,
            "soc_mwhr": None,
            "soc_pct": None,
        }
    ]
    rest = await client.get(f"/sites/{SITE}/history", params={"cursor": first.headers["X-Next-Cursor"]})
    assert [b["current_mw"] for b in many(SiteBucket, rest)] == [{"mean": 32.0}]
    assert "X-Next-Cursor" not in rest.headers
    by_five = await client.get(f"/sites/{SITE}/history", params={"resolution": "5m"})
    assert [b["current_mw"] for b in many(SiteBucket, by_five)] == [{"mean": 32.5}]


async def test_site_of_very_many_assets_is_not_summed_up(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("der_headend.history.MOST_ASSETS", 2)
    problem(await client.get(f"/sites/{SITE}/history"), 422, "site_too_large", "site_id")


async def test_history_of_silence_is_empty(client: httpx.AsyncClient) -> None:
    assert (await client.get(f"/sites/{SITE}/history")).json() == []
    for resolution in ("raw", "1h"):
        response = await client.get(f"/telemetry/{A}/history", params={"resolution": resolution})
        assert (response.status_code, response.json()) == (200, [])


@pytest.mark.parametrize(
    ("params", "code", "field"),
    [
        ({"resolution": "2m"}, "invalid_value", "resolution"),
        ({"start": "yesterday"}, "invalid_value", "start"),
        ({"start": "2026-06-01T12:00:00"}, "invalid_value", "start"),
        ({"start": "2026-06-01T12:00:00Z", "end": "2026-06-01T11:00:00Z"}, "invalid_range", "start"),
        ({"limit": "0"}, "invalid_value", "limit"),
        ({"limit": "1001"}, "invalid_value", "limit"),
        ({"limit": "many"}, "invalid_value", "limit"),
        ({"cursor": "nonsense"}, "invalid_cursor", "cursor"),
    ],
)
async def test_questions_that_make_no_sense(
    client: httpx.AsyncClient, params: dict[str, str], code: str, field: str
) -> None:
    for path in (f"/telemetry/{A}/history", f"/sites/{SITE}/history"):
        problem(await client.get(path, params=params), 422, code, field)


# -------------------------------------------------------------------------------------------------------- dispatch


async def test_dispatch_waits_for_its_agent(client: httpx.AsyncClient) -> None:
    response = await client.post("/dispatch", json={"asset_id": str(A), "mw": 70, "duration_s": 60})
    record = one(Dispatch, response, 202)
    assert response.headers["Location"] == f"/dispatch/{record['id']}"
    assert (record["target"], record["asset_id"], record["site_id"]) == ("asset", str(A), str(SITE))
    assert (record["requested_mw"], record["mw"], record["clamped"], record["unserved_mw"]) == (
        70,
        60,
        True,
        10,
    )
    assert [step["state"] for step in record["transitions"]] == ["submitted", "queued"]
    assert [(a["asset_name"], a["mw"], a["state"]) for a in record["allocations"]] == [
        ("GT-BESS-A", 60, "queued")
    ]
    assert one(Dispatch, await client.get(response.headers["Location"])) == record


async def test_site_dispatch_is_waited_for_until_active(client: httpx.AsyncClient, world: World) -> None:
    session = await world.connect(gateway())
    with world.announcements.listen() as listener:
        posted = asyncio.create_task(
            client.post("/dispatch?wait=active&timeout_s=20", json={"site_id": str(SITE), "mw": 12})
        )
        await listener.wait(10)
    command = link_of(session).commands[0]
    shares = {A: 7.2, B: 2.4, C: 2.4}
    world.dispatcher.reported(
        session, says(world, command.dispatch_id, State.ACTIVE, shares, unserved_mw=0.0)
    )
    record = one(Dispatch, await posted, 202)
    assert (record["state"], record["mw"], record["clamped"]) == ("active", 12.0, False)
    assert [a["applied_mw"] for a in record["allocations"]] == [7.2, 2.4, 2.4]
    world.show(shares)
    measured = one(Dispatch, await client.get(f"/dispatch/{record['id']}"))
    assert [a["measured_mw"] for a in measured["allocations"]] == [7.2, 2.4, 2.4]


async def test_waiting_in_vain_gives_the_record_as_it_is(client: httpx.AsyncClient) -> None:
    posted = await client.post("/dispatch?wait=active&timeout_s=0.01", json={"asset_id": str(A), "mw": 5})
    assert one(Dispatch, posted, 202)["state"] == "queued"


async def test_both_ids_mean_the_asset(client: httpx.AsyncClient) -> None:
    body = {"asset_id": str(A), "site_id": str(OTHER_SITE), "mw": 5}
    record = one(Dispatch, await client.post("/dispatch", json=body), 202)
    assert (record["target"], record["site_id"], len(record["allocations"])) == ("asset", str(SITE), 1)
    assert str(OTHER_SITE) in record["warnings"][0]


async def test_unknown_asset_is_never_widened_to_its_site(client: httpx.AsyncClient, world: World) -> None:
    session = await world.connect(gateway())
    body = {"asset_id": str(uuid4()), "site_id": str(SITE), "mw": 5}
    problem(await client.post("/dispatch", json=body), 404, "unknown_asset", "asset_id")
    assert link_of(session).commands == []
    assert (await client.get("/dispatch/history")).json() == []


async def test_discharge_at_least_soc_is_a_conflict(client: httpx.AsyncClient, world: World) -> None:
    await world.connect(gateway())
    world.show({A: 0.0}, soc_pct=10.0)
    problem(await client.post("/dispatch", json={"asset_id": str(A), "mw": 5}), 409, "soc_at_minimum", "mw")


async def test_same_id_gives_the_same_record(client: httpx.AsyncClient) -> None:
    body = {"asset_id": str(A), "mw": 5, "id": str(uuid4())}
    first, again = await client.post("/dispatch", json=body), await client.post("/dispatch", json=body)
    assert one(Dispatch, first, 202) == one(Dispatch, again, 202)
    problem(await client.post("/dispatch", json=body | {"mw": 6}), 409, "id_in_use", "id")


@pytest.mark.parametrize("key", [str(uuid4()), "order 66", "x" * 255])
async def test_idempotency_key_is_another_way_to_give_the_id(client: httpx.AsyncClient, key: str) -> None:
    body, headers = {"asset_id": str(A), "mw": 5}, {"Idempotency-Key": key}
    first = one(Dispatch, await client.post("/dispatch", json=body, headers=headers), 202)
    again = one(Dispatch, await client.post("/dispatch", json=body, headers=headers), 202)
    assert first["id"] == again["id"]
    named = await client.post("/dispatch", json=body | {"id": first["id"]}, headers=headers)
    assert one(Dispatch, named, 202)["id"] == first["id"]
    other = await client.post("/dispatch", json=body | {"id": str(uuid4())}, headers=headers)
    problem(other, 422, "idempotency_key_mismatch", "Idempotency-Key")


async def test_preview_sends_nothing(client: httpx.AsyncClient, world: World) -> None:
    session = await world.connect(gateway())
    world.show({A: 0.0, B: 0.0})
    made = one(Preview, await client.post("/dispatch/preview", json={"site_id": str(SITE), "mw": 150}))
    assert [(a["asset_name"], a["mw"]) for a in made["allocations"]] == [
        ("GT-BESS-A", 60.0),
        ("GT-BESS-B", 20.0),
    ]
    assert (made["mw"], made["unserved_mw"], made["clamped"]) == (80.0, 70.0, True)
    assert made["skipped"] == [{"asset_id": str(C), "asset_name": "GT-BESS-C", "reason": "asset_offline"}]
    assert link_of(session).commands == []
    assert (await client.get("/dispatch/history")).json() == []


async def test_cancel_of_what_waits_ends_it(client: httpx.AsyncClient) -> None:
    id = (await client.post("/dispatch", json={"asset_id": str(A), "mw": 5})).json()["id"]
    assert one(Dispatch, await client.delete(f"/dispatch/{id}"))["state"] == "cancelled"
    assert one(Dispatch, await client.delete(f"/dispatch/{id}"))["state"] == "cancelled"


async def test_cancel_of_what_the_agent_has_waits_for_its_word(
    client: httpx.AsyncClient, world: World
) -> None:
    session = await world.connect(gateway())
    id = (await client.post("/dispatch", json={"asset_id": str(A), "mw": 5})).json()["id"]
    world.dispatcher.reported(session, says(world, UUID(id), State.ACTIVE, {A: 5.0}))
    unconfirmed = await client.delete(f"/dispatch/{id}", params={"timeout_s": 0.01})
    assert one(Dispatch, unconfirmed, 202)["state"] == "active"
    world.dispatcher.reported(session, says(world, UUID(id), State.CANCELLED, {A: 0.0}))
    assert one(Dispatch, await client.delete(f"/dispatch/{id}"))["state"] == "cancelled"


async def test_dispatch_history_is_newest_first_with_filters(client: httpx.AsyncClient, world: World) -> None:
    ids = []
    for target in ({"asset_id": str(A)}, {"asset_id": str(B)}, {"site_id": str(OTHER_SITE)}):
        ids.append((await client.post("/dispatch", json={**target, "mw": 5})).json()["id"])
        world.clock.advance(1)
    await client.delete(f"/dispatch/{ids[1]}")
    await world.ingest.flush()

    async def found(**params: str | int) -> list[int]:
        response = await client.get("/dispatch/history", params=params)
        return [ids.index(record["id"]) for record in many(Dispatch, response)]

    assert await found() == [2, 1, 0]
    assert await found(site_id=str(SITE)) == [1, 0]
    assert await found(asset_id=str(A)) == [0]
    assert await found(state="cancelled") == [1]
    assert await found(start="2026-06-01T12:00:01Z", end="2026-06-01T12:00:02Z") == [1]
    first = await client.get("/dispatch/history", params={"limit": 2})
    assert await found(cursor=first.headers["X-Next-Cursor"]) == [0]


async def away(*_args: object) -> NoReturn:
    """What a store does that is away."""
    raise Unavailable("database_unavailable", "the database does not answer", retry_after_s=1.0)


async def test_what_is_open_is_known_while_the_store_is_away(
    client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended = one(Dispatch, await client.post("/dispatch", json={"asset_id": str(A), "mw": 1}), 202)["id"]
    await client.delete(f"/dispatch/{ended}")
    orders: tuple[dict[str, Any], ...] = (
        {"asset_id": str(A)},
        {"asset_id": str(B)},
        {"site_id": str(OTHER_SITE)},
    )
    sent = []
    for order in orders:
        world.clock.advance(1)
        sent.append(one(Dispatch, await client.post("/dispatch", json={**order, "mw": 1}), 202)["id"])
    for part in (world.store.dispatches, world.store.events):
        monkeypatch.setattr(part, "page", away)
    monkeypatch.setattr(world.store.dispatches, "get", away)
    problem(await client.get("/dispatch/history"), 503, "database_unavailable")

    async def found(**params: str | int) -> list[int]:
        answer = await client.get("/dispatch/open", params=params)
        return [sent.index(record["id"]) for record in many(Dispatch, answer)]

    assert await found() == [2, 1, 0]
    assert await found(site_id=str(SITE)) == [1, 0]
    assert await found(asset_id=str(A)) == [0]
    first = await client.get("/dispatch/open", params={"limit": 2})
    assert await found(cursor=first.headers["X-Next-Cursor"]) == [0]
    one(Dispatch, await client.delete(f"/dispatch/{sent[0]}"))
    assert await found() == [2, 1]


# ----------------------------------------------------------------------------------------------- events, heartbeats


async def test_events_newest_first_with_filters(client: httpx.AsyncClient, world: World) -> None:
    happened = [
        records.event(1, severity=Severity.CRITICAL),
        records.event(2, asset_id=None),
        records.event(3, asset_id=D, site_id=OTHER_SITE),
    ]
    await world.store.commit(Batch(events=happened))
    ids = [str(event.id) for event in happened]

    async def found(path: str = "/events", **params: str | int) -> list[int]:
        return [ids.index(event["id"]) for event in many(Event, await client.get(path, params=params))]

    assert await found() == [2, 1, 0]
    assert await found(site_id=str(SITE)) == [1, 0]
    assert await found(asset_id=str(D)) == [2]
    assert await found(severity="critical") == [0]
    assert await found(f"/events/{A}/history") == [0]
    first = await client.get("/events", params={"limit": 2})
    assert await found(cursor=first.headers["X-Next-Cursor"]) == [0]


async def test_alarms_that_are_raised_now(
    client: httpx.AsyncClient, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await world.connect(gateway())
    trip, leak = (
        records.event(at, kind=EventKind.RAISED, code=code) for at, code in ((1, "trip"), (2, "leak"))
    )
    happened = (records.event(0), trip, leak, records.event(3, kind=EventKind.CLEARED, code="trip"))
    for seq, event in enumerate(happened, start=1):
        world.ingest.event(session, seq, event)
    await world.ingest.flush()

    async def found(**params: str | bool) -> list[str]:
        events = many(Event, await client.get("/events", params={"active": True, **params}))
        return [event["id"] for event in events]

    assert (
        await found() == await found(acknowledged=False) == await found(site_id=str(SITE)) == [str(leak.id)]
    )
    assert await found(site_id=str(OTHER_SITE)) == await found(severity="critical") == []
    await client.post(f"/events/{leak.id}/ack")
    monkeypatch.setattr(world.store.events, "page", away)
    assert await found() == await found(acknowledged=True) == [str(leak.id)]
    assert await found(acknowledged=False) == []


async def test_event_is_acknowledged_once(client: httpx.AsyncClient, world: World) -> None:
    happened = records.event(0)
    await world.store.commit(Batch(events=[happened]))
    first = one(Event, await client.post(f"/events/{happened.id}/ack"))
    world.clock.advance(9)
    assert one(Event, await client.post(f"/events/{happened.id}/ack")) == first
    assert first["acknowledged_at"] == "2026-06-01T12:00:00.000000Z"
    problem(await client.post(f"/events/{uuid4()}/ack"), 404, "unknown_event", "event_id")


async def test_alarm_that_is_not_stored_yet_can_be_acknowledged_later(
    client: httpx.AsyncClient, world: World
) -> None:
    session = await world.connect(gateway())
    trip = records.event(0, kind=EventKind.RAISED, code="trip")
    world.ingest.event(session, 1, trip)
    assert [event["id"] for event in many(Event, await client.get("/events?active=true"))] == [str(trip.id)]
    refused = await client.post(f"/events/{trip.id}/ack")
    problem(refused, 503, "event_not_stored_yet")
    assert refused.headers["Retry-After"] == "1"
    await world.ingest.flush()
    assert one(Event, await client.post(f"/events/{trip.id}/ack"))["acknowledged_at"] is not None


async def test_alarm_that_stands_for_longer_than_the_store_keeps_it_can_be_acknowledged(world: World) -> None:
    world.store.events = MemoryEvents(kept=1)
    session = await world.connect(gateway())
    trip = records.event(0, kind=EventKind.RAISED, code="trip")
    world.ingest.event(session, 1, trip)
    world.ingest.event(session, 2, records.event(1))
    await world.ingest.flush()
    async with client_of(create_app(services_of(world))) as client:
        assert str(trip.id) not in [event["id"] for event in many(Event, await client.get("/events"))]
        first = one(Event, await client.post(f"/events/{trip.id}/ack"))
        world.clock.advance(9)
        assert one(Event, await client.post(f"/events/{trip.id}/ack")) == first
        assert first["acknowledged_at"] == "2026-06-01T12:00:00.000000Z"
        assert many(Event, await client.get("/events?active=true")) == [first]


async def test_heartbeats_of_the_agent_that_serves_an_asset(client: httpx.AsyncClient, world: World) -> None:
    problem(await client.get(f"/heartbeat/{A}"), 404, "no_heartbeat_yet", "asset_id")
    assert (await client.get(f"/heartbeat/{A}/history")).json() == []
    session = await world.connect(gateway(agent_id="gateway"))
    beats = [records.heartbeat(1), records.heartbeat(2)]
    for beat in beats:
        world.sessions.beat(session, beat)
    await world.store.commit(Batch(heartbeats=beats))
    last = one(Heartbeat, await client.get(f"/heartbeat/{A}"))
    assert (last["asset_id"], last["agent_id"], last["at"]) == (
        str(A),
        "gateway",
        "2026-01-01T00:00:02.000000Z",
    )
    assert [b["at"] for b in many(Heartbeat, await client.get(f"/heartbeat/{A}/history"))] == [
        "2026-01-01T00:00:02.000000Z",
        "2026-01-01T00:00:01.000000Z",
    ]
    problem(await client.get(f"/heartbeat/{D}"), 404, "no_heartbeat_yet", "asset_id")


# ------------------------------------------------------------------------------------------------------ operations


async def test_health_and_metrics(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok", "version": "1.2.3"}
    metrics = await client.get("/metrics")
    assert metrics.headers["content-type"].startswith("text/plain; version=")
    assert "der_test 1.0" in metrics.text


async def test_ready_only_if_all_checks_pass(client: httpx.AsyncClient, world: World) -> None:
    assert one(Readiness, await client.get("/readyz"))["ready"] is True
    away = Check("grpc", ok=False, detail="not listening")
    async with client_of(create_app(services_of(world, [away]))) as other:
        assert one(Readiness, await other.get("/readyz"), 503) == {
            "ready": False,
            "checks": [{"name": "grpc", "ok": False, "detail": "not listening"}],
        }


@pytest.mark.parametrize("path", ["/", "/docs", "/redoc"])
async def test_pages_work_without_the_internet(client: httpx.AsyncClient, path: str) -> None:
    response = await client.get(path)
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert "//" not in response.text.replace("// ", "").replace("<!--", "")
    for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "redoc.standalone.js", "favicon.png"):
        if asset in response.text:
            assert (await client.get(f"/static-offline-docs/{asset}")).status_code == 200


async def test_page_links_lead_somewhere(client: httpx.AsyncClient, services: Services) -> None:
    services.stopping.set()  # so that /stream ends
    text = (await client.get("/")).text
    links = [part.split('"')[0] for part in text.split('href="')[1:] if part.startswith("/")]
    assert len(links) > 5
    for link in links:
        assert (await client.get(link)).status_code == 200, link
