"""A dispatch as a record: what was asked, what each asset was given, and what became of it.

A dispatch has one ``Allocation`` per asset it concerns, each with a life of its own (``der_core.lifecycle``): in a
site dispatch one asset may be superseded by a newer command while the others run on. The dispatch's own life follows
from those of its allocations (``Dispatch.with_allocations``) and never goes back once an agent has acknowledged it.

Positive MW = discharge / export, negative MW = charge / import.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from operator import attrgetter
from typing import Self
from uuid import UUID

from der_core.allocation import TOLERANCE_MW, Share, Split, Weighting
from der_core.lifecycle import FINAL_STATES, Stage, State, Transition, advance, submit

ADOPTED = "adopted_from_agent"
"""Why a dispatch is queued that a headend learns of from the agents that have it in force."""


class Target(StrEnum):
    """Whether a dispatch is meant for one asset or for a site."""

    ASSET = "asset"
    SITE = "site"


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """One asset's part of a dispatch. All powers in MW; ``None`` is "not known yet".

    ``mw`` is what the asset was given, ``applied_mw`` what its driver accepted, ``measured_mw`` what telemetry showed
    while it was in force. ``agent_id`` is the agent it was last sent to.
    """

    asset_id: UUID
    stage: Stage
    agent_id: str | None = None
    capacity_mwhr: float | None = None
    weight: float | None = None
    raw_mw: float | None = None
    clamped_mw: float | None = None
    mw: float | None = None
    applied_mw: float | None = None
    measured_mw: float | None = None
    note: str | None = None

    @property
    def state(self) -> State:
        """Name of the stage it is in."""
        return self.stage.state

    @property
    def never_sent(self) -> bool:
        """Whether it is certain that no agent has it: what was sent once may be in force, whatever came after."""
        return self.stage.at(State.SENT) is None

    @property
    def came_to_nothing(self) -> bool:
        """Whether it ended without ever having been active."""
        return self.state.final and self.stage.at(State.ACTIVE) is None

    @property
    def reason(self) -> str | None:
        """Why it is in that state, or why it got less than its share."""
        return self.stage.last.reason or self.note


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationReport:
    """What an agent says of one asset's part of a dispatch. Powers in MW; ``None`` says nothing new."""

    asset_id: UUID
    state: State
    reason: str | None = None
    weight: float | None = None
    raw_mw: float | None = None
    clamped_mw: float | None = None
    mw: float | None = None
    applied_mw: float | None = None
    note: str | None = None

    @classmethod
    def of_share(cls, share: Share, state: State) -> Self:
        """What is said of a share that was acknowledged or, in state ``ACTIVE``, applied in full."""
        return cls(
            asset_id=share.asset_id,
            state=state,
            weight=share.weight,
            raw_mw=share.raw_mw,
            clamped_mw=share.clamped_mw,
            mw=share.mw,
            applied_mw=share.mw if state is State.ACTIVE else None,
            note=share.reason,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchReport:
    """What an agent says of a dispatch at one moment (``at``, aware UTC by the agent's clock).

    ``acknowledged_at``: when it acknowledged these parts, if it has not said that in a report of its own.
    """

    dispatch_id: UUID
    at: datetime
    allocations: tuple[AllocationReport, ...]
    unserved_mw: float | None = None
    acknowledged_at: datetime | None = None


MAX_DURATION_S = 31 * 86_400.0
"""The longest duration, in seconds, that is taken anywhere: some thirty years, so that dates can still be reckoned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A setpoint on its way to an agent. Power in MW for all of its assets together.

    ``site_wide`` commands are split over ``asset_ids``, others have exactly one. ``duration_s`` counts from when it
    becomes active (``None``: open-ended), ``expires_in_s`` from when it is sent: older than that on arrival, it is
    not to be applied.
    """

    dispatch_id: UUID
    mw: float
    site_wide: bool
    asset_ids: tuple[UUID, ...]
    weighting: Weighting = Weighting.CAPACITY
    duration_s: float | None = None
    expires_in_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class InForce:
    """A dispatch that is in force at an asset. Powers in MW.

    ``mw`` is this asset's part and ``requested_mw`` the whole dispatch's; ``remaining_s`` is what is left of its
    ``duration_s`` (both ``None``: open-ended).
    """

    dispatch_id: UUID
    asset_id: UUID
    mw: float
    active_since: datetime
    remaining_s: float | None
    requested_mw: float
    site_wide: bool
    duration_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """An operator's command and all that is known of it. Frozen: each change makes a new record.

    ``requested_mw`` is what was asked for. ``ttl_s`` is how long it may wait for its agent, ``duration_s`` how long it
    runs from the moment it becomes active (``None``: open-ended).
    """

    id: UUID
    target: Target
    asset_id: UUID | None
    site_id: UUID
    requested_mw: float
    duration_s: float | None
    ttl_s: float
    submitted_at: datetime
    expires_at: datetime
    stage: Stage
    allocations: tuple[Allocation, ...]
    warnings: tuple[str, ...] = ()
    cancel_requested_at: datetime | None = None

    @property
    def state(self) -> State:
        """Name of the stage the whole dispatch is in."""
        return self.stage.state

    @property
    def mw(self) -> float | None:
        """Sum of what the assets were given; ``None`` until the split is known.

        A part that ended without ever having been active was given nothing.
        """
        given = [a.mw for a in self.allocations if a.mw is not None]
        if not given:
            return None
        taken = (a.mw for a in self.allocations if a.mw is not None and not a.came_to_nothing)
        return math.fsum(taken)

    @property
    def unserved_mw(self) -> float | None:
        """What of the request nobody was given; ``None`` until the split is known."""
        if self.mw is None:
            return None
        unserved = self.requested_mw - self.mw
        return 0.0 if abs(unserved) <= TOLERANCE_MW else unserved

    @property
    def clamped(self) -> bool:
        """Whether the limits of the assets made the shares add up to less (or other) than requested."""
        shares = [a.mw for a in self.allocations if a.mw is not None]
        return bool(shares) and abs(self.requested_mw - math.fsum(shares)) > TOLERANCE_MW

    @property
    def active_at(self) -> datetime | None:
        """When the first asset was told."""
        return self.stage.at(State.ACTIVE)

    @property
    def ended_at(self) -> datetime | None:
        """When the last asset was done with it."""
        return self.stage.last.at if self.stage.state in FINAL_STATES else None

    @property
    def split_open(self) -> bool:
        """Whether it is a site's, and how it is split is not known yet."""
        return self.target is Target.SITE and all(a.mw is None for a in self.allocations)

    @property
    def adopted(self) -> bool:
        """Whether all that is known of it comes from its agents: the headend that made it has lost its records."""
        return any(t.reason == ADOPTED for t in self.stage.transitions)

    @property
    def awaits_answer(self) -> bool:
        """Whether an agent owes an answer: to a setpoint, or to a cancel that it was told or is to be told."""
        cancelling = self.cancel_requested_at is not None
        return any(
            a.state is State.SENT or (cancelling and a.agent_id is not None and not a.state.final)
            for a in self.allocations
        )

    def allocation(self, asset_id: UUID) -> Allocation | None:
        """The part of one asset, if it has one."""
        return next((a for a in self.allocations if a.asset_id == asset_id), None)

    def moved(
        self,
        transition: Transition,
        assets: Iterable[UUID] | None = None,
        *,
        agents: Mapping[UUID, str] | None = None,
    ) -> "Dispatch":
        """This record after ``transition`` of some assets' parts (of all if ``assets`` is ``None``).

        ``agents``: to whom the parts of some of these assets were sent.
        """
        chosen = None if assets is None else frozenset(assets)
        told = agents or {}
        after = _Steps()
        return self.with_allocations(
            replace(a, stage=after.advance(a.stage, transition), agent_id=told.get(a.asset_id, a.agent_id))
            if chosen is None or a.asset_id in chosen
            else a
            for a in self.allocations
        )

    def with_split(self, made: Split) -> "Dispatch":
        """This record with the shares of a split that the headend made."""
        shares = {share.asset_id: share for share in made.shares}
        return replace(
            self,
            allocations=tuple(
                replace(
                    a,
                    weight=share.weight,
                    raw_mw=share.raw_mw,
                    clamped_mw=share.clamped_mw,
                    mw=share.mw,
                    note=share.reason,
                )
                if (share := shares.get(a.asset_id))
                else a
                for a in self.allocations
            ),
        )

    def reported(self, report: DispatchReport, *, agent_id: str) -> "Dispatch":
        """This record after what an agent said; parts it does not have are passed over."""
        said = {part.asset_id: part for part in report.allocations}
        transitions = {
            (part.state, part.reason): Transition(part.state, report.at, f"agent {agent_id}", part.reason)
            for part in report.allocations
        }
        before = self
        if report.acknowledged_at is not None:
            acknowledged = Transition(State.ACKNOWLEDGED, report.acknowledged_at, f"agent {agent_id}")
            before = self.moved(acknowledged, said)
        after = _Steps()
        return before.with_allocations(
            _after(a, part, after.advance(a.stage, transitions[part.state, part.reason]), agent_id)
            if (part := said.get(a.asset_id))
            else a
            for a in before.allocations
        )

    def with_allocations(self, allocations: Iterable[Allocation]) -> "Dispatch":
        """This record with other parts, and the life of the whole brought in line with theirs."""
        parts = tuple(allocations)
        stage = self.stage
        for transition in _steps_to(stage.state, parts):
            stage = advance(stage, transition)
        return replace(self, allocations=parts, stage=stage)


def new_allocations(
    capacities_mwhr: dict[UUID, float], at: datetime, by: str
) -> tuple[tuple[Allocation, ...], Stage]:
    """Fresh parts for some assets, in order of id, and the fresh life of the dispatch they belong to."""
    stage = submit(at, by)
    parts = tuple(
        Allocation(asset_id=asset_id, stage=stage, capacity_mwhr=capacities_mwhr[asset_id])
        for asset_id in sorted(capacities_mwhr, key=attrgetter("int"))
    )
    return parts, stage


class _Steps:
    """Advances stages, each one once.

    The assets of a site mostly live the same life; their parts then share one stage, however many they are.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[int, int], Stage] = {}

    def advance(self, stage: Stage, transition: Transition) -> Stage:
        """``stage`` after ``transition``; both must outlive this object."""
        key = (id(stage), id(transition))
        made = self._made.get(key)
        if made is None:
            made = self._made[key] = advance(stage, transition)
        return made


def _after(part: Allocation, said: AllocationReport, stage: Stage, agent_id: str) -> Allocation:
    known = {
        name: value
        for name in ("weight", "raw_mw", "clamped_mw", "mw", "applied_mw", "note")
        if (value := getattr(said, name)) is not None
    }
    if part.raw_mw is not None:
        # What was asked before the headend clamped it; the agent was only told what was left.
        known.pop("raw_mw", None)
    return replace(part, stage=stage, agent_id=agent_id, **known)


_PROGRESS = (State.SUBMITTED, State.QUEUED, State.SENT, State.ACKNOWLEDGED, State.ACTIVE)
_END_PRIORITY = (
    State.FAILED,
    State.COMPLETED,
    State.CANCELLED,
    State.SUPERSEDED,
    State.REJECTED,
    State.EXPIRED,
)
"""Which end of its parts names the end of the whole. Whatever can end an acknowledged or active part stands before what
can only end one that never was, so the end is always legal from where the whole stands."""


def _steps_to(current: State, parts: tuple[Allocation, ...]) -> list[Transition]:
    """The transitions that bring the whole from ``current`` to where its parts are."""
    if current in FINAL_STATES or not parts:
        return []
    stages = list({id(part.stage): part.stage for part in parts}.values())
    furthest = max((_reached(stage) for stage in stages), key=_PROGRESS.index)
    waiting = next((stage for stage in stages if stage.state is State.QUEUED), None)
    if current is State.SENT and furthest is State.QUEUED and waiting is not None:
        return [waiting.last]
    steps = _forward(current, furthest, stages)
    if all(stage.state.final for stage in stages):
        end = min((stage.last for stage in stages), key=lambda t: _END_PRIORITY.index(t.state))
        last_at = max(stage.last.at for stage in stages)
        steps.append(Transition(end.state, last_at, end.by, end.reason))
    return steps


def _reached(stage: Stage) -> State:
    """How far a part is, or was when it ended."""
    return stage.transitions[-2].state if stage.state.final else stage.state


def _forward(current: State, to: State, stages: Iterable[Stage]) -> list[Transition]:
    """The steps from after ``current`` up to ``to``, each as the first part that took it did."""
    steps = []
    for state in _PROGRESS[_PROGRESS.index(current) + 1 : _PROGRESS.index(to) + 1]:
        taken = [t for stage in stages for t in stage.transitions if t.state is state]
        if taken:
            steps.append(min(taken, key=lambda t: t.at))
    return steps
