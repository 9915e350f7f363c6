"""The inventory file: the one that is shipped, every rule of the format, and whatever a hostile file may hold."""

import json
import math
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
import yaml

from der_core.assets import Inventory
from der_runtime import yaml_document
from der_runtime.inventory_file import (
    InventoryFileInvalid,
    InventoryNotFound,
    find_inventory,
    load_inventory,
)
from der_runtime.yaml_document import read_document, resolve_plain

SHIPPED = Path(__file__).resolve().parents[2] / "der_headend" / "assets_test.yaml"
TAIL = "9dad-11d1-80b4-00c04fd430c8"
ASSETS_PATH_EXAMPLE = "e.g. ASSETS_PATH=der_headend/assets_test.yaml"
NOT_FOUND = (
    "assets.yaml not found. Set ASSETS_PATH or place assets.yaml in the headend cwd or workspace root."
)

VALID = f"""\
sites:
  - id: 6ba7b810-{TAIL}
    name: North
    location: Local
assets:
  - id: 7ba7b810-{TAIL}
    name: B1
    site_id: 6ba7b810-{TAIL}
    capacity_mwhr: 120
    max_mw: 60
    min_mw: -60
    min_soc_pct: 10
    max_soc_pct: 90
    efficiency: 0.92
    ramp_rate_mw_per_min: 1000
"""

Load = Callable[[str | bytes], Inventory]
Complain = Callable[[str | bytes], list[str]]


@pytest.fixture(name="load")
def make_load(tmp_path: Path) -> Load:
    def load(text: str | bytes) -> Inventory:
        path = tmp_path / "assets.yaml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load_inventory(path)

    return load


@pytest.fixture(name="complain")
def make_complain(load: Load, tmp_path: Path) -> Complain:
    """What is printed for a file, without the path; and what holds for every such print is held to."""

    def complain(text: str | bytes) -> list[str]:
        started = time.monotonic()
        with pytest.raises(InventoryFileInvalid) as caught:
            load(text)
        assert time.monotonic() - started < 5.0
        first, *others = caught.value.lines
        assert first.startswith("Error: ")
        lines = [first.removeprefix("Error: "), *others]
        prefix = f"{tmp_path / 'assets.yaml'}: "
        assert 1 <= len(lines) <= 51
        for line in lines:
            assert line.startswith(prefix)
            assert line.isprintable()
            assert len(line) < 1200
        return [line.removeprefix(prefix) for line in lines]

    return complain


