"""What an agent does with its assets, as a pure function of what it hears: no I/O, no clock, no ``await``.

Every method takes something that happened (a command, a cancel, a deadline, the link) and the present time, and
returns a ``Decision``: which setpoints to write and what to report. Whoever carries the writes out hands the results
to ``settle``, which decides in turn, **before** anything else is handed in. So a command has two steps:

    command ─► acknowledged, writes ─► settle ─► active here, and what was in force here before superseded
                                              └► failed here, and what was in force here before stays

Rules that hold at every moment: at most one dispatch is in force at an asset; a dispatch is applied to an asset at most
once; an asset that nobody commands is at rest, or at its fail-safe power if the headend went away while an
open-ended dispatch was in force.

A write that nobody commanded (the end of a dispatch, the fail-safe) has to succeed in the end: while the asset does not
take it, it is tried again every ``RETRY_S`` and an alarm stands.

Powers in MW, positive = discharge / export.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from der_core.allocation import Candidate, Split, split
from der_core.assets import Asset, limits_now
from der_core.dispatch import AllocationReport, Command, InForce
from der_core.events import EventKind, Severity
from der_core.failsafe import Deadline, LeaseEnd, lease_deadline
from der_core.lifecycle import State
from edge_agent.decisions import Applied, Condition, Decision, NotApplied, Now, Order
from edge_agent.draft import Draft
from edge_agent.ledger import Ledger

RETRY_S = 5.0
"""How long after a write that must succeed has failed it is tried again."""

WRITE_FAILED = "setpoint_not_taken"


@dataclass(frozen=True, slots=True)
class _Held:
    """A dispatch in force at an asset."""

    order: Order
    since_s: float
    since: datetime


@dataclass(slots=True)
class _Post:
    """What is going on at one asset."""

    asset: Asset
    held: _Held | None = None
    at_failsafe: bool = False
    retry_at_s: float | None = None
    alarmed: bool = False

    @property
    def goal_mw(self) -> float | None:
        """What the asset should be told now if it is told anything."""
        if self.held is not None:
            return self.held.order.mw
        return self.asset.failsafe_mw if self.at_failsafe else None


class SiteControl:
    """Decides for all assets of one agent. ``failsafe_after_s``: how long an open-ended setpoint outlives the link."""

    def __init__(
        self, assets: Iterable[Asset], *, failsafe_after_s: float, ledger: Ledger | None = None
    ) -> None:
        self._posts = {asset.id: _Post(asset) for asset in sorted(assets, key=lambda a: a.id)}
        self._failsafe_after_s = failsafe_after_s
        self._ledger = Ledger() if ledger is None else ledger
        self._link_lost_at_s: float | None = None

    def start(self, now: Now) -> Decision:
        """Release every asset: nothing is in force that was not commanded since, so what was is over.

        If the agent died while it put a newer command in the place of an older one, both are open. The newer one may
        have been applied by then, and the headend told so; in any case it is the one that the restart has ended.
        """
        draft = Draft(self._ledger)
        open_parts = self._ledger.open_parts()
        newest = {part.asset_id: dispatch_id for dispatch_id, part in open_parts}
        for dispatch_id, part in open_parts:
            newer = newest[part.asset_id]
            state, reason = (
                (State.FAILED, "agent_restarted")
                if newer == dispatch_id
                else (State.SUPERSEDED, f"superseded_by {newer}")
            )
            draft.tell(dispatch_id, replace(part, state=state, reason=reason))
        for asset_id, post in self._posts.items():
            if post.asset.asset_type.controllable:
                draft.write(asset_id, None)
        return draft.decision(now)

    def command(
        self, command: Command, conditions: Mapping[UUID, Condition], *, arrived_s: float, now: Now
    ) -> Decision:
        """A setpoint came at ``arrived_s`` (monotonic seconds)."""
        draft = Draft(self._ledger)
        known = {part.asset_id for part in self._ledger.parts(command.dispatch_id)}
        if known and (command.site_wide or known.issuperset(command.asset_ids)):
            # A site's split is made once: what the assets got then depended on who could take part then.
            draft.repeat(command.dispatch_id, self._ledger.parts(command.dispatch_id))
            return draft.decision(now)
        late = now.monotonic_s - arrived_s >= command.expires_in_s
        able = []
        for asset_id in dict.fromkeys(command.asset_ids):
            condition = conditions.get(asset_id)
            refusal = self._refusal(command, asset_id, condition, late=late)
            if refusal is None and condition is not None:
                able.append(_candidate(self._posts[asset_id].asset, condition))
            else:
                draft.tell(
                    command.dispatch_id,
                    AllocationReport(asset_id=asset_id, state=State.REJECTED, reason=refusal),
                )
        made = self._share_out(command, able, draft) if able else None
        self._ledger.forget()
        return draft.decision(now, made)

    def settle(self, results: Iterable[Applied | NotApplied], now: Now) -> Decision:
        """The writes of the last decision have come out like this."""
        draft = Draft(self._ledger)
        for result in results:
            post = self._posts[result.write.asset_id]
            if isinstance(result, Applied):
                self._taken(post, result, now, draft)
            else:
                _not_taken(post, result, now, draft)
        return draft.decision(now)

    def cancel(self, dispatch_id: UUID, asset_ids: Sequence[UUID], now: Now) -> Decision:
        """Take a dispatch back from some assets, from all of its own if none is named.

        What is over already is only reported again; a dispatch that was never heard of is passed over.
        """
        draft = Draft(self._ledger)
        for part in self._ledger.parts(dispatch_id):
            if asset_ids and part.asset_id not in asset_ids:
                continue
            post = self._posts.get(part.asset_id)
            if post is not None and post.held is not None and post.held.order.dispatch_id == dispatch_id:
                draft.tell_end(post.held.order, part.asset_id, State.CANCELLED)
                _let_go(post, draft)
            else:
                draft.repeat(dispatch_id, [part])
        return draft.decision(now)

    def advance(self, now: Now) -> Decision:
        """Do what has fallen due by now: ends of durations, fail-safes, writes to try again."""
        draft = Draft(self._ledger)
        for post in self._posts.values():
            deadline = self._lease(post)
            if post.held is not None and deadline is not None and deadline.at_s <= now.monotonic_s:
                self._end_lease(post, post.held, deadline.end, draft)
            elif post.retry_at_s is not None and post.retry_at_s <= now.monotonic_s:
                post.retry_at_s = None
                draft.write(post.asset.id, post.goal_mw)
        return draft.decision(now)

    def link_lost(self, last_heard_s: float) -> None:
        """The link is down; the headend was last heard at ``last_heard_s`` (monotonic seconds)."""
        if self._link_lost_at_s is None:
            self._link_lost_at_s = last_heard_s

    def registered(self, now: Now) -> Decision:
        """The headend is back: assets still at their fail-safe power are released to rest."""
        self._link_lost_at_s = None
        draft = Draft(self._ledger)
        for post in self._posts.values():
            if post.at_failsafe:
                _clear_failsafe(post, draft)
                draft.write(post.asset.id, None)
        return draft.decision(now)

    def stop(self, now: Now) -> Decision:
        """The agent stops: assets under command go to their fail-safe power, for nobody will watch over them.

        So do those that have not taken the end of a command yet. Can be called again for those that did not take this.
        """
        draft = Draft(self._ledger)
        for post in self._posts.values():
            if post.held is not None:
                draft.tell_end(post.held.order, post.asset.id, State.FAILED, "agent_stopped")
            elif post.retry_at_s is None:
                continue
            post.held, post.at_failsafe, post.retry_at_s = None, True, None
            draft.write(post.asset.id, post.asset.failsafe_mw)
        return draft.decision(now)

    def next_deadline_s(self) -> float | None:
        """When (monotonic seconds) ``advance`` has something to do next, as things stand."""
        due = [post.retry_at_s for post in self._posts.values() if post.retry_at_s is not None]
        due += [lease.at_s for post in self._posts.values() if (lease := self._lease(post)) is not None]
        return min(due, default=None)

    def in_force(self, now: Now) -> tuple[InForce, ...]:
        """What the assets do on command right now, in order of asset id."""
        return tuple(
            InForce(
                dispatch_id=held.order.dispatch_id,
                asset_id=asset_id,
                mw=held.order.mw,
                active_since=held.since,
                remaining_s=None
                if held.order.duration_s is None
                else max(held.since_s + held.order.duration_s - now.monotonic_s, 0.0),
                requested_mw=held.order.requested_mw,
                site_wide=held.order.site_wide,
                duration_s=held.order.duration_s,
            )
            for asset_id, post in self._posts.items()
            if (held := post.held) is not None
        )

    def _refusal(
        self, command: Command, asset_id: UUID, condition: Condition | None, *, late: bool
    ) -> str | None:
        post = self._posts.get(asset_id)
        duration_s = command.duration_s
        if not math.isfinite(command.mw) or (not command.site_wide and len(command.asset_ids) != 1):
            return "invalid"
        if duration_s is not None and not (math.isfinite(duration_s) and duration_s > 0):
            return "invalid"
        if late:
            return "expired_on_arrival"
        if post is None:
            return "unknown_asset"
        if not post.asset.asset_type.controllable:
            return "not_controllable"
        if condition is None or not condition.online:
            return "asset_offline"
        if command.site_wide:
            return None
        limits = limits_now(post.asset, soc_pct=condition.soc_pct)
        forbidden = (command.mw > 0 and limits.max_mw <= 0) or (command.mw < 0 and limits.min_mw >= 0)
        return limits.reason if forbidden else None

    def _share_out(self, command: Command, able: Sequence[Candidate], draft: Draft) -> Split:
        made = split(command.mw, able, weighting=command.weighting)
        for share in made.shares:
            order = Order(
                dispatch_id=command.dispatch_id,
                mw=share.mw,
                requested_mw=command.mw,
                site_wide=command.site_wide,
                duration_s=command.duration_s,
            )
            draft.tell(command.dispatch_id, AllocationReport.of_share(share, State.ACKNOWLEDGED))
            draft.write(share.asset_id, share.mw, order)
        draft.unserved(command.dispatch_id, made.unserved_mw)
        return made

    def _taken(self, post: _Post, result: Applied, now: Now, draft: Draft) -> None:
        post.retry_at_s = None
        if post.alarmed:
            post.alarmed = False
            draft.alarm(
                post.asset.id,
                EventKind.CLEARED,
                Severity.INFO,
                WRITE_FAILED,
                "the asset takes setpoints again",
            )
        order = result.write.order
        if order is None:
            return
        draft.tell_active(order, post.asset.id, result.mw)  # first: somebody waits for it
        if post.held is not None:
            reason = f"superseded_by {order.dispatch_id}"
            draft.tell_end(post.held.order, post.asset.id, State.SUPERSEDED, reason)
        if post.at_failsafe:
            _clear_failsafe(post, draft)
        post.held = _Held(order, now.monotonic_s, now.at)

    def _end_lease(self, post: _Post, held: _Held, end: LeaseEnd, draft: Draft) -> None:
        if end is LeaseEnd.DURATION_OVER:
            draft.tell_end(held.order, post.asset.id, State.COMPLETED)
            _let_go(post, draft)
            return
        draft.tell_end(held.order, post.asset.id, State.FAILED, end.value)
        post.held, post.at_failsafe = None, True
        message = (
            f"no headend for {self._failsafe_after_s:g} s: the open-ended setpoint of {held.order.mw:g} MW ended, "
            f"going to the fail-safe power of {post.asset.failsafe_mw:g} MW"
        )
        draft.alarm(post.asset.id, EventKind.RAISED, Severity.CRITICAL, end.value, message)
        draft.write(post.asset.id, post.asset.failsafe_mw)

    def _lease(self, post: _Post) -> Deadline | None:
        if post.held is None:
            return None
        return lease_deadline(
            active_since_s=post.held.since_s,
            duration_s=post.held.order.duration_s,
            link_lost_at_s=self._link_lost_at_s,
            failsafe_after_s=self._failsafe_after_s,
        )


def _candidate(asset: Asset, condition: Condition) -> Candidate:
    return Candidate(
        asset_id=asset.id,
        capacity_mwhr=asset.capacity_mwhr,
        limits=limits_now(asset, soc_pct=condition.soc_pct, available_mw=condition.available_mw),
        soc_pct=condition.soc_pct,
        min_soc_pct=asset.min_soc_pct,
        max_soc_pct=asset.max_soc_pct,
    )


def _not_taken(post: _Post, result: NotApplied, now: Now, draft: Draft) -> None:
    order = result.write.order
    if order is not None:
        draft.tell_failed(order, post.asset.id, result.reason, result.message)
        if not result.unchanged:
            post.retry_at_s = now.monotonic_s + RETRY_S
        return
    post.retry_at_s = now.monotonic_s + RETRY_S
    if not post.alarmed:
        post.alarmed = True
        draft.alarm(post.asset.id, EventKind.RAISED, Severity.CRITICAL, WRITE_FAILED, result.message)


def _let_go(post: _Post, draft: Draft) -> None:
    post.held = None
    draft.write(post.asset.id, None)


def _clear_failsafe(post: _Post, draft: Draft) -> None:
    post.at_failsafe = False
    code = LeaseEnd.LINK_LOST_FAILSAFE.value
    draft.alarm(post.asset.id, EventKind.CLEARED, Severity.INFO, code, "the headend is back")
