"""What is at SPOOL_PATH before it is opened: whether a spool can be there, and whether it ever was one.

A damaged spool is moved out of the way, so whatever SPOOL_PATH names by mistake must be told from one: a text, or
another program's database, is nobody's damaged spool. What is left is ours, or bytes without any meaning.
"""

import codecs
import os
from pathlib import Path

_MAGIC = b"SQLite format 3\0"
_APPLICATION_ID_AT = slice(68, 72)
_LOOK_BYTES = 4096


def reason_against(path: Path) -> str | None:
    """Why no spool can be opened or made there; ``None``: nothing speaks against it. Changes nothing."""
    folder = path.parent
    try:
        if not folder.is_dir():
            return f"cannot be made: there is no folder {folder}"
        if not os.access(folder, os.W_OK | os.X_OK):
            return f"cannot be used: its folder {folder} is read-only for this agent"
        if not path.exists():
            return None
        if not path.is_file():
            return "is not a file"
        if not os.access(path, os.R_OK):
            return "cannot be used: this agent has no permission to read it"
        if not os.access(path, os.W_OK):
            return "cannot be used: it is read-only for this agent"
        return "is not a spool: name another file" if _is_text(_head(path)) else None
    except OSError as error:
        return f"cannot be used: {error.strerror}"


def header_of_another_program(path: Path, *, ours: int) -> bool:
    """Whether a damaged database was another program's, as far as its first page tells.

    A spool whose first commit never left the WAL has no application id yet.
    """
    try:
        head = _head(path)
    except OSError:
        return False
    if not head.startswith(_MAGIC) or len(head) < _APPLICATION_ID_AT.stop:
        return False
    application_id = int.from_bytes(head[_APPLICATION_ID_AT], "big")
    wal = path.with_name(f"{path.name}-wal")
    return application_id != ours and (application_id != 0 or not wal.exists())


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_LOOK_BYTES)


def _is_text(head: bytes) -> bool:
    if not head or _MAGIC.startswith(head) or b"\0" in head:
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)  # the last character may be cut
    except UnicodeDecodeError:
        return False
    return True
