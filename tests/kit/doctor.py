"""Facts for the tests of the doctor: a healthy set-up, and ways to make one thing of it wrong."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from der_cli.doctor.facts import Answers, DatabaseStatus, Facts
from der_cli.processes import Process
from der_runtime.addresses import HostPort
from kit.fake_headend import NOW, SITE_ID, A, B, agent, asset
from kit.processes import REPOSITORY, SHIPPED_INVENTORY

GRPC, HTTP = HostPort("127.0.0.1", 50070), HostPort("127.0.0.1", 3001)
HEADEND_PROCESS = Process(
    pid=10,
    program="der_headend",
    argv=("der_headend",),
    environ={"HEADEND_GRPC_ADDR": str(GRPC), "ASSETS_PATH": str(SHIPPED_INVENTORY)},
    cwd=REPOSITORY,
    listens_on=(HTTP, GRPC),
)
AGENT_PROCESS = Process(
    pid=11,
    program="edge_agent",
    argv=("edge_agent",),
    environ={"HEADEND_GRPC": str(GRPC), "SITE_ID": SITE_ID},
    cwd=REPOSITORY,
)
READY: Any = {
    "ready": True,
    "checks": [
        {"name": "store", "ok": True, "detail": "in memory"},
        {"name": "grpc", "ok": True, "detail": "127.0.0.1:50070"},
    ],
}
HEALTHY = Facts(
    url="http://127.0.0.1:3001",
    now=datetime.fromisoformat(NOW),
    environ={},
    cwd=REPOSITORY,
    processes=[HEADEND_PROCESS, AGENT_PROCESS],
    headend=Answers(
        version="0.1.0",
        readiness=READY,
        assets=[asset(A, "GT-BESS-A")],
        agents=[agent()],
        dispatches=[],
        ahead_s=0.0,
    ),
)


def answering(**other: Any) -> Facts:
    """The healthy set-up, but for some of the headend's answers."""
    assert HEALTHY.headend is not None
    return replace(HEALTHY, headend=replace(HEALTHY.headend, **other))


def shell(**environ: str) -> Facts:
    """With these variables in the shell."""
    return replace(HEALTHY, environ=environ)


def agents_with(**environ: str) -> Facts:
    """With an agent that is not the connected one."""
    theirs = {"SITE_ID": SITE_ID, "GATEWAY_ID": B, "HEADEND_GRPC": str(GRPC)}
    stranger = replace(AGENT_PROCESS, pid=12, environ=theirs | environ)
    return replace(HEALTHY, processes=[HEADEND_PROCESS, stranger])


def down(**other: Any) -> Facts:
    """With no headend that answers, and no processes."""
    return replace(HEALTHY, headend=None, why_not="connection refused", processes=(), **other)


def order(**other: Any) -> Any:
    """A site dispatch that is active and went well, but for ``other``; ``part`` changes its one part."""
    part = {"asset_name": "GT-BESS-A", "mw": 7.2, "applied_mw": 7.2, "measured_mw": 7.2, "state": "active"}
    made = {
        "id": "d1",
        "target": "site",
        "requested_mw": 12.0,
        "unserved_mw": 4.8,
        "state": "active",
        "active_at": "2026-01-01T11:00:00Z",
        "expires_at": NOW,
        "allocations": [part | other.pop("part", {})],
        "warnings": [],
    }
    return made | other


def session(at: str, ended: str | None = None, reason: str | None = None) -> Any:
    """A session of an agent."""
    return {"session_id": at, "peer": "p", "connected_at": at, "disconnected_at": ended, "reason": reason}


def database(**other: Any) -> Facts:
    """With a database that is as ``other`` says."""
    answer = {
        "database": "postgres://bess@h/d",
        "known": True,
        "up_to_date": True,
        "schema_revision": "0002",
        "newest_revision": "0002",
    }
    return replace(HEALTHY, databases=[DatabaseStatus(url="postgres://bess@h/d", answer=answer | other)])


def sessions(*those: Any) -> Facts:
    """With these sessions of the one agent."""
    return answering(agents=[agent(sessions=list(those))])
