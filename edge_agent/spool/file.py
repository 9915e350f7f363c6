"""The spool's file: SQLite in WAL mode, synchronous=FULL, for one agent alone.

Synchronous, and to be used from one thread. A commit is one transaction and, once it has returned, on the disk: not
only a killed process but also a power cut leaves it there. That is what the numbers rest on: the headend drops a record
at or below its mark as a replay, so a number that was sent must never be given to another record.

A commit takes away what was acknowledged or dropped, puts new records in, and changes *notes*: what the agent has to
know again when it starts, in step with the records that tell of it. Pages that become free are used again; the
file never shrinks, and is never rewritten as a whole.

Even taking records away needs some room on the disk: for the WAL, and to move it into the file. So the file does not
grow any more once only ``KEEP_FREE_BYTES`` are left, or a spool that filled its disk could never be emptied again.
"""

import errno
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from uuid import UUID, uuid4

from der_runtime.failure import StartFailed
from edge_agent.ports import Spooled
from edge_agent.spool.place import header_of_another_program, reason_against

APPLICATION_ID = 0x44455253  # "DERS"
SCHEMA_VERSION = 1

KEEP_FREE_BYTES = 4 * 1024 * 1024

_PAGE_BYTES = 4096
_WAL_PAGES = 256
_IN_USE_AFTER_S = 2.0
"""So long a predecessor that is just ending may keep the file."""

_OURS = ("spool", "records", "notes")
_SCHEMA = f"""
BEGIN IMMEDIATE;
CREATE TABLE spool (spool_id TEXT NOT NULL, owner TEXT NOT NULL, next_seq INTEGER NOT NULL, dropped INTEGER NOT NULL);
CREATE TABLE records (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE notes (key TEXT NOT NULL UNIQUE, value BLOB NOT NULL);
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {SCHEMA_VERSION};
"""


class SpoolUnusable(StartFailed):
    """The file that SPOOL_PATH names cannot be used, for a reason that an operator can mend."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(
            f"SPOOL_PATH: {path} {problem}; expected a file of this agent's own in a folder that it may write to, "
            "e.g. SPOOL_PATH=/var/lib/edge_agent/spool.db"
        )


class SpoolDamaged(Exception):
    """The file is no spool that this version can read; the message says why."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a file holds when it is opened. ``sizes``: number and bytes of each record; ``notes``: last changed last."""

    spool_id: UUID
    next_seq: int
    dropped: int
    sizes: Sequence[tuple[int, int]]
    notes: Mapping[str, bytes]


class SpoolFile:
    """An open file, locked against every other process until it is closed."""

    def __init__(self, db: sqlite3.Connection, path: Path) -> None:
        self._db = db
        self._path = path

    @classmethod
    def open(cls, path: Path, *, owner: str) -> Self:
        """Open the file, or make it. ``owner`` names the agent.

        Raises:
            SpoolUnusable: it is not there to be written, in use, of another agent or of another program.
            SpoolDamaged: it is broken, or made by a newer version.
        """
        if problem := reason_against(path):
            raise SpoolUnusable(path, problem)
        try:
            db = sqlite3.connect(path, isolation_level=None, timeout=_IN_USE_AFTER_S)
        except sqlite3.OperationalError as error:
            raise SpoolUnusable(path, f"cannot be opened: {error}") from error
        try:
            _prepare(db, path, owner)
        except BaseException as error:
            db.close()
            if not isinstance(error, sqlite3.Error):
                raise
            raise _explained(path, error) from error
        return cls(db, path)

    def contents(self) -> Contents:
        """What it holds.

        Raises:
            SpoolDamaged: it cannot be read.
        """
        try:
            spool_id, next_seq, dropped = self._db.execute(
                "SELECT spool_id, next_seq, dropped FROM spool"
            ).fetchone()
            return Contents(
                spool_id=UUID(spool_id),
                next_seq=next_seq,
                dropped=dropped,
                sizes=self._db.execute("SELECT seq, length(body) FROM records ORDER BY seq").fetchall(),
                notes=dict(self._db.execute("SELECT key, value FROM notes ORDER BY rowid")),
            )
        except (sqlite3.Error, ValueError, TypeError) as error:
            raise SpoolDamaged(str(error)) from error

    def commit(
        self,
        records: Sequence[Spooled],
        notes: Mapping[str, bytes | None],
        *,
        first_seq: int,
        next_seq: int,
        dropped: int,
    ) -> None:
        """Put it all on the disk, and take away what is below ``first_seq``; a note of ``None`` is taken away.

        Raises:
            sqlite3.Error, OSError: nothing of it was done, e.g. because the disk is full.
        """
        db = self._db
        self._refuse_to_fill_the_disk(sum(len(record.body) for record in records))
        db.execute("BEGIN IMMEDIATE")
        try:
            db.execute("DELETE FROM records WHERE seq < ?", (first_seq,))
            db.executemany(
                "INSERT INTO records (seq, body) VALUES (?, ?)",
                ((record.seq, record.body) for record in records),
            )
            for key, value in notes.items():
                if value is None:
                    db.execute("DELETE FROM notes WHERE key = ?", (key,))
                else:
                    db.execute("REPLACE INTO notes (key, value) VALUES (?, ?)", (key, value))
            db.execute("UPDATE spool SET next_seq = ?, dropped = ?", (next_seq, dropped))
            db.execute("COMMIT")
        except BaseException:
            # A full disk has SQLite roll back by itself.
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise

    def _refuse_to_fill_the_disk(self, new_bytes: int) -> None:
        if not new_bytes or shutil.disk_usage(self._path.parent).free >= KEEP_FREE_BYTES + 2 * new_bytes:
            return
        (free_pages,) = self._db.execute("PRAGMA freelist_count").fetchone()
        if free_pages * _PAGE_BYTES < 2 * new_bytes:
            raise OSError(errno.ENOSPC, f"less than {KEEP_FREE_BYTES // 2**20} MiB free on the disk")

    def read(self, after_seq: int, limit: int) -> list[Spooled]:
        """Up to ``limit`` records above ``after_seq``, in order.

        Raises:
            sqlite3.Error: the file cannot be read.
        """
        rows = self._db.execute(
            "SELECT seq, body FROM records WHERE seq > ? ORDER BY seq LIMIT ?", (after_seq, limit)
        )
        return [Spooled(seq, body) for seq, body in rows]

    def close(self) -> None:
        """Let go of the file."""
        with suppress(sqlite3.Error):  # what was committed is on the disk; there is nothing left to save
            self._db.close()


