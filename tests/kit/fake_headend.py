"""A headend for tests of the client and the command line: it speaks the REST API, but only pretends to have a fleet.

A dispatch takes one step of its life each time it is looked at, along ``course``. Everything asked is in ``requests``.
"""

import json
from collections.abc import Sequence
from typing import Any

import httpx

from der_client.models import Agent, Asset, Dispatch

NOW = "2026-01-01T12:00:00Z"
SITE_ID = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
CAMPUS_ID = "6ba7b812-9dad-11d1-80b4-00c04fd430c8"
A, B, C = (f"{digit}ba7b810-9dad-11d1-80b4-00c04fd430c8" for digit in "789")
D = "7ba7b812-9dad-11d1-80b4-00c04fd430c8"


def asset(asset_id: str, name: str, **other: Any) -> Asset:
    """An asset that is online and idle, unless ``other`` says otherwise."""
    made: Asset = {
        "id": asset_id,
        "name": name,
        "site_id": SITE_ID,
        "site_name": "Gateway-Test",
        "location": "Local",
        "asset_type": "bess",
        "capacity_mwhr": 40.0,
        "max_mw": 20.0,
        "min_mw": -20.0,
        "min_soc_pct": 10.0,
        "max_soc_pct": 90.0,
        "efficiency": 0.92,
        "ramp_rate_mw_per_min": 1000.0,
        "failsafe_mw": 0.0,
        "current_mw": 7.2,
        "setpoint_mw": 7.2,
        "soc_mwhr": 20.0,
        "soc_pct": 50.0,
        "status": "discharging",
        "online": True,
        "updated_at": "2026-01-01T11:59:58Z",
    }
    made.update(other)  # type: ignore[typeddict-item]  # the keys are the caller's
    return made


def agent(**other: Any) -> Agent:
    """A connected gateway, unless ``other`` says otherwise."""
    made: Agent = {
        "agent_id": SITE_ID,
        "mode": "gateway",
        "peer": "127.0.0.1:40000",
        "connected": True,
        "site_id": SITE_ID,
        "site_name": "Gateway-Test",
        "connected_at": "2026-01-01T11:00:00Z",
        "last_seen_at": "2026-01-01T11:59:59Z",
        "software": "edge_agent 0.1.0",
        "heartbeat_s": 10.0,
        "heartbeats_missed": 0,
        "last_heartbeat_at": "2026-01-01T11:59:55Z",
        "spooled_records": 0,
        "spooled_bytes": 0,
        "dropped_records": 0,
        "clock_skew_s": -0.002,
        "assets": [{"id": A, "name": "GT-BESS-A"}],
        "sessions": [
            {
                "session_id": "11111111-0000-4000-8000-000000000000",
                "peer": "127.0.0.1:40000",
                "connected_at": "2026-01-01T11:00:00Z",
                "disconnected_at": None,
                "reason": None,
            }
        ],
    }
    made.update(other)  # type: ignore[typeddict-item]  # the keys are the caller's
    return made