def test_the_shipped_file_is_the_one_of_the_runbook() -> None:
    inventory = load_inventory(SHIPPED)

    names = {site.id: site.name for site in inventory.sites.values()}
    assert names == {
        UUID(f"6ba7b810-{TAIL}"): "Gateway-Test",
        UUID(f"6ba7b812-{TAIL}"): "Campus-Test",
    }
    assert inventory.sites[UUID(f"6ba7b810-{TAIL}")].location == "Local"
    rows = {
        f"{names[a.site_id]}/{a.name}": (
            str(a.id)[:8],
            (a.capacity_mwhr, a.max_mw, a.min_mw, a.efficiency),
            (a.min_soc_pct, a.max_soc_pct),
        )
        for a in inventory.assets.values()
    }
    assert rows == {
        "Gateway-Test/GT-BESS-A": ("7ba7b810", (120, 60, -60, 0.92), (10, 90)),
        "Gateway-Test/GT-BESS-B": ("8ba7b810", (40, 20, -20, 0.91), (10, 90)),
        "Gateway-Test/GT-BESS-C": ("9ba7b810", (40, 20, -20, 0.90), (10, 90)),
        "Campus-Test/CT-BESS-A": ("7ba7b812", (100, 50, -50, 0.93), (15, 95)),
        "Campus-Test/CT-BESS-B": ("8ba7b812", (60, 30, -30, 0.92), (10, 90)),
    }
    assert {str(a.id)[9:] for a in inventory.assets.values()} == {TAIL}
    assert {a.ramp_rate_mw_per_min for a in inventory.assets.values()} == {1000.0}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("efficiency: 0.92", "efficiency: 1.2", "line 6: assets[0] (B1): efficiency: 1.2 is out of range"),
        ("efficiency: 0.92", "efficiency: 0", "efficiency: 0 is out of range; expected a number in (0, 1]"),
        ("efficiency: 0.92", "efficiency: .nan", "efficiency: nan is not finite"),
        ("max_mw: 60", "max_mw: .inf", "max_mw: inf is not finite"),
        ("max_mw: 60", "max_mw: 1e400", "max_mw: inf is not finite"),
        ("max_mw: 60", f"max_mw: {'9' * 299}", "max_mw: an enormous number is out of range"),
        ("max_mw: 60", f"max_mw: {'9' * 100_000}", "max_mw: '9999"),
        ("max_mw: 60", "max_mw: '60'", "max_mw: '60' is not a number"),
        ("max_mw: 60", "max_mw: yes", "max_mw: 'yes' is not a number"),
        ("max_mw: 60", "max_mw: true", "max_mw: True is not a number"),
        ("max_mw: 60", "max_mw: [60]", "max_mw: [60] is not a number"),
        ("max_mw: 60", "max_mw:", "max_mw: is missing; expected a power in MW"),
        ("    max_mw: 60\n", "", "max_mw: is missing; expected a power in MW"),
        ("max_mw: 60", "max_mw: -61", "min_mw: -60.0 is above max_mw -61.0"),
        ("min_soc_pct: 10", "min_soc_pct: 91", "min_soc_pct: 91.0 is above max_soc_pct 90.0"),
        ("min_soc_pct: 10", "min_soc_pct: -1", "min_soc_pct: -1 is out of range"),
        ("max_soc_pct: 90", "max_soc_pct: 100.5", "max_soc_pct: 100.5 is out of range"),
        ("capacity_mwhr: 120", "capacity_mwhr: -1", "capacity_mwhr: -1 is out of range"),
        ("ramp_rate_mw_per_min: 1000", "ramp_rate_mw_per_min: 0", "ramp_rate_mw_per_min: 0 is out of range"),
        ("name: B1", "name: 7", "assets[0]: name: 7 is not a text"),
        ("name: B1", "name: ' '", "name: ' ' is not a text"),
        ("location: Local", "location: {}", "line 2: sites[0] (North): location: {} is not a text"),
        (f"id: 7ba7b810-{TAIL}", "id: B1", "assets[0] (B1): id: 'B1' is not a UUID"),
        (f"id: 7ba7b810-{TAIL}", "id: 7", "assets[0] (B1): id: 7 is not a UUID"),
        (
            f"site_id: 6ba7b810-{TAIL}",
            f"site_id: 6ba7b819-{TAIL}",
            f"6ba7b819-{TAIL} is not one of the sites",
        ),
        ("max_mw: 60", "max_mv: 60", "unknown key 'max_mv'; did you mean 'max_mw'?"),
        ("max_mw: 60", "zzz: 60\n    max_mw: 60", "unknown key 'zzz'; known keys are id, name,"),
        ("sites:", "site:", "inventory: unknown key 'site'; did you mean 'sites'?"),
        (
            "name: B1",
            "name: B1\n    asset_type: boss",
            "asset_type: 'boss' is unknown; expected one of bess, pv",
        ),
        ("name: B1", "name: B1\n    asset_type: [bess]", "asset_type: ['bess'] is unknown"),
        ("name: B1", "name: B1\n    failsafe_mw: 61", "failsafe_mw: 61.0 is outside [min_mw, max_mw]"),
    ],
)
def test_each_rule_names_the_entry_the_field_and_what_was_expected(
    complain: Complain, old: str, new: str, expected: str
) -> None:
    assert old in VALID

    lines = complain(VALID.replace(old, new, 1))

    assert any(expected in line for line in lines), lines


def test_duplicate_ids_are_found_among_sites_and_among_assets(complain: Complain) -> None:
    sites, assets = VALID.split("assets:\n")
    doubled = sites + sites.removeprefix("sites:\n") + "assets:\n" + assets + assets

    lines = complain(doubled)

    assert lines == [
        f"line 5: sites[1] (North): id: 6ba7b810-{TAIL} is already used by sites[0] (North); ids must be unique",
        f"line 19: assets[1] (B1): id: 7ba7b810-{TAIL} is already used by assets[0] (B1); ids must be unique",
    ]


def test_all_problems_are_reported_at_once_in_the_order_of_lines(complain: Complain) -> None:
    lines = complain(
        VALID.replace("location: Local", "location: *place")
        .replace("max_mw: 60", "max_mw: 60\n    max_mw: 70")
        .replace("efficiency: 0.92", "efficiency: 1.2\n    colour: !!python/name:os.system red")
    )

    assert [line.split(": ")[0] for line in lines] == ["line 4", "line 6", "line 6", "line 11", "line 16"]
    assert "YAML aliases are not allowed in an inventory" in lines[0]
    assert "unknown key 'colour'" in lines[1]
    assert "efficiency: 1.2 is out of range" in lines[2]
    assert "the key 'max_mw' was already given on line 10" in lines[3]
    assert "YAML tags are not allowed" in lines[4]


def test_of_very_many_problems_fifty_are_spelt_out(complain: Complain) -> None:
    lines = complain("sites: []\nassets: [" + "1, " * 1000 + "]")

    assert len(lines) == 51
    assert lines[-1] == "… and 950 more"


