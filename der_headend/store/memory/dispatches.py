"""Dispatches in memory: every open one, and the last ten thousand that ended."""

from collections import OrderedDict
from collections.abc import Sequence
from uuid import UUID

from der_core.dispatch import Dispatch
from der_headend.ports import DispatchQuery, Page
from der_headend.timeline import Timeline

ENDED_KEPT = 10_000


class MemoryDispatches:
    """A ``DispatchStore``; open dispatches are bounded by what the dispatcher admits."""

    def __init__(self, *, ended_kept: int = ENDED_KEPT) -> None:
        self._ended_kept = ended_kept
        self._records: dict[UUID, Dispatch] = {}
        self._timeline = Timeline()
        self._ended: OrderedDict[UUID, None] = OrderedDict()

    def put(self, dispatch: Dispatch) -> None:
        """Store the newest record of a dispatch."""
        if dispatch.id not in self._records:
            self._timeline.add(dispatch.submitted_at, dispatch.id)
        self._records[dispatch.id] = dispatch
        if dispatch.state.final:
            self._ended[dispatch.id] = None
        if len(self._ended) > self._ended_kept:
            forgotten, _ = self._ended.popitem(last=False)
            self._timeline.discard(self._records.pop(forgotten).submitted_at, forgotten)

    async def get(self, dispatch_id: UUID) -> Dispatch | None:
        """One dispatch by id."""
        return self._records.get(dispatch_id)

    async def page(self, query: DispatchQuery) -> Page[Dispatch]:
        """Some dispatches, newest first; ``start`` and ``end`` bound when they were submitted."""
        return self._timeline.page(self._records, query)

    async def newest(self, count: int) -> Sequence[Dispatch]:
        """So many of the newest, newest first."""
        return (await self.page(DispatchQuery(limit=count))).items

    async def unfinished(self) -> Sequence[Dispatch]:
        """All that have not ended, oldest first."""
        return [self._records[id] for id in self._timeline.oldest_first() if id not in self._ended]
