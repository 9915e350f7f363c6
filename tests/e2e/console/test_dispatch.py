"""Dispatch in a real browser: preview, send, follow and cancel, on a real headend with real agents."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import httpx
import pytest
from playwright.sync_api import Locator, Page, expect

from kit.browser import WAIT_MS, Screen
from kit.processes import Program, free_port
from kit.system import ASSET_A, CAMPUS_A, GATEWAY, SITE_ID, System, kill

expect.set_options(timeout=WAIT_MS)


@pytest.fixture
def fleet(system: System) -> Iterator[System]:
    """The system, with nothing in force when the test is over."""
    yield system
    for record in system.get("/dispatch/history", state="active"):
        system.http.delete(f"/dispatch/{record['id']}")


def test_site_dispatch_is_previewed_sent_followed_and_cancelled(
    fleet: System, screen: Callable[..., Screen]
) -> None:
    page = screen(fleet.url).open("/ui/dispatch").page
    target = page.get_by_role("combobox", name="Site or asset").first
    target.click()
    target.press_sequentially("gateway")
    expect(page.get_by_role("option", name="Gateway-Test site, 3 assets")).to_be_visible()
    target.press("Enter")
    expect(page.locator(".target-now")).to_contain_text("−100.0 … +100.0")
    page.get_by_label("Power, MW").fill("12")
    expect(page.get_by_text("+12.00 MW: Gateway-Test is to export")).to_be_visible()
    page.get_by_label("Power, MW").press("Enter")
    split = page.get_by_label("The split that would be made")
    _shows(split.get_by_role("row", name="GT-BESS-A"), "60.0", "+7.20", "0.00")
    _shows(split.get_by_role("row", name="GT-BESS-B"), "20.0", "+2.40", "0.00")
    _shows(split.get_by_role("row", name="GT-BESS-C"), "20.0", "+2.40", "0.00")
    assert fleet.get("/dispatch/history", site_id=SITE_ID) == []

    page.get_by_role("button", name="Send +12.00 MW to Gateway-Test until further notice").dblclick()
    page.wait_for_url("**/ui/dispatch/*-*")
    parts = page.get_by_label("Power by asset")
    for name, mw in (("GT-BESS-A", "+7.20"), ("GT-BESS-B", "+2.40"), ("GT-BESS-C", "+2.40")):
        row = parts.get_by_role("row", name=name)
        expect(row.get_by_role("cell", name=mw, exact=True)).to_have_count(4)
        expect(row.get_by_role("cell", name="active")).to_be_visible()
    life = page.get_by_role("list", name="Transitions, oldest first")
    expect(life.locator(".step:not(.ahead) .step-name")).to_have_text(
        ["submitted", "queued", "sent", "acknowledged", "active"]
    )
    assert len(fleet.get("/dispatch/history", site_id=SITE_ID)) == 1

    page.get_by_role("button", name="Cancel dispatch").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel dispatch").click()
    expect(life.locator(".step").last).to_contain_text("cancelled")
    expect(page.get_by_role("button", name="Cancel dispatch")).to_have_count(0)


def test_times_are_utc_wherever_the_browser_is(fleet: System, screen: Callable[..., Screen]) -> None:
    order = {"asset_id": ASSET_A, "mw": 1.0}
    record = fleet.http.post("/dispatch", params={"wait": "active"}, json=order).json()
    begun_s = datetime.fromisoformat(record["transitions"][0]["at"]).timestamp()
    begun = f"{datetime.fromtimestamp(round(begun_s, 3), UTC):%H:%M:%S.%f}"[:-3]
    shown = screen(fleet.url).open(f"/ui/dispatch/{record['id']}")
    expect(shown.page.locator(".step-time").first).to_contain_text(f"{begun} UTC")
    shown.see(f"{record['active_at'][11:19]} UTC")
    shown.open("/ui/dispatch")
    recent = shown.page.locator(".recent")
    expect(recent.get_by_role("columnheader", name="Submitted UTC")).to_be_visible()
    expect(recent.get_by_role("row").nth(1)).to_contain_text(begun[:8])
    assert shown.page.evaluate("[der.date(0), der.moment(0), der.moment(0, 9)]") == [
        "1970-01-01 00:00:00 UTC",
        "1970-01-01 00:00:00",
        "00:00:00",
    ]
    shown.open(f"/ui/asset/{ASSET_A}")
    assert shown.page.evaluate(
        "getElement(Number(document.querySelector('.chart').id.slice(1))).chart.getOption().useUTC"
    )


def test_what_would_be_clamped_and_unserved_is_shown_before(
    fleet: System, screen: Callable[..., Screen]
) -> None:
    page = screen(fleet.url).open(f"/ui/dispatch?site={SITE_ID}").page
    page.get_by_label("Power, MW").fill("-130")
    expect(page.get_by_text("This is beyond the target's limits")).to_be_visible()
    page.get_by_role("button", name="For minutes").click()
    page.get_by_label("Minutes").fill("15")
    page.get_by_label("Minutes").press("Enter")
    preview = page.get_by_role("region", name="Preview", exact=True)
    expect(preview).to_contain_text("−30.00 MW would be unserved")
    expect(preview.get_by_role("row", name="GT-BESS-A")).to_contain_text("held to its limits")
    expect(preview.get_by_role("button", name="Send −130.00 MW to Gateway-Test for 15 min")).to_be_visible()
    page.get_by_label("Power, MW").fill("-13")
    expect(preview).to_be_hidden()


def test_a_form_that_is_not_complete_says_what_is_missing(
    fleet: System, screen: Callable[..., Screen]
) -> None:
    page = screen(fleet.url).open("/ui/dispatch").page
    page.get_by_role("button", name="Preview the split").click()
    expect(page.get_by_role("alert").filter(has_text="Choose a target")).to_be_visible()


def test_release_all_says_how_many_and_releases_them(fleet: System, screen: Callable[..., Screen]) -> None:
    fleet.dispatch(asset_id=ASSET_A, mw=3.0)
    fleet.dispatch(asset_id=CAMPUS_A, mw=-4.0)
    page = screen(fleet.url).open("/ui/dispatch").page
    recent = page.get_by_label("Dispatches, newest first")
    expect(recent.get_by_text("active", exact=True)).to_have_count(2)
    page.get_by_role("button", name="Release all …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("2 dispatches in the whole fleet will be cancelled: 2 in force.")
    dialog.get_by_role("combobox", name="Where").fill("Campus")
    dialog.get_by_role("option", name="Campus-Test site, 2 assets").click()
    expect(dialog).to_contain_text("1 dispatch at Campus-Test will be cancelled: 1 in force.")
    dialog.get_by_role("button", name="Release").click()
    expect(page.get_by_role("alert").filter(has_text="1 cancelled.")).to_be_visible()
    expect(recent.get_by_text("active", exact=True)).to_have_count(1)


def test_recent_dispatches_are_filtered(fleet: System, screen: Callable[..., Screen]) -> None:
    fleet.dispatch(asset_id=ASSET_A, mw=1.5)
    page = screen(fleet.url).open("/ui/dispatch").page
    recent = page.get_by_label("Dispatches, newest first")
    page.get_by_label("State").select_option("expired")
    expect(recent).to_contain_text("No dispatch of this kind.")
    page.get_by_label("State").select_option("active")
    expect(recent.get_by_role("row", name="GT-BESS-A")).to_contain_text("+1.50")


@pytest.mark.parametrize(
    ("typed", "chosen"),
    [("ct-bess-b", "CT-BESS-B"), ("ess-c", "GT-BESS-C"), ("zzzz", None), ("bess", None)],
)
@pytest.mark.parametrize("leave", ["Tab", "Preview"])
def test_what_was_typed_is_the_target_or_nothing_is(
    fleet: System, screen: Callable[..., Screen], typed: str, chosen: str | None, leave: str
) -> None:
    page = screen(fleet.url).open(f"/ui/dispatch?asset={ASSET_A}").page
    page.get_by_label("Power, MW").fill("4")
    page.get_by_label("Power, MW").press("Enter")
    send = page.get_by_role("button", name="Send +4.00 MW")
    expect(send).to_have_text("Send +4.00 MW to GT-BESS-A until further notice")
    target = page.get_by_role("combobox", name="Site or asset").first
    target.click()
    target.press_sequentially(typed)
    expect(send).to_be_hidden()
    if leave == "Tab":
        target.press("Tab")
    preview = page.get_by_role("button", name="Preview the split")
    preview.click()
    if chosen:
        expect(send).to_have_text(f"Send +4.00 MW to {chosen} until further notice")
        expect(target).to_have_value(chosen)
        return
    why = "Several match “bess”" if typed == "bess" else "There is no site or asset “zzzz”"
    expect(page.get_by_role("alert").filter(has_text=why)).to_be_visible()
    expect(page.get_by_role("alert").filter(has_text="Choose a target")).to_be_visible()
    expect(target).to_have_value(typed)
    expect(send).to_be_hidden()


def test_unknown_name_is_not_entered(fleet: System, screen: Callable[..., Screen]) -> None:
    page = screen(fleet.url).open(f"/ui/dispatch?asset={ASSET_A}").page
    target = page.get_by_role("combobox", name="Site or asset").first
    target.click()
    target.press_sequentially("zzzz")
    target.press("Enter")
    expect(page.get_by_role("alert").filter(has_text="There is no site or asset “zzzz”")).to_be_visible()
    expect(target).to_have_value("zzzz")
    expect(page.locator(".target-now")).to_contain_text("unknown")


def test_nothing_is_released_while_it_is_not_known_where(
    fleet: System, screen: Callable[..., Screen]
) -> None:
    fleet.dispatch(asset_id=ASSET_A, mw=3.0)
    page = screen(fleet.url).open("/ui/dispatch").page
    page.get_by_role("button", name="Release all …").click()
    dialog = page.get_by_role("dialog")
    release = dialog.get_by_role("button", name="Release")
    expect(release).to_be_enabled()
    dialog.get_by_role("combobox", name="Where").press_sequentially("zzzz")
    expect(release).to_be_disabled()
    dialog.get_by_role("combobox", name="Where").fill("")
    expect(release).to_be_enabled()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/ui/dispatch/zzz", "No such dispatch"),
        ("/ui/dispatch/00000000-0000-4000-8000-000000000000", "No such dispatch"),
        ("/ui/agents/zzz", "No such agent"),
        ("/ui/asset/zzz", "No such asset"),
        ("/ui/site/zzz", "No such site"),
        ("/ui/", "No such page"),
        ("/ui/nonsense/more", "No such page"),
    ],
)
def test_what_is_not_there_is_not_found(
    fleet: System, screen: Callable[..., Screen], path: str, said: str
) -> None:
    shown = screen(fleet.url)
    shown.open(path)
    expect(shown.page.get_by_role("heading", name=said)).to_be_visible()
    expect(shown.page.get_by_role("link", name="To Fleet")).to_be_visible()
    assert fleet.http.get(path).status_code == httpx.codes.NOT_FOUND
    # The browser itself notes every answer that is 404.
    shown.faults = [fault for fault in shown.faults if "404" not in fault]


def test_unknown_target_of_a_link_is_said_to_be_unknown(fleet: System, screen: Callable[..., Screen]) -> None:
    page = screen(fleet.url).open("/ui/dispatch?asset=zzz").page
    expect(page.get_by_role("alert").filter(has_text="There is no such asset: zzz.")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_preview_and_record_are_accessible_and_fit_a_phone(
    fleet: System, screen: Callable[..., Screen], theme: str
) -> None:
    shown = screen(fleet.url, theme=theme, width=360, height=740).open(f"/ui/dispatch?site={SITE_ID}")
    page = shown.page
    page.get_by_label("Power, MW").fill("130")
    page.get_by_label("Power, MW").press("Enter")
    send = page.get_by_role("button", name="Send +130.00 MW")
    expect(send).to_be_visible()
    assert shown.violations() == []
    assert _width(page) <= 360
    send.click()
    page.wait_for_url("**/ui/dispatch/*-*")
    expect(page.get_by_role("button", name="Cancel dispatch").first).to_be_visible()
    assert shown.violations() == []
    assert _width(page) <= 360


def test_while_the_headend_is_gone_nothing_is_sent_and_the_page_heals(screen: Callable[..., Screen]) -> None:
    address = f"127.0.0.1:{free_port()}"
    with System() as own, Program.module("der_console", "--headend", own.url, "--addr", address) as console:
        console.wait_for("^der_console: ")
        own.start_agent(GATEWAY)
        page = screen(f"http://{address}").open(f"/ui/dispatch?asset={ASSET_A}").page
        expect(page.locator(".target-now")).to_contain_text("connected")
        kill(own.headend)
        expect(page.locator(".banner")).to_be_visible()
        page.get_by_label("Power, MW").fill("5")
        page.get_by_label("Power, MW").press("Enter")
        expect(page.get_by_role("alert").filter(has_text="The headend does not answer")).to_be_visible()
        own.start_headend()
        expect(page.locator(".banner")).to_have_count(0)
        own.wait_for_agent(GATEWAY["SITE_ID"], connected=True)
        expect(page.locator(".target-now")).to_contain_text("connected")
        page.get_by_label("Power, MW").press("Enter")
        page.get_by_role("button", name="Send +5.00 MW to GT-BESS-A").click()
        expect(page.locator(".state")).to_have_text("active")


def _width(page: Page) -> int:
    width: int = page.evaluate("document.documentElement.scrollWidth")
    return width


def _shows(row: Locator, *texts: str) -> None:
    for text in texts:
        expect(row).to_contain_text(text)
