"""Make ``docs/images/console-*.png``: the console of a real headend with the two gateways of the shipped inventory.

Sends −20 MW to CT-BESS-A and 12 MW to Gateway-Test, lets the charts have something to show, and looks. Needs Chromium;
run as ``PYTHONPATH=tests python tools/gen_screenshots.py``.
"""

import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page

from kit.browser import Screen, chromium
from kit.system import CAMPUS_A, CAMPUS_ID, GATEWAY, SITE_ID, System

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
LARGEST_BYTES = 150_000
SHOWN_S = 35
_SITE_MW, _ASSET_MW = 12.0, -20.0
_WIDE: dict[str, Any] = {"width": 1280, "height": 800}
_PHONE: dict[str, Any] = {"width": 360, "height": 740}


def main() -> None:
    """Write the pictures."""
    with System(CONSOLE="1") as system, chromium() as browser:
        for site_id in (SITE_ID, CAMPUS_ID):
            system.start_agent({**GATEWAY, "SITE_ID": site_id, "TICK_S": "1"})
        fleet = Screen(browser, system.url, **_WIDE).open("/").page
        time.sleep(SHOWN_S)
        system.dispatch(asset_id=CAMPUS_A, mw=_ASSET_MW, duration_s=3600)
        time.sleep(SHOWN_S / 3)
        sent = system.dispatch(site_id=SITE_ID, mw=_SITE_MW, duration_s=3600)
        time.sleep(SHOWN_S)
        _shoot(fleet, "fleet")
        _preview(browser, system.url)
        record = Screen(browser, system.url, theme="dark", **_WIDE).open(f"/ui/dispatch/{sent['id']}").page
        record.get_by_label("Power by asset").get_by_text("active").first.wait_for()
        _shoot(record, "record")
        phone = Screen(browser, system.url, **_PHONE).open("/").page
        phone.locator(".grid").get_by_text("GT-BESS-A").wait_for()
        _shoot(phone, "phone")


def _preview(browser: Browser, url: str) -> None:
    page = Screen(browser, url, **_WIDE).open(f"/ui/dispatch?site={SITE_ID}").page
    page.get_by_label("Power, MW").fill("60")
    page.get_by_label("Power, MW").press("Enter")
    page.get_by_role("button", name="Send +60.00 MW").wait_for()
    _shoot(page, "dispatch")


def _shoot(page: Page, name: str) -> None:
    picture = page.screenshot(path=IMAGES / f"console-{name}.png")
    if len(picture) > LARGEST_BYTES:
        raise SystemExit(f"console-{name}.png has {len(picture)} bytes, more than {LARGEST_BYTES}")


if __name__ == "__main__":
    main()
