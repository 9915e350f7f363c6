"""The JSON of a fake headend, made of the core's values."""

from datetime import UTC, datetime
from uuid import UUID

from der_client import models
from der_core.allocation import TOLERANCE_MW, Split
from der_core.assets import Inventory
from der_core.dispatch import Dispatch, Target
from der_core.events import Event


def moment(at: datetime) -> str:
    """An aware time as text."""
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment_or_none(at: datetime | None) -> str | None:
    """An aware time as text, or ``None``."""
    return None if at is None else moment(at)


def dispatch(record: Dispatch, inventory: Inventory) -> models.Dispatch:
    """A dispatch; powers in MW, positive = discharge / export."""
    return {
        "id": str(record.id),
        "target": record.target.value,
        "asset_id": _id(record.asset_id),
        "site_id": str(record.site_id),
        "requested_mw": record.requested_mw,
        "mw": record.mw,
        "clamped": record.clamped,
        "duration_s": record.duration_s,
        "state": record.state.value,
        "submitted_at": moment(record.submitted_at),
        "expires_at": moment(record.expires_at),
        "active_at": moment_or_none(record.active_at),
        "ended_at": moment_or_none(record.ended_at),
        "allocations": [
            {
                "asset_id": str(part.asset_id),
                "asset_name": inventory.assets[part.asset_id].name,
                "capacity_mwhr": part.capacity_mwhr,
                "weight": part.weight,
                "raw_mw": part.raw_mw,
                "clamped_mw": part.clamped_mw,
                "mw": part.mw,
                "applied_mw": part.applied_mw,
                "measured_mw": part.measured_mw,
                "state": part.state.value,
                "reason": part.reason,
            }
            for part in record.allocations
        ],
        "unserved_mw": record.unserved_mw,
        "transitions": [
            {"state": step.state.value, "at": moment(step.at), "reason": step.reason, "by": step.by}
            for step in record.stage.transitions
        ],
        "warnings": list(record.warnings),
    }


def preview(
    made: Split,
    *,
    asset_id: UUID | None,
    site_id: UUID,
    skipped: dict[UUID, str],
    warnings: tuple[str, ...],
    inventory: Inventory,
) -> models.Preview:
    """A split that was not made; powers in MW, positive = discharge / export."""
    return {
        "target": (Target.SITE if asset_id is None else Target.ASSET).value,
        "asset_id": _id(asset_id),
        "site_id": str(site_id),
        "requested_mw": made.requested_mw,
        "mw": made.allocated_mw,
        "clamped": abs(made.unserved_mw) > TOLERANCE_MW,
        "allocations": [
            {
                "asset_id": str(share.asset_id),
                "asset_name": inventory.assets[share.asset_id].name,
                "capacity_mwhr": share.capacity_mwhr,
                "weight": share.weight,
                "raw_mw": share.raw_mw,
                "clamped_mw": share.clamped_mw,
                "mw": share.mw,
                "reason": share.reason,
            }
            for share in made.shares
        ],
        "unserved_mw": made.unserved_mw,
        "skipped": [
            {"asset_id": str(id), "asset_name": inventory.assets[id].name, "reason": reason}
            for id, reason in skipped.items()
        ],
        "warnings": list(warnings),
    }


def event(happened: Event) -> models.Event:
    """An event that nobody has acknowledged yet."""
    return {
        "id": str(happened.id),
        "at": moment(happened.at),
        "site_id": str(happened.site_id),
        "asset_id": _id(happened.asset_id),
        "severity": happened.severity.value,
        "kind": happened.kind.value,
        "code": happened.code,
        "message": happened.message,
        "acknowledged_at": None,
    }


def _id(id: UUID | None) -> str | None:
    return None if id is None else str(id)
