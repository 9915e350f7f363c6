"""Records (dispatches, events, agents, heartbeats) as JSON values."""

from typing import Any
from uuid import UUID

from der_core.allocation import TOLERANCE_MW
from der_core.assets import Inventory
from der_core.dispatch import Dispatch
from der_core.events import Event
from der_core.lifecycle import Transition
from der_headend.agents import AgentEntry
from der_headend.dispatcher import Preview
from der_headend.ports import Heartbeat, SessionRecord, StoredEvent
from der_headend.rest.views.moments import moment, moment_or_none
from der_headend.sessions import Sessions

Json = dict[str, Any]


def dispatch(record: Dispatch, inventory: Inventory) -> Json:
    """A dispatch; powers in MW, positive = discharge / export."""
    return {
        "id": str(record.id),
        "target": record.target,
        "asset_id": None if record.asset_id is None else str(record.asset_id),
        "site_id": str(record.site_id),
        "requested_mw": record.requested_mw,
        "mw": record.mw,
        "clamped": record.clamped,
        "duration_s": record.duration_s,
        "state": record.state,
        "submitted_at": moment(record.submitted_at),
        "expires_at": moment(record.expires_at),
        "active_at": moment_or_none(record.active_at),
        "ended_at": moment_or_none(record.ended_at),
        "allocations": [
            {
                "asset_id": str(part.asset_id),
                "asset_name": inventory.name_of(part.asset_id),
                "capacity_mwhr": part.capacity_mwhr,
                "weight": part.weight,
                "raw_mw": part.raw_mw,
                "clamped_mw": part.clamped_mw,
                "mw": part.mw,
                "applied_mw": part.applied_mw,
                "measured_mw": part.measured_mw,
                "state": part.state,
                "reason": part.reason,
            }
            for part in record.allocations
        ],
        "unserved_mw": record.unserved_mw,
        "transitions": [_transition(step) for step in record.stage.transitions],
        "warnings": list(record.warnings),
    }


def preview(made: Preview, inventory: Inventory) -> Json:
    """A split that was not made; powers in MW, positive = discharge / export."""
    return {
        "target": made.target,
        "asset_id": None if made.asset_id is None else str(made.asset_id),
        "site_id": str(made.site_id),
        "requested_mw": made.requested_mw,
        "mw": made.split.allocated_mw,
        "clamped": abs(made.split.unserved_mw) > TOLERANCE_MW,
        "allocations": [
            {
                "asset_id": str(share.asset_id),
                "asset_name": inventory.name_of(share.asset_id),
                "capacity_mwhr": share.capacity_mwhr,
                "weight": share.weight,
                "raw_mw": share.raw_mw,
                "clamped_mw": share.clamped_mw,
                "mw": share.mw,
                "reason": share.reason,
            }
            for share in made.split.shares
        ],
        "unserved_mw": made.split.unserved_mw,
        "skipped": [
            {"asset_id": str(asset_id), "asset_name": inventory.name_of(asset_id), "reason": reason}
            for asset_id, reason in made.skipped
        ],
        "warnings": list(made.warnings),
    }


def stored_event(record: StoredEvent) -> Json:
    """An event and when it was acknowledged."""
    return event(record.event, acknowledged_at=moment_or_none(record.acknowledged_at))


def event(happened: Event, *, acknowledged_at: str | None = None) -> Json:
    """An event."""
    return {
        "id": str(happened.id),
        "at": moment(happened.at),
        "site_id": str(happened.site_id),
        "asset_id": None if happened.asset_id is None else str(happened.asset_id),
        "severity": happened.severity,
        "kind": happened.kind,
        "code": happened.code,
        "message": happened.message,
        "acknowledged_at": acknowledged_at,
    }


def agent(entry: AgentEntry, *, sessions: Sessions, inventory: Inventory) -> Json:
    """An agent with the sessions that are remembered of it; there is at least one."""
    newest = entry.sessions[0]
    site = inventory.sites.get(newest.site_id)  # it may be gone since an earlier run, as may assets
    live, said, beat = entry.session, entry.registration, entry.heartbeat
    return {
        "agent_id": entry.agent_id,
        "mode": newest.mode,
        "peer": newest.peer,
        "connected": live is not None,
        "site_id": str(newest.site_id),
        "site_name": str(newest.site_id) if site is None else site.name,
        "connected_at": moment(newest.connected_at),
        "last_seen_at": moment(newest.last_seen_at if live is None else sessions.last_seen(live)),
        "software": None if said is None else said.software,
        "heartbeat_s": None if said is None else said.heartbeat_s,
        "heartbeats_missed": None if live is None else sessions.heartbeats_missed(live),
        "last_heartbeat_at": None if beat is None else moment(beat.received_at),
        "spooled_records": None if beat is None else beat.spooled_records,
        "spooled_bytes": None if beat is None else beat.spooled_bytes,
        "dropped_records": None if beat is None else beat.dropped_records,
        "clock_skew_s": None if beat is None else beat.clock_skew_s,
        "assets": [
            {"id": str(id), "name": name}
            for id in newest.asset_ids
            if (name := inventory.name_of(id)) is not None
        ],
        "sessions": [
            {
                "session_id": str(session.session_id),
                "peer": session.peer,
                "connected_at": moment(session.connected_at),
                "disconnected_at": moment_or_none(session.disconnected_at),
                "reason": session.reason,
            }
            for session in entry.sessions
        ],
    }


def link(session: SessionRecord) -> Json:
    """A session that has been opened or closed."""
    return {
        "agent_id": session.agent_id,
        "site_id": str(session.site_id),
        "connected": session.disconnected_at is None,
        "session_id": str(session.session_id),
        "peer": session.peer,
        "connected_at": moment(session.connected_at),
        "disconnected_at": moment_or_none(session.disconnected_at),
        "reason": session.reason,
    }


def heartbeat(beat: Heartbeat, asset_id: UUID) -> Json:
    """A heartbeat of the agent that serves an asset."""
    return {
        "asset_id": str(asset_id),
        "agent_id": beat.agent_id,
        "session_id": str(beat.session_id),
        "at": moment(beat.at),
        "received_at": moment(beat.received_at),
        "spooled_records": beat.spooled_records,
        "spooled_bytes": beat.spooled_bytes,
        "dropped_records": beat.dropped_records,
    }


def _transition(step: Transition) -> Json:
    return {"state": step.state, "at": moment(step.at), "reason": step.reason, "by": step.by}
