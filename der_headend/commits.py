"""Bringing batches into the store: as often as it takes, and of one that is refused whatever can be stored."""

import random
from collections import Counter
from collections.abc import Callable

import numpy as np

from der_core.errors import Defect, Unavailable
from der_headend.measures import Distribution
from der_headend.ports import Batch, Journal, Rows
from der_runtime.backoff import Backoff
from der_runtime.clock import Clock
from der_runtime.logs import get_logger

_TOOK_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)

_log = get_logger("der_headend.ingest")


class Commits:
    """Commits of one batch after the other.

    ``delayed`` is called when a batch has to wait for the store; what is refused is counted in ``set_aside``.
    """

    def __init__(
        self, *, journal: Journal, clock: Clock, delayed: Callable[[], None], set_aside: Counter[str]
    ) -> None:
        self._journal = journal
        self._clock = clock
        self._delayed = delayed
        self._set_aside = set_aside
        self.away = False
        """Whether the store did not answer when it was asked last."""
        self.took_s = Distribution(_TOOK_S)
        self.failed = 0

    async def commit(self, batch: Batch) -> None:
        """Commit a batch, or what the store takes of it."""
        try:
            await self._until_taken(batch)
        except Defect as defect:
            # Nothing of a batch that is refused is stored; what is refused must not take the rest with it.
            _log.exception("store refused a batch, storing it piece by piece", reason=defect.detail)
            await self._pieces(batch)

    async def _until_taken(self, batch: Batch) -> None:
        """Try until the store takes a batch; that this will take a while is told once.

        Raises:
            Defect: the store refuses it.
        """
        backoff = Backoff(first_s=0.2, cap_s=1.0, rng=random.Random())
        failed = False
        while True:
            began_s = self._clock.monotonic()
            try:
                await self._journal.commit(batch)
            except Unavailable as error:
                self.failed += 1
                if not failed:
                    _log.warning("store unavailable, nothing is acknowledged", reason=error.detail)
                    self._delayed()
                failed = self.away = True
                await self._clock.sleep_until(self._clock.monotonic() + backoff.next_s())
            else:
                break
        self.took_s.add(self._clock.monotonic() - began_s)
        self.away = False
        if failed:
            _log.info("store available again")

    async def _pieces(self, batch: Batch) -> None:
        """Store what can be stored of a refused batch, and its marks last; what is refused again is counted."""
        for rows in batch.rows:
            await self._halves(rows)
        pieces = [
            *(Batch(events=[event]) for event in batch.events),
            *(Batch(heartbeats=[heartbeat]) for heartbeat in batch.heartbeats),
            *(Batch(dispatches={record.id: record}) for record in batch.dispatches.values()),
            *(Batch(sessions={record.session_id: record}) for record in batch.sessions.values()),
            Batch(marks=batch.marks),
        ]
        for piece in pieces:
            try:
                await self._until_taken(piece)
            except Defect as defect:
                self._count_refused(piece, defect)
        self.away = False

    async def _halves(self, rows: Rows) -> None:
        """Store what can be stored of some samples: all of them, or else one half and then the other."""
        try:
            await self._until_taken(Batch(rows=[rows]))
        except Defect as defect:
            if rows.size == 1:
                self._count_refused(rows, defect)
                return
            first = np.arange(rows.size) < rows.size // 2
            await self._halves(rows.only(first))
            await self._halves(rows.only(~first))

    def _count_refused(self, piece: Batch | Rows, defect: Defect) -> None:
        self._set_aside["refused_by_store"] += 1
        _log.warning("store refused a piece", piece=repr(piece)[:500], reason=defect.detail)
