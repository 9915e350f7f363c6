"""How headend and agent come to agree after they have been apart. The edge's truth wins.

Pure: given what the agent says is in force and what the headend has on record, decide which records change and
what the agent must drop because nobody stands behind it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from der_core.dispatch import (
    ADOPTED,
    Allocation,
    AllocationReport,
    Dispatch,
    DispatchReport,
    InForce,
    Target,
    new_allocations,
)
from der_core.lifecycle import State, Transition
from der_core.request import HEADEND, OPERATOR
from der_headend.ports import Cancellation, SessionRecord

_RUNNING = (State.ACKNOWLEDGED, State.ACTIVE)


@dataclass(frozen=True, slots=True)
class Decided:
    """The outcome: changed records, and what the agent must let go."""

    records: tuple[Dispatch, ...]
    cancellations: tuple[Cancellation, ...]


def of_agent(
    record: Dispatch, report: DispatchReport, agent_id: str, *, not_after: datetime
) -> DispatchReport:
    """The report without what this agent has no say in, and with no time later than ``not_after``."""
    sent_to = {part.asset_id for part in record.allocations if part.agent_id == agent_id}
    theirs = tuple(said for said in report.allocations if said.asset_id in sent_to)
    acknowledged_at = report.acknowledged_at and min(report.acknowledged_at, not_after)
    return replace(report, allocations=theirs, at=min(report.at, not_after), acknowledged_at=acknowledged_at)


def contradicted(record: Dispatch, report: DispatchReport) -> tuple[UUID, ...]:
    """The assets at which the agent runs what the headend has ended without it."""
    running = {said.asset_id for said in report.allocations if said.state in _RUNNING}
    return tuple(p.asset_id for p in record.allocations if p.asset_id in running and _ended_by_headend(p))


def reconcile(
    session: SessionRecord,
    in_force: Sequence[InForce],
    *,
    known: Mapping[UUID, Dispatch],
    remembers: bool,
    now: datetime,
) -> Decided:
    """Agree with an agent that has just registered.

    ``known``: what the headend has on record, the open ones oldest first. ``remembers``: it is the same process (or
    spool) as before and all its reports have come or will come. Then what it does not list was ended by a report that
    is on its way, and what it never answered can be sent again: it applies an id once. If not, both are beyond knowing,
    and failed; but where a newer dispatch may have taken the asset, the older one gave way to it.
    """
    changed: dict[UUID, Dispatch] = {}
    orphans: dict[UUID, list[UUID]] = {}
    held = {(h.dispatch_id, h.asset_id) for h in in_force}
    latest = _latest(known.values())
    for dispatch_id, parts in _by_dispatch(in_force).items():
        record = known.get(dispatch_id)
        if record is None:
            record = _adopted(parts, session, now)
        elif record.adopted and not record.state.final:
            record = _with_more(record, parts, session, now)
        still_open = {p.asset_id for p in record.allocations if not p.state.final}
        if over := [h.asset_id for h in parts if h.asset_id not in still_open]:
            orphans[dispatch_id] = over
        running = [h for h in parts if h.asset_id in still_open]
        changed[dispatch_id] = record.reported(
            _as_report(dispatch_id, running, now), agent_id=session.agent_id
        )
    for record in known.values():
        if record.state.final:
            continue
        current = changed.get(record.id, record)
        changed[record.id] = _without_the_lost(current, session, held, latest, remembers=remembers, now=now)
        if record.cancel_requested_at is not None:
            orphans.setdefault(record.id, []).extend(_open_at(changed[record.id], session.agent_id))
    return Decided(
        records=tuple(r for r in changed.values() if not (r.id in known and known[r.id].state.final)),
        cancellations=tuple(
            Cancellation(i, tuple(dict.fromkeys(assets))) for i, assets in orphans.items() if assets
        ),
    )


def _latest(records: Iterable[Dispatch]) -> Mapping[UUID, UUID]:
    """By asset, the newest open dispatch that an agent may have had; ``records``: the open ones oldest first."""
    return {
        part.asset_id: record.id
        for record in records
        for part in record.allocations
        if not part.state.final and not part.never_sent
    }


def _without_the_lost(
    record: Dispatch,
    session: SessionRecord,
    held: set[tuple[UUID, UUID]],
    latest: Mapping[UUID, UUID],
    *,
    remembers: bool,
    now: datetime,
) -> Dispatch:
    """End the parts of which nobody can say any more what became of them."""
    lost: dict[tuple[State, str], list[UUID]] = {}
    theirs = frozenset(session.asset_ids)
    for part in record.allocations:
        if part.state.final or part.never_sent or part.asset_id not in theirs:
            continue
        if (record.id, part.asset_id) in held:
            continue
        if part.agent_id != session.agent_id:
            lost.setdefault((State.FAILED, "agent_replaced"), []).append(part.asset_id)
        elif not remembers:
            newer = latest[part.asset_id]
            end = (
                (State.FAILED, "agent_restarted")
                if newer == record.id
                else (State.SUPERSEDED, f"superseded_by {newer}")
            )
            lost.setdefault(end, []).append(part.asset_id)
    for (state, reason), asset_ids in lost.items():
        record = record.moved(Transition(state, now, HEADEND, reason), asset_ids)
    return record


def _adopted(parts: Sequence[InForce], session: SessionRecord, now: datetime) -> Dispatch:
    """A record of a dispatch that only the agent knows: this headend has lost its memory, the agent has not.

    Of a site's dispatch that a headend had split, an agent knows no more than its own shares.
    """
    first = parts[0]
    of_asset = len(parts) == 1 and not first.site_wide
    since = min(first.active_since, now)
    by = f"agent {session.agent_id}"
    allocations, stage = new_allocations({h.asset_id: 0.0 for h in parts}, since, by)
    record = Dispatch(
        id=first.dispatch_id,
        target=Target.ASSET if of_asset else Target.SITE,
        asset_id=first.asset_id if of_asset else None,
        site_id=session.site_id,
        requested_mw=first.requested_mw if first.site_wide else math.fsum(h.requested_mw for h in parts),
        duration_s=first.duration_s,
        ttl_s=0.0,
        submitted_at=since,
        expires_at=since,
        stage=stage,
        allocations=tuple(replace(a, capacity_mwhr=None) for a in allocations),
        warnings=("adopted from its agent: this headend has no record of how it came about",),
    )
    return record.moved(Transition(State.QUEUED, since, by, ADOPTED))


def _with_more(record: Dispatch, parts: Sequence[InForce], session: SessionRecord, now: datetime) -> Dispatch:
    """An adopted record with the parts that another of its agents has besides, or the same one has by now."""
    had = {part.asset_id for part in record.allocations}
    lacking = [h for h in parts if h.asset_id not in had]
    if not lacking:
        return record
    more = _adopted(lacking, session, now)
    return replace(
        record,
        target=Target.SITE,
        asset_id=None,
        requested_mw=record.requested_mw + (0.0 if lacking[0].site_wide else more.requested_mw),
        allocations=tuple(sorted((*record.allocations, *more.allocations), key=lambda part: part.asset_id)),
    )


def _as_report(dispatch_id: UUID, parts: Iterable[InForce], now: datetime) -> DispatchReport:
    said = tuple(parts)
    return DispatchReport(
        dispatch_id=dispatch_id,
        at=min((h.active_since for h in said if h.active_since < now), default=now),
        allocations=tuple(
            AllocationReport(asset_id=h.asset_id, state=State.ACTIVE, mw=h.mw, applied_mw=h.mw) for h in said
        ),
    )


def _by_dispatch(in_force: Sequence[InForce]) -> dict[UUID, list[InForce]]:
    grouped: dict[UUID, list[InForce]] = {}
    for held in in_force:
        grouped.setdefault(held.dispatch_id, []).append(held)
    return grouped


def _open_at(record: Dispatch, agent_id: str) -> list[UUID]:
    return [p.asset_id for p in record.allocations if p.agent_id == agent_id and not p.state.final]


def _ended_by_headend(part: Allocation) -> bool:
    return part.state.final and part.stage.last.by in (HEADEND, OPERATOR)
