"""What the console's tests share: a browser, a headend that serves the console, and its agents."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from kit.browser import Screen, chromium
from kit.system import CAMPUS_ID, GATEWAY, System


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    """A headend with its console, and the agents of both sites."""
    with System(CONSOLE="1") as running:
        running.start_agent(GATEWAY)
        running.start_agent({**GATEWAY, "SITE_ID": CAMPUS_ID})
        yield running


@pytest.fixture
def screen(browser: Browser) -> Iterator[Callable[..., Screen]]:
    """Opens screens; at the end none of them may have seen a fault."""
    opened: list[Screen] = []

    def make(base_url: str, **look: Any) -> Screen:
        opened.append(Screen(browser, base_url, **look))
        return opened[-1]

    yield make
    faults = [fault for each in opened for fault in each.faults]
    for each in opened:
        each.close()
    assert not faults
