"""The inventory as a file: where it is looked for, how it is read, and what is said if it is no good.

Reading is strict (``der_runtime.yaml_document``), meaning is ``der_core.inventory``'s; what either finds wrong is
reported together, in the order of the file's lines.
"""

import stat
from collections.abc import Callable, Iterable, Iterator
from io import TextIOWrapper
from pathlib import Path
from typing import TypeAlias

from der_core.assets import Inventory
from der_core.inventory import (
    ASSET_KEYS,
    NUMBER_RULES,
    SITE_KEYS,
    InventoryInvalid,
    parse_entry,
    parse_inventory,
)
from der_core.inventory_draft import InventoryDraft
from der_runtime.display import one_line
from der_runtime.failure import StartFailed
from der_runtime.regular_yaml import Irregular, RegularReader
from der_runtime.yaml_document import LinedDict, read_document

FILE_NAME = "assets.yaml"
MAX_BYTES = 1 << 30
MAX_LINES = 50
"""So many problems are spelt out; of the others only the number is given."""

_EXPECTED = "expected a YAML file, e.g. ASSETS_PATH=der_headend/assets_test.yaml"
_ENTRIES_BETWEEN_PROGRESS = 1000
_ROOT_MARKS = (".git", "pyproject.toml")

Progress: TypeAlias = Callable[[float], None]


def _unheard(_share: float) -> None:
    pass


class InventoryNotFound(StartFailed):
    """There is no inventory; ``explicit`` is where the operator said it was, by an option of its own if ``option``."""

    def __init__(self, explicit: Path | None = None, *, option: str | None = None) -> None:
        if explicit is not None and option is not None:
            super().__init__(f"{option}: {one_line(str(explicit))}: no such file")
            return
        where = f"\nASSETS_PATH={one_line(str(explicit))}: no such file" if explicit is not None else ""
        super().__init__(
            "assets.yaml not found. Set ASSETS_PATH or place assets.yaml in the headend cwd or workspace root."
            + where
        )


class InventoryFileInvalid(StartFailed):
    """The file at ``path`` holds no inventory; ``problems`` says all that is wrong, in the order of its lines."""

    def __init__(self, path: Path, problems: Iterable[str]) -> None:
        self.path = path
        self.problems = tuple(problems)
        named = one_line(str(path))
        lines = [f"{named}: {one_line(problem)}" for problem in self.problems[:MAX_LINES]]
        if (more := len(self.problems) - MAX_LINES) > 0:
            lines.append(f"{named}: … and {more} more")
        super().__init__("\n".join(lines))


def find_inventory(explicit: Path | None, cwd: Path, *, option: str | None = None) -> Path:
    """Where the inventory is: at ``explicit``, or as ``assets.yaml`` in ``cwd`` or in the workspace root above it.

    The workspace root is the nearest directory, from ``cwd`` upwards, with a ``.git`` or a ``pyproject.toml``.
    ``option`` is what ``explicit`` was given by, where that is not called ``ASSETS_PATH``.

    Raises:
        InventoryNotFound: it is not there.
    """
    candidates = _usual_places(cwd) if explicit is None else (cwd / explicit,)
    for candidate in candidates:
        if _exists(candidate):
            return candidate
    raise InventoryNotFound(explicit, option=option)


def load_inventory(path: Path, *, progress: Progress = _unheard) -> Inventory:
    """The inventory in a YAML file, or in a JSON file without surrogate escapes, which YAML does not know.

    ``progress`` is told from time to time how much of the file has been read, from 0 to 1; whatever it raises ends the
    reading.

    Raises:
        InventoryFileInvalid: the file cannot be read, or it breaks a rule; with everything that is wrong.
    """
    try:
        _refuse_unreadable(path)
        return _in_regular_form(path, progress) or _explained(path, progress)
    except OSError as error:
        raise InventoryFileInvalid(
            path, [f"cannot be read: {error.strerror or error}; {_EXPECTED}"]
        ) from error


def _in_regular_form(path: Path, progress: Progress) -> Inventory | None:
    """The inventory, if the file is of the regular form and nothing is wrong with it."""
    reader = RegularReader(lists={"sites": SITE_KEYS, "assets": ASSET_KEYS}, numbers=NUMBER_RULES.keys())
    with path.open("rb") as file:
        size = path.stat().st_size
        text = TextIOWrapper(file, encoding="utf-8-sig")

        def read(characters: int) -> str:
            progress(min(file.tell() / size, 1.0) if size else 1.0)
            return text.read(characters)

        try:
            return InventoryDraft().inventory(reader.entries(read))
        except (Irregular, ValueError, KeyError):
            return None


def _explained(path: Path, progress: Progress) -> Inventory:
    """The inventory in whatever form YAML allows, or everything that is wrong with it."""
    data = path.read_bytes()
    lines = data.count(b"\n") + 1

    def entry(name: str, place: int, values: LinedDict) -> object:
        if place % _ENTRIES_BETWEEN_PROGRESS == 0:
            progress(values.line / lines)
        return parse_entry(name, place, values)

    document = read_document(data, entry=entry)
    problems = [(found.line, f"line {found.line}: {found.message}") for found in document.complaints]
    if document.complete:
        try:
            inventory = parse_inventory(document.value)
        except InventoryInvalid as error:
            problems.extend((problem.line or 0, str(problem)) for problem in error.problems)
        else:
            if not problems:
                return inventory
    raise InventoryFileInvalid(path, (text for _, text in sorted(problems, key=lambda found: found[0])))


def _refuse_unreadable(path: Path) -> None:
    status = path.stat()
    if stat.S_ISDIR(status.st_mode):
        raise InventoryFileInvalid(path, [f"is a directory; {_EXPECTED}"])
    if not stat.S_ISREG(status.st_mode):
        raise InventoryFileInvalid(path, [f"is not a regular file; {_EXPECTED}"])
    if status.st_size > MAX_BYTES:
        raise InventoryFileInvalid(path, [f"has {status.st_size} bytes; expected at most {MAX_BYTES}"])


def _usual_places(cwd: Path) -> Iterator[Path]:
    yield cwd / FILE_NAME
    here = cwd.resolve()
    for folder in (here, *here.parents):
        if any(_exists(folder / mark) for mark in _ROOT_MARKS):
            yield folder / FILE_NAME
            return


def _exists(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True  # there but out of reach: reading it will say why
    return True
