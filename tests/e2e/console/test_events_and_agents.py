"""Events, alarms and agents in a real browser, with assets that break and an agent that goes."""

from collections.abc import Callable, Iterator
from typing import Literal

import pytest
from playwright.sync_api import expect

from der_console.feeds.events import EventsWanted
from kit.browser import WAIT_MS, Screen
from kit.processes import Program
from kit.system import CAMPUS_ID, GATEWAY, SITE_ID, System, kill

expect.set_options(timeout=WAIT_MS)

_ILL = {"SIM_FAULTS_PER_HOUR": "3600", "SIM_SEED": "7"}
"""Every asset has a fault within seconds, which lasts for half a minute at least."""
_ASSETS = ("GT-BESS-A", "GT-BESS-B", "GT-BESS-C")


@pytest.fixture(scope="module")
def ill() -> Iterator[System]:
    """A headend with its console, and a gateway whose assets have all broken."""
    with System(CONSOLE="1") as running:
        running.start_agent({**GATEWAY, **_ILL})
        running.wait(
            lambda: len(running.get("/events", active=True)) == len(_ASSETS), "an alarm of each asset"
        )
        yield running


@pytest.fixture
def campus(ill: System) -> Iterator[Program]:
    """A second agent, which a test may end."""
    agent = ill.start_agent({**GATEWAY, "SITE_ID": CAMPUS_ID})
    yield agent
    agent.kill()


def test_alarm_is_raised_seen_and_acknowledged(ill: System, screen: Callable[..., Screen]) -> None:
    page = screen(ill.url).open("/ui/events").page
    raised = page.get_by_label("Raised alarms")
    for name in _ASSETS:
        expect(raised.get_by_role("row", name=name)).to_contain_text("Gateway-Test")
    expect(page.locator(".nav .count")).to_have_text("3")
    expect(page.locator(".tiles .tile").last).to_contain_text("3")
    mine = raised.get_by_role("row", name="GT-BESS-B")
    mine.get_by_role("button", name="Acknowledge").click()
    expect(mine.get_by_role("button")).to_have_count(0)
    expect(raised.get_by_role("row").last).to_contain_text("GT-BESS-B")
    expect(page.locator(".tiles .tile").last).to_contain_text("2")
    assert sum(event["acknowledged_at"] is not None for event in ill.get("/events")) == 1


def test_a_list_that_cannot_be_read_says_so_above_its_rows(
    ill: System, screen: Callable[..., Screen]
) -> None:
    page = screen(ill.url).open("/ui/events").page
    history = page.get_by_label("Events, newest first")
    expect(history.get_by_role("row", name="GT-BESS-A")).to_be_visible()
    page.evaluate(
        "(topic) => der.put(topic, { trouble: { t: 'The database is away.' } }, der.now())",
        EventsWanted().key,
    )
    expect(history.get_by_role("status")).to_have_text("The database is away.")
    expect(history.get_by_role("row", name="GT-BESS-A")).to_be_visible()


def test_history_is_filtered(ill: System, screen: Callable[..., Screen]) -> None:
    page = screen(ill.url).open("/ui/events").page
    history = page.get_by_label("Events, newest first")
    expect(history.get_by_role("row", name="GT-BESS-A")).to_be_visible()
    filters = page.get_by_role("search")
    filters.get_by_role("combobox", name="Site or asset").fill("bess-c")
    filters.get_by_role("combobox", name="Site or asset").press("Enter")
    expect(history.get_by_role("row", name="GT-BESS-A")).to_have_count(0)
    expect(history.get_by_role("row", name="GT-BESS-C")).to_be_visible()
    filters.get_by_label("Severity").select_option("info")
    expect(history).to_contain_text("Nothing of this kind has happened.")


def test_agents_are_shown_with_their_link_and_sessions(
    ill: System, campus: Program, screen: Callable[..., Screen]
) -> None:
    shown = screen(ill.url).open("/ui/agents")
    page = shown.page
    row = page.get_by_role("row", name="Campus-Test")
    expect(row.get_by_role("gridcell", name="connected", exact=True)).to_be_visible()
    page.get_by_role("searchbox").fill(CAMPUS_ID)
    shown.see("1 of 2 rows")
    kill(campus)
    expect(row.get_by_role("gridcell", name="disconnected", exact=True)).to_be_visible()
    expect(page.locator(".tiles .tile").first).to_contain_text("1 / 2")
    page.get_by_role("link", name="Campus-Test").click()
    page.wait_for_url(f"**/ui/agents/{CAMPUS_ID}")
    expect(page.locator(".state")).to_have_text("disconnected")
    reason = next(a for a in ill.get("/agents") if a["agent_id"] == CAMPUS_ID)["sessions"][0]["reason"]
    expect(page.get_by_label("Sessions", exact=True)).to_contain_text(reason)
    ill.start_agent({**GATEWAY, "SITE_ID": CAMPUS_ID})
    expect(page.locator(".state")).to_have_text("connected")
    expect(page.get_by_label("Sessions", exact=True).get_by_role("row")).to_have_count(3)


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/ui/events", "/ui/agents", f"/ui/agents/{SITE_ID}"])
def test_pages_are_accessible_and_fit_a_phone(
    ill: System, screen: Callable[..., Screen], path: str, theme: Literal["light", "dark"]
) -> None:
    shown = screen(ill.url, theme=theme).open(path)
    shown.page.locator(".tiles .number").first.wait_for()
    assert shown.violations() == []
    shown.page.set_viewport_size({"width": 360, "height": 740})
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert shown.violations() == []
