"""The fake headend that ``der_client`` ships answers as the real one does: one suite, run on both."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from der_client import (
    Conflict,
    HeadendClient,
    HeadendProblem,
    Invalid,
    NotFound,
    models,
)
from der_client.fake import BATTERY_A, BATTERY_B, CAMPUS_A, CAMPUS_SITE, GATEWAY_SITE, FakeHeadend
from der_core.events import EventKind, Severity
from kit.json_types import fits
from kit.live_headend import Headend, LiveHeadend

LIFE = ["submitted", "queued", "sent", "acknowledged", "active"]


def states(record: models.Dispatch) -> list[str]:
    return [step["state"] for step in record["transitions"]]


# ----------------------------------------------------------------------------------------------- what there is


def test_every_answer_has_the_keys_of_its_type(headend: Headend, client: HeadendClient) -> None:
    headend.beat(GATEWAY_SITE, spooled_records=3)
    headend.raise_event("inverter_trip", "it tripped", asset_id=BATTERY_A)
    record = client.dispatch(site_id=GATEWAY_SITE, mw=12, wait="active")
    found: list[tuple[Any, Any]] = [
        (client.health(), models.Health),
        (client.readiness(), models.Readiness),
        (list(client.assets()), list[models.Asset]),
        (client.asset(BATTERY_A), models.Asset),
        (list(client.sites()), list[models.Site]),
        (client.site(GATEWAY_SITE), models.Site),
        (list(client.agents()), list[models.Agent]),
        (client.telemetry(BATTERY_A), models.Sample),
        (list(client.history(BATTERY_A)), list[models.Sample]),
        (list(client.history(BATTERY_A, resolution="1m")), list[models.Bucket]),
        (list(client.site_history(GATEWAY_SITE)), list[models.SiteBucket]),
        (record, models.Dispatch),
        (client.preview(site_id=GATEWAY_SITE, mw=12), models.Preview),
        (list(client.dispatches()), list[models.Dispatch]),
        (list(client.open_dispatches()), list[models.Dispatch]),
        (list(client.events()), list[models.Event]),
        (client.heartbeat(BATTERY_A), models.Heartbeat),
        (list(client.heartbeats(BATTERY_A)), list[models.Heartbeat]),
    ]
    assert [kind for value, kind in found if not value or not fits(value, kind)] == []
    assert client.ready()
    assert isinstance(client.metrics(), str)


def test_the_inventory_with_live_values(headend: Headend, client: HeadendClient) -> None:
    headend.measure(BATTERY_A, current_mw=-3.5, soc_pct=75.0, status="charging")
    names = [asset["name"] for asset in client.assets()]
    assert names == ["GT-BESS-A", "CT-BESS-A", "GT-BESS-B", "CT-BESS-B", "GT-BESS-C"]
    assert [asset["name"] for asset in client.assets(site_id=CAMPUS_SITE)] == ["CT-BESS-A", "CT-BESS-B"]
    asset = client.asset(BATTERY_A)
    assert (asset["current_mw"], asset["soc_mwhr"], asset["status"]) == (-3.5, 90.0, "charging")
    assert (asset["site_name"], asset["online"]) == ("Gateway-Test", True)


def test_a_site_is_the_sum_of_its_assets(headend: Headend, client: HeadendClient) -> None:
    headend.measure(BATTERY_A, current_mw=10.0)
    headend.measure(BATTERY_B, soc_pct=10.0)
    site = client.site(GATEWAY_SITE)
    assert (site["current_mw"], site["soc_mwhr"], site["capacity_mwhr"]) == (10.0, 84.0, 200.0)
    assert (site["headroom_up_mw"], site["headroom_down_mw"]) == (70.0, 110.0)
    assert (site["assets_online"], site["assets_total"], len(site["assets"])) == (3, 3, 3)
    assert (site["assets_heard"], site["unheard_since"], site["soc_pct"]) == (3, None, 42.0)
    assert [site["assets"] for site in client.sites(with_assets=False)] == [[], []]


def test_what_is_not_heard_is_in_no_sum(headend: Headend, client: HeadendClient) -> None:
    headend.measure(BATTERY_A, current_mw=10.0)
    newest = client.telemetry(BATTERY_A)["timestamp"]
    headend.disconnect(GATEWAY_SITE, "link lost")
    site = client.site(GATEWAY_SITE)
    sums = ("current_mw", "soc_mwhr", "soc_pct", "headroom_up_mw", "headroom_down_mw")
    assert [site[name] for name in sums] == [None] * 5  # type: ignore[literal-required]  # from a tuple above
    assert (site["assets_online"], site["assets_heard"], site["unheard_since"]) == (0, 0, newest)
    assert client.asset(BATTERY_A)["current_mw"] == 10.0


def test_lists_come_in_pages(client: HeadendClient, by_twos: HeadendClient) -> None:
    sent = [client.dispatch(asset_id=BATTERY_A, mw=mw)["id"] for mw in range(5)][::-1]
    assert list(by_twos.assets()) == list(client.assets())
    assert [record["id"] for record in by_twos.dispatches()] == sent
    assert [record["id"] for record in by_twos.dispatches(limit=3)] == sent[:3]


def test_an_agent_that_goes_and_comes_back(headend: Headend, client: HeadendClient) -> None:
    headend.disconnect(GATEWAY_SITE, "link lost")
    gone = next(agent for agent in client.agents() if agent["site_id"] == GATEWAY_SITE)
    assert (gone["connected"], gone["mode"], gone["heartbeats_missed"]) == (False, "gateway", None)
    assert (gone["sessions"][0]["reason"], len(gone["assets"])) == ("link lost", 3)
    assert client.asset(BATTERY_A)["online"] is client.telemetry(BATTERY_A)["online"] is False
    assert client.site(GATEWAY_SITE)["headroom_up_mw"] is None
    headend.connect(GATEWAY_SITE)
    back = next(agent for agent in client.agents() if agent["site_id"] == GATEWAY_SITE)
    assert (back["connected"], len(back["sessions"])) == (True, 2)
    assert client.asset(BATTERY_A)["online"]


def test_history_newest_first_within_its_bounds(headend: Headend, client: HeadendClient) -> None:
    for mw in (1.0, 2.0, 3.0):
        headend.advance(60)
        headend.measure(BATTERY_A, current_mw=mw, signals={"voltage_v": 400.0 + mw})
    headend.advance(1)
    samples: list[Any] = list(client.history(BATTERY_A))
    assert [sample["current_mw"] for sample in samples] == [3.0, 2.0, 1.0, 0.0]
    assert samples[0]["signals"] == {"voltage_v": 403.0}
    second = datetime.fromisoformat(samples[1]["timestamp"])
    assert list(client.history(BATTERY_A, start=second, end=second + timedelta(seconds=1))) == [samples[1]]
    buckets: list[Any] = list(client.history(BATTERY_A, resolution="5m"))
    assert [bucket["current_mw"] for bucket in buckets] == [
        {"mean": 1.5, "min": 0.0, "max": 3.0, "last": 3.0}
    ]
    assert buckets[0]["signals"]["voltage_v"]["max"] == 403.0


def test_history_of_a_site_is_the_sum_of_its_assets(headend: Headend, client: HeadendClient) -> None:
    for mw in (1.0, 2.0, 3.0):
        headend.advance(60)
        headend.measure(BATTERY_A, current_mw=mw, soc_pct=75.0)
        headend.measure(BATTERY_B, current_mw=10 * mw, soc_pct=25.0)
        headend.measure(CAMPUS_A, current_mw=100.0)
    headend.advance(1)
    newest, *rest = client.site_history(GATEWAY_SITE)
    assert (newest["site_id"], newest["assets"], newest["current_mw"]) == (GATEWAY_SITE, 2, {"mean": 33.0})
    assert newest["soc_mwhr"] == 0.75 * 120 + 0.25 * 40
    assert newest["soc_pct"] == 62.5
    assert [bucket["current_mw"]["mean"] for bucket in rest] == [22.0, 11.0, 0.0]
    begins = datetime.fromisoformat(rest[0]["timestamp"])
    after = begins + timedelta(minutes=1)
    assert list(client.site_history(GATEWAY_SITE, start=begins, end=after)) == rest[:1]
    assert list(client.site_history(GATEWAY_SITE, limit=1)) == [newest]
    by_five = sum(bucket["assets"] for bucket in client.site_history(GATEWAY_SITE, resolution="5m"))
    assert by_five == 3


def test_heartbeats(headend: Headend, client: HeadendClient) -> None:
    with pytest.raises(NotFound) as caught:
        client.heartbeat(BATTERY_A)
    assert caught.value.code == "no_heartbeat_yet"
    for records in (1, 2):
        headend.advance(10)
        headend.beat(GATEWAY_SITE, spooled_records=records, spooled_bytes=100, dropped_records=7)
    last = client.heartbeat(BATTERY_A)
    assert (last["agent_id"], last["spooled_records"], last["dropped_records"]) == (GATEWAY_SITE, 2, 7)
    assert [beat["spooled_records"] for beat in client.heartbeats(BATTERY_A)] == [2, 1]
    assert [beat["spooled_records"] for beat in client.heartbeats(BATTERY_A, limit=1)] == [2]
    agent = next(agent for agent in client.agents() if agent["site_id"] == GATEWAY_SITE)
    assert (agent["spooled_records"], agent["clock_skew_s"]) == (2, 0.0)


# -------------------------------------------------------------------------------------------------- dispatches


def test_a_site_dispatch_is_split_and_becomes_active(client: HeadendClient) -> None:
    record = client.dispatch(site_id=GATEWAY_SITE, mw=12, wait="active")
    assert (record["state"], record["mw"], record["unserved_mw"]) == ("active", 12.0, 0.0)
    assert [part["mw"] for part in record["allocations"]] == [7.2, 2.4, 2.4]
    assert [part["applied_mw"] for part in record["allocations"]] == [7.2, 2.4, 2.4]
    assert [part["state"] for part in record["allocations"]] == ["active"] * 3
    assert states(record) == LIFE
    assert client.asset(BATTERY_A)["setpoint_mw"] == 7.2
    assert client.get_dispatch(record["id"])["allocations"][0]["measured_mw"] == 7.2


def test_what_cannot_be_served_is_said(client: HeadendClient) -> None:
    record = client.dispatch(asset_id=BATTERY_A, mw=100, wait="active")
    assert (record["target"], record["mw"], record["clamped"]) == ("asset", 60.0, True)
    assert record["unserved_mw"] == 40.0


def test_a_preview_sends_nothing(headend: Headend, client: HeadendClient) -> None:
    preview = client.preview(site_id=GATEWAY_SITE, mw=-12)
    assert [share["mw"] for share in preview["allocations"]] == [-7.2, -2.4, -2.4]
    assert (preview["mw"], preview["clamped"], preview["skipped"]) == (-12.0, False, [])
    headend.disconnect(GATEWAY_SITE)
    offline = client.preview(site_id=GATEWAY_SITE, mw=-12)
    assert [skipped["reason"] for skipped in offline["skipped"]] == ["agent_offline"] * 3
    assert offline["unserved_mw"] == -12.0
    assert list(client.dispatches()) == []


def test_the_same_id_is_the_same_dispatch(client: HeadendClient) -> None:
    id = str(uuid4())
    first = client.dispatch(asset_id=BATTERY_A, mw=5, id=id, wait="active")
    assert client.dispatch(asset_id=BATTERY_A, mw=5, id=id)["submitted_at"] == first["submitted_at"]
    with pytest.raises(Conflict) as caught:
        client.dispatch(asset_id=BATTERY_A, mw=6, id=id)
    assert (caught.value.code, caught.value.field) == ("id_in_use", "id")
    assert len(list(client.dispatches())) == 1


def test_a_newer_dispatch_takes_over(client: HeadendClient) -> None:
    older = client.dispatch(site_id=GATEWAY_SITE, mw=12, wait="active")
    newer = client.dispatch(asset_id=BATTERY_A, mw=-5, wait="active")
    parts = client.get_dispatch(older["id"])["allocations"]
    assert [part["state"] for part in parts] == ["superseded", "active", "active"]
    assert parts[0]["reason"] == f"superseded_by {newer['id']}"
    assert client.asset(BATTERY_A)["current_mw"] == -5.0


def test_a_dispatch_can_be_cancelled_once(client: HeadendClient) -> None:
    record = client.dispatch(asset_id=BATTERY_A, mw=5, wait="active")
    cancelled = client.cancel(record["id"])
    assert (cancelled["state"], states(cancelled)) == ("cancelled", [*LIFE, "cancelled"])
    assert client.cancel(record["id"])["ended_at"] == cancelled["ended_at"]
    assert client.asset(BATTERY_A)["current_mw"] == 0.0


def test_a_dispatch_ends_after_its_duration(headend: Headend, client: HeadendClient) -> None:
    record = client.dispatch(asset_id=BATTERY_A, mw=5, duration_s=60, wait="active")
    headend.advance(59)
    assert client.get_dispatch(record["id"])["state"] == "active"
    headend.advance(2)
    assert client.get_dispatch(record["id"])["state"] == "completed"
    assert client.asset(BATTERY_A)["current_mw"] == 0.0


def test_a_dispatch_waits_for_its_agent(headend: Headend, client: HeadendClient) -> None:
    headend.disconnect(GATEWAY_SITE)
    record = client.dispatch(asset_id=BATTERY_A, mw=5)
    assert client.get_dispatch(record["id"])["state"] == "queued"
    headend.connect(GATEWAY_SITE)
    assert [a["state"] for a in client.dispatches(state="active")] in ([], ["active"])
    assert client.dispatch(asset_id=BATTERY_A, mw=5, id=record["id"], wait="active")["state"] == "active"


def test_a_dispatch_expires_if_its_agent_stays_away(headend: Headend, client: HeadendClient) -> None:
    headend.disconnect(GATEWAY_SITE)
    record = client.dispatch(site_id=GATEWAY_SITE, mw=5, ttl_s=30)
    headend.advance(31)
    expired = client.get_dispatch(record["id"])
    assert (expired["state"], expired["transitions"][-1]["reason"]) == ("expired", "ttl_over")


def test_dispatches_are_filtered(client: HeadendClient) -> None:
    of_asset = client.dispatch(asset_id=BATTERY_A, mw=5, wait="active")["id"]
    of_campus = client.dispatch(site_id=CAMPUS_SITE, mw=6, wait="active")["id"]

    def found(**filters: Any) -> list[str]:
        return [record["id"] for record in client.dispatches(**filters)]

    assert found(asset_id=BATTERY_A) == found(site_id=GATEWAY_SITE) == [of_asset]
    assert found(asset_id=CAMPUS_A) == [of_campus]
    assert set(found(state="active")) == {of_asset, of_campus}
    assert found(state="cancelled") == []


def test_what_has_not_ended_is_listed_newest_first(client: HeadendClient) -> None:
    of_asset = client.dispatch(asset_id=BATTERY_A, mw=5, wait="active")["id"]
    ended = client.dispatch(asset_id=CAMPUS_A, mw=5, wait="active")["id"]
    of_campus = client.dispatch(site_id=CAMPUS_SITE, mw=6, wait="active")["id"]
    assert client.get_dispatch(ended)["state"] == "superseded"
    assert [record["id"] for record in client.open_dispatches()] == [of_campus, of_asset]
    assert [record["id"] for record in client.open_dispatches(limit=1)] == [of_campus]
    assert [record["id"] for record in client.open_dispatches(site_id=GATEWAY_SITE)] == [of_asset]
    assert [record["id"] for record in client.open_dispatches(asset_id=CAMPUS_A)] == [of_campus]
    for id in (of_asset, of_campus):
        client.cancel(id)
    assert list(client.open_dispatches()) == []


def test_a_battery_at_its_limit_refuses(headend: Headend, client: HeadendClient) -> None:
    headend.measure(BATTERY_A, soc_pct=10.0)
    with pytest.raises(Conflict) as caught:
        client.dispatch(asset_id=BATTERY_A, mw=5)
    assert caught.value.code == "soc_at_minimum"
    assert client.dispatch(asset_id=BATTERY_A, mw=-5, wait="active")["mw"] == -5.0


# ------------------------------------------------------------------------------------------------------ events


def test_an_alarm_is_raised_acknowledged_and_cleared(headend: Headend, client: HeadendClient) -> None:
    headend.raise_event("inverter_trip", "too hot", asset_id=BATTERY_A, severity=Severity.CRITICAL)
    headend.advance(1)
    headend.raise_event("note", "hello", asset_id=CAMPUS_A, kind=EventKind.NOTICE)
    assert [event["code"] for event in client.events()] == ["note", "inverter_trip"]
    (alarm,) = client.events(active=True)
    assert (alarm["severity"], alarm["kind"], alarm["message"]) == ("critical", "raised", "too hot")
    assert [event["code"] for event in client.events(site_id=CAMPUS_SITE)] == ["note"]
    assert [event["code"] for event in client.events(asset_id=BATTERY_A, severity="critical", limit=1)] == [
        "inverter_trip"
    ]
    assert client.site(GATEWAY_SITE)["alarms"] == 1
    seen = client.acknowledge(alarm["id"])
    assert seen["acknowledged_at"] is not None
    assert client.acknowledge(alarm["id"]) == seen
    assert [event["code"] for event in client.events(acknowledged=False)] == ["note"]
    headend.advance(1)
    headend.raise_event("inverter_trip", asset_id=BATTERY_A, kind=EventKind.CLEARED)
    assert list(client.events(active=True)) == []
    assert client.site(GATEWAY_SITE)["alarms"] == 0


# ------------------------------------------------------------------------------------------------------ errors


NOBODY = str(uuid4())
EARLIER, LATER = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


@pytest.mark.parametrize(
    ("ask", "kind", "code"),
    [
        (lambda c: c.asset(NOBODY), NotFound, "unknown_asset"),
        (lambda c: c.site(NOBODY), NotFound, "unknown_site"),
        (lambda c: c.telemetry(NOBODY), NotFound, "unknown_asset"),
        (lambda c: list(c.history(NOBODY)), NotFound, "unknown_asset"),
        (lambda c: list(c.site_history(NOBODY)), NotFound, "unknown_site"),
        (lambda c: list(c.assets(site_id=NOBODY)), NotFound, "unknown_site"),
        (lambda c: c.heartbeat(NOBODY), NotFound, "unknown_asset"),
        (lambda c: c.get_dispatch(NOBODY), NotFound, "unknown_dispatch"),
        (lambda c: c.cancel(NOBODY), NotFound, "unknown_dispatch"),
        (lambda c: c.acknowledge(NOBODY), NotFound, "unknown_event"),
        (lambda c: c.dispatch(asset_id=NOBODY, mw=1), NotFound, "unknown_asset"),
        (lambda c: c.preview(site_id=NOBODY, mw=1), NotFound, "unknown_site"),
        (lambda c: next(c.stream(asset_id=NOBODY)), NotFound, "unknown_asset"),
        (lambda c: c.asset("x"), Invalid, "invalid_uuid"),
        (lambda c: c.dispatch(asset_id="x", mw=1), Invalid, "invalid_uuid"),
        (lambda c: c.dispatch(mw=1), Invalid, "target_missing"),
        (lambda c: c.dispatch(asset_id=BATTERY_A, mw="1"), Invalid, "invalid_value"),
        (lambda c: c.dispatch(asset_id=BATTERY_A, mw=1, ttl_s=0), Invalid, "invalid_value"),
        (lambda c: c.dispatch(asset_id=BATTERY_A, mw=1, duration_s=1e9), Invalid, "invalid_value"),
        (lambda c: list(c.history(BATTERY_A, resolution="2m")), Invalid, "invalid_value"),
        (lambda c: list(c.history(BATTERY_A, start="yesterday")), Invalid, "invalid_value"),
        (lambda c: list(c.site_history("x")), Invalid, "invalid_uuid"),
        (lambda c: list(c.site_history(GATEWAY_SITE, resolution="raw")), Invalid, "invalid_value"),
        (lambda c: list(c.site_history(GATEWAY_SITE, start=LATER, end=EARLIER)), Invalid, "invalid_range"),
        (lambda c: list(c.dispatches(start="2026-01-01T00:00:00")), Invalid, "invalid_value"),
        (lambda c: list(c.history(BATTERY_A, start=LATER, end=EARLIER)), Invalid, "invalid_range"),
        (lambda c: list(c.dispatches(start=LATER, end=EARLIER)), Invalid, "invalid_range"),
        (lambda c: list(c.events(start=LATER, end=EARLIER)), Invalid, "invalid_range"),
        (lambda c: next(c.stream(telemetry_s=0.1)), Invalid, "invalid_value"),
    ],
)
def test_a_refusal_has_a_type_and_a_code(
    client: HeadendClient, ask: Any, kind: type[HeadendProblem], code: str
) -> None:
    with pytest.raises(kind) as caught:
        ask(client)
    assert caught.value.code == code


def test_the_fake_misses_no_route() -> None:
    """Of what the OpenAPI document lists it knows everything."""
    with LiveHeadend() as live:
        routes = httpx.get(f"{live.url}/openapi.json").json()["paths"]
    nobody = dict.fromkeys(("asset_id", "site_id", "dispatch_id", "event_id"), NOBODY)
    with httpx.Client(base_url="http://headend", transport=FakeHeadend().transport) as http:
        for path, methods in routes.items():
            for method in methods:
                with http.stream(method, path.format_map(nobody)) as response:
                    assert response.is_success or response.read(), path
                    assert response.is_success or response.json()["code"] != "unknown_route", (method, path)
