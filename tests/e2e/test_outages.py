"""Outages in both directions: killed headend, killed agent, a link that carries nothing without being closed."""

import time
from datetime import datetime

import pytest

from kit.processes import wait_until
from kit.system import ASSET_A, ASSET_B, GATEWAY, SITE_ID, System, kill
from kit.tcp_proxy import TcpProxy


def open_sessions(system: System) -> int:
    entry = system.agent(SITE_ID)
    return 0 if entry is None else sum(s["disconnected_at"] is None for s in entry["sessions"])


def test_a_killed_and_restarted_headend_has_its_agent_back_within_seconds_and_agrees_on_what_is_in_force() -> (
    None
):
    with System() as system:
        agent = system.start_agent(GATEWAY)
        record = system.dispatch(site_id=SITE_ID, mw=12)
        kill(system.headend)
        system.start_headend()
        system.wait_for_agent(SITE_ID, connected=True, deadline_s=8.0)
        assert open_sessions(system) == 1
        adopted = system.get(f"/dispatch/{record['id']}")
        assert (adopted["state"], adopted["mw"]) == ("active", 12.0)
        system.wait_for_mw({ASSET_A: 7.2})
        assert agent.exit_code is None


def test_a_killed_agent_is_disconnected_and_a_dispatch_meanwhile_expires() -> None:
    with System() as system:
        agent = system.start_agent(GATEWAY)
        kill(agent)
        system.wait_for_agent(SITE_ID, connected=False, deadline_s=3 * 0.5 + 1.0)
        assert system.get("/agents")[0]["sessions"][0]["reason"] == "link lost"
        record = system.dispatch(wait=None, asset_id=ASSET_A, mw=5, ttl_s=0.5)
        assert record["state"] == "queued"
        ended = system.wait_for_state(record["id"], "expired")
        assert [t["state"] for t in ended["transitions"]] == ["submitted", "queued", "expired"]
        system.start_agent(GATEWAY)
        system.wait_for_mw({ASSET_A: 0.0})
        assert system.get(f"/dispatch/{record['id']}")["state"] == "expired"


def test_a_killed_agent_gets_a_dispatch_of_meanwhile_once_when_it_is_back() -> None:
    with System() as system:
        kill(system.start_agent(GATEWAY))
        system.wait_for_agent(SITE_ID, connected=False)
        record = system.dispatch(wait=None, asset_id=ASSET_A, mw=5)
        agent = system.start_agent(GATEWAY)
        active = system.wait_for_state(record["id"], "active")
        assert [t["state"] for t in active["transitions"]] == [
            "submitted",
            "queued",
            "sent",
            "acknowledged",
            "active",
        ]
        kill(agent)
        system.wait_for_agent(SITE_ID, connected=False)
        system.start_agent(GATEWAY)
        ended = system.wait_for_state(record["id"], "failed")
        assert ended["transitions"][-1]["reason"] == "agent_restarted"
        system.wait_for_mw({ASSET_A: 0.0})


def test_hazard_a_blackholed_link_is_noticed_by_both_and_only_the_open_ended_setpoint_falls_to_fail_safe() -> (
    None
):
    with System() as system, TcpProxy(system.grpc_port) as proxy:
        agent = system.start_agent({**GATEWAY, "FAILSAFE_AFTER_S": "2"}, through=proxy.address)
        open_ended = system.dispatch(asset_id=ASSET_A, mw=5)
        timed = system.dispatch(asset_id=ASSET_B, mw=4, duration_s=6)
        system.wait_for_mw({ASSET_A: 5.0})
        lost_at = time.monotonic()
        proxy.blackhole()
        entry = system.wait_for_agent(SITE_ID, connected=False, deadline_s=3 * 0.5 + 1.5)
        assert entry["sessions"][0]["reason"] == "heartbeat missed"
        agent.wait_for(r"link lost", deadline_s=5.0)
        agent.wait_for(r"fail-?safe", deadline_s=6.0)
        wait_until(lambda: time.monotonic() - lost_at > 3.0, what="the fail-safe time to pass")
        proxy.heal()
        system.wait_for_agent(SITE_ID, connected=True)
        failed = system.wait_for_state(open_ended["id"], "failed")
        assert failed["transitions"][-1]["reason"] == "link_lost_failsafe"
        assert failed["allocations"][0]["measured_mw"] == pytest.approx(5.0, abs=0.05)
        completed = system.wait_for_state(timed["id"], "completed", deadline_s=15.0)
        active_at, ended_at = (
            next(t["at"] for t in completed["transitions"] if t["state"] == state)
            for state in ("active", "completed")
        )
        assert 5.5 <= seconds(ended_at) - seconds(active_at) <= 7.0
        system.wait_for_mw({ASSET_A: 0.0, ASSET_B: 0.0})
        assert any(e["code"] == "link_lost_failsafe" for e in system.get("/events"))


def test_a_dispatch_into_a_dead_link_is_applied_once_when_the_link_is_back() -> None:
    with System() as system, TcpProxy(system.grpc_port) as proxy:
        agent = system.start_agent(GATEWAY, through=proxy.address)
        proxy.blackhole()
        record = system.dispatch(wait=None, asset_id=ASSET_A, mw=5)
        assert record["state"] == "sent"
        system.wait_for_state(record["id"], "queued")
        proxy.heal()
        system.wait_for_state(record["id"], "active", deadline_s=20.0)
        system.wait_for_mw({ASSET_A: 5.0})
        applied = [line for line in agent.stderr if "state=active" in line and record["id"] in line]
        assert len(applied) == 1, applied


def test_hazard_a_cut_link_is_replaced_at_once_and_never_leaves_two_open_sessions() -> None:
    with System() as system, TcpProxy(system.grpc_port) as proxy:
        system.start_agent(GATEWAY, through=proxy.address)
        for _ in range(3):
            before = system.agent(SITE_ID)["sessions"][0]["session_id"]
            proxy.cut()
            proxy.heal()
            wait_for_new_session(system, before)
            assert open_sessions(system) == 1


def test_a_stopped_headend_sends_its_agents_away_and_they_come_back() -> None:
    with System() as system:
        agent = system.start_agent(GATEWAY)
        assert system.headend.stop(deadline_s=6.0) == 0
        system.start_headend()
        system.wait_for_agent(SITE_ID, connected=True, deadline_s=8.0)
        assert agent.exit_code is None


def wait_for_new_session(system: System, before: str) -> None:
    def renewed() -> bool:
        entry = system.agent(SITE_ID)
        return bool(entry["connected"]) and entry["sessions"][0]["session_id"] != before

    system.wait(renewed, "a new session")


def seconds(iso: str) -> float:
    return datetime.fromisoformat(iso).timestamp()
