"""The longest table there is, of 10,000 live assets: it stays still under the eyes and the hands of who looks at it."""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect

from der_console.picture import MOST_ASSETS
from kit.browser import Screen
from kit.processes import Program
from kit.system import Json, System

SITES = 100
MOST_RENDERED = 60
"""Rows in the page at once, of which some twenty can be seen."""
LONGEST_TASK_MS = 1500
"""The browser answers nobody for so long at most, also where the test's machine is busy: mostly 350 ms, to sort."""

_WATCH = """() => {
    const grid = getElement(Number(document.querySelector(".grid-place").id.slice(1)));
    const rows = () => [...document.querySelectorAll(".grid .ag-center-cols-container .ag-row")];
    const power = (row) => row.querySelector("[col-id=current_mw]").textContent;
    window.watched = { grid, rows, power, longest_ms: 0 };
    new PerformanceObserver((seen) => {
        for (const task of seen.getEntries()) watched.longest_ms = Math.max(watched.longest_ms, task.duration);
    }).observe({ type: "longtask" });
}"""
_MARK = """() => {
    watched.before = new Map(watched.rows().map((row) => [row, [row.getAttribute("row-id"), watched.power(row)]]));
    watched.top = document.querySelector(".grid .ag-body-viewport").scrollTop;
    return watched.before.size;
}"""
_CHANGED = "() => [...watched.before].filter(([row, [, mw]]) => watched.power(row) !== mw).length >= 10"
_STAYED = """() => ({
    rows: watched.rows().every((row) => watched.before.get(row)?.[0] === row.getAttribute("row-id")),
    count: watched.rows().length,
    top: document.querySelector(".grid .ag-body-viewport").scrollTop === watched.top,
})"""
_SORTED = """() => {
    watched.grid.api.flushAsyncTransactions();
    const mw = [...Array(1000).keys()].map((i) => watched.grid.api.getDisplayedRowAtIndex(i).data.current_mw);
    return mw.every((value, i) => i === 0 || value <= mw[i - 1]);
}"""


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A headend and as many live assets as a table shows."""
    args = ("inventory", "--sites", str(SITES), "--assets-per-site", str(MOST_ASSETS // SITES))
    inventory = tmp_path_factory.mktemp("fleet") / "fleet.yaml"
    with Program.module("der_cli", "fleet", *args) as written:
        assert written.wait(deadline_s=20.0) == 0
        inventory.write_text("\n".join([*written.stdout, ""]), encoding="utf-8")
    with System(CONSOLE="1", ASSETS_PATH=str(inventory)) as system:
        env = {"HEADEND_GRPC": system.grpc_address}
        with Program.module("der_cli", "fleet", "run", "--inventory", str(inventory), env=env):
            system.wait(lambda: _heard(system) == MOST_ASSETS, "every asset heard", deadline_s=30.0)
            yield system


def test_ten_thousand_live_assets_are_read_sorted_and_searched(
    large: System, screen: Callable[..., Screen]
) -> None:
    shown = screen(large.url).open("/")
    shown.see("10,000 rows")
    page = shown.page
    page.evaluate(_WATCH)
    _is_read_in_peace(page)
    header = page.locator(".ag-header-cell[col-id=current_mw]")
    for order in ("ascending", "descending"):
        header.click()
        expect(header).to_have_attribute("aria-sort", order)
    page.wait_for_function(_SORTED)
    assets = large.get("/assets", limit=1000)
    name = assets[0]["name"]
    page.get_by_role("searchbox").fill(name)
    page.locator(".grid").get_by_role("link", name=name, exact=True).wait_for()
    page.get_by_role("searchbox").fill("")
    shown.see("10,000 rows")
    page.get_by_role("combobox", name="Site").select_option(assets[0]["site_name"])
    shown.see("100 of 10,000 rows")
    assert page.evaluate("watched.rows().length") <= MOST_RENDERED
    assert page.evaluate("watched.longest_ms") < LONGEST_TASK_MS


def _is_read_in_peace(page: Page) -> None:
    """Halfway down, values change where they are: no row is made anew and nothing moves."""
    page.locator(".grid .ag-body-viewport").evaluate("place => { place.scrollTop = place.scrollHeight / 2 }")
    page.wait_for_function("() => watched.rows().some((row) => row.getAttribute('row-index') === '5000')")
    rendered = page.evaluate(_MARK)
    assert 0 < rendered <= MOST_RENDERED
    page.wait_for_function(_CHANGED)
    stayed = page.evaluate(_STAYED)
    assert stayed == {"rows": True, "count": rendered, "top": True}


def _heard(system: System) -> int:
    sites: Json = system.get("/sites", with_assets=False, limit=SITES)
    return sum(site["assets_heard"] for site in sites)
