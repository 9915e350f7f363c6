"""The runbook, line by line: real processes, real HTTP, the commands' effects as it describes them."""

from pathlib import Path

import httpx
import pytest

from kit.processes import Program
from kit.system import ASSET_A, ASSET_B, ASSET_C, CAMPUS_A, GATEWAY, SINGLE_ASSET, SITE_ID, System

TWELVE_MW = {ASSET_A: 7.2, ASSET_B: 2.4, ASSET_C: 2.4}


def parts(record: dict[str, object], key: str) -> dict[str, float]:
    allocations = record["allocations"]
    assert isinstance(allocations, list)
    return {a["asset_id"]: a[key] for a in allocations}


def test_startup_checklist_sanity_check_of_a_headend_without_agents() -> None:
    with System() as system:
        assets = system.get("/assets")
        assert {a["name"] for a in assets} == {
            "GT-BESS-A",
            "GT-BESS-B",
            "GT-BESS-C",
            "CT-BESS-A",
            "CT-BESS-B",
        }
        gt_a = next(a for a in assets if a["id"] == ASSET_A)
        assert (gt_a["site_id"], gt_a["site_name"]) == (SITE_ID, "Gateway-Test")
        assert (gt_a["capacity_mwhr"], gt_a["min_mw"], gt_a["max_mw"]) == (120.0, -60.0, 60.0)
        assert gt_a["current_mw"] is None
        assert gt_a["online"] is False
        assert system.get("/agents") == []
        unheard = system.http.get(f"/telemetry/{ASSET_A}")
        assert (unheard.status_code, unheard.json()["code"]) == (404, "no_telemetry_yet")
        assert system.headend.stop() == 0


def test_single_asset_mode_is_one_connected_entry_with_one_asset() -> None:
    with System() as system:
        agent = system.start_agent(SINGLE_ASSET)
        (entry,) = system.get("/agents")
        assert (entry["agent_id"], entry["mode"], entry["connected"]) == (ASSET_A, "single_asset", True)
        assert [a["id"] for a in entry["assets"]] == [ASSET_A]
        assert (entry["site_id"], entry["site_name"]) == (SITE_ID, "Gateway-Test")
        record = system.dispatch(asset_id=ASSET_A, mw=5)
        assert (record["state"], record["mw"]) == ("active", 5.0)
        system.wait_for_mw({ASSET_A: 5.0})
        assert agent.stop() == 0
        entry = system.wait_for_agent(ASSET_A, connected=False)
        assert entry["sessions"][0]["reason"] == "closed by the agent"
        assert "link closed" in agent.stderr[-1]


def test_gateway_mode_demo_flow() -> None:
    with System() as system:
        agent = system.start_agent(GATEWAY)
        (entry,) = system.get("/agents")
        assert (entry["agent_id"], entry["mode"], entry["connected"]) == (SITE_ID, "gateway", True)
        assert [a["id"] for a in entry["assets"]] == [ASSET_A, ASSET_B, ASSET_C]
        assert [s["disconnected_at"] for s in entry["sessions"]] == [None]
        assert entry["sessions"][0]["connected_at"] == entry["connected_at"]

        record = system.dispatch(asset_id=ASSET_A, mw=5)
        assert (record["target"], record["state"], record["mw"]) == ("asset", "active", 5.0)
        system.wait_for_mw({ASSET_A: 5.0, ASSET_B: 0.0, ASSET_C: 0.0})

        record = system.dispatch(site_id=SITE_ID, mw=12)
        assert (record["target"], record["state"], record["unserved_mw"]) == ("site", "active", 0.0)
        assert parts(record, "mw") == pytest.approx(TWELVE_MW)
        assert parts(record, "applied_mw") == pytest.approx(TWELVE_MW)
        assert parts(record, "weight") == pytest.approx({ASSET_A: 0.6, ASSET_B: 0.2, ASSET_C: 0.2})
        for name, mw in (("GT-BESS-A", "7.2"), ("GT-BESS-B", "2.4"), ("GT-BESS-C", "2.4")):
            line = agent.wait_for(rf"{name}.*final_mw={mw}\b")
            assert all(word in line for word in ("capacity", "weight", "raw", "clamped", "residual")), line
        agent.wait_for(r"split sum.*allocated_mw=12\.0 unserved_mw=0\.0 tolerance_mw")
        system.wait_for_mw(TWELVE_MW)
        shown = system.get(f"/dispatch/{record['id']}")
        assert parts(shown, "measured_mw") == pytest.approx(TWELVE_MW, abs=0.05)
        first = system.get("/dispatch/history")[1]
        assert (first["asset_id"], first["state"]) == (ASSET_A, "superseded")


def test_a_site_dispatch_beyond_the_limits_clamps_and_reports_what_is_unserved() -> None:
    with System() as system:
        system.start_agent(GATEWAY)
        system.wait_for_mw({ASSET_A: 0.0, ASSET_B: 0.0, ASSET_C: 0.0})
        record = system.dispatch(site_id=SITE_ID, mw=150)
        assert (record["requested_mw"], record["mw"], record["clamped"]) == (150.0, 100.0, True)
        assert record["unserved_mw"] == pytest.approx(50.0)
        assert parts(record, "mw") == {ASSET_A: 60.0, ASSET_B: 20.0, ASSET_C: 20.0}
        preview = system.http.post("/dispatch/preview", json={"site_id": SITE_ID, "mw": -150}).json()
        assert parts(preview, "mw") == {ASSET_A: -60.0, ASSET_B: -20.0, ASSET_C: -20.0}
        assert preview["unserved_mw"] == pytest.approx(-50.0)


