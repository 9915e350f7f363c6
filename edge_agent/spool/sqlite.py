"""The spool on disk: what an agent has to report outlives the process, the power, and the next headend.

``append`` returns once the records are on the disk, and ``read`` gives out nothing that is not: a number that was sent
is never given to another record. All that arrives while one commit runs goes into the next, so a slow disk gets fewer,
larger commits. One thread has the file (``file.SpoolFile``); the event loop never waits for the disk. What is
acknowledged or dropped is taken off the disk with the next commit; if the agent dies before that, it is sent again and
the headend drops it by its mark.

When the file cannot be written (disk full, medium gone) the agent must go on controlling: ``append`` returns all the
same, the records count as dropped, their numbers stay used up, and ``status().trouble`` says why. It is logged once
going bad and once recovering. Each append tries again. The same goes for a disk that does not answer: after
``PATIENCE_S`` an append no longer waits, and those after it do not wait at all until the disk answers again. What waits
for the disk is bounded by ``UNWRITTEN_BYTES``.

Notes are kept until they are written, however long that takes: there is one per thing to be known, so they are bounded
by whoever makes them.
"""

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Self, TypeVar
from uuid import UUID

from der_runtime.logs import get_logger
from edge_agent.ports import Spooled, SpoolStatus
from edge_agent.spool.file import Contents, SpoolDamaged, SpoolFile
from edge_agent.spool.set_aside import set_aside
from edge_agent.spool.tally import OVERHEAD_BYTES, Tally

PATIENCE_S = 2.0
UNWRITTEN_BYTES = 1024 * 1024
TAIL_BYTES = 256 * 1024
"""The newest records are read from memory, so that a link without backlog does not touch the disk."""

_log = get_logger(__name__)
_T = TypeVar("_T")


@dataclass(slots=True)
class _Batch:
    """What goes into one commit."""

    records: list[Spooled] = field(default_factory=list)
    notes: dict[str, bytes | None] = field(default_factory=dict)
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class _Outcome:
    trouble: str | None
    notes_kept: bool