LAUGHS = "a0: &a0 [lol, lol, lol]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 20)
)
MERGED_LAUGHS = "a0: &a0 {x0: 1}\n" + "".join(
    f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}]\n  x{n}: 1\n" for n in range(1, 40)
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(LAUGHS, "line 2: YAML aliases are not allowed in an inventory", id="billion-laughs"),
        pytest.param(MERGED_LAUGHS, "YAML merge keys are not allowed in an inventory", id="merged-laughs"),
        pytest.param("a: &a [*a]", "line 1: YAML aliases are not allowed", id="anchor-in-itself"),
        pytest.param("[" * 100_000, "line 1: is nested deeper than 8 levels", id="brackets"),
        pytest.param("{a: " * 100_000, "line 1: is nested deeper than 8 levels", id="braces"),
        pytest.param("- " * 100_000, "line 1: is nested deeper than 8 levels", id="dashes"),
        pytest.param(
            "!!python/object/apply:os.system ['true']", "python/object/apply:os.system", id="python"
        ),
        pytest.param("sites: !!binary aGk=", "YAML tags are not allowed in an inventory", id="binary-tag"),
        pytest.param("sites: !local []", "remove the tag '!local'", id="local-tag"),
        pytest.param(b"\x7fELF\x02\x01\x01\x00" + bytes(range(256)), "is not UTF-8", id="binary"),
        pytest.param(VALID.encode("utf-16"), "line 1: is not UTF-8", id="utf-16"),
        pytest.param(b"sites: []\nassets: [\xff]", "line 2: is not UTF-8", id="latin-1"),
        pytest.param(b"sites: []\n\x00", "line 2: is not valid YAML: character 0x0", id="nul"),
        pytest.param(
            b"sites: []\nassets: \x1b[31m", "line 2: is not valid YAML: character 0x1b", id="escape"
        ),
        pytest.param("", "inventory: is empty", id="empty"),
        pytest.param("# nothing\n", "inventory: is empty", id="comment-only"),
        pytest.param("null", "inventory: is empty", id="null"),
        pytest.param("- 1", "inventory: is a list", id="list"),
        pytest.param("sites", "inventory: is a str", id="scalar"),
        pytest.param("sites:\n\t- id: 1", "line 2: column 1: is not valid YAML", id="tab"),
        pytest.param("sites: [", "is not valid YAML", id="unclosed"),
        pytest.param("sites: a: b", "line 1: column 9: is not valid YAML", id="two-colons"),
        pytest.param("a: 1\n---\nb: 2", "line 2: a second YAML document begins here", id="two-documents"),
        pytest.param("1: x", "line 1: the key 1 is not a text", id="number-as-key"),
        pytest.param("? [a, b]\n: x", "the key ['a', 'b'] is not a text", id="list-as-key"),
        pytest.param("~: x", "the key None is not a text", id="null-as-key"),
        pytest.param("sites: 5", "sites: is 5; expected a list of sites", id="sites-is-a-number"),
        pytest.param("sites: [x]", "sites[0]: 'x' is not a mapping of fields", id="site-is-a-text"),
        pytest.param(f"? {'k' * 1000}\n: 1", "unknown key 'kkkk", id="long-key"),
        pytest.param(f"sites: ['{'s' * 1_000_000}']", "sites[0]: 'ssss", id="megabyte-of-text"),
        pytest.param('sites: ["a\\nb\\e[31m"]', r"sites[0]: 'a\nb\x1b[31m'", id="control-characters"),
        pytest.param(
            VALID.replace("B1", r'"B1\nassets[9]: fine"'), r"name: 'B1\nassets[9]", id="newline-in-name"
        ),
    ],
)
def test_a_hostile_or_broken_file_is_refused_in_readable_lines(
    complain: Complain, text: str | bytes, expected: str
) -> None:
    lines = complain(text)

    assert any(expected in line for line in lines), lines


def test_the_parser_without_c_refuses_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_document, "_LOADER", yaml.SafeLoader)

    assert read_document(VALID.encode()).complaints == ()
    assert read_document(b"a: &a [*a]").complaints[0].message.startswith("YAML aliases")
    assert not read_document(b"[" * 10_000).complete
    assert not read_document(b"a: [").complete
    assert not read_document(b"a: \x00").complete


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("NULL", None),
        ("true", True),
        ("False", False),
        ("12", 12),
        ("-007", -7),
        ("0o17", 15),
        ("0x1F", 31),
        ("1e3", 1000.0),
        ("+.5E-1", 0.05),
        ("3.", 3.0),
        ("-.inf", -math.inf),
    ],
)
def test_plain_scalars_follow_the_core_schema(text: str, value: object) -> None:
    resolved = resolve_plain(text)

    assert resolved == value
    assert type(resolved) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "yes",
            "no",
            "on",
            "off",
            "y",
            "nUll",
            "12:30:00",
            "2026-01-01",
            "1_000",
            "0b101",
            "1e",
            ".",
            "-",
            "inf",
        ),
        *("nan", "0x", "1 000", "١٢", f"6e810000-{TAIL}", f"12345678-{TAIL}", "1e3-5", "6e8100009dad"),
    ],
)
def test_what_merely_looks_like_something_else_stays_text(text: str) -> None:
    assert resolve_plain(text) == text


