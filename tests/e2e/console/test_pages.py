"""The console in a real browser, served by a real headend with real agents."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import httpx
import pytest

from der_console import cells
from der_console.picture import MOST_ASSETS
from der_core.freshness import STALE_AFTER_S
from kit.browser import Screen
from kit.processes import Program, free_port
from kit.system import ASSET_A, SITE_ID, System

PAGES = ("/", f"/ui/site/{SITE_ID}", f"/ui/asset/{ASSET_A}")


def test_fleet_shows_values_as_they_change(system: System, screen: Callable[..., Screen]) -> None:
    fleet = screen(system.url).open("/")
    fleet.see("of 5, all live")
    sent = system.dispatch(site_id=SITE_ID, mw=12.0)
    fleet.see("+12.00", within=".tiles")
    fleet.see("exporting", within=".tiles")
    fleet.see("+7.20", within=".grid")
    system.http.delete(f"/dispatch/{sent['id']}")
    fleet.see("idle", within=".tiles")


def test_asset_shows_power_setpoint_and_dispatch(system: System, screen: Callable[..., Screen]) -> None:
    asset = screen(system.url).open(f"/ui/asset/{ASSET_A}")
    sent = system.dispatch(asset_id=ASSET_A, mw=-6.0)
    asset.see("−6.00", within=".tiles")
    asset.see("charging", within=".tiles")
    asset.see("active", within="section[aria-label=Dispatches]")
    asset.page.get_by_role("button", name="24 h").click()
    asset.page.wait_for_selector('button[aria-pressed=true]:has-text("24 h")')
    asset.page.get_by_role("link", name="Dispatch …").click()
    asset.page.wait_for_url(f"**/ui/dispatch?asset={ASSET_A}")
    system.http.delete(f"/dispatch/{sent['id']}")


def test_table_is_searched_and_filtered(system: System, screen: Callable[..., Screen]) -> None:
    fleet = screen(system.url).open("/")
    fleet.see("5 rows")
    fleet.page.keyboard.press("/")
    fleet.page.keyboard.type("GT-BESS")
    fleet.see("3 of 5 rows")
    fleet.page.get_by_role("searchbox").fill("")
    fleet.page.get_by_role("combobox", name="Site").select_option("Campus-Test")
    fleet.see("2 of 5 rows")
    fleet.page.get_by_role("link", name="CT-BESS-A").click()
    fleet.page.wait_for_url("**/ui/asset/*")


def test_table_loses_no_change_that_comes_while_it_is_fetched(
    system: System, screen: Callable[..., Screen]
) -> None:
    fleet = screen(system.url).open("/")
    fleet.see("5 rows")
    shown = fleet.page.evaluate("""async () => {
        const grid = getElement(Number(document.querySelector(".grid-place").id.slice(1)));
        const change = (status) => {
            const values = { ...grid.rows[2], status };
            return { g: grid.generation, q: grid.seq + 1e6, r: [[2, ...grid.live.map((name) => values[name])]] };
        };
        const shown = () => {
            grid.api.flushAsyncTransactions();
            return grid.api.getRowNode("2").data.status;
        };
        grid.take(change("before"));
        let fetched = grid.load();
        await fetched;
        const replaced = shown() !== "before";
        fetched = grid.load();
        grid.take(change("meanwhile"));
        await fetched;
        const status = shown();
        const newer = { g: grid.generation + 1 };
        const real = window.fetch;
        window.fetch = () => Promise.reject(new Error("away"));
        await grid.load();
        window.fetch = real;
        grid.take(newer);
        const patient = !grid.loading;
        fetched = grid.load();
        grid.take(newer);
        await fetched;
        return { replaced, status, patient, fetchedAnew: grid.loading };
    }""")
    assert shown == {"replaced": True, "status": "meanwhile", "patient": True, "fetchedAnew": True}


def test_large_fleet_is_entered_by_site(tmp_path: Path, screen: Callable[..., Screen]) -> None:
    inventory = tmp_path / "assets.yaml"
    inventory.write_text(json.dumps(_inventory(sites=50, assets=MOST_ASSETS + 1)), encoding="utf-8")
    with System(CONSOLE="1", ASSETS_PATH=str(inventory)) as large:
        fleet = screen(large.url).open("/")
        fleet.see("10,001 assets: more than 10,000 are shown one site at a time.")
        fleet.page.get_by_role("combobox", name="Find a site").press_sequentially("site-42")
        fleet.page.get_by_role("option", name="Site-42").click()
        fleet.page.wait_for_url("**/ui/site/*")
        fleet.see("Site-42")
        fleet.see("200 rows")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES, ids=["fleet", "site", "asset"])
def test_pages_are_accessible(
    system: System, screen: Callable[..., Screen], path: str, theme: Literal["light", "dark"]
) -> None:
    shown = screen(system.url, theme=theme).open(path)
    shown.page.locator(".tiles .number").first.wait_for()
    assert shown.page.evaluate("document.documentElement.dataset.theme") == theme
    assert shown.page.evaluate("document.documentElement.lang") == "en-US"
    assert shown.violations() == []


@pytest.mark.parametrize("path", PAGES, ids=["fleet", "site", "asset"])
def test_pages_fit_a_phone(system: System, screen: Callable[..., Screen], path: str) -> None:
    shown = screen(system.url, width=360, height=740).open(path)
    shown.page.locator(".tiles .number").first.wait_for()
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_phone_shows_what_matters_most_of_an_asset(system: System, screen: Callable[..., Screen]) -> None:
    fleet = screen(system.url, width=360, height=740).open("/")
    fleet.see("5 rows")
    header = fleet.page.locator(".grid .ag-header-cell")
    assert header.all_inner_texts() == ["Asset", "MW", "SOC %", "Status"]
    box = header.last.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 360


def test_chart_does_not_join_what_it_was_not_told(system: System, screen: Callable[..., Screen]) -> None:
    asset = screen(system.url).open(f"/ui/asset/{ASSET_A}")
    drawn = asset.page.evaluate("""() => {
        const chart = getElement(Number(document.querySelector(".chart").id.slice(1)));
        const at = (t) => ({ t: [t], s: chart.series.map(() => [t]) });
        chart.show(at(1000), 900);
        [1002, 1004, 1100, 1102].forEach((t) => chart.add(at(t)));
        return chart.data.s[2];
    }""")
    assert drawn == [1000, 1002, 1004, None, 1100, 1102]


def test_chart_takes_no_value_twice(system: System, screen: Callable[..., Screen]) -> None:
    asset = screen(system.url).open(f"/ui/asset/{ASSET_A}")
    drawn = asset.page.evaluate("""() => {
        const chart = getElement(Number(document.querySelector(".chart").id.slice(1)));
        const at = (...t) => ({ t, s: chart.series.map(() => t) });
        chart.show(at(1000, 1002), 900);
        [at(1002), at(1000, 1002, 1004), at(1004), at(1100)].forEach(chart.add);
        return [chart.data.t, chart.data.s[2]];
    }""")
    assert drawn == [[1000, 1002, 1004, 1005, 1100], [1000, 1002, 1004, None, 1100]]


def test_browser_and_headend_agree_on_what_is_stale(system: System, screen: Callable[..., Screen]) -> None:
    shown = screen(system.url).open("/")
    assert shown.page.evaluate("der.staleAfter") == STALE_AFTER_S


def test_browser_and_console_write_numbers_alike(system: System, screen: Callable[..., Screen]) -> None:
    shown = screen(system.url).open("/")
    powers = [0.0, -0.00004, -0.0074, 0.09996, 0.1, -4.0, 99.994, 123.45, 12_345.6]
    assert shown.page.evaluate("(powers) => powers.map((mw) => der.signed(mw))", powers) == [
        *map(cells.signed, powers)
    ]
    assert shown.page.evaluate("(powers) => powers.map((mw) => der.direction(mw))", powers) == [
        *map(cells.direction, powers)
    ]


def test_pages_from_elsewhere_are_refused_by_headend_and_console(system: System) -> None:
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "MDEyMzQ1Njc4OWFiY2RlZg==",
    }
    elsewhere = {"Origin": "http://attacker.example"}
    socket = "/_nicegui_ws/socket.io/?EIO=4&transport=websocket"
    alone = f"127.0.0.1:{free_port()}"
    with Program.module("der_console", "--headend", system.url, "--addr", alone) as console:
        console.wait_for("^der_console: ")
        for url in (system.url, f"http://{alone}"):
            with httpx.Client(base_url=url) as client:
                assert client.get("/ui/agents").headers["x-frame-options"] == "DENY"
                assert client.get("/ui/agents", headers={"Host": "attacker.example"}).status_code == 421
                assert client.get("/ui/agents", headers=elsewhere).status_code == 403
                refused = client.get(socket, headers=upgrade | elsewhere)
                assert (refused.status_code, refused.json()["code"]) == (403, "cross_origin")
    order = {"asset_id": ASSET_A, "mw": 1.375}
    assert system.http.post("/dispatch", json=order, headers=elsewhere).json()["code"] == "cross_origin"
    assert 1.375 not in [record["requested_mw"] for record in system.get("/dispatch/history")]


def test_theme_is_remembered(system: System, screen: Callable[..., Screen]) -> None:
    shown = screen(system.url).open("/")
    shown.page.keyboard.press("t")
    shown.page.keyboard.press("t")
    shown.page.wait_for_selector('html[data-theme="dark"]')
    shown.open("/ui/agents")
    assert shown.page.evaluate("document.documentElement.dataset.theme") == "dark"


def test_shortcuts_are_told_and_work(system: System, screen: Callable[..., Screen]) -> None:
    shown = screen(system.url).open("/")
    shown.page.keyboard.press("?")
    shown.see("Keyboard shortcuts")
    close = shown.page.get_by_role("dialog").get_by_role("button", name="Close")
    assert close.evaluate("button => button.scrollWidth <= button.clientWidth")
    close.click()
    shown.page.keyboard.press("g")
    shown.page.keyboard.press("a")
    shown.page.wait_for_url("**/ui/agents")


def test_the_api_keeps_its_paths(system: System) -> None:
    nowhere = system.http.get("/no/such/path")
    assert nowhere.status_code == httpx.codes.NOT_FOUND
    assert nowhere.headers["content-type"] == "application/problem+json"
    assert nowhere.json()["code"] == "unknown_route"
    refused = system.http.delete("/assets")
    assert refused.status_code == httpx.codes.METHOD_NOT_ALLOWED
    assert refused.json()["code"] == "method_not_allowed"
    assert "swagger" in system.http.get("/docs").text.lower()
    assert "text/html" in system.http.get("/").headers["content-type"]
    assert any("console at" in line for line in system.headend.stdout)


def _inventory(*, sites: int, assets: int) -> dict[str, list[dict[str, Any]]]:
    """Assets without an agent, dealt out to the sites in turn."""
    ids = [str(UUID(int=place)) for place in range(1, sites + 1)]
    battery = {"capacity_mwhr": 4, "max_mw": 1, "min_mw": -1, "efficiency": 0.9, "ramp_rate_mw_per_min": 10}
    return {
        "sites": [{"id": id_, "name": f"Site-{n:02}", "location": "Here"} for n, id_ in enumerate(ids)],
        "assets": [
            {"id": str(UUID(int=sites + n + 1)), "name": f"BESS-{n}", "site_id": ids[n % sites], **battery}
            for n in range(assets)
        ],
    }
