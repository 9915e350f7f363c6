"""What a request means and who gets it: decisions without side effects.

An asset that is named is the target, alone; a site beside it is context. Nothing ever widens a request that can't be
served as it stands. Power in MW, positive = discharge / export.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from der_core.allocation import Candidate, Split, Weighting, split
from der_core.assets import Asset, Inventory, Limits
from der_core.dispatch import Command, Dispatch, Target, new_allocations
from der_core.errors import Conflict, NotFound, Rejected
from der_core.lifecycle import State, Transition
from der_headend.dispatcher.records import HEADEND, OPERATOR
from der_headend.fleet import Fleet
from der_headend.sessions import Session, Sessions

DEFAULT_TTL_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchRequest:
    """What an operator asks for. ``id`` makes it idempotent; the rest is as in the REST body."""

    mw: float
    asset_id: UUID | None = None
    site_id: UUID | None = None
    duration_s: float | None = None
    ttl_s: float | None = None
    id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """The target of a request: the assets that are meant, in order of id."""

    target: Target
    asset_id: UUID | None
    site_id: UUID
    assets: tuple[Asset, ...]
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The split that would be made now, and which assets would get no part in it and why."""

    target: Target
    asset_id: UUID | None
    site_id: UUID
    requested_mw: float
    split: Split
    skipped: tuple[tuple[UUID, str], ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Delivery:
    """What goes to whom.

    ``refused``: by asset, why it gets no part. ``made``: the split, where the headend makes it.
    """

    commands: tuple[tuple[Session, Command], ...] = ()
    refused: tuple[tuple[UUID, str], ...] = ()
    made: Split | None = None


def aim(request: DispatchRequest, inventory: Inventory) -> Aim:
    """Who is meant.

    Raises:
        Rejected: nobody is named, or an asset that can't be controlled.
        NotFound: an asset or site that is not in the inventory.
    """
    if request.asset_id is not None:
        return _aim_at_asset(request, inventory, request.asset_id)
    if request.site_id is None:
        raise Rejected("target_missing", "name an asset_id or a site_id", field="asset_id")
    if request.site_id not in inventory.sites:
        raise NotFound("unknown_site", f"no site {request.site_id}; GET /sites lists them", field="site_id")
    assets = tuple(a for a in inventory.assets_of(request.site_id) if a.asset_type.controllable)
    if not assets:
        raise Rejected(
            "not_controllable", f"site {request.site_id} has no asset that takes a setpoint", field="site_id"
        )
    return Aim(target=Target.SITE, asset_id=None, site_id=request.site_id, assets=assets)


def _aim_at_asset(request: DispatchRequest, inventory: Inventory, asset_id: UUID) -> Aim:
    asset = inventory.assets.get(asset_id)
    if asset is None:
        raise NotFound("unknown_asset", f"no asset {asset_id}; GET /assets lists them", field="asset_id")
    if not asset.asset_type.controllable:
        raise Rejected("not_controllable", f"{asset.name} is a {asset.asset_type}", field="asset_id")
    warnings: tuple[str, ...] = ()
    if request.site_id is not None and request.site_id != asset.site_id:
        site = f"site_id {request.site_id} is not the site of {asset.name} ({asset.site_id})"
        warnings = (f"{site}; the dispatch goes to the asset alone",)
    return Aim(
        target=Target.ASSET, asset_id=asset_id, site_id=asset.site_id, assets=(asset,), warnings=warnings
    )


def new_dispatch(request: DispatchRequest, meant: Aim, *, dispatch_id: UUID, now: datetime) -> Dispatch:
    """The record of a request as it begins: submitted and queued, the share known where there is only one."""
    ttl_s = request.ttl_s if request.ttl_s is not None else DEFAULT_TTL_S
    capacities = {asset.id: asset.capacity_mwhr for asset in meant.assets}
    parts, stage = new_allocations(capacities, now, OPERATOR)
    record = Dispatch(
        id=dispatch_id,
        target=meant.target,
        asset_id=meant.asset_id,
        site_id=meant.site_id,
        requested_mw=request.mw,
        duration_s=request.duration_s,
        ttl_s=ttl_s,
        submitted_at=now,
        expires_at=now + timedelta(seconds=ttl_s),
        stage=stage,
        allocations=parts,
        warnings=meant.warnings,
    )
    if meant.target is Target.ASSET:
        record = record.with_split(split(request.mw, [_rated(meant.assets[0])]))
    return record.moved(Transition(State.QUEUED, now, HEADEND))


def same_request(record: Dispatch, request: DispatchRequest) -> bool:
    """Whether a repeated request asks for what the record already is."""
    site_matters = record.target is Target.SITE
    return (
        record.requested_mw == request.mw
        and record.asset_id == request.asset_id
        and (not site_matters or record.site_id == request.site_id)
        and record.duration_s == request.duration_s
        and record.ttl_s == (request.ttl_s if request.ttl_s is not None else DEFAULT_TTL_S)
    )


def refuse_by_soc(request: DispatchRequest, meant: Aim, *, fleet: Fleet, sessions: Sessions) -> None:
    """Refuse a single asset's dispatch in a direction that its state of charge forbids, if that is known now.

    Raises:
        Conflict: ``soc_at_minimum`` or ``soc_at_maximum``.
    """
    asset = meant.assets[0]
    if meant.target is not Target.ASSET or sessions.serving(asset.id) is None:
        return
    limits = fleet.limits(fleet.slot_of[asset.id])
    forbidden = (request.mw > 0 and limits.reason == "soc_at_minimum") or (
        request.mw < 0 and limits.reason == "soc_at_maximum"
    )
    if forbidden and limits.reason is not None:
        what, bound = ("discharge", "minimum") if request.mw > 0 else ("charge", "maximum")
        raise Conflict(
            limits.reason, f"{asset.name} can't {what}: its SOC is at its {bound} limit", field="mw"
        )


def preview(
    request: DispatchRequest, meant: Aim, *, fleet: Fleet, sessions: Sessions, weighting: Weighting
) -> Preview:
    """The split that would be made now."""
    chosen, skipped = online(meant.assets, fleet=fleet, sessions=sessions)
    return Preview(
        target=meant.target,
        asset_id=meant.asset_id,
        site_id=meant.site_id,
        requested_mw=request.mw,
        split=split(request.mw, _candidates(chosen, fleet), weighting=weighting),
        skipped=skipped,
        warnings=meant.warnings,
    )


def online(
    assets: Sequence[Asset], *, fleet: Fleet, sessions: Sessions
) -> tuple[list[Asset], tuple[tuple[UUID, str], ...]]:
    """The assets that can take a share now, and the others with the reason."""
    chosen, skipped = [], []
    powers_mw = fleet.numbers("current_mw", _slots(assets, fleet))
    for asset, power_mw in zip(assets, powers_mw, strict=True):
        if sessions.serving(asset.id) is None:
            skipped.append((asset.id, "agent_offline"))
        elif power_mw is None:
            skipped.append((asset.id, "asset_offline"))
        else:
            chosen.append(asset)
    return chosen, tuple(skipped)


def plan_delivery(
    record: Dispatch, *, fleet: Fleet, sessions: Sessions, weighting: Weighting, expires_in_s: float
) -> Delivery:
    """Who gets which command for the parts that are queued; empty while no agent is there.

    A site that one agent serves is split by that agent. Where several do, the headend splits, with the same function,
    and each gets its share as a command of its own; a share made before a link was lost is sent again as it is.
    """
    queued = [part for part in record.allocations if part.state is State.QUEUED]
    served = {p.asset_id: s for p in queued if (s := sessions.ready(p.asset_id)) is not None}
    if not served:
        return Delivery()
    refused = tuple((p.asset_id, "agent_offline") for p in queued if p.asset_id not in served)

    def command(asset_ids: Iterable[UUID], mw: float, *, site_wide: bool) -> Command:
        return Command(
            dispatch_id=record.id,
            mw=mw,
            site_wide=site_wide,
            asset_ids=tuple(asset_ids),
            weighting=weighting,
            duration_s=record.duration_s,
            expires_in_s=expires_in_s,
        )

    if record.target is Target.ASSET:
        # What the headend's inventory allows, whatever limits the agent was started with; it clamps by those as well.
        ((asset_id, session),) = served.items()
        allowed = fleet.inventory.assets[asset_id].clamp(record.requested_mw)
        return Delivery(((session, command([asset_id], allowed, site_wide=False)),))
    shares = {p.asset_id: p.mw for p in queued if p.mw is not None}
    if not shares and len({session.id for session in served.values()}) == 1:
        session = next(iter(served.values()))
        return Delivery(((session, command(served, record.requested_mw, site_wide=True)),), refused)
    made = None
    if not shares:
        inventory = fleet.inventory
        chosen, offline = online([inventory.assets[a] for a in served], fleet=fleet, sessions=sessions)
        refused += offline
        made = split(record.requested_mw, _candidates(chosen, fleet), weighting=weighting)
        shares = {share.asset_id: share.mw for share in made.shares}
    commands = tuple(
        (served[asset_id], command([asset_id], mw, site_wide=False))
        for asset_id, mw in shares.items()
        if asset_id in served
    )
    return Delivery(commands, refused, made)


def _candidates(assets: Sequence[Asset], fleet: Fleet) -> list[Candidate]:
    slots = _slots(assets, fleet)
    return [
        Candidate(
            asset_id=asset.id,
            capacity_mwhr=asset.capacity_mwhr,
            limits=limits,
            soc_pct=soc_pct,
            min_soc_pct=asset.min_soc_pct,
            max_soc_pct=asset.max_soc_pct,
        )
        for asset, limits, soc_pct in zip(
            assets, fleet.limits_of(slots), fleet.numbers("soc_pct", slots), strict=True
        )
    ]


def _slots(assets: Sequence[Asset], fleet: Fleet) -> NDArray[np.int64]:
    return np.array([fleet.slot_of[asset.id] for asset in assets], np.int64)


def _rated(asset: Asset) -> Candidate:
    return Candidate(
        asset_id=asset.id,
        capacity_mwhr=asset.capacity_mwhr,
        limits=Limits(asset.min_mw, asset.max_mw),
    )