def test_an_unquoted_uuid_is_text_whatever_its_digits(load: Load) -> None:
    for digits in ("12345678-1234-1234-1234-123456789012", "6e810000-0000-1000-8000-000000000000"):
        inventory = load(VALID.replace(f"7ba7b810-{TAIL}", digits))
        assert list(inventory.assets) == [UUID(digits)]


def test_json_is_read_too_and_a_byte_order_mark_is_passed_over(load: Load) -> None:
    as_json = json.dumps(yaml.safe_load(VALID), indent=2)

    assert load(as_json).assets == load(VALID).assets == load(b"\xef\xbb\xbf" + VALID.encode()).assets


def test_an_anchor_that_nobody_uses_is_harmless(load: Load) -> None:
    assert load(VALID.replace("sites:", "sites: &sites")).sites


def test_a_directory_and_a_pipe_are_refused_without_waiting_for_them(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(InventoryFileInvalid) as caught:
        load_inventory(tmp_path)
    assert caught.value.lines == [
        f"Error: {tmp_path}: is a directory; expected a YAML file, {ASSETS_PATH_EXAMPLE}"
    ]
    with pytest.raises(InventoryFileInvalid) as caught:
        load_inventory(tmp_path / "pipe")
    assert caught.value.lines == [
        f"Error: {tmp_path / 'pipe'}: is not a regular file; expected a YAML file, {ASSETS_PATH_EXAMPLE}"
    ]


def test_a_file_beyond_reach_or_measure_is_refused(tmp_path: Path) -> None:
    huge = tmp_path / "huge.yaml"
    with huge.open("wb") as file:
        file.truncate((1 << 30) + 1)

    with pytest.raises(InventoryFileInvalid, match="has 1073741825 bytes"):
        load_inventory(huge)
    with pytest.raises(InventoryFileInvalid, match="cannot be read: No such file"):
        load_inventory(tmp_path / "missing.yaml")
    with pytest.raises(InventoryFileInvalid, match="cannot be read: File name too long"):
        load_inventory(tmp_path / ("x" * 5000))


def test_a_path_with_control_characters_does_not_spoil_the_output(tmp_path: Path) -> None:
    path = tmp_path / "assets\n\x1b[31m.yaml"
    path.write_text("")

    with pytest.raises(InventoryFileInvalid) as caught:
        load_inventory(path)

    assert all(line.isprintable() for line in caught.value.lines)


def test_the_file_is_looked_for_in_cwd_and_then_in_the_workspace_root(tmp_path: Path) -> None:
    inner = tmp_path / "workspace" / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "workspace" / ".git").mkdir()
    (tmp_path / "assets.yaml").touch()  # above the root: none of ours
    with pytest.raises(InventoryNotFound) as caught:
        find_inventory(None, inner)
    assert str(caught.value) == NOT_FOUND
    assert caught.value.lines == [f"Error: {NOT_FOUND}"]

    in_root = tmp_path / "workspace" / "assets.yaml"
    in_root.touch()
    assert find_inventory(None, inner) == in_root.resolve()

    in_cwd = inner / "assets.yaml"
    in_cwd.touch()
    assert find_inventory(None, inner) == in_cwd


def test_a_pyproject_marks_a_workspace_root_too(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "assets.yaml").touch()
    (tmp_path / "inner").mkdir()

    assert find_inventory(None, tmp_path / "inner") == (tmp_path / "assets.yaml").resolve()


def test_an_explicit_path_is_the_only_place_looked_at(tmp_path: Path) -> None:
    (tmp_path / "assets.yaml").touch()
    shutil.copy(SHIPPED, tmp_path / "other.yaml")

    assert find_inventory(Path("other.yaml"), tmp_path) == tmp_path / "other.yaml"
    assert find_inventory(tmp_path / "other.yaml", Path("/")) == tmp_path / "other.yaml"
    with pytest.raises(InventoryNotFound) as caught:
        find_inventory(Path("missing/x.yaml"), tmp_path)
    assert caught.value.lines == [f"Error: {NOT_FOUND}", "ASSETS_PATH=missing/x.yaml: no such file"]
