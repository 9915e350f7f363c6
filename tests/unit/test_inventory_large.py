"""Large inventories: the quick reading agrees with the explaining one, and neither takes much per asset."""

import asyncio
import gc
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from der_core.assets import AssetType, Inventory
from der_fleet import inventory as simulator
from der_runtime import inventory_file
from der_runtime.inventory_file import InventoryFileInvalid, load_inventory
from der_runtime.inventory_loading import load_unless_stopped
from kit.calls import calls_of

SHIPPED = Path(__file__).resolve().parents[2] / "der_headend" / "assets_test.yaml"
TAIL = "9dad-11d1-80b4-00c04fd430c8"
SITE_ID = f"6ba7b810-{TAIL}"
SITE = {"id": SITE_ID, "name": "North", "location": "Local"}
ASSET = {
    "id": f"7ba7b810-{TAIL}",
    "name": "B1",
    "site_id": SITE_ID,
    "capacity_mwhr": "120",
    "max_mw": "60",
    "min_mw": "-60.5",
    "efficiency": ".92",
    "ramp_rate_mw_per_min": "1e3",
}
OPTIONAL = {"min_soc_pct": "10", "max_soc_pct": "90", "asset_type": "ev_charger", "failsafe_mw": "+0"}

# What may stand behind a colon: in order, of the wrong kind, and what YAML reads otherwise than it looks.
PLAIN = [
    "B1",
    "Süd-West (2), Ost/1",
    "1st Street",
    "O'Brien & Sons; B",
    "a" * 200,
    "a" * 201,
    "no",
    "12:30",
    "北京 1",
]
NUMBERS = ["0", "-0", "007", "1.", "-.5", "1e3", "+1E-2", "100", "101", "1e400", "9" * 299, "1" + "0" * 400]
OTHER = [
    "~",
    "null",
    "True",
    "0x1F",
    "0o17",
    ".inf",
    "-.inf",
    ".nan",
    "inf",
    "nan",
    "1_000",
    "1e",
    "--1",
    "-",
    "bess",
]
QUOTED = [
    '"B1"',
    "'B1'",
    '"60"',
    "'B: #1'",
    '"a\\tb"',
    "'it''s'",
    '""',
    "' '",
    '" B1 "',
    '"Süd"',
    '"\x7f"',
    "'\x01'",
]
MARKED = [
    "B1 # one",
    "B1: x",
    "a #b",
    "a# b",
    "[1]",
    "{}",
    "*a",
    "&a B",
    "!t B",
    "| ",
    "> ",
    "%a",
    "@a",
    "`a",
    "? a",
    "- a",
]
ENDED = [
    "B1 ",
    " B1",
    "B\t1",
    "B1\r",
    "B1\n      more",
    "B1\n\n",
    "B1\n    # so",
    "B1\n...",
    "B1\n---",
    "B\N{NEXT LINE}1",
]
SCALARS = st.sampled_from(
    [*PLAIN, *NUMBERS, *OTHER, *QUOTED, *MARKED, *ENDED, SITE_ID, SITE_ID.upper()]
) | st.text(st.characters(codec="utf-8"), max_size=6)
KEYS = st.sampled_from([*ASSET, *OPTIONAL, "location", "colour", "null", "max_mw "])


def entry(fields: dict[str, str], indent: str = "  ") -> str:
    lines = [f"{key}: {value}\n" for key, value in fields.items()]
    return f"{indent}- " + f"{indent}  ".join(lines)


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, bool]:
    """A file, and whether it is as a program would write it."""
    indent = draw(st.sampled_from(["", "  ", "    "]))
    assets, regular = [], True
    for n in range(draw(st.integers(1, 5))):
        fields = ASSET | {key: value for key, value in OPTIONAL.items() if draw(st.booleans())}
        fields["id"] = str(UUID(int=n))
        fields["name"] = draw(st.sampled_from(["B1", '"B: #1"', "'1'", "1st Street", "Süd, (2)"]))
        fields = {key: fields[key] for key in draw(st.permutations([*fields]))}
        if draw(st.integers(0, 9)) == 0:
            fields[draw(KEYS)] = draw(SCALARS)
            regular = False
        assets.append(entry(fields, indent) + draw(st.sampled_from(["", "", "\n", "  # a comment\n"])))
    parts = draw(st.permutations(["sites:\n" + entry(SITE, indent), "assets:\n" + "".join(assets)]))
    text = draw(st.sampled_from(["", "# a comment\n\n"])) + "".join(parts)
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(SCALARS) + text[at + draw(st.integers(0, 3)) :]
        regular = False
    return text.removesuffix("\n") if draw(st.booleans()) else text, regular


@pytest.fixture(scope="module", name="file")
def make_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inventory") / "assets.yaml"


def contents(inventory: Inventory) -> tuple[object, ...]:
    return [*inventory.sites.values()], [*inventory.assets.values()]


def unheard(_share: float) -> None:
    pass


def agree(file: Path, text: str) -> Inventory | None:
    """What the quick reading makes of a text, once it is certain that the explaining one makes nothing else of it."""
    file.write_bytes(text.encode())
    quick = inventory_file._in_regular_form(file, unheard)
    explained = outcome(lambda: inventory_file._explained(file, unheard))
    assert quick is None or contents(quick) == explained, text
    assert outcome(lambda: load_inventory(file)) == explained
    return quick


def outcome(read: Callable[[], Inventory]) -> object:
    """What was read, or what was wrong."""
    try:
        return contents(read())
    except InventoryFileInvalid as wrong:
        return wrong.problems


