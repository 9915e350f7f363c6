"""The inventory files that the programs and this shell name, each read once: a large one takes its time."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from shlex import quote

from der_cli.names import canonical
from der_cli.processes import Process
from der_core.assets import Inventory
from der_runtime.failure import StartFailed
from der_runtime.inventory_file import InventoryNotFound, find_inventory, load_inventory

SHELL = "this shell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one reader finds: ``inventory``, or why there is none. ``site_id``: it serves that site alone."""

    reader: str
    place: str
    inventory: Inventory | None = None
    missing: bool = False
    complaint: str = ""
    site_id: str | None = None
    whole: bool = False


@dataclass(frozen=True, slots=True)
class _Reader:
    name: str
    path: str | None
    cwd: Path
    site_id: str | None = None
    whole: bool = False


def read_all(
    processes: Sequence[Process],
    environ: Mapping[str, str],
    cwd: Path,
    *,
    to_start: bool = False,
    step: Callable[[str], None],
) -> list[Reading]:
    """Every program that reads an inventory, as far as it can be seen, and this shell if it names one.

    ``to_start``: a headend has yet to be started from this shell, which needs one even if it names none.
    """
    known: dict[Path, Reading] = {}
    return [_read(reader, known, step) for reader in _readers(processes, environ, cwd, to_start=to_start)]


def shipped_inventory() -> str:
    """The path of the inventory that comes with the headend, as a word for a shell; found without importing it."""
    package = find_spec("der_headend")
    shipped = Path(package.origin).with_name("assets_test.yaml") if package and package.origin else None
    return quote(str(shipped)) if shipped and shipped.is_file() else "/path/to/assets.yaml"


def inventory_to_offer(readings: Sequence[Reading]) -> str:
    """The path of a file that a program here has read well or, if none has, of the shipped one; a word for a shell."""
    return next((quote(each.place) for each in readings if each.inventory), None) or shipped_inventory()


def _readers(
    processes: Sequence[Process], environ: Mapping[str, str], cwd: Path, *, to_start: bool
) -> Iterator[_Reader]:
    for process in processes:
        path = process.setting("ASSETS_PATH")
        if process.cwd is None or process.environ is None:
            continue
        if process.program == "der_headend":
            yield _Reader(str(process), path, process.cwd, whole=True)
        elif process.program == "edge_agent" and path and process.setting("ASSET_ID") is None:
            site_id = process.setting("SITE_ID") or process.setting("GATEWAY_SITE_ID")
            yield _Reader(str(process), path, process.cwd, site_id and canonical(site_id))
    if (path := environ.get("ASSETS_PATH")) or to_start:
        yield _Reader(SHELL, path, cwd, canonical(environ["SITE_ID"]) if "SITE_ID" in environ else None)


def _read(reader: _Reader, known: dict[Path, Reading], step: Callable[[str], None]) -> Reading:
    place = reader.path or f"assets.yaml in {reader.cwd} or the workspace root above it"
    found = Reading(reader=reader.name, place=place, site_id=reader.site_id, whole=reader.whole)
    try:
        path = find_inventory(Path(reader.path) if reader.path else None, reader.cwd).resolve()
    except InventoryNotFound:
        return replace(found, missing=True)
    if path not in known:
        step(str(path))
        known[path] = _loaded(path)
    there = known[path]
    return replace(found, place=there.place, inventory=there.inventory, complaint=there.complaint)


def _loaded(path: Path) -> Reading:
    try:
        return Reading(reader="", place=str(path), inventory=load_inventory(path))
    except StartFailed as failed:
        return Reading(reader="", place=str(path), complaint=failed.lines[0].removeprefix("Error: "))
