"""A damaged spool is kept for whoever wants to look into it, under a name that says what it is and since when."""

from contextlib import suppress
from datetime import datetime
from pathlib import Path

from edge_agent.spool.file import SpoolUnusable

KEPT = 3
"""So many are kept; a medium that damages every spool must not fill up with them."""

_BESIDE = ("-wal", "-shm", "-journal")


def set_aside(path: Path, now: datetime) -> Path:
    """Rename a damaged spool, with the files beside it; returns its new name.

    Raises:
        SpoolUnusable: it cannot be renamed.
    """
    aside = path.with_name(f"{path.name}.corrupt-{now:%Y%m%dT%H%M%SZ}")
    try:
        for beside in _BESIDE:
            with suppress(FileNotFoundError):
                path.with_name(path.name + beside).rename(aside.with_name(aside.name + beside))
        path.rename(aside)
    except OSError as error:
        raise SpoolUnusable(path, f"is damaged and cannot be set aside: {error.strerror}") from error
    _forget_oldest(path)
    return aside


def _forget_oldest(path: Path) -> None:
    kept = sorted(
        each for each in path.parent.glob(f"{path.name}.corrupt-*") if not each.name.endswith(_BESIDE)
    )
    for old in kept[:-KEPT]:
        for name in (old.name, *(old.name + beside for beside in _BESIDE)):
            with suppress(OSError):  # tidying only
                path.with_name(name).unlink()
