"""A gateway whose assets are all of a site's, as the inventory has them, is let in quickly, and not otherwise."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import combinations_with_replacement, product
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from der_core import assets as core_assets
from der_core.assets import Inventory, Site
from der_core.errors import Conflict, Rejected
from der_core.inventory import sound_text
from der_core.registration import RegisteredAsset, Registration
from der_headend.admissions import differences
from der_headend.agents import Session
from der_wire import fields
from der_wire._gen import agent_link_pb2 as pb
from der_wire.fields import read_text
from der_wire.registration import registration_from_wire, registration_to_wire
from kit.calls import calls_of
from kit.headend import INVENTORY, OTHER_SITE, SITE, A, B, C, D, NotingLink, World, battery, gateway

STRANGER = UUID("aba7b810-9dad-11d1-80b4-00c04fd430c8")
SPOOL = uuid4()
WHOLE = (gateway(spool_id=SPOOL), gateway(D, site_id=OTHER_SITE, spool_id=SPOOL))

OF_THE_AGENT: Mapping[str, Sequence[object]] = {
    "protocol": [2],
    "agent_id": ["", "other", "a\nb"],
    "mode": [pb.MODE_SINGLE_ASSET, pb.MODE_UNSPECIFIED],
    "site_id": ["", str(OTHER_SITE), str(SITE).upper(), str(STRANGER)],
    "heartbeat_s": [math.nan],
    "spool_id": ["spool"],
}
OF_AN_ASSET: Mapping[str, Sequence[object]] = {
    "id": [
        "",
        "1",
        str(A),
        str(B),
        str(C),
        str(C).upper(),
        str(D),
        str(STRANGER),
        A.hex,
        f"{{{B}}}",
        f" {B}",
    ],
    "name": ["", "GT-BESS-A", "GT-BESS-B ", "CT-BESS-A", "two\nlines", "x" * 600],
    "capacity_mwhr": [-1.0, math.nan, 40.0, 100.0, math.nextafter(40.0, 41.0), 120.0],
    "max_mw": [-90.0, math.inf, 20.0, 50.0, 60.0],
    "min_mw": [-0.0, -20.0, -50.0, 90.0, -math.inf],
}

Change = Callable[[pb.Register], None]


def of_agent(field: str, value: object) -> Change:
    return lambda message: setattr(message, field, value)


def of_asset(place: int, field: str, value: object) -> Change:
    def change(message: pb.Register) -> None:
        if place < len(message.assets):
            setattr(message.assets[place], field, value)

    return change


def of_order(places: Sequence[int]) -> Change:
    def change(message: pb.Register) -> None:
        size = len(message.assets)
        chosen = [pb.Asset.FromString(message.assets[p].SerializeToString()) for p in places if p < size]
        del message.assets[:]
        message.assets.extend(chosen)

    return change


CHANGES: Sequence[Change] = (
    *(of_agent(name, value) for name, values in OF_THE_AGENT.items() for value in values),
    *(
        of_asset(place, name, value)
        for place in range(3)
        for name, values in OF_AN_ASSET.items()
        for value in values
    ),
    *(of_order(places) for size in range(5) for places in product(range(3), repeat=size)),
)


def introduction(registration: Registration, *changes: Change) -> pb.Register:
    message = registration_to_wire(registration)
    for change in changes:
        change(message)
    return message


def outcome(read: Callable[[], Registration]) -> object:
    """What is read, with its assets as if they came from the message, or with what it is refused."""
    try:
        registration = read()
    except Rejected as refused:
        return refused.code, refused.detail, refused.field
    return replace(registration, assets=tuple(map(as_said, registration.assets)))


def as_said(asset: core_assets.Asset | RegisteredAsset) -> RegisteredAsset:
    return RegisteredAsset.of(asset) if isinstance(asset, core_assets.Asset) else asset


@pytest.mark.parametrize("whole", WHOLE)
def test_whatever_is_registered_is_read_as_if_there_was_no_inventory(whole: Registration) -> None:
    for changes in combinations_with_replacement(CHANGES, 2):
        message = introduction(whole, *changes)
        assert outcome(lambda: registration_from_wire(message, INVENTORY)) == outcome(  # noqa: B023 - called at once
            lambda: registration_from_wire(message)  # noqa: B023
        )


SESSIONS_BEFORE: Sequence[Sequence[Registration]] = (
    (),
    (gateway(),),
    (gateway(agent_id="other"),),
    (gateway(B, agent_id="other"),),
    (gateway(A), gateway(C, agent_id="other")),
    (gateway(D, agent_id="other", site_id=OTHER_SITE, spool_id=SPOOL),),
)


def judged(registration: Registration, before: Sequence[Registration]) -> object:
    """What becomes of a registration where there are sessions already."""
    world = World()
    opened = [world.sessions.open(each, peer="127.0.0.1:1", link=NotingLink()) for each in before]
    try:
        world.admissions.check(registration)
    except (Rejected, Conflict) as refused:
        return refused.code, refused.detail, refused.field
    session = world.sessions.open(registration, peer="", link=NotingLink())

    def name(serving: Session | None) -> object:
        return "new" if serving is session else serving and opened.index(serving)

    return (
        session.record.asset_ids,
        session.binding.slots.tolist(),
        [name(world.sessions.serving(asset_id)) for asset_id in (A, B, C, D)],
        [str(each) for each in differences(registration, INVENTORY)],
    )


@pytest.mark.parametrize("before", SESSIONS_BEFORE)
def test_whatever_is_registered_is_judged_as_if_it_was_read_without_the_inventory(
    before: Sequence[Registration],
) -> None:
    for whole, change in product(WHOLE, CHANGES):
        message = introduction(whole, change)
        try:
            plain = registration_from_wire(message)
        except Rejected:
            continue
        assert judged(registration_from_wire(message, INVENTORY), before) == judged(plain, before)


def test_all_of_a_site_as_the_inventory_has_it_is_taken_from_there() -> None:
    for whole in WHOLE:
        registration = registration_from_wire(registration_to_wire(whole), INVENTORY)
        assert registration.assets is INVENTORY.assets_of(whole.site_id)
        assert registration.is_whole_site(INVENTORY)
    for assets in ((A, B), (B,)):
        registration = registration_from_wire(registration_to_wire(gateway(*assets)), INVENTORY)
        assert not registration.is_whole_site(INVENTORY)


def test_sessions_of_whole_sites_share_their_slots_with_the_inventory() -> None:
    registration = registration_from_wire(registration_to_wire(gateway()), INVENTORY)
    session = World().sessions.open(registration, peer="", link=NotingLink())
    assert np.shares_memory(session.binding.slots, np.asarray(INVENTORY.assets_of(SITE).places))


@given(st.text(max_size=300))
def test_no_name_of_an_inventory_is_refused_on_the_wire(text: str) -> None:
    if name := sound_text(text):
        assert read_text("name", name, shortest=1) == name


def test_no_number_of_an_inventory_is_refused_on_the_wire() -> None:
    assert core_assets.LARGEST <= fields.LARGEST


def test_letting_a_gateway_in_calls_few_python_functions_per_asset() -> None:
    def cost(assets: int) -> int:
        members = [battery(UUID(int=n + 1), f"asset {n}", SITE, 40.0, 20.0) for n in range(assets)]
        inventory = Inventory([Site(SITE, "Site", "Local")], members)
        world = World(inventory=inventory)
        chosen = [asset.id for asset in members]
        message = registration_to_wire(gateway(*chosen, inventory=inventory))
        return calls_of(partial(let_in, world, message))

    assert (cost(1000) - cost(100)) / 900 <= 6


def let_in(world: World, message: pb.Register) -> None:
    registration = world.admissions.read(message)
    world.admissions.check(registration)
    session = world.sessions.open(registration, peer="", link=NotingLink())
    world.link._welcome(session, registration, "")
