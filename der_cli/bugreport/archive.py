"""One compressed archive, readable by its owner alone, that says nothing of who packed it."""

import io
import os
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of the archive: its path in it, what it is, and its text, without secrets."""

    name: str
    about: str
    text: str


def write(path: Path, folder: str, entries: Sequence[Entry], *, at: datetime) -> None:
    """Pack the entries below ``folder``.

    Raises:
        FileExistsError: there is something at ``path`` already.
        OSError: it cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as packed:
        for entry in entries:
            data = entry.text.encode("utf-8", "replace")
            info = tarfile.TarInfo(f"{folder}/{entry.name}")
            info.size, info.mtime, info.mode = len(data), int(at.timestamp()), 0o600
            packed.addfile(info, io.BytesIO(data))
