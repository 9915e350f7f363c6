"""A decision in the making.

What is said of an asset's part of a dispatch is noted in the ledger and gathered into one report per dispatch.
"""

from collections.abc import Iterable
from dataclasses import replace
from uuid import UUID

from der_core.allocation import Split
from der_core.dispatch import AllocationReport, DispatchReport
from der_core.events import EventKind, Severity
from der_core.lifecycle import State
from edge_agent.decisions import Alarm, Decision, Now, Order, Write
from edge_agent.ledger import Ledger


class Draft:
    """Gathers what a decision consists of."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._parts: dict[UUID, list[AllocationReport]] = {}
        self._writes: list[Write] = []
        self._alarms: list[Alarm] = []
        self._with_unserved: set[UUID] = set()

    def tell(self, dispatch_id: UUID, part: AllocationReport) -> None:
        """What has become of one part."""
        self._ledger.note(dispatch_id, part)
        self._parts.setdefault(dispatch_id, []).append(part)

    def tell_end(self, order: Order, asset_id: UUID, state: State, reason: str | None = None) -> None:
        """A part ends."""
        self.tell(order.dispatch_id, replace(self._known(order, asset_id), state=state, reason=reason))

    def tell_active(self, order: Order, asset_id: UUID, applied_mw: float) -> None:
        """A part is in force; ``applied_mw`` is what the asset accepted."""
        known = self._known(order, asset_id)
        self.tell(order.dispatch_id, replace(known, state=State.ACTIVE, applied_mw=applied_mw))

    def tell_failed(self, order: Order, asset_id: UUID, reason: str, note: str) -> None:
        """A part could not be applied; ``note`` says why, for people."""
        known = self._known(order, asset_id)
        self.tell(order.dispatch_id, replace(known, state=State.FAILED, reason=reason, note=note))

    def repeat(self, dispatch_id: UUID, parts: Iterable[AllocationReport]) -> None:
        """Say again what was said of some parts before."""
        self._parts.setdefault(dispatch_id, []).extend(parts)
        self._with_unserved.add(dispatch_id)

    def unserved(self, dispatch_id: UUID, unserved_mw: float) -> None:
        """What of a dispatch nobody could take."""
        self._ledger.note_unserved(dispatch_id, unserved_mw)
        self._with_unserved.add(dispatch_id)

    def write(self, asset_id: UUID, setpoint_mw: float | None, order: Order | None = None) -> None:
        """Drive an asset to a power, ``None`` releases it."""
        self._writes.append(Write(asset_id, setpoint_mw, order))

    def alarm(self, asset_id: UUID, kind: EventKind, severity: Severity, code: str, message: str) -> None:
        """An alarm of an asset begins or ends."""
        self._alarms.append(Alarm(asset_id, kind, severity, code, message))

    def decision(self, now: Now, made: Split | None = None) -> Decision:
        """The finished decision."""
        reports = tuple(
            DispatchReport(
                dispatch_id=dispatch_id,
                at=now.at,
                allocations=tuple(parts),
                unserved_mw=self._ledger.unserved_mw(dispatch_id)
                if dispatch_id in self._with_unserved
                else None,
            )
            for dispatch_id, parts in self._parts.items()
        )
        return Decision(tuple(self._writes), reports, tuple(self._alarms), made)

    def _known(self, order: Order, asset_id: UUID) -> AllocationReport:
        known = self._ledger.part(order.dispatch_id, asset_id)
        return known or AllocationReport(asset_id=asset_id, state=State.ACKNOWLEDGED, mw=order.mw)
