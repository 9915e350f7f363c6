"""What an asset can do at this moment: its rating, cut by its state of charge and by the weather."""

from dataclasses import fields, replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from der_core.assets import NUMBERS, Asset, AssetType, Inventory, Limits, Site, limits_now
from der_core.inventory import NUMBER_RULES

SITE = Site(UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8"), "Gateway-Test", "Local")
ASSET = Asset(
    id=UUID("7ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    name="GT-BESS-A",
    site_id=SITE.id,
    capacity_mwhr=120.0,
    max_mw=60.0,
    min_mw=-60.0,
    efficiency=0.92,
    ramp_rate_mw_per_min=1000.0,
    min_soc_pct=10.0,
    max_soc_pct=90.0,
)
PV = replace(ASSET, asset_type=AssetType.PV, min_mw=0.0)


@pytest.mark.parametrize(
    ("soc_pct", "expected"),
    [
        (None, Limits(-60, 60)),
        (50.0, Limits(-60, 60)),
        (10.1, Limits(-60, 60)),
        (10.0, Limits(-60, 0, "soc_at_minimum")),
        (10.005, Limits(-60, 0, "soc_at_minimum")),
        (3.0, Limits(-60, 0, "soc_at_minimum")),
        (90.0, Limits(0, 60, "soc_at_maximum")),
        (89.995, Limits(0, 60, "soc_at_maximum")),
        (100.0, Limits(0, 60, "soc_at_maximum")),
    ],
)
def test_the_state_of_charge_forbids_a_direction_at_its_bounds(
    soc_pct: float | None, expected: Limits
) -> None:
    assert limits_now(ASSET, soc_pct=soc_pct) == expected


def test_what_has_no_store_is_not_cut_by_a_state_of_charge() -> None:
    assert limits_now(PV, soc_pct=0.0) == Limits(0, 60)


@pytest.mark.parametrize(
    ("available_mw", "expected"),
    [
        (None, Limits(0, 60)),
        (80.0, Limits(0, 60)),
        (12.5, Limits(0, 12.5, "available_power")),
        (0.0, Limits(0, 0, "available_power")),
        (-0.2, Limits(0, 0, "available_power")),
    ],
)
def test_a_plant_gives_no_more_than_the_weather_allows(available_mw: float | None, expected: Limits) -> None:
    assert limits_now(PV, available_mw=available_mw) == expected


@given(
    st.sampled_from(AssetType),
    st.floats(-100, 100),
    st.floats(-100, 100),
    st.none() | st.floats(0, 100),
    st.none() | st.floats(-10, 200),
)
def test_limits_are_in_order(
    asset_type: AssetType, one: float, other: float, soc_pct: float | None, available_mw: float | None
) -> None:
    asset = replace(ASSET, asset_type=asset_type, min_mw=min(one, other), max_mw=max(one, other))
    limits = limits_now(asset, soc_pct=soc_pct, available_mw=available_mw)
    assert limits.min_mw <= limits.max_mw
    if asset.min_mw <= 0.0 <= asset.max_mw:
        assert asset.min_mw <= limits.min_mw
        assert limits.max_mw <= asset.max_mw


@given(st.floats(allow_nan=False))
def test_clamping_brings_a_power_within_the_rating(mw: float) -> None:
    assert ASSET.min_mw <= ASSET.clamp(mw) <= ASSET.max_mw
    if ASSET.min_mw <= mw <= ASSET.max_mw:
        assert ASSET.clamp(mw) == mw


def test_an_inventory_is_in_order_of_id() -> None:
    second = replace(ASSET, id=UUID("8ba7b810-9dad-11d1-80b4-00c04fd430c8"))
    inventory = Inventory([SITE], [second, ASSET])
    assert list(inventory.assets) == [ASSET.id, second.id]
    assert [*inventory.assets_of(SITE.id)] == [ASSET, second]
    assert [*inventory.assets_of(ASSET.id)] == []


def test_the_assets_of_a_site_are_found_by_their_places() -> None:
    elsewhere = replace(SITE, id=UUID("6ba7b812-9dad-11d1-80b4-00c04fd430c8"))
    between = replace(ASSET, id=UUID("8ba7b810-9dad-11d1-80b4-00c04fd430c8"), site_id=elsewhere.id)
    last = replace(ASSET, id=UUID("9ba7b810-9dad-11d1-80b4-00c04fd430c8"))
    inventory = Inventory([SITE, elsewhere], [last, between, ASSET])
    assert [*inventory.assets_of(SITE.id).places] == [0, 2]
    assert [*inventory.assets_of(elsewhere.id).places] == [1]
    assert [*inventory.assets_of(ASSET.id).places] == []
    assert [*inventory.assets_of(SITE.id)] == [ASSET, last]


def test_an_asset_of_an_inventory_is_found_by_its_id_and_by_its_place() -> None:
    second = replace(ASSET, id=UUID("8ba7b810-9dad-11d1-80b4-00c04fd430c8"))
    inventory = Inventory([SITE], [second, ASSET])
    assert [*inventory.in_order] == [ASSET, second]
    assert dict(inventory.places) == {ASSET.id: 0, second.id: 1}
    assert dict(inventory.assets) == {ASSET.id: ASSET, second.id: second}
    assert len(inventory.assets) == 2
    assert inventory.assets.get(SITE.id) is None


@pytest.mark.parametrize("twice", [UUID(int=0), ASSET.id, UUID(int=2**128 - 1)])
def test_no_two_assets_of_an_inventory_have_the_same_id(twice: UUID) -> None:
    one, other = replace(ASSET, id=twice), replace(ASSET, id=twice, name="GT-BESS-B")
    with pytest.raises(ValueError, match="assets are there twice"):
        Inventory([SITE], [one, replace(ASSET, id=SITE.id), other])


NUMBER = st.floats(allow_nan=False, allow_infinity=False)
SITES = [SITE, replace(SITE, id=UUID(int=0)), replace(SITE, id=UUID(int=2**128 - 1))]
ANY_ASSET = st.builds(
    Asset,
    id=st.uuids() | st.integers(0, 3).map(lambda low: UUID(int=5 << 64 | low)),
    name=st.text(st.characters()),
    site_id=st.sampled_from(SITES).map(lambda site: site.id),
    **dict.fromkeys(NUMBERS, NUMBER),
    asset_type=st.sampled_from(AssetType),
)


@given(st.lists(ANY_ASSET, unique_by=lambda asset: asset.id, max_size=12))
def test_an_inventory_gives_back_the_assets_that_it_was_made_of(assets: list[Asset]) -> None:
    inventory = Inventory(SITES, assets)
    ordered = sorted(assets, key=lambda asset: asset.id)
    assert [*inventory.in_order] == ordered
    assert dict(inventory.assets) == {asset.id: asset for asset in ordered}
    for site in SITES:
        there = [asset for asset in ordered if asset.site_id == site.id]
        members = inventory.assets_of(site.id)
        assert [*members] == [inventory.in_order[place] for place in members.places] == there
        assert [*inventory.those(reversed(members.ids))] == there
        assert [*members.ids] == [asset.id for asset in there]
        assert members.names == [asset.name for asset in there] == [*map(inventory.name_of, members.ids)]
        assert members.site_ids == [site.id] * len(there)
        assert members.types == [asset.asset_type for asset in there]
        for name in NUMBERS:
            assert members.numbers(name) == [getattr(asset, name) for asset in there]
        for rating, asset in zip(members.ratings(), there, strict=True):
            assert limits_now(rating, soc_pct=5.0, available_mw=1.0) == limits_now(
                asset, soc_pct=5.0, available_mw=1.0
            )
        odd = [place % 2 for place in range(len(there))]
        assert [*members.where(odd)] == there[1::2]


def test_the_numbers_of_an_asset_are_those_that_an_inventory_may_give() -> None:
    assert sorted(NUMBERS) == sorted(NUMBER_RULES)
    assert sorted(NUMBERS) == sorted(each.name for each in fields(Asset) if each.type is float)


def test_the_assets_of_a_site_and_their_ids_are_one_object_each() -> None:
    inventory = Inventory([SITE], [ASSET])
    assert inventory.assets_of(SITE.id) is inventory.assets_of(SITE.id)
    assert inventory.assets_of(SITE.id).ids is inventory.assets_of(SITE.id).ids


def test_what_is_in_no_inventory_is_not_found() -> None:
    inventory = Inventory([SITE], [ASSET])
    assert inventory.name_of(SITE.id) is None
    with pytest.raises(KeyError):
        inventory.those([ASSET.id, SITE.id])


@pytest.mark.parametrize("sites", [[], [SITE, replace(SITE, name="Twice")]])
def test_each_site_of_an_inventory_is_there_once(sites: list[Site]) -> None:
    with pytest.raises(ValueError, match="sites are there twice, or not at all"):
        Inventory(sites, [ASSET])