class FakeHeadend:
    """Answers requests as the headend would; ``transport`` goes into a client."""

    def __init__(self, *, page: int = 100) -> None:
        self.assets = [
            asset(A, "GT-BESS-A", capacity_mwhr=120.0, max_mw=60.0, min_mw=-60.0),
            asset(B, "GT-BESS-B"),
            asset(C, "GT-BESS-C"),
            asset(D, "CT-BESS-A", site_id=CAMPUS_ID, site_name="Campus-Test"),
        ]
        self.agents = [agent()]
        self.course: Sequence[str] = ("queued", "sent", "acknowledged", "active")
        self.reason: str | None = None
        self.submitted_at, self.expires_at = NOW, "2026-01-01T12:05:00Z"
        self.unserved_mw = 0.0
        self.warnings: list[str] = []
        self.ready = True
        self.requests: list[httpx.Request] = []
        self.dispatches: dict[str, Dispatch] = {}
        self.transport = httpx.MockTransport(self._answer)
        self._page = page
        self._left: dict[str, list[str]] = {}

    @property
    def bodies(self) -> list[dict[str, Any]]:
        """The JSON bodies of the requests that had one."""
        return [json.loads(request.content) for request in self.requests if request.content]

    def asked(self, method: str, path: str) -> int:
        """How often a route was asked."""
        return sum(r.method == method and r.url.path == path for r in self.requests)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        match request.method, request.url.path.strip("/").split("/"):
            case "GET", ["assets"]:
                only = request.url.params.get("site_id")
                return self._listing(request, [a for a in self.assets if only in {None, a["site_id"]}])
            case "GET", ["sites"]:
                sites = {a["site_id"]: {"id": a["site_id"], "name": a["site_name"]} for a in self.assets}
                return self._listing(request, list(sites.values()))
            case "GET", ["agents"]:
                return self._listing(request, self.agents)
            case "GET", ["readyz"]:
                return httpx.Response(200 if self.ready else 503, json={"ready": self.ready, "checks": []})
            case "GET", ["telemetry", asset_id]:
                return self._telemetry(asset_id)
            case "POST", ["dispatch"]:
                return self._dispatch(json.loads(request.content))
            case "POST", ["dispatch", "preview"]:
                return self._preview(json.loads(request.content))
            case "GET", ["dispatch", dispatch_id]:
                return httpx.Response(200, json=self._step(dispatch_id))
            case "DELETE", ["dispatch", dispatch_id]:
                self._left[dispatch_id] = ["cancelled"]
                return httpx.Response(200, json=self._step(dispatch_id))
        return problem(404, "unknown_route", "there is nothing at this path")

    def _listing(self, request: httpx.Request, entries: Sequence[Any]) -> httpx.Response:
        start = int(request.url.params.get("cursor", "0"))
        end = start + self._page
        headers = {"X-Next-Cursor": str(end)} if end < len(entries) else {}
        return httpx.Response(200, json=entries[start:end], headers=headers)

    def _telemetry(self, asset_id: str) -> httpx.Response:
        found = next((a for a in self.assets if a["id"] == asset_id), None)
        if found is None:
            return problem(404, "unknown_asset", "no such asset; GET /assets lists them", "asset_id")
        if found["updated_at"] is None:
            return problem(404, "no_telemetry_yet", "GT-BESS-A was not heard from yet")
        shared = "site_id asset_type current_mw setpoint_mw soc_mwhr soc_pct capacity_mwhr max_mw min_mw status online"
        sample = {key: value for key, value in found.items() if key in shared.split()}
        signals = {"voltage_v": 400.25, "mode": "grid"}
        return httpx.Response(
            200, json=sample | {"asset_id": asset_id, "timestamp": found["updated_at"], "signals": signals}
        )

    def _dispatch(self, body: dict[str, Any]) -> httpx.Response:
        if not self._targets(body):
            return problem(404, "unknown_asset", "no such asset; GET /assets lists them", "asset_id")
        if body["id"] not in self.dispatches:
            self.dispatches[body["id"]] = self._record(body)
            self._left[body["id"]] = list(self.course)
        return httpx.Response(202, json=self.dispatches[body["id"]])

    def _targets(self, body: dict[str, Any]) -> list[Asset]:
        if "asset_id" in body:
            return [a for a in self.assets if a["id"] == body["asset_id"]]
        return [a for a in self.assets if a["site_id"] == body["site_id"]]

    def _shares(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        targets = self._targets(body)
        capacity = sum(a["capacity_mwhr"] for a in targets)
        return [
            {
                "asset_id": a["id"],
                "asset_name": a["name"],
                "capacity_mwhr": a["capacity_mwhr"],
                "weight": a["capacity_mwhr"] / capacity,
                "raw_mw": body["mw"] * a["capacity_mwhr"] / capacity,
                "clamped_mw": body["mw"] * a["capacity_mwhr"] / capacity,
                "mw": body["mw"] * a["capacity_mwhr"] / capacity,
                "reason": None,
            }
            for a in targets
        ]

    def _record(self, body: dict[str, Any]) -> Dispatch:
        parts = [
            share | {"applied_mw": None, "measured_mw": None, "state": "submitted"}
            for share in self._shares(body)
        ]
        return {
            "id": body["id"],
            "target": "asset" if "asset_id" in body else "site",
            "asset_id": body.get("asset_id"),
            "site_id": SITE_ID,
            "requested_mw": body["mw"],
            "mw": body["mw"] - self.unserved_mw,
            "clamped": bool(self.unserved_mw),
            "duration_s": body.get("duration_s"),
            "state": "submitted",
            "submitted_at": self.submitted_at,
            "expires_at": self.expires_at,
            "active_at": None,
            "ended_at": None,
            "allocations": parts,  # type: ignore[typeddict-item]  # made of a share, key by key
            "unserved_mw": self.unserved_mw,
            "transitions": [
                {"state": "submitted", "at": self.submitted_at, "reason": None, "by": "operator"}
            ],
            "warnings": self.warnings,
        }

    def _preview(self, body: dict[str, Any]) -> httpx.Response:
        return httpx.Response(
            200,
            json={
                "target": "site",
                "asset_id": body.get("asset_id"),
                "site_id": SITE_ID,
                "requested_mw": body["mw"],
                "mw": body["mw"] - self.unserved_mw,
                "clamped": bool(self.unserved_mw),
                "allocations": self._shares(body),
                "unserved_mw": self.unserved_mw,
                "skipped": [{"asset_id": C, "asset_name": "GT-BESS-C", "reason": "offline"}],
                "warnings": self.warnings,
            },
        )

    def _step(self, dispatch_id: str) -> Dispatch:
        record = self.dispatches[dispatch_id]
        if self._left[dispatch_id]:
            state = self._left[dispatch_id].pop(0)
            reason = self.reason if not self._left[dispatch_id] else None
            record["state"] = state
            record["transitions"].append({"state": state, "at": NOW, "reason": reason, "by": "headend"})
            for part in record["allocations"]:
                part["state"], part["reason"] = state, reason
                part["applied_mw"] = part["mw"] if state == "active" else None
        return record


def problem(status: int, code: str, detail: str, field: str | None = None) -> httpx.Response:
    """An RFC 9457 answer."""
    content = {
        "type": "about:blank",
        "title": "No",
        "status": status,
        "detail": detail,
        "code": code,
        "field": field,
    }
    return httpx.Response(status, json=content, headers={"content-type": "application/problem+json"})
