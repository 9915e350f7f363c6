"""Consoles in a browser: ``python -m bench.browsers URL COUNT`` holds so many open in a Chromium until it is ended.

It and the browser run at idle priority. They draw without a graphics card, on the cores of what is measured.
"""

import sys
import time

from bench.viewers import PAGES, READY, at_idle_priority
from kit.browser import chromium

_SHOWN = "main"


def main(url: str, count: int) -> None:
    """Open the pages, say so, and stay."""
    at_idle_priority()
    with chromium() as browser:
        for turn in range(count):
            page = browser.new_page()
            page.goto(url + PAGES[turn % len(PAGES)])
            page.locator(_SHOWN).first.wait_for()
        print(READY, flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
