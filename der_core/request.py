"""What an operator asks for, whom it means, and the record it becomes: the rules that need nothing but the inventory.

An asset that is named is the target, alone; a site beside it is context. Nothing ever widens a request that can't be
served as it stands. Power in MW, positive = discharge / export.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from der_core.allocation import TOLERANCE_MW, Candidate, split
from der_core.assets import Asset, Assets, Inventory, Limits
from der_core.dispatch import Dispatch, Target, new_allocations
from der_core.errors import Conflict, Rejected
from der_core.lifecycle import State, Transition

DEFAULT_TTL_S = 300.0

HEADEND, OPERATOR = "headend", "operator"
"""By whom a transition is, where it is no agent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchRequest:
    """What an operator asks for; ``mw`` positive = discharge / export. ``id`` makes it idempotent.

    The rest is as in the REST body.
    """

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
    assets: Assets
    warnings: tuple[str, ...] = ()


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
    site_id = inventory.known_site(request.site_id).id
    members = inventory.assets_of(site_id)
    assets = members.where(kind.controllable for kind in members.types)
    if not assets:
        raise Rejected(
            "not_controllable", f"site {site_id} has no asset that takes a setpoint", field="site_id"
        )
    return Aim(target=Target.SITE, asset_id=None, site_id=site_id, assets=assets)


def _aim_at_asset(request: DispatchRequest, inventory: Inventory, asset_id: UUID) -> Aim:
    asset = inventory.known_asset(asset_id)
    if not asset.asset_type.controllable:
        raise Rejected("not_controllable", f"{asset.name} is a {asset.asset_type}", field="asset_id")
    warnings: tuple[str, ...] = ()
    if request.site_id is not None and request.site_id != asset.site_id:
        site = f"site_id {request.site_id} is not the site of {asset.name} ({asset.site_id})"
        warnings = (f"{site}; the dispatch goes to the asset alone",)
    return Aim(
        target=Target.ASSET,
        asset_id=asset_id,
        site_id=asset.site_id,
        assets=inventory.those([asset_id]),
        warnings=warnings,
    )


def check_soc(mw: float, asset: Asset, limits: Limits) -> None:
    """Refuse a power in a direction that an asset's state of charge forbids, as its ``limits`` now say.

    Raises:
        Conflict: ``soc_at_minimum`` or ``soc_at_maximum``.
    """
    forbidden = (mw > 0 and limits.reason == "soc_at_minimum") or (
        mw < 0 and limits.reason == "soc_at_maximum"
    )
    if forbidden and limits.reason is not None:
        what, bound = ("discharge", "minimum") if mw > 0 else ("charge", "maximum")
        raise Conflict(
            limits.reason, f"{asset.name} can't {what}: its SOC is at its {bound} limit", field="mw"
        )


def new_dispatch(request: DispatchRequest, meant: Aim, *, dispatch_id: UUID, now: datetime) -> Dispatch:
    """The record of a request as it begins: submitted and queued, the share known where there is only one."""
    ttl_s = _ttl_s(request)
    capacities = dict(zip(meant.assets.ids, meant.assets.numbers("capacity_mwhr"), strict=True))
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


def same_request(record: Dispatch, request: DispatchRequest, meant: Aim) -> bool:
    """Whether a repeated request, which means ``meant``, asks for what the record already is."""
    if record.adopted:
        return _same_as_adopted(record, request, meant)
    site_matters = record.target is Target.SITE
    return (
        record.requested_mw == request.mw
        and record.asset_id == request.asset_id
        and (not site_matters or record.site_id == request.site_id)
        and record.duration_s == request.duration_s
        and record.ttl_s == _ttl_s(request)
    )


def _same_as_adopted(record: Dispatch, request: DispatchRequest, meant: Aim) -> bool:
    """As far as agents know: nothing of a time to live, and of the power what they were told."""
    if record.site_id != meant.site_id or record.duration_s != request.duration_s:
        return False
    if meant.target is Target.ASSET:
        told_mw = meant.assets[0].clamp(request.mw)
        return record.asset_id == meant.asset_id and record.requested_mw == told_mw
    if record.target is Target.SITE and len({part.agent_id for part in record.allocations}) == 1:
        return record.requested_mw == request.mw
    # Shares of a split, which may not be all.
    least_mw, most_mw = sorted((0.0, request.mw))
    return least_mw - TOLERANCE_MW <= record.requested_mw <= most_mw + TOLERANCE_MW


def _ttl_s(request: DispatchRequest) -> float:
    return DEFAULT_TTL_S if request.ttl_s is None else request.ttl_s


def _rated(asset: Asset) -> Candidate:
    return Candidate(
        asset_id=asset.id,
        capacity_mwhr=asset.capacity_mwhr,
        limits=Limits(asset.min_mw, asset.max_mw),
    )
