"""``der watch``: what it shows first, that it fits any screen and any fleet, and what happens without a headend."""

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console

from der_cli.watch.rows import choose
from der_cli.watch.snapshot import Snapshot
from der_cli.watch.view import screen
from der_client.fake import BATTERY_A, CAMPUS_SITE, GATEWAY_SITE, FakeHeadend
from der_client.fake.example import EXAMPLE, battery
from der_core.assets import Inventory
from kit.fake_headend import NOW, SITE_ID, B, agent, asset
from kit.terminal import Desk

AT = datetime.fromisoformat(NOW)


def site(name: str, assets: int = 0, **other: Any) -> Any:
    made = {
        "id": name,
        "name": name,
        "location": "here",
        "current_mw": 1.0,
        "soc_mwhr": 10.0,
        "soc_pct": 25.0,
        "capacity_mwhr": 40.0,
        "headroom_up_mw": 1.0,
        "headroom_down_mw": 1.0,
        "assets_online": assets,
        "assets_heard": assets,
        "assets_total": assets,
        "unheard_since": None,
        "alarms": 0,
        "assets": [
            asset(f"{name}-{n}", f"{name}-{n:05}", site_id=name, site_name=name) for n in range(assets)
        ],
    }
    return made | other


def snapshot(*sites: Any, dispatches: Any = (), alarms: Any = ()) -> Snapshot:
    return Snapshot(at=AT, sites=sites, agents=[], dispatches=dispatches, alarms=alarms)


@pytest.mark.parametrize(
    ("agents", "link"),
    [
        ([agent(), agent(agent_id="old", connected=False)], "up"),
        ([agent(), agent(agent_id="b", connected=False, assets=[{"id": B, "name": "b"}])], "1/2 up"),
        ([agent(connected=False)], "down 1 s"),
        ([], "never"),
    ],
)
def test_an_agent_that_another_stands_in_for_is_not_missed(agents: list[Any], link: str) -> None:
    known = Snapshot(at=AT, sites=[site(SITE_ID)], agents=agents, dispatches=(), alarms=())
    (row,) = choose(known, AT, room=None).rows
    assert row.link.plain == link


def drawn(
    known: Snapshot | None,
    *,
    width: int = 80,
    height: int | None = None,
    trouble: str | None = None,
    late_s: int = 0,
) -> list[str]:
    console = Console(width=width, height=height or 100, no_color=True, force_terminal=False)
    view = screen(
        known,
        AT + timedelta(seconds=late_s),
        url="http://127.0.0.1:3001",
        trouble=trouble,
        width=width,
        height=height,
    )
    with console.capture() as capture:
        console.print(view)
    return capture.get().splitlines()


def order(dispatch_id: int) -> Any:
    return {
        "id": str(dispatch_id),
        "asset_id": None,
        "site_id": "S00001",
        "requested_mw": 12.0,
        "state": "active",
        "active_at": NOW,
        "expires_at": NOW,
        "duration_s": 60.0,
    }


def alarm(number: int) -> Any:
    return {
        "id": str(number),
        "asset_id": None,
        "site_id": "S00001",
        "severity": "critical",
        "code": "inverter_trip",
        "at": NOW,
        "acknowledged_at": None,
        "message": "tripped " * 30,
    }


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("height", [3, 8, 24, 60])
@pytest.mark.parametrize("fleet", ["empty", "small", "large", "huge"])
def test_it_fits(width: int, height: int, fleet: str) -> None:
    sites = {
        "empty": [],
        "small": [site("S00001", 3), site("S00002", 2)],
        "large": [site(f"S{n:05}", 5) for n in range(20)],
        "huge": [site(f"S{n:05}", assets_online=10, assets_heard=9, assets_total=10) for n in range(1000)],
    }[fleet]
    known = snapshot(*sites, dispatches=[order(n) for n in range(20)], alarms=[alarm(n) for n in range(20)])
    for trouble in (None, "connection refused"):
        lines = drawn(known, width=width, height=height, trouble=trouble)
        assert len(lines) <= height
        assert max(map(len, lines)) <= width


def test_ten_thousand_assets_are_their_sites() -> None:
    sites = [site(f"S{n:05}", assets_online=10, assets_heard=10, assets_total=10) for n in range(1000)]
    lines = drawn(snapshot(*sites), height=30)
    assert "10,000/10,000 online" in lines[0]
    assert any("more sites" in line for line in lines)


