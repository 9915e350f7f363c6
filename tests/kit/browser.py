"""A real Chromium for tests: what a person would see, and what went wrong while they looked.

Chromium is the system's, or the one that Playwright has installed. Where there is none, tests that need it are
skipped; under ``CI`` they fail, for there one must be.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Playwright, Request, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_HERE = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")
WAIT_MS = 20_000
"""How long a test waits for what must come; a busy machine is no defect."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; the test is skipped, or fails under ``CI``, where there is none.

    While it is open no test may run an event loop of its own, so it is opened for a module of tests at most.
    """
    with sync_playwright() as playwright:
        path = _path(playwright)
        if path is None:
            reason = "no Chromium found: install the system's, or run `playwright install chromium`"
            if os.environ.get("CI", "").lower() in {"1", "true"}:
                pytest.fail(reason)
            pytest.skip(reason)
        browser = playwright.chromium.launch(executable_path=path, args=_QUIET)
        try:
            yield browser
        finally:
            browser.close()


def _path(playwright: Playwright) -> str | None:
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    own = playwright.chromium.executable_path
    return found or (own if Path(own).exists() else None)


class Screen:
    """A page of one's own at ``base_url``; ``faults`` is what no page may have: errors, and requests to elsewhere."""

    def __init__(
        self,
        browser: Browser,
        base_url: str,
        *,
        theme: Literal["light", "dark"] = "light",
        width: int = 1280,
        height: int = 860,
    ) -> None:
        self._context = browser.new_context(
            base_url=base_url,
            color_scheme=theme,
            viewport={"width": width, "height": height},
            timezone_id="Asia/Kathmandu",  # whatever shows the browser's own time is 5:45 h off
        )
        self._context.set_default_timeout(WAIT_MS)
        self.page: Page = self._context.new_page()
        self.faults: list[str] = []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("request", self._asked)

    def open(self, path: str) -> "Screen":
        """Go there, and wait until the page is alive: it is shown and its connection is made."""
        self.page.goto(path)
        self.page.locator("h1").wait_for()
        self.page.wait_for_function("window.did_handshake === true")
        return self

    def see(self, text: str, *, within: str = "body") -> Locator:
        """Wait until the text can be seen; returns where."""
        found = self.page.locator(within).get_by_text(text, exact=True).first
        found.wait_for()
        return found

    def violations(self) -> list[str]:
        """What an accessibility check finds wrong: rule and elements."""
        report: Any = Axe().run(self.page)
        return [
            f"{rule['id']}: {[node['html'][:200] for node in rule['nodes']]}"
            for rule in report.response["violations"]
        ]

    def close(self) -> None:
        """Close it."""
        self._context.close()

    def _said(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            self.faults.append(f"{message.type}: {message.text}")

    def _asked(self, request: Request) -> None:
        if not request.url.startswith(_HERE):
            self.faults.append(f"request to elsewhere: {request.url}")
