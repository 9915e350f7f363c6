"""Open consoles: ``python -m bench.viewers URL COUNT`` keeps so many pages open in a real Chromium until it is ended.

It and the browser run at idle priority, for operators' browsers stand elsewhere: what counts is what the pages have the
headend do.
"""

import os
import sys
import time

from kit.browser import chromium

READY = "consoles open"
_PAGES = ("/", "/ui/dispatch", "/ui/events", "/ui/agents")
_SHOWN = "main"


def main(url: str, count: int) -> None:
    """Open the pages, say so, and stay."""
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with chromium() as browser:
        for turn in range(count):
            page = browser.new_page()
            page.goto(url + _PAGES[turn % len(_PAGES)])
            page.locator(_SHOWN).first.wait_for()
        print(READY, flush=True)
        while True:
            time.sleep(3600)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
