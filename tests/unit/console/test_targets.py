"""Finding sites and assets by what was typed."""

from typing import Any

from der_console.picture import Picture
from der_console.targets import OFFERED, meant, search


def picture(sites: list[str], assets: list[tuple[str, str]]) -> Picture:
    made = Picture()
    for place, name in enumerate(sites):
        site: Any = {"id": f"s{place}", "name": name, "assets_total": 1}
        made.sites[site["id"]] = site
    for place, (name, site_name) in enumerate(assets):
        asset: Any = {"id": f"a{place}", "name": name, "site_name": site_name, "asset_type": "bess"}
        made.assets[asset["id"]] = asset
    return made


def test_the_name_that_begins_so_comes_first_and_sites_before_assets() -> None:
    found = search(picture(["North", "Gate-1"], [("Gate-BESS", "North"), ("A gate", "North")]), "gate")
    assert [target.name for target in found] == ["Gate-1", "Gate-BESS", "A gate"]


def test_every_word_must_be_there_in_name_site_or_id() -> None:
    world = picture(["North", "South"], [("BESS-1", "North"), ("BESS-1", "South")])
    assert [t.about for t in search(world, "bess south")] == ["bess, South"]
    assert [t.id for t in search(world, "a0")] == ["a0"]
    assert search(world, "bess nowhere") == []


def test_exact_name_is_meant_though_others_have_it_in_theirs() -> None:
    world = picture(["Gate-1"] * 20, [("Gate", "North"), ("gate-2", "North")])
    assert [target.name for target in meant(search(world, "GATE"), "GATE ")] == ["Gate"]
    assert [target.name for target in meant(search(world, "te-2"), "te-2")] == ["gate-2"]
    assert len(meant(search(world, "gat"), "gat")) > 1
    assert meant(search(world, "none"), "none") == []


def test_no_more_are_offered_than_a_person_reads() -> None:
    world = picture([f"Site {n}" for n in range(50)], [(f"Asset {n}", "x") for n in range(50)])
    assert len(search(world, "")) == OFFERED