class SqliteSpool:
    """A ``ports.Spool`` in a file of at most about ``max_bytes``; oldest dropped first. Made by ``open``.

    ``recalled``: the notes that were in the file when it was opened, last changed last. ``was_damaged``: why the file
    that was there had to be set aside, if it had to; this spool is then a new one.
    """

    def __init__(
        self,
        *,
        file: SpoolFile,
        contents: Contents,
        thread: ThreadPoolExecutor,
        max_bytes: int,
        was_damaged: str | None = None,
    ) -> None:
        self.recalled: Mapping[str, bytes] = contents.notes
        self.was_damaged = was_damaged
        self._file = file
        self._thread = thread
        self._spool_id = contents.spool_id
        first_seq = contents.sizes[0][0] if contents.sizes else contents.next_seq
        self._tally = Tally(max_bytes=max_bytes, first_seq=first_seq, dropped=contents.dropped)
        for seq, size in contents.sizes:
            self._tally.skip_to(seq)
            self._tally.add(size)
        self._tally.skip_to(contents.next_seq)
        self._tally.drop_excess()
        self._written_seq = contents.next_seq - 1
        self._tail: deque[Spooled] = deque()
        self._tail_bytes = 0
        self._batch = _Batch()
        self._coming: asyncio.Task[None] | None = None
        self._reading: asyncio.Task[Sequence[Spooled]] | None = None
        self._hangs = False
        self._turn = asyncio.Lock()
        self._trouble: str | None = None
        self._dropped_before_trouble = 0

    @classmethod
    def open(cls, path: Path, *, owner: str, max_bytes: int, now: Callable[[], datetime]) -> Self:
        """Open the spool of the agent ``owner``, or make it; a damaged one is set aside. Blocks for a moment.

        Raises:
            SpoolUnusable: it cannot be had, for a reason that an operator can mend.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="spool")
        try:
            try:
                file, contents = thread.submit(_opened, path, owner).result()
            except SpoolDamaged as damage:
                aside = set_aside(path, now())
                was_damaged = f"{path} was damaged ({damage}), it is now {aside}"
                _log.error(
                    "spool damaged, begun anew", path=str(path), reason=str(damage), set_aside=str(aside)
                )
                file, contents = thread.submit(_opened, path, owner).result()
                return cls(
                    file=file, contents=contents, thread=thread, max_bytes=max_bytes, was_damaged=was_damaged
                )
            return cls(file=file, contents=contents, thread=thread, max_bytes=max_bytes)
        except BaseException:
            thread.shutdown()
            raise

    @property
    def spool_id(self) -> UUID:
        """Names this sequence of numbers; made with the file and kept with it."""
        return self._spool_id

    async def append(self, bodies: Sequence[bytes], notes: Mapping[str, bytes | None] | None = None) -> int:
        """Keep some records, and change some notes in the same commit. Returns the last record's number.

        The oldest records make room; of these new ones only what is beyond the budget all by itself is dropped.
        """
        self._gather(bodies, notes or {})
        last = self._tally.next_seq - 1
        # Not awaited directly: a commit goes on when whoever asked for it is cancelled.
        done, _ = await asyncio.wait([self._next_commit()], timeout=0 if self._hangs else PATIENCE_S)
        for commit in done:
            commit.result()
        if not done:
            self._hangs = True
            self._now_in("the disk does not answer")
        return last

    async def read(self, after_seq: int, limit: int) -> Sequence[Spooled]:
        """Up to ``limit`` records above ``after_seq``, in order, all of them on the disk."""
        after_seq = max(after_seq, self._tally.first_seq - 1)
        if after_seq >= self._written_seq or not self._tally.records:
            return ()
        if self._tail and self._tail[0].seq <= after_seq + 1:
            return tuple(islice((record for record in self._tail if record.seq > after_seq), limit))
        return await self._read_file(after_seq, limit)

    async def acknowledge(self, through_seq: int) -> None:
        """The headend has stored everything up to and including this."""
        self._tally.acknowledge(through_seq)
        self._trim_tail()

    def status(self) -> SpoolStatus:
        """How full it is."""
        return SpoolStatus(
            first_seq=self._tally.first_seq,
            next_seq=self._tally.next_seq,
            records=self._tally.records,
            bytes=self._tally.bytes,
            dropped=self._tally.dropped,
            trouble=self._trouble,
        )

    async def close(self) -> None:
        """Write what there is still to write, and let go of the file."""
        await asyncio.wait([self._next_commit()], timeout=PATIENCE_S)
        await asyncio.wait([asyncio.create_task(self._in_thread(self._file.close))], timeout=PATIENCE_S)
        self._thread.shutdown(wait=False)

    # -------------------------------------------------------------------------------------------- writing

    def _gather(self, bodies: Sequence[bytes], notes: Mapping[str, bytes | None]) -> None:
        batch = self._batch
        for body in bodies:
            seq = self._tally.add(len(body))
            if batch.bytes + len(body) > UNWRITTEN_BYTES and batch.records and self._turn.locked():
                self._tally.lose(seq)
            else:
                batch.records.append(Spooled(seq, body))
                batch.bytes += len(body)
        self._tally.drop_excess()
        for key, value in notes.items():
            batch.notes.pop(key, None)  # so that the order is that of the last change
            batch.notes[key] = value

    async def _read_file(self, after_seq: int, limit: int) -> Sequence[Spooled]:
        """As ``read``; nothing while the disk does not answer, so that what is live can go ahead meanwhile."""
        if self._reading is not None and not self._reading.done():
            return ()
        reading = asyncio.create_task(self._in_thread(self._file.read, after_seq, limit), name="spool-read")
        self._reading = reading
        done, _ = await asyncio.wait([reading], timeout=PATIENCE_S)
        if not done:
            reading.add_done_callback(_retrieve)
            self._now_in("the disk does not answer")
            return ()
        try:
            return reading.result()
        except sqlite3.Error as error:
            self._now_in(f"cannot be read: {error}")
            return ()

    def _next_commit(self) -> asyncio.Task[None]:
        if self._coming is None:
            self._coming = asyncio.create_task(self._commit(), name="spool-commit")
        return self._coming

    async def _commit(self) -> None:
        async with self._turn:
            batch, self._batch, self._coming = self._batch, _Batch(), None
            tally = self._tally
            records = [record for record in batch.records if record.seq >= tally.first_seq]
            outcome = await self._in_thread(
                self._store, records, batch.notes, tally.first_seq, tally.next_seq, tally.dropped
            )
            self._hangs = False
            if outcome.trouble is None:
                self._tail.extend(records)
                self._tail_bytes += sum(_size(record) for record in records)
                self._written_seq = max(self._written_seq, records[-1].seq if records else 0)
                self._trim_tail()
            else:
                for record in records:
                    tally.lose(record.seq)
            if not outcome.notes_kept:
                self._batch.notes = {**batch.notes, **self._batch.notes}
            if records or outcome.trouble:  # that nothing can be written does not mean that something can
                self._now_in(outcome.trouble)

    def _store(
        self,
        records: Sequence[Spooled],
        notes: Mapping[str, bytes | None],
        first_seq: int,
        next_seq: int,
        dropped: int,
    ) -> _Outcome:
        """Commit, in the thread. If that fails, first make room with what was acknowledged, then once more."""

        def commit(some: Sequence[Spooled]) -> str | None:
            try:
                self._file.commit(some, notes, first_seq=first_seq, next_seq=next_seq, dropped=dropped)
            except (sqlite3.Error, OSError) as error:
                return f"cannot be written: {error}"
            return None

        if commit(records) is None:
            return _Outcome(trouble=None, notes_kept=True)
        without_records = commit(())
        return _Outcome(trouble=without_records or commit(records), notes_kept=without_records is None)

    def _now_in(self, trouble: str | None) -> None:
        if trouble is not None and self._trouble is None:
            self._dropped_before_trouble = self._tally.dropped
            _log.error("spool out of order", reason=trouble)
        elif trouble is None and self._trouble is not None:
            lost = self._tally.dropped - self._dropped_before_trouble
            _log.info("spool in order again", lost_records=lost)
        self._trouble = trouble

    def _trim_tail(self) -> None:
        while self._tail and (self._tail_bytes > TAIL_BYTES or self._tail[0].seq < self._tally.first_seq):
            self._tail_bytes -= _size(self._tail.popleft())

    async def _in_thread(self, work: Callable[..., _T], *args: object) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)


def _retrieve(reading: "asyncio.Task[Sequence[Spooled]]") -> None:
    """Take what came of a read that nobody waits for any more, so that an error is not complained about."""
    if not reading.cancelled():
        reading.exception()


def _size(record: Spooled) -> int:
    return len(record.body) + OVERHEAD_BYTES


def _opened(path: Path, owner: str) -> tuple[SpoolFile, Contents]:
    file = SpoolFile.open(path, owner=owner)
    try:
        return file, file.contents()
    except BaseException:
        file.close()
        raise
