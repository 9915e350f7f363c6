"""Live state as JSON: what it costs, and that nobody waits for a large site."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from uuid import UUID

import numpy as np
import pytest

from der_core.assets import Asset, Inventory, Site
from der_core.events import Event, EventKind, Severity
from der_core.signals import CATALOGUE
from der_headend.alarms import Alarms
from der_headend.fleet import Fleet
from der_headend.ports import Rows
from der_headend.rest.replies import streamed
from der_headend.rest.views import fanout, live, texts
from der_headend.rest.views.fanout import Fanout
from der_headend.rest.views.live import ASSETS_AT_ONCE, Live, Slots
from der_headend.sessions import Sessions
from der_runtime.clock import ManualClock
from kit.calls import calls_of

SITE = Site(UUID(int=1), 'North "1"', "Here")
NOW_US = 1_780_000_000_000_000


def of(assets: int) -> Live:
    """The live state of one site, all of whose assets have been heard from."""
    inventory = Inventory(
        [SITE],
        [
            Asset(
                id=UUID(int=1000 + number),
                name=f"B\u00fc-{number}",
                site_id=SITE.id,
                capacity_mwhr=4.0,
                max_mw=1.0,
                min_mw=-1.0,
                efficiency=0.9,
                ramp_rate_mw_per_min=10.0,
            )
            for number in range(assets)
        ],
    )
    fleet = Fleet(inventory)
    slots = np.arange(assets)
    fleet.bind([], CATALOGUE)
    columns = {name: np.full(assets, 0.25) for name in ("current_mw", "soc_pct", "voltage_v")}
    columns["status"] = np.ones(assets)
    fleet.apply([Rows(timestamps_us=np.full(assets, NOW_US), slots=slots, columns=columns)], [slots])
    sessions = Sessions(
        fleet=fleet, clock=ManualClock(), changed=lambda _record: None, closed=lambda _session: None
    )
    clock = ManualClock(datetime.fromtimestamp(NOW_US / 1e6, UTC))
    return Live(fleet=fleet, sessions=sessions, alarms=Alarms(), clock=clock)


@pytest.mark.parametrize("view", ["assets", "samples"])
def test_few_python_functions_are_called_per_asset(view: str) -> None:
    state = of(1000)
    made = getattr(state, view)
    made(np.arange(1000))
    few, many = (calls_of(partial(made, np.arange(size))) for size in (100, 1000))
    assert (many - few) / 900 <= 15


def test_texts_are_what_json_would_write() -> None:
    state = of(3)
    state.fleet.columns["current_mw"][1] = np.nan
    for view in (state.assets, state.samples):
        text = texts.array(view(np.arange(3)))
        assert text == texts.encoded(json.loads(text))


def test_samples_are_those_of_the_assets_asked_for_in_whatever_order() -> None:
    views = of(3)
    views.fleet.columns["current_mw"][:] = [0.0, 1.0, 2.0]
    rolled = [json.loads(text) for text in views.samples(np.array([2, 0, 1]))]
    assert [sample["current_mw"] for sample in rolled] == [2.0, 0.0, 1.0]
    assert [sample["asset_id"] for sample in rolled] == [str(UUID(int=1000 + slot)) for slot in (2, 0, 1)]


def test_what_was_asked_for_lately_is_kept_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "INVENTORY_KEPT", 4)
    state = of(6)
    whole = state.assets(np.arange(6))
    assert [state.assets(np.arange(place, place + 2)) for place in (0, 4)] == [whole[:2], whole[4:]]
    assert len(state._inventory) <= 4


def test_a_large_site_comes_in_pieces() -> None:
    assets = 2 * ASSETS_AT_ONCE + 50
    state = of(assets)
    state.sessions.served[:] = True
    pieces = list(state.site(SITE))
    assert max(piece.count('"updated_at"') for piece in pieces) <= ASSETS_AT_ONCE
    whole = json.loads("".join(pieces))
    assert (len(whole["assets"]), whole["assets_total"], whole["current_mw"]) == (assets, assets, assets / 4)


async def test_between_two_pieces_others_have_their_turn() -> None:
    made: list[str] = []

    def pieces() -> Iterator[str]:
        for piece in ("[", "1", "]"):
            made.append(piece)
            yield piece

    seen = []

    async def other() -> None:
        while len(made) < 3:
            seen.append(len(made))
            await asyncio.sleep(0)

    async def read() -> str:
        return "".join([str(chunk) async for chunk in streamed(pieces()).body_iterator])

    text, _ = await asyncio.gather(read(), other())
    assert text == "[1]"
    assert set(seen) >= {1, 2}


def notice() -> Event:
    return Event(
        id=UUID(int=7),
        at=datetime(2026, 6, 1, tzinfo=UTC),
        site_id=SITE.id,
        asset_id=None,
        severity=Severity.INFO,
        kind=EventKind.NOTICE,
        code="test",
        message="a test",
    )


@pytest.mark.parametrize("listeners", [1, 5])
def test_an_announcement_is_encoded_once_for_all_listeners(
    listeners: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = of(1)
    shared = Fanout(live=state, inventory=state.fleet.inventory)
    event = notice()
    sent = [shared.announced(event)]
    monkeypatch.setattr(fanout, "sse", None)
    sent += [shared.announced(event) for _ in range(listeners)]
    assert set(sent) == {sent[0]}


@pytest.mark.parametrize(("kept", "bytes_kept", "left"), [(3, 1 << 20, 3), (64, 600, 2), (64, 1, 1)])
def test_the_announcements_remembered_are_bounded(
    kept: int, bytes_kept: int, left: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fanout, "ANNOUNCED_KEPT", kept)
    monkeypatch.setattr(fanout, "ANNOUNCED_BYTES_KEPT", bytes_kept)
    shared = Fanout(live=of(1), inventory=Inventory([], []))
    events = [notice() for _ in range(9)]
    sent = [shared.announced(event) for event in events]
    assert 200 < len(sent[0]) <= 300
    assert [known[1] for known in shared._announced.values()] == sent[-left:]


def test_a_sample_is_encoded_once_for_all_listeners_until_it_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    state, asked, encode = of(10), list[list[int]](), Live.samples

    def noted(of_state: Live, slots: Slots) -> list[str]:
        asked.append(slots.tolist())
        return encode(of_state, slots)

    shared = Fanout(live=state, inventory=state.fleet.inventory)
    everything = np.arange(10)
    before = shared.samples(everything)
    monkeypatch.setattr(Live, "samples", noted)
    assert shared.samples(everything) == before
    columns = {"current_mw": np.array([0.5])}
    state.fleet.apply(
        [Rows(timestamps_us=np.array([NOW_US + 1]), slots=np.array([3]), columns=columns)], [np.array([0])]
    )
    after = shared.samples(everything)
    assert asked == [[], [3]]
    assert [place for place in range(10) if before[place] != after[place]] == [3]
    assert json.loads(after[3])["current_mw"] == 0.5


def test_the_samples_remembered_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fanout, "SAMPLES_KEPT", 4)
    state = of(6)
    shared = Fanout(live=state, inventory=state.fleet.inventory)
    whole = shared.samples(np.arange(4))
    assert shared.samples(np.array([4, 5, 0]))[2] == whole[0]
    assert len(shared._samples) <= 4
