"""Who gets what of a request as things are now: decisions without side effects. Power in MW, positive = discharge."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from der_core.allocation import Candidate, Split, Weighting, split
from der_core.assets import Assets
from der_core.dispatch import Command, Dispatch, Target
from der_core.lifecycle import State
from der_core.request import Aim, DispatchRequest, check_soc
from der_headend.agents import Session
from der_headend.fleet import Fleet, slots_of
from der_headend.sessions import Sessions


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


def refuse_by_soc(request: DispatchRequest, meant: Aim, *, fleet: Fleet, sessions: Sessions) -> None:
    """Refuse a single asset's dispatch in a direction that its state of charge forbids, if that is known now.

    Raises:
        Conflict: ``soc_at_minimum`` or ``soc_at_maximum``.
    """
    asset = meant.assets[0]
    if meant.target is Target.ASSET and sessions.serving(asset.id) is not None:
        check_soc(request.mw, asset, fleet.limits(fleet.slot_of[asset.id]))


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
    assets: Assets, *, fleet: Fleet, sessions: Sessions
) -> tuple[Assets, tuple[tuple[UUID, str], ...]]:
    """The assets that can take a share now, and the others with the reason."""
    slots = slots_of(assets)
    served = sessions.served[slots]
    there = served & np.isfinite(fleet.columns["current_mw"][slots])
    away = np.flatnonzero(~there)
    reasons = ("asset_offline" if agent else "agent_offline" for agent in served[away].tolist())
    skipped = zip(assets.ids.at(away.tolist()), reasons, strict=True)
    return assets.where(there.tolist()), tuple(skipped)


def plan_delivery(
    record: Dispatch, *, fleet: Fleet, sessions: Sessions, weighting: Weighting, expires_in_s: float
) -> Delivery:
    """Who gets which command for the parts that are queued; empty while no agent is there.

    A site that one agent serves is split by that agent. Where several do, the headend splits, with the same function,
    and each gets its share as a command of its own. A share made before a link was lost is sent again as it is, when
    its own agent is back.
    """
    queued = [part for part in record.allocations if part.state is State.QUEUED]
    served = {p.asset_id: s for p in queued if (s := sessions.ready(p.asset_id)) is not None}
    if not served:
        return Delivery()

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

    def one_by_one(shares: Iterable[tuple[UUID, float | None]]) -> tuple[tuple[Session, Command], ...]:
        return tuple(
            (served[asset_id], command([asset_id], mw, site_wide=False))
            for asset_id, mw in shares
            if mw is not None and asset_id in served
        )

    if not record.split_open:
        return Delivery(one_by_one((part.asset_id, part.mw) for part in queued))
    refused = tuple((p.asset_id, "agent_offline") for p in queued if p.asset_id not in served)
    if len({session.id for session in served.values()}) == 1:
        session = next(iter(served.values()))
        return Delivery(((session, command(served, record.requested_mw, site_wide=True)),), refused)
    chosen, offline = online(fleet.inventory.those(served), fleet=fleet, sessions=sessions)
    made = split(record.requested_mw, _candidates(chosen, fleet), weighting=weighting)
    commands = one_by_one((share.asset_id, share.mw) for share in made.shares)
    return Delivery(commands, refused + offline, made)


def _candidates(assets: Assets, fleet: Fleet) -> list[Candidate]:
    slots = slots_of(assets)
    return [
        Candidate(
            asset_id=asset_id,
            capacity_mwhr=capacity_mwhr,
            limits=limits,
            soc_pct=soc_pct,
            min_soc_pct=min_soc_pct,
            max_soc_pct=max_soc_pct,
        )
        for asset_id, capacity_mwhr, limits, soc_pct, min_soc_pct, max_soc_pct in zip(
            assets.ids,
            assets.numbers("capacity_mwhr"),
            fleet.limits_of(assets),
            fleet.numbers("soc_pct", slots),
            assets.numbers("min_soc_pct"),
            assets.numbers("max_soc_pct"),
            strict=True,
        )
    ]