def test_what_needs_a_person_comes_first_and_the_rest_by_name() -> None:
    sites = [
        site("Calm", 1),
        site("Busy", 1),
        site("Away", 1, assets_online=0, assets_heard=0),
        site("Alarmed", 1, alarms=2),
        site("Also-calm", 1),
    ]
    lines = drawn(snapshot(*sites, dispatches=[order(1) | {"site_id": "Busy"}]))
    names = [
        line.split()[0] for line in lines if line.split() and line.split()[0] in {s["name"] for s in sites}
    ]
    assert names == ["Alarmed", "Away", "Busy", "Also-calm", "Calm"]


def test_assets_are_left_out_before_sites() -> None:
    sites = [site(f"S{n}", 4) for n in range(6)]
    lines = drawn(snapshot(*sites), height=20)
    assert sum(line.startswith("S") and not line.startswith("Site") for line in lines) == 6
    assert sum(line.startswith("  S") for line in lines) in {4, 8}


def test_old_and_unknown_values_look_like_it() -> None:
    away = site("S1", 1, assets_online=0, assets_heard=0)
    away["assets"] = [asset("a", "OLD", online=False, updated_at="2026-01-01T10:00:00Z", soc_pct=None)]
    text = "\n".join(drawn(snapshot(away), width=120))
    assert "offline 2 h" in text
    assert "0/1 online" in text


def test_what_is_not_in_the_sums_is_said() -> None:
    north = site("North", 3, assets_online=2, assets_heard=1, unheard_since="2026-01-01T11:40:07Z")
    north["assets"][1].update(updated_at="2026-01-01T11:40:07Z")
    north["assets"][2].update(updated_at="2026-01-01T11:39:00Z", online=False)
    dead = site("South", 2, assets_online=0, assets_heard=0, current_mw=None, soc_pct=None)
    dead["unheard_since"] = "2026-01-01T09:30:00Z"
    dead["assets"] = []
    lines = drawn(snapshot(north, dead), width=120)
    assert lines[1] == "Sums are from 1 of 5 assets; 4 not heard since 11:40:07 UTC."
    (row,) = [line for line in lines if line.startswith("North")]
    assert row.split()[:3] == ["North", "+1.00", "+7.20"]
    assert "2/3 online, 1 stale" in row
    (row,) = [line for line in lines if line.startswith("South")]
    assert row.split()[:3] == ["South", "–", "–"]
    assert "0/2 online" in row
    assert "2 h" in row
    assert not any("Sums are" in line for line in drawn(snapshot(site("S1", 1))))


def test_what_has_no_room_is_named() -> None:
    for height in (None, 30):
        lines = drawn(snapshot(*(site(f"S{n:05}", 5) for n in range(20))), width=60, height=height)
        assert any(line.startswith("No room for ") and "Alarms" in line for line in lines)
        assert height is None or len(lines) <= height


def test_of_a_site_without_its_assets_the_age_is_of_what_is_heard() -> None:
    """As of every site of a fleet of more than 300 assets."""
    gone = "2026-01-01T09:00:00Z"
    some = site("Some", assets_total=400, assets_online=400, assets_heard=399, unheard_since=gone)
    none = site("None", assets_total=400, assets_online=0, assets_heard=0, unheard_since=gone)
    lines = drawn(snapshot(some, none), width=120)
    assert "< 15 s" in next(line for line in lines if line.startswith("Some"))
    assert "3 h" in next(line for line in lines if line.startswith("None"))


def test_a_lost_headend_is_unmissable_and_what_was_known_stays() -> None:
    lines = drawn(snapshot(site("S1", 1)), trouble="connection refused", late_s=30, width=100)
    assert "NO ANSWER FROM THE HEADEND, trying again. Values are 30 s old. connection refused" in lines[1]
    assert any(line.startswith("S1") for line in lines)
    assert any("NO ANSWER" in line for line in drawn(None, trouble="connection refused"))


