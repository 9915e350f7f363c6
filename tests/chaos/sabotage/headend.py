"""A headend without one of its safeties, to prove that a chaos run notices.

``python -m chaos.sabotage.headend acknowledge-before-commit|skip-mark``, otherwise as ``der_headend``.
"""

import sys
from collections.abc import Callable, Mapping
from typing import Any
from unittest.mock import patch
from uuid import UUID

from der_headend.agents import Session
from der_headend.ingest import Ingest
from der_headend.main import main
from der_headend.marks import Marks

_take = Ingest._take
_resume = Ingest.resume


def acknowledge_before_commit() -> None:
    """Tell the agent that it may forget a record as soon as that has come."""

    def take(self: Ingest, session: Session, seq: int) -> bool:
        taken = _take(self, session, seq)
        if taken:
            session.link.acknowledge(seq)
        return taken

    patch.object(Ingest, "_take", take).start()


def skip_mark() -> None:
    """Have the agent send everything that it still has again, and store what comes again."""

    async def resume(self: Ingest, spool_id: UUID, *, first_seq: int) -> int:
        await _resume(self, spool_id, first_seq=first_seq)
        await self.flush()
        # An agent ends a session in which something is acknowledged that it has not sent yet.
        spool: Any = self._marks._spools[spool_id]
        spool.taken = spool.stored = first_seq - 1
        return first_seq - 1

    def take(self: Marks, spool_id: UUID, seq: int, *, window: int) -> bool:
        spool: Any = self._spools.get(spool_id)
        if spool is None or seq == 0:
            return False
        spool.taken = seq
        spool.waiting += 1
        return True

    patch.object(Ingest, "resume", resume).start()
    patch.object(Marks, "take", take).start()


SABOTAGES: Mapping[str, Callable[[], None]] = {
    "acknowledge-before-commit": acknowledge_before_commit,
    "skip-mark": skip_mark,
}

if __name__ == "__main__":
    SABOTAGES[sys.argv[1]]()
    main([])