def _prepare(db: sqlite3.Connection, path: Path, owner: str) -> None:
    # Exclusive before the first look at the WAL: the lock is held for good, and no shared-memory file is needed.
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    (tables,) = db.execute("SELECT group_concat(name) FROM sqlite_schema WHERE type = 'table'").fetchone()
    (application_id,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application_id != APPLICATION_ID and (tables is not None or application_id):
        raise SpoolUnusable(path, "is a database of another program")
    if version > SCHEMA_VERSION:
        raise SpoolDamaged(f"made by a newer version (schema {version}, this one knows {SCHEMA_VERSION})")
    db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
    db.execute("PRAGMA secure_delete = OFF")  # some builds overwrite what is deleted: twice the wear on flash
    db.execute("PRAGMA cache_size = -512")
    if tables is None:
        db.executescript(_SCHEMA)
        db.execute("INSERT INTO spool VALUES (?, ?, 1, 0)", (str(uuid4()), owner))
        db.execute("COMMIT")
        return
    if set(_OURS) - set(tables.split(",")):
        raise SpoolDamaged("tables are missing")
    with closing(db.execute("PRAGMA quick_check(1)")) as check:
        (verdict,) = check.fetchone()
    if verdict != "ok":
        raise SpoolDamaged(verdict)
    _check_owner(db, path, owner)


def _check_owner(db: sqlite3.Connection, path: Path, owner: str) -> None:
    rows = db.execute("SELECT owner FROM spool").fetchall()
    if len(rows) != 1:
        raise SpoolDamaged(f"{len(rows)} rows where there must be one")
    if rows[0][0] != owner:
        raise SpoolUnusable(path, f"belongs to agent {rows[0][0]}, this is agent {owner}")
    try:
        db.execute(
            f"PRAGMA user_version = {SCHEMA_VERSION}"
        )  # whether it can be written, and the lock to do so
    except sqlite3.OperationalError as error:
        if _base_code(error) != sqlite3.SQLITE_FULL:  # that may pass, and the agent has assets to look after
            raise


def _explained(path: Path, error: sqlite3.Error) -> SpoolUnusable | SpoolDamaged:
    match _base_code(error):
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return SpoolUnusable(path, "is in use by another process, probably another agent")
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_ERROR:
            if header_of_another_program(path, ours=APPLICATION_ID):
                return SpoolUnusable(path, "is a database of another program")
            return SpoolDamaged(str(error))
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_PERM:
            return SpoolUnusable(path, f"is read-only: {error}")
        case _:
            return SpoolUnusable(path, f"cannot be used: {error}")


def _base_code(error: sqlite3.Error) -> int:
    """The error code without the extension in its upper bits."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
