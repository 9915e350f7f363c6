"""Records to store, with only what a test cares about spelled out."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import numpy as np

from der_core.dispatch import Dispatch, Target, new_allocations
from der_core.events import Event, EventKind, Severity
from der_core.lifecycle import State, Transition
from der_headend.ports import Heartbeat, Rows

START = datetime(2026, 1, 1, tzinfo=UTC)
SITE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
OTHER_SITE = UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8")
A, B, C = (UUID(f"{digit}ba7b810-9dad-11d1-80b4-00c04fd430c8") for digit in "789")


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def dispatch(
    submitted_s: float,
    *,
    id: UUID | None = None,
    assets: Sequence[UUID] = (A,),
    target: Target = Target.ASSET,
    site_id: UUID = SITE,
) -> Dispatch:
    """A dispatch that waits for its agent."""
    submitted_at = at(submitted_s)
    allocations, stage = new_allocations(dict.fromkeys(assets, 40.0), submitted_at, "operator")
    record = Dispatch(
        id=id or uuid4(),
        target=target,
        asset_id=assets[0] if target is Target.ASSET else None,
        site_id=site_id,
        requested_mw=5.0,
        duration_s=None,
        ttl_s=300.0,
        submitted_at=submitted_at,
        expires_at=submitted_at + timedelta(seconds=300),
        stage=stage,
        allocations=allocations,
    )
    return record.moved(Transition(State.QUEUED, submitted_at, "headend"))


def ended(record: Dispatch, after_s: float = 1.0) -> Dispatch:
    """That dispatch, cancelled."""
    end = record.submitted_at + timedelta(seconds=after_s)
    return record.moved(Transition(State.CANCELLED, end, "operator"))


def event(
    at_s: float,
    *,
    asset_id: UUID | None = A,
    site_id: UUID = SITE,
    severity: Severity = Severity.WARNING,
    kind: EventKind = EventKind.NOTICE,
    code: str = "inverter_trip",
) -> Event:
    return Event(
        id=uuid4(),
        at=at(at_s),
        site_id=site_id,
        asset_id=asset_id,
        severity=severity,
        kind=kind,
        code=code,
        message="it tripped",
    )


def heartbeat(at_s: float, *, agent_id: str = "gateway") -> Heartbeat:
    return Heartbeat(
        agent_id=agent_id,
        session_id=UUID(int=1),
        at=at(at_s),
        received_at=at(at_s),
        spooled_records=0,
        spooled_bytes=0,
        dropped_records=0,
    )


def rows(at_us: int, slots: Sequence[int], columns: Mapping[str, Sequence[float]]) -> Rows:
    """Samples of some assets at one moment."""
    return Rows(
        timestamps_us=np.full(len(slots), at_us, np.int64),
        slots=np.array(slots, np.int64),
        columns={name: np.array(values, np.float64) for name, values in columns.items()},
    )
