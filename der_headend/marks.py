"""How far each spool was taken in, and how far it is stored.

What comes at or below what was taken is a replay. A spool whose mark the store can't tell at the moment is
*unresolved*: nothing of it is taken, so that nothing can be stored twice; its agent keeps it and is asked to register
again when the store is back.
"""

from collections import Counter, OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from der_core.errors import Rejected

SPOOLS_KEPT = 100_000


@dataclass(slots=True)
class _Spool:
    taken: int = 0
    stored: int = 0
    waiting: int = 0
    resolved: bool = False


class Marks:
    """The spools seen lately, by id."""

    def __init__(self) -> None:
        self._spools: OrderedDict[UUID, _Spool] = OrderedDict()
        self._unresolved: set[UUID] = set()

    def known(self, spool_id: UUID) -> bool:
        """Whether it is known how far the spool is stored."""
        spool = self._spools.get(spool_id)
        return spool is not None and spool.resolved

    def resolve(self, spool_id: UUID, stored: int) -> None:
        """The store says how far it has the spool."""
        spool = self._spool(spool_id)
        spool.stored = max(spool.stored, stored)
        spool.taken = max(spool.taken, stored)
        spool.resolved = True

    def unresolved(self, spool_id: UUID) -> None:
        """Nothing of the spool is to be taken until it is asked for again."""
        self._spool(spool_id).resolved = False
        self._unresolved.add(spool_id)

    def open_questions(self) -> Sequence[UUID]:
        """The spools that have become unresolved since it was last asked."""
        asked, self._unresolved = tuple(self._unresolved), set()
        return asked

    def stored(self, spool_id: UUID) -> int:
        """The highest number that is stored."""
        spool = self._spools.get(spool_id)
        return 0 if spool is None else spool.stored

    def taken(self, spool_id: UUID) -> int:
        """The highest number that was taken."""
        spool = self._spools.get(spool_id)
        return 0 if spool is None else spool.taken

    def waiting(self, spool_id: UUID) -> int:
        """How many records were taken and are not stored yet."""
        spool = self._spools.get(spool_id)
        return 0 if spool is None else spool.waiting

    def take(self, spool_id: UUID, seq: int, *, window: int) -> bool:
        """Count a record as taken; whether it is to be stored: numbered, and not taken before.

        Raises:
            Rejected: ``window_exceeded``, so many of its spool are taken and not stored yet.
        """
        spool = self._spools.get(spool_id)
        if spool is None or not spool.resolved or seq <= spool.taken:
            return False
        if spool.waiting >= window:
            raise Rejected("window_exceeded", f"more than {window} records without an acknowledgement")
        spool.taken = seq
        spool.waiting += 1
        return True

    def overtaken(self, spool_id: UUID, first_seq: int) -> bool:
        """Whether a spool whose oldest record is ``first_seq`` has dropped some before they could be taken."""
        spool = self._spools.get(spool_id)
        return spool is not None and spool.waiting > 0 and first_seq > spool.taken + 1

    def committed(self, marks: Mapping[UUID, int], counts: Counter[UUID]) -> None:
        """Records were stored: of each spool up to which number, and how many."""
        for spool_id, seq in marks.items():
            spool = self._spools[spool_id]
            spool.stored = max(spool.stored, seq)
            spool.waiting -= counts[spool_id]
            self._spools.move_to_end(spool_id)

    def _spool(self, spool_id: UUID) -> _Spool:
        spool = self._spools.setdefault(spool_id, _Spool())
        self._spools.move_to_end(spool_id)
        while len(self._spools) > SPOOLS_KEPT and next(iter(self._spools.values())).waiting == 0:
            self._spools.popitem(last=False)
        return spool
