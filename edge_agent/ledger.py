"""What has become of each asset's part of each dispatch: the memory that makes a repeated setpoint harmless.

A part is kept as the last thing that was reported of it. Only so many are kept (``REMEMBERED_PARTS``); then the
dispatches that were heard of longest ago are forgotten, but never one that is still open here. That is enough, because
the headend sends a setpoint again only while it has no answer and the dispatch's time to live runs.

What changes here is handed out by ``take_changes``, so that it can be put on disk together with the report of it, or
before, and in any case before the asset is written. So an agent that dies at any moment and starts again with
``restore`` applies nothing twice: it knows every part that a driver may have been told of. What was open then is over
(``SiteControl.start``).
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from der_core.dispatch import AllocationReport, DispatchReport

REMEMBERED_PARTS = 4_000
"""About 4 MB when full; at the default time to live of 300 s enough for 13 parts a second."""


@dataclass(slots=True)
class _Entry:
    parts: dict[UUID, AllocationReport] = field(default_factory=dict)
    unserved_mw: float | None = None


class Ledger:
    """Parts by dispatch, oldest dispatch first."""

    def __init__(self, *, limit: int = REMEMBERED_PARTS) -> None:
        self._limit = limit
        self._entries: OrderedDict[UUID, _Entry] = OrderedDict()
        self._parts = 0
        self._changed: dict[UUID, None] = {}

    def __len__(self) -> int:
        return self._parts

    def parts(self, dispatch_id: UUID) -> Sequence[AllocationReport]:
        """What is known of a dispatch's parts; empty for a dispatch it does not know."""
        entry = self._entries.get(dispatch_id)
        return tuple(entry.parts.values()) if entry else ()

    def part(self, dispatch_id: UUID, asset_id: UUID) -> AllocationReport | None:
        """What is known of one part."""
        entry = self._entries.get(dispatch_id)
        return entry.parts.get(asset_id) if entry else None

    def unserved_mw(self, dispatch_id: UUID) -> float | None:
        """What of a dispatch nobody could take; ``None`` if there was no split."""
        entry = self._entries.get(dispatch_id)
        return entry.unserved_mw if entry else None

    def known(self, dispatch_id: UUID, at: datetime) -> DispatchReport | None:
        """All that is known of a dispatch, as a report of this moment; ``None`` if it is not known."""
        entry = self._entries.get(dispatch_id)
        if entry is None:
            return None
        return DispatchReport(
            dispatch_id=dispatch_id,
            at=at,
            allocations=tuple(entry.parts.values()),
            unserved_mw=entry.unserved_mw,
        )

    def open_parts(self) -> Sequence[tuple[UUID, AllocationReport]]:
        """The parts that are not over, each with its dispatch; of two at one asset the newer one comes last."""
        return [
            (dispatch_id, part)
            for dispatch_id, entry in self._entries.items()
            for part in entry.parts.values()
            if not part.state.final
        ]

    def restore(self, dispatches: Iterable[DispatchReport]) -> None:
        """Know again what an earlier run knew, oldest dispatch first."""
        for report in dispatches:
            for part in report.allocations:
                self.note(report.dispatch_id, part)
            if report.unserved_mw is not None:
                self.note_unserved(report.dispatch_id, report.unserved_mw)
        self._changed.clear()

    def take_changes(self, at: datetime) -> Mapping[UUID, DispatchReport | None]:
        """What is known of the dispatches that changed since this was last called; ``None``: it is forgotten."""
        changed, self._changed = self._changed, {}
        return {dispatch_id: self.known(dispatch_id, at) for dispatch_id in changed}

    def note(self, dispatch_id: UUID, part: AllocationReport) -> None:
        """Keep what was last reported of a part."""
        self._changed[dispatch_id] = None
        parts = self._entries.setdefault(dispatch_id, _Entry()).parts
        self._parts += part.asset_id not in parts
        parts[part.asset_id] = part

    def note_unserved(self, dispatch_id: UUID, unserved_mw: float) -> None:
        """Keep what of a dispatch nobody could take."""
        self._changed[dispatch_id] = None
        self._entries.setdefault(dispatch_id, _Entry()).unserved_mw = unserved_mw

    def forget(self) -> None:
        """Forget the oldest dispatches beyond the limit, except those that are open."""
        for _ in range(len(self._entries)):
            if self._parts <= self._limit:
                return
            dispatch_id, entry = self._entries.popitem(last=False)
            if all(part.state.final for part in entry.parts.values()):
                self._parts -= len(entry.parts)
                self._changed[dispatch_id] = None
            else:
                self._entries[dispatch_id] = entry
