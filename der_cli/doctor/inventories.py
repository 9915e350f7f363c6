"""Whether the inventories are there, and whether headend and agents have the same one."""

from collections.abc import Iterable, Iterator, Mapping
from uuid import UUID

from der_cli.doctor.facts import Facts
from der_cli.doctor.files import Reading, inventory_to_offer
from der_cli.doctor.findings import Check, Finding, listing
from der_cli.doctor.reach import HEADEND
from der_cli.processes import Process
from der_client.models import Asset as ServedAsset

FOUND = Check("Headend can't find assets", "Headend can't find assets", "Assets found")
SAME = Check(
    "Inventories of headend and agent differ",
    "Inventories of headend and agent differ",
    "Inventories of headend and agent agree",
)

_LIMITS = (
    "capacity_mwhr",
    "max_mw",
    "min_mw",
    "efficiency",
    "ramp_rate_mw_per_min",
    "min_soc_pct",
    "max_soc_pct",
)
_SINGLE_ASSET = ("CAPACITY_MWHR", "MAX_MW", "MIN_MW", "EFFICIENCY", "RAMP_RATE_MW_PER_MIN")


def check(facts: Facts) -> Iterator[Finding]:
    """All of them."""
    yield _found(facts)
    yield _same(facts)


def _found(facts: Facts) -> Finding:
    missing = [f"{each.reader}: no {each.place}" for each in facts.readings if each.missing]
    broken = [f"{each.reader}: {each.complaint}" for each in facts.readings if each.complaint]
    if missing:
        return FOUND.problem(
            f"assets file not found. {listing(missing)}",
            "Set ASSETS_PATH to the file that is meant; a relative path counts from where the program starts. E.g.:",
            f"export ASSETS_PATH={inventory_to_offer(facts.readings)}",
        )
    if broken:
        return FOUND.problem(
            listing(broken),
            "Correct the file. The headend lists everything that is wrong with it:",
            "der_headend",
        )
    if not facts.readings:
        return FOUND.unchecked("ASSETS_PATH is not set here, and no program runs on this machine")
    return FOUND.ok(listing([f"{each.place} ({each.reader})" for each in facts.readings]))


def _same(facts: Facts) -> Finding:
    if facts.headend is None or facts.headend.assets is None:
        return SAME.unchecked(f"the headend does not serve its inventory; see {HEADEND.name!r}")
    served = {UUID(asset["id"]): asset for asset in facts.headend.assets}
    compared = [each.reader for each in facts.readings if each.inventory is not None]
    different = [f"{each.reader}: {text}" for each in facts.readings for text in _differences(each, served)]
    for process in facts.agent_processes:
        if asset_id := process.setting("ASSET_ID"):
            compared.append(str(process))
            different += _single(process, served.get(_uuid(asset_id)))
    if different:
        return SAME.problem(
            listing(different, most=5),
            "Give both the same file, then start the headend again, and after it the agents. What the headend has:",
            "der assets",
        )
    if not compared:
        return SAME.unchecked("no agent runs on this machine, and ASSETS_PATH is not set here")
    return SAME.ok(f"the headend's {len(served)} assets agree with those of {listing(compared)}")


def _differences(reading: Reading, served: Mapping[UUID, ServedAsset]) -> Iterator[str]:
    if reading.inventory is None:
        return
    mine = [a for a in reading.inventory.assets.values() if reading.site_id in {None, str(a.site_id)}]
    for asset in mine:
        theirs = served.get(asset.id)
        if theirs is None:
            yield f"{asset.name} is not in the headend's inventory"
        elif theirs["site_id"] != str(asset.site_id):
            yield f"{asset.name} is at another site than the headend has it"
        else:
            yield from _unequal(asset.name, theirs, ((name, getattr(asset, name)) for name in _LIMITS))
    if reading.site_id is not None or reading.whole:
        have = {asset.id for asset in mine}
        for asset_id, theirs in served.items():
            if asset_id not in have and reading.site_id in {None, theirs["site_id"]}:
                yield f"{theirs['name']}, which the headend has, is not in the file"


def _single(process: Process, theirs: ServedAsset | None) -> Iterator[str]:
    if theirs is None:
        yield f"{process}: ASSET_ID is not in the headend's inventory"
        return
    given = ((name.lower(), process.setting(name)) for name in _SINGLE_ASSET)
    numbers = ((name, float(text)) for name, text in given if text is not None and _is_number(text))
    for text in _unequal(theirs["name"], theirs, numbers):
        yield f"{process}: {text}"


def _unequal(name: str, theirs: ServedAsset, fields: Iterable[tuple[str, float]]) -> Iterator[str]:
    for field, mine in fields:
        if (served := theirs[field]) != mine:  # type: ignore[literal-required]  # from a tuple above
            yield f"{name} has {field} {mine:g}, the headend has {served:g}"


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