class TestCommand:
    """``der watch`` with a headend."""

    def test_once_shows_everything(self) -> None:
        desk = Desk()
        desk.der("dispatch", "--site", "Gateway-Test", "--mw", "12", "--duration-s", "60")
        desk.headend.raise_event("inverter_trip", "tripped", asset_id=BATTERY_A)
        desk.headend.disconnect(CAMPUS_SITE)
        shown = desk.der("watch", "--once", columns=120).stdout
        for expected in (
            "GT-BESS-A",
            "Under way: 1",
            "60 s left",
            "1 min left",
            "Alarms: 1",
            "inverter_trip",
            "down",
        ):
            assert expected in shown or expected in {"60 s left", "1 min left"}
        assert "5/5" not in shown

    def test_what_is_in_force_is_shown_whatever_was_ordered_since(self) -> None:
        assets = [
            battery(str(UUID(int=n)), f"B-{n}", CAMPUS_SITE if n else GATEWAY_SITE, capacity_mwhr=1, max_mw=1)
            for n in range(31)
        ]
        desk = Desk(headend=FakeHeadend(Inventory(EXAMPLE.sites.values(), assets)))
        desk.headend.disconnect(CAMPUS_SITE)
        for each in assets:
            desk.headend.advance(1)
            desk.der("dispatch", "--asset", each.name, "--mw", "1", "--no-wait")
        shown = desk.der("watch", "--once").stdout.splitlines()
        at = shown.index("Under way: 31")
        assert ["active" in line for line in shown[at + 1 : at + 32]] == [True] + 30 * [False]

    def test_piped_it_is_shown_once_and_json_is_a_line_per_update(self) -> None:
        desk = Desk()
        assert "Gateway-Test" in desk.der("watch").stdout
        rounds = iter([None, None])

        def until_ctrl_c(_seconds: float) -> None:
            if next(rounds, "over") == "over":
                raise KeyboardInterrupt

        desk.meanwhile = until_ctrl_c
        result = desk.der("watch", "--json", "--site", "Campus-Test")
        assert result.exit_code == 0
        updates = [json.loads(line) for line in result.stdout.splitlines()]
        assert [[s["name"] for s in update["sites"]] for update in updates] == [["Campus-Test"]] * 3

    def test_a_headend_that_comes_back_is_watched_again(self) -> None:
        desk = Desk()
        desk.headend.reachable = False

        def back(_seconds: float) -> None:
            if desk.headend.reachable:
                raise KeyboardInterrupt
            desk.headend.reachable = desk.slept > 2

        desk.meanwhile = back
        result = desk.der("watch", "--json")
        assert (result.exit_code, len(result.stdout.splitlines())) == (0, 1)
        assert "no headend answers" in result.stderr

    @pytest.mark.parametrize("status", [503, 500])
    def test_a_headend_that_can_not_answer_for_a_while_is_watched_on(self, status: int) -> None:
        desk = Desk()
        desk.headend.refuse(status, "store_unavailable", detail="the store is away", times=20)
        rounds = iter(range(30))

        def until_ctrl_c(_seconds: float) -> None:
            if next(rounds, None) is None:
                raise KeyboardInterrupt

        desk.meanwhile = until_ctrl_c
        result = desk.der("watch", "--json")
        assert result.exit_code == 0, result.output
        assert "the store is away" in result.stderr
        assert json.loads(result.stdout.splitlines()[-1])["sites"]

    def test_on_the_screen_too(self, monkeypatch: pytest.MonkeyPatch) -> None:
        desk = Desk()
        desk.headend.refuse(503, "store_unavailable", detail="the store is away", times=4)

        def until_ctrl_c(_seconds: float) -> None:
            if desk.slept > 60:
                raise KeyboardInterrupt

        desk.meanwhile = until_ctrl_c
        monkeypatch.setattr(
            "der_cli.watch.command.out", lambda: Console(force_terminal=True, width=100, height=30)
        )
        result = desk.der("watch", TERM="xterm")
        assert result.exit_code == 0, result.output
        assert "NO ANSWER FROM THE HEADEND, trying again. the store is away" in result.stdout
        assert "Gateway-Test" in result.stdout

    def test_a_store_that_hangs_takes_nothing_from_the_screen(self) -> None:
        desk = Desk()
        desk.der("dispatch", "--site", "Gateway-Test", "--mw", "12")
        desk.headend.raise_event("inverter_trip", "tripped", asset_id=BATTERY_A)
        desk.store_hangs()
        shown = desk.der("watch", "--once").stdout
        assert all(text in shown for text in ("GT-BESS-A", "Under way: 1", "Alarms: 1"))