@settings(max_examples=60)
@given(texts())
def test_the_quick_reading_and_the_explaining_one_agree(file: Path, written: tuple[str, bool]) -> None:
    text, regular = written

    quick = agree(file, text)

    assert quick is not None or not regular, text


def test_entries_with_more_and_with_fewer_keys_may_stand_side_by_side(file: Path) -> None:
    entries = [
        entry(ASSET | more | {"id": str(UUID(int=n))}) for n, more in enumerate([{}, OPTIONAL, {}, OPTIONAL])
    ]

    assert agree(file, "sites:\n" + entry(SITE) + "assets:\n" + "".join(entries)) is not None


@pytest.mark.parametrize("key", ["id", "name", "site_id", "max_mw", "asset_type", "failsafe_mw"])
def test_they_agree_whatever_stands_behind_a_colon(file: Path, key: str) -> None:
    for value in [*PLAIN, *NUMBERS, *OTHER, *QUOTED, *MARKED, *ENDED, SITE_ID, SITE_ID.upper()]:
        agree(file, "sites:\n" + entry(SITE) + "assets:\n" + entry(ASSET | {key: value}))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("assets:", "asset:"),
        ("assets:", "sites:"),
        ("assets:", "assets: # all"),
        ("assets:", "assets:\nsites:"),
        ("assets:", "---\nassets:"),
        ("    name: B1", "   name: B1"),
        ("    name: B1", "     name: B1"),
        ("    name: B1", "    name: B1\n    name: B2"),
        ("    name: B1", "    name: B1\n  - id: x"),
        ("    name: B1", "    name: B1\nname: B1"),
        ("    name: B1", "    name: B1\n# so\n    # it\n"),
        ("  - id: 7", "- id: 7"),
        ("  - id: 7", "  -  id: 7"),
        ("  - id: 7", "  -\n    id: 7"),
        ("  - id: 7", "    id: 7"),
        ("sites:\n", "sites:\n  # none\n"),
        ("sites:\n", "sites:\nassets:\n"),
        ("sites:\n", "sites:\r\n"),
        ("sites:\n", "\N{BYTE ORDER MARK}sites:\n"),
    ],
)
def test_they_agree_on_the_frame_around_the_entries(file: Path, old: str, new: str) -> None:
    whole = "sites:\n" + entry(SITE) + "assets:\n" + entry(ASSET)
    assert old in whole

    agree(file, whole.replace(old, new))
    agree(file, whole + entry(ASSET | {"id": SITE_ID}) + whole.replace(old, new))


def test_what_is_shipped_or_written_by_a_program_is_read_the_quick_way(file: Path) -> None:
    simulated = "\n".join(
        simulator.lines(sites=3, assets_per_site=20, mix=dict.fromkeys(AssetType, 1.0), seed=7)
    )

    for text in (SHIPPED.read_text(), simulated, yaml.safe_dump(yaml.safe_load(SHIPPED.read_text()))):
        assert agree(file, text) is not None


def test_an_asset_twice_and_an_unknown_site_are_found_behind_many_good_ones(file: Path) -> None:
    write(file, 200)
    good = file.read_text()

    assert agree(file, good) is not None
    known_site = str(UUID(int=2**64))
    assert agree(file, good + entry(ASSET | {"site_id": known_site})) is not None
    assert agree(file, good + entry(ASSET | {"site_id": known_site, "id": str(UUID(int=5))})) is None
    assert agree(file, good + entry(ASSET | {"site_id": f"6ba7b819-{TAIL}"})) is None


def write(file: Path, assets: int) -> None:
    """Sites of a hundred assets each, as a program writes them; most values come again and again."""
    with file.open("w") as out:
        out.write("sites:\n")
        for n in range(max(assets // 100, 1)):
            out.write(entry(SITE | {"id": str(UUID(int=2**64 + n)), "name": f"Site {n}"}))
        out.write("assets:\n")
        for n in range(assets):
            own = {"id": str(UUID(int=n)), "name": f"BESS-{n:07}", "site_id": str(UUID(int=2**64 + n // 100))}
            mw = n % 500 / 10
            out.write(entry(ASSET | OPTIONAL | own | {"max_mw": f"{mw}", "min_mw": f"-{mw}"}))


def test_an_asset_costs_few_calls_and_few_bytes(file: Path) -> None:
    write(file, 3000)
    load_inventory(file)  # what is made once, as the patterns of the shapes, is made now

    calls = calls_of(lambda: load_inventory(file))
    gc.collect()
    tracemalloc.start()
    try:
        inventory = load_inventory(file)
        kept_bytes, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert len(inventory.assets) == 3000
    assert calls / 3000 < 15
    assert kept_bytes / 3000 < 140
    assert peak_bytes - kept_bytes < 4_000_000  # the piece of the file at hand, however long the file is


def test_the_explaining_reading_keeps_nothing_of_what_it_read(file: Path) -> None:
    write(file, 2000)
    file.write_text(file.read_text().replace("Site 0", "Site 0 # not regular"))
    tracemalloc.start()
    try:
        load_inventory(file)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes / 2000 < 1500


async def test_reading_says_how_far_it_is_and_ends_when_told_to(file: Path) -> None:
    write(file, 100)
    stop = asyncio.Event()

    with capture_logs() as lines:
        assert await load_unless_stopped(file, stop, progress_every_s=0.0) is not None
    assert {line["event"] for line in lines} == {"reading the inventory"}
    assert lines[-1]["percent"] == 100

    stop.set()
    assert await load_unless_stopped(file, stop) is None


async def test_what_is_wrong_with_a_file_comes_out_of_the_thread(tmp_path: Path) -> None:
    with pytest.raises(InventoryFileInvalid, match="is a directory"):
        await load_unless_stopped(tmp_path, asyncio.Event())
