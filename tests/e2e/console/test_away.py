"""What every page says while the agent of a site is away, on a real headend with real agents."""

from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from playwright.sync_api import expect

from kit.browser import WAIT_MS, Screen
from kit.system import CAMPUS_A, CAMPUS_ID, GATEWAY, SITE_ID, System, kill

expect.set_options(timeout=WAIT_MS)

_LEFT_OUT = "Sums are from 3 of 5 assets; 2 not heard since "
_CHART = "getElement(Number(document.querySelector('.chart').id.slice(1)))"


@pytest.fixture(scope="module")
def away() -> Iterator[System]:
    """The system with 5 MW in force at one site and 12 MW at the other, whose agent was killed."""
    with System(CONSOLE="1") as running:
        running.start_agent(GATEWAY)
        campus = running.start_agent({**GATEWAY, "SITE_ID": CAMPUS_ID})
        running.dispatch(site_id=SITE_ID, mw=5.0)
        running.dispatch(asset_id=CAMPUS_A, mw=12.0)
        running.wait_for_mw({CAMPUS_A: 12.0})
        kill(campus)
        running.wait_for_agent(CAMPUS_ID, connected=False)
        yield running


def test_sums_of_the_fleet_are_of_what_is_heard(away: System, screen: Callable[..., Screen]) -> None:
    page = screen(away.url).open("/").page
    expect(page.locator(".warnings")).to_contain_text(_LEFT_OUT)
    net = page.locator(".tile").first
    expect(net).to_contain_text("+5.00")
    expect(net).to_contain_text("from 3 of 5 assets")
    campus = page.get_by_label("Sites", exact=True).get_by_role("row", name="Campus-Test")
    expect(campus).to_contain_text("2 not heard since ")
    expect(campus.get_by_role("cell").nth(1)).to_have_text("–")
    # The past may end before the site went; what is live then shows it.
    page.wait_for_function(f"{_CHART}.missing({_CHART}.data.t.length - 1) === 2")
    drawn = page.evaluate(f"""() => {{
        const chart = {_CHART};
        const last = (look) => chart.data.s[chart.lines.findIndex((s) => s.look === look)].at(-1);
        const shaded = chart.partial().at(-1);
        return [last("sum"), last("missing"), shaded[1].xAxis / 1000 === chart.data.t.at(-1)];
    }}""")
    assert drawn == [pytest.approx(5.0, abs=0.05), 2, True]


def test_the_site_and_its_asset_show_what_was_known_last(away: System, screen: Callable[..., Screen]) -> None:
    site = screen(away.url).open(f"/ui/site/{CAMPUS_ID}").page
    expect(site.locator(".warnings")).to_contain_text("Sums are from 0 of 2 assets; 2 not heard since ")
    expect(site.locator(".tile").first.locator(".sr")).to_have_text("unknown")
    expect(site.locator(".id")).to_have_text(CAMPUS_ID)
    asset = screen(away.url).open(f"/ui/asset/{CAMPUS_A}").page
    expect(asset.locator(".pill")).to_have_text("disconnected")
    power = asset.locator(".tile").first
    expect(power).to_contain_text("+12.00")
    expect(power).to_contain_text("last known: discharging")


def test_a_phone_shows_whom_not_to_trust(away: System, screen: Callable[..., Screen]) -> None:
    page = screen(away.url, width=360, height=740).open("/").page
    status = page.get_by_role("row", name="CT-BESS-A").get_by_role("gridcell").last
    expect(status).to_have_text("disconnected")
    assert status.evaluate("cell => cell.scrollWidth <= cell.clientWidth")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize(
    ("path", "theme"), [("/", "light"), (f"/ui/site/{CAMPUS_ID}", "light"), (f"/ui/asset/{CAMPUS_A}", "dark")]
)
def test_pages_are_accessible(
    away: System, screen: Callable[..., Screen], path: str, theme: Literal["light", "dark"]
) -> None:
    shown = screen(away.url, theme=theme).open(path)
    shown.page.locator(".tiles .value").first.wait_for()
    assert shown.violations() == []


def test_a_live_chart_goes_on_in_silence(away: System, screen: Callable[..., Screen]) -> None:
    page = screen(away.url).open(f"/ui/asset/{CAMPUS_A}").page
    page.wait_for_function(f"{_CHART}.data.t.length > 1")
    end = f"{_CHART}.chart.getOption().xAxis[0].max"
    before = page.evaluate(end)
    page.wait_for_function(f"before => {end} > before", arg=before)
    assert before / 1000 > page.evaluate(f"{_CHART}.data.t.at(-1)")


def test_boxes_of_a_filter_stand_in_line(away: System, screen: Callable[..., Screen]) -> None:
    page = screen(away.url).open("/ui/dispatch").page
    filters = page.get_by_role("search")
    boxes = [filters.locator(each).bounding_box() for each in ("select", "input")]
    assert boxes[0] is not None
    assert boxes[1] is not None
    assert boxes[0]["y"] + boxes[0]["height"] == boxes[1]["y"] + boxes[1]["height"]


def test_the_way_to_a_page_has_names_and_the_id_is_beside_the_title(
    away: System, screen: Callable[..., Screen]
) -> None:
    agent = screen(away.url).open(f"/ui/agents/{CAMPUS_ID}").page
    expect(agent.locator(".crumbs")).to_have_text("Agents / Campus-Test")
    expect(agent.locator(".id")).to_have_text(CAMPUS_ID)
    site = screen(away.url).open(f"/ui/site/{CAMPUS_ID}").page
    expect(site.locator(".crumbs")).to_have_text("Fleet / Campus-Test")
    expect(site.locator(".page-head .note").first).to_have_text("Campus")
    record = away.get("/dispatch/history")[0]
    page = screen(away.url).open(f"/ui/dispatch/{record['id']}").page
    expect(page.locator(".crumbs")).to_have_text("Dispatch / +12.00 MW to CT-BESS-A")
    expect(page.locator(".id")).to_have_text(record["id"])
