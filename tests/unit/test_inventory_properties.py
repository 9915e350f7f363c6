"""Whatever a document holds, it is an inventory or a list of what is wrong with it; nothing else can happen."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from der_core.assets import AssetType
from der_core.inventory import ASSET_KEYS, SITE_KEYS, InventoryInvalid, Problem, parse_asset, parse_inventory
from der_runtime.yaml_document import read_document

KEYS = st.sampled_from(["sites", "assets", *SITE_KEYS, *ASSET_KEYS]) | st.text(max_size=8)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.uuids().map(str)
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=6),
    max_leaves=20,
)
ENTRIES = st.lists(st.dictionaries(KEYS, DATA, max_size=14), max_size=4)
DOCUMENTS = DATA | st.fixed_dictionaries({"sites": ENTRIES | DATA, "assets": ENTRIES | DATA})

# A letter first: PyYAML writes by YAML 1.1, where a text such as 1e3 needs no quotes.
NAMES = st.text(st.characters(categories=("L", "N", "P")), max_size=20).map("N{}".format)


def numbers(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high) | st.integers(int(low), int(high))


@st.composite
def documents_of_inventories(draw: st.DrawFn) -> dict[str, Any]:
    site_ids = draw(st.lists(st.uuids().map(str), min_size=1, max_size=4, unique=True))
    sites = [{"id": each, "name": draw(NAMES), "location": draw(NAMES)} for each in site_ids]
    assets = []
    for asset_id in draw(st.lists(st.uuids().map(str), max_size=6, unique=True)):
        entry: dict[str, Any] = {
            "id": asset_id,
            "name": draw(NAMES),
            "site_id": draw(st.sampled_from(site_ids)),
            "capacity_mwhr": draw(numbers(0, 1e9)),
            "max_mw": draw(numbers(0, 1e9)),
            "min_mw": draw(numbers(-1e9, 0)),
            "efficiency": draw(st.floats(0, 1, exclude_min=True)),
            "ramp_rate_mw_per_min": draw(st.floats(0, 1e9, exclude_min=True)),
        }
        optional = {
            "min_soc_pct": draw(numbers(0, 50)),
            "max_soc_pct": draw(numbers(50, 100)),
            "asset_type": draw(st.sampled_from([str(kind) for kind in AssetType])),
            "failsafe_mw": draw(numbers(entry["min_mw"], entry["max_mw"])),
        }
        assets.append(entry | {key: value for key, value in optional.items() if draw(st.booleans())})
    return {"sites": sites, "assets": assets}


def problems_of(parse: Callable[[Any], object], document: object) -> tuple[Problem, ...] | None:
    """``None`` if it parses."""
    try:
        parse(document)
    except InventoryInvalid as error:
        return error.problems
    return None


@given(DOCUMENTS)
def test_any_document_is_an_inventory_or_has_problems(document: object) -> None:
    problems = problems_of(parse_inventory, document)

    assert problems is None or all(map(str, problems))
    assert problems != ()


@given(st.dictionaries(KEYS, DATA, max_size=14))
def test_any_mapping_is_an_asset_or_has_problems(values: dict[str, object]) -> None:
    assert problems_of(parse_asset, values) != ()


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_are_a_document_or_have_complaints(data: bytes) -> None:
    document = read_document(data)

    assert document.complete or document.complaints
    assert problems_of(parse_inventory, document.value) != ()


@given(st.text(st.sampled_from("[]{}:,-?&*!|>'\"%@` \n#a1~<.e"), max_size=60))
def test_any_heap_of_yaml_punctuation_is_a_document_or_has_complaints(text: str) -> None:
    document = read_document(text.encode())

    assert document.complete or document.complaints


@given(documents_of_inventories(), st.booleans())
def test_an_inventory_survives_being_written_as_yaml_or_json_and_read_again(
    document: dict[str, Any], as_json: bool
) -> None:
    text = (
        json.dumps(document, ensure_ascii=False) if as_json else yaml.safe_dump(document, allow_unicode=True)
    )

    read = read_document(text.encode())

    assert read.complaints == ()
    again, first = parse_inventory(read.value), parse_inventory(document)
    assert (again.sites, again.assets) == (first.sites, first.assets)
    for entry in document["assets"]:
        asset = next(a for a in first.assets.values() if str(a.id) == entry["id"])
        assert (asset.max_mw, asset.min_mw, asset.efficiency) == (
            entry["max_mw"],
            entry["min_mw"],
            entry["efficiency"],
        )


def test_a_number_with_more_digits_than_python_prints_is_a_problem_like_any_other() -> None:
    enormous = 10**5000

    with pytest.raises(InventoryInvalid) as caught:
        parse_inventory({enormous: 1, "sites": enormous, "assets": [{"max_mw": enormous, "id": enormous}]})

    assert "max_mw: an enormous number is not finite" in str(caught.value)
    assert "unknown key an enormous number" in str(caught.value)


def test_assets_of_a_site_are_in_order_of_id_and_optional_fields_have_their_defaults() -> None:
    site = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
    entry = {
        "name": "B",
        "site_id": site,
        "capacity_mwhr": 1,
        "max_mw": 1,
        "min_mw": -1,
        "efficiency": 1,
        "ramp_rate_mw_per_min": 1,
        "asset_type": None,
    }
    ids = [f"{digit}ba7b810-9dad-11d1-80b4-00c04fd430c8" for digit in (9, 7, 8)]

    inventory = parse_inventory(
        {"sites": [{"id": site, "name": "S", "location": "L"}], "assets": [{"id": i} | entry for i in ids]}
    )

    (known,) = inventory.sites
    members = inventory.assets_of(known)
    assert [str(a.id) for a in members] == sorted(ids)
    assert (members[0].min_soc_pct, members[0].max_soc_pct, members[0].failsafe_mw) == (0.0, 100.0, 0.0)
    assert members[0].asset_type is AssetType.BESS