def test_both_ids_are_per_asset() -> None:
    with System() as system:
        system.start_agent(GATEWAY)
        record = system.dispatch(asset_id=ASSET_B, site_id=SITE_ID, mw=5)
        assert (record["target"], list(parts(record, "mw"))) == ("asset", [ASSET_B])
        system.wait_for_mw({ASSET_A: 0.0, ASSET_B: 5.0, ASSET_C: 0.0})
        elsewhere = system.dispatch(asset_id=ASSET_B, site_id=SITE_ID.replace("b810", "b812"), mw=4)
        assert elsewhere["target"] == "asset"
        assert "not the site" in elsewhere["warnings"][0]


def test_an_unknown_asset_with_a_valid_site_is_refused_and_nothing_moves() -> None:
    with System() as system:
        system.start_agent(GATEWAY)
        unknown = "00000000-0000-0000-0000-000000000001"
        refused = system.http.post("/dispatch", json={"asset_id": unknown, "site_id": SITE_ID, "mw": 12})
        assert refused.status_code == httpx.codes.NOT_FOUND
        assert refused.headers["content-type"] == "application/problem+json"
        assert (refused.json()["code"], refused.json()["field"]) == ("unknown_asset", "asset_id")
        assert system.get("/dispatch/history") == []
        system.wait_for_mw(dict.fromkeys(TWELVE_MW, 0.0))
        before = system.get(f"/telemetry/{ASSET_A}")["timestamp"]
        system.wait(
            lambda: system.get(f"/telemetry/{ASSET_A}")["timestamp"] > before, "another sample of the asset"
        )
        assert [system.get(f"/telemetry/{a}")["setpoint_mw"] for a in TWELVE_MW] == [0.0, 0.0, 0.0]


def test_a_site_served_by_single_asset_agents_is_split_by_the_headend() -> None:
    with System() as system:
        system.start_agent(SINGLE_ASSET)
        twin = {**SINGLE_ASSET, "ASSET_ID": ASSET_B, "ASSET_NAME": "SA-BESS-2"}
        system.start_agent({**twin, "CAPACITY_MWHR": "40", "MAX_MW": "20", "MIN_MW": "-20"})
        system.wait(
            lambda: sum(a["online"] for a in system.get("/assets")) == 2, "both assets to be heard from"
        )
        record = system.dispatch(site_id=SITE_ID, mw=12)
        assert (record["state"], record["unserved_mw"]) == ("active", 0.0)
        got = parts(record, "mw")
        assert got == {ASSET_A: 9.0, ASSET_B: 3.0, ASSET_C: None}
        system.wait_for_mw({ASSET_A: 9.0, ASSET_B: 3.0})


def test_common_issue_the_agent_does_not_appear_because_the_ports_differ() -> None:
    with System() as system:
        agent = system.start_agent(GATEWAY, through="127.0.0.1:1", connected=False)
        agent.wait_for(r"no link yet.*127\.0\.0\.1:1\b.*HEADEND_GRPC_ADDR")
        assert system.get("/agents") == []


def test_common_issue_the_headend_can_not_find_its_assets(tmp_path: Path) -> None:
    with Program.module("der_headend", cwd=tmp_path) as headend:
        assert headend.wait() == 2
        assert headend.stderr == [
            "Error: assets.yaml not found. Set ASSETS_PATH or place assets.yaml in the headend cwd or workspace root."
        ]


def test_common_issue_the_same_asset_by_two_agents_is_refused_with_the_reason() -> None:
    with System() as system:
        system.start_agent(GATEWAY)
        second = system.start_agent(SINGLE_ASSET, connected=False)
        second.wait_for(r"asset_served_elsewhere|is served by agent")
        assert [a["agent_id"] for a in system.get("/agents") if a["connected"]] == [SITE_ID]


def test_common_issue_two_agents_with_one_id_are_told_so() -> None:
    with System() as system:
        first = system.start_agent(GATEWAY)
        second = system.start_agent(GATEWAY)
        first.wait_for(r"replaced by a newer session of the same agent id")
        assert second.exit_code is None


def test_an_agent_with_wider_limits_than_the_inventory_is_held_to_the_inventory() -> None:
    with System() as system:
        system.start_agent({**SINGLE_ASSET, "MAX_MW": "200", "MIN_MW": "-200"})
        record = system.dispatch(asset_id=ASSET_A, mw=150)
        assert (record["requested_mw"], record["mw"], record["clamped"]) == (150.0, 60.0, True)
        assert record["unserved_mw"] == 90.0
        system.wait_for_mw({ASSET_A: 60.0})


def test_reset_agent_state_a_restarted_agent_is_one_entry_with_two_sessions() -> None:
    with System() as system:
        first = system.start_agent(GATEWAY)
        assert first.stop() == 0
        system.wait_for_agent(SITE_ID, connected=False)
        system.start_agent(GATEWAY)
        (entry,) = system.get("/agents")
        assert [s["disconnected_at"] is None for s in entry["sessions"]] == [True, False]


def test_campus_is_untouched_by_what_gateway_test_does() -> None:
    with System() as system:
        system.start_agent(GATEWAY)
        queued = system.dispatch(wait=None, asset_id=CAMPUS_A, mw=5)
        assert queued["state"] == "queued"
        system.dispatch(site_id=SITE_ID, mw=12)
        assert system.get(f"/dispatch/{queued['id']}")["state"] == "queued"
        cancelled = system.http.delete(f"/dispatch/{queued['id']}")
        assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
