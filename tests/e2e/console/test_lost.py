"""What the console shows of what it does not hear: assets without a sample, a headend that is gone."""

from collections.abc import Callable

from playwright.sync_api import expect

from kit.browser import Screen
from kit.processes import Program, free_port
from kit.system import ASSET_A, GATEWAY, System, kill


def test_what_was_never_heard_is_unknown(screen: Callable[..., Screen]) -> None:
    with System(CONSOLE="1") as system:
        asset = screen(system.url).open(f"/ui/asset/{ASSET_A}")
        asset.see("disconnected")
        shown = asset.page.locator(".tiles dd .value").all_inner_texts()
        assert shown
        assert not any("0" in text for text in shown), shown
        assert asset.page.locator(".tiles .value.unknown .sr").first.text_content() == "unknown"


def test_lost_headend_is_unmissable_and_heals(screen: Callable[..., Screen]) -> None:
    port = free_port()
    with (
        System() as system,
        Program.module(
            "der_console",
            *("--headend", system.url.replace("//", "//op:s3cret@"), "--addr", f"127.0.0.1:{port}"),
        ) as console,
    ):
        console.wait_for(f"^der_console: .*, headend {system.url}$")
        system.start_agent(GATEWAY)
        fleet = screen(f"http://127.0.0.1:{port}").open("/")
        fleet.see("Live")
        banner = fleet.page.locator(".banner")
        figure = fleet.page.locator(".tiles .number").first
        assert banner.count() == 0
        expect(figure).to_have_css("font-style", "normal")
        kill(system.headend)
        banner.wait_for()
        expect(figure).to_have_css("font-style", "italic")
        fleet.page.evaluate("der.staleAfter = 5")
        assert "No connection to the headend since" in banner.inner_text()
        assert "s3cret" not in fleet.page.content()
        fleet.see("No connection", within=".link-state")
        fleet.page.locator(".sites .value.stale").first.wait_for()
        system.start_headend()
        banner.wait_for(state="detached")
        expect(figure).to_have_css("font-style", "normal")
        fleet.see("Live")


def test_nothing_is_sent_to_a_headend_that_was_killed_and_the_page_says_so(
    screen: Callable[..., Screen],
) -> None:
    with System(CONSOLE="1") as system:
        system.start_agent(GATEWAY)
        shown = screen(system.url).open(f"/ui/dispatch?asset={ASSET_A}")
        page = shown.page
        page.get_by_label("Power, MW").fill("5")
        page.get_by_label("Power, MW").press("Enter")
        send = page.get_by_role("button", name="Send +5.00 MW to GT-BESS-A")
        send.wait_for()
        kill(system.headend)
        shown.see("No connection", within=".link-state")
        assert "Nothing can be sent meanwhile." in page.locator(".banner").inner_text()
        assert page.get_by_text("Live", exact=True).count() == 0
        send.click()
        system.start_headend()
        page.get_by_text("Nothing was sent since; what had been typed is gone.").wait_for()
        shown.see("Live", within=".link-state")
        assert system.get("/dispatch/history") == []
        shown.faults = [fault for fault in shown.faults if "ERR_CONNECTION" not in fault]


def test_what_is_clicked_while_the_console_is_not_heard_is_not_kept(
    system: System, screen: Callable[..., Screen]
) -> None:
    page = screen(system.url).open(f"/ui/dispatch?asset={ASSET_A}").page
    page.get_by_label("Power, MW").fill("5")
    page.get_by_label("Power, MW").press("Enter")
    send = page.get_by_role("button", name="Send +5.00 MW to GT-BESS-A")
    send.wait_for()
    page.evaluate("window.socket.disconnect()")
    page.locator(".banner").wait_for()
    expect(send).to_have_css("opacity", "0.55")
    send.click()
    page.evaluate("window.socket.connect()")
    page.locator(".banner").wait_for(state="detached")
    page.get_by_role("button", name="Discard").click()
    send.wait_for(state="hidden")
    assert system.get("/dispatch/history") == []


def test_lost_console_is_unmissable_and_heals(screen: Callable[..., Screen]) -> None:
    port = free_port()
    arguments = ("--addr", f"127.0.0.1:{port}")
    with System() as system:
        with Program.module("der_console", "--headend", system.url, *arguments) as console:
            console.wait_for("^der_console: ")
            fleet = screen(f"http://127.0.0.1:{port}").open("/")
            fleet.see("Live")
        banner = fleet.page.locator(".banner")
        banner.wait_for()
        assert "No connection to the console since" in banner.inner_text()
        with Program.module("der_console", "--headend", system.url, "--json", *arguments) as console:
            console.wait_for(f'^{{"console": "http://127.0.0.1:{port}", "headend": "{system.url}"}}$')
            banner.wait_for(state="detached")
            fleet.see("Live")
            # What the browser itself says of the time without a console is no fault of the page.
            fleet.faults = [fault for fault in fleet.faults if "ERR_CONNECTION_REFUSED" not in fault]
