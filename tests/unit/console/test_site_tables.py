"""The tables of sites: there while their pages are, and only where there is such a site."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from der_client import AsyncHeadendClient
from der_client.fake import GATEWAY_SITE, FakeHeadend
from der_console.console import Console
from der_console.feeds.measured import SiteFeed
from der_console.topics import TROUBLE, Topics
from kit.scripted_headend import until

NOWHERE = "00000000-0000-4000-8000-000000000000"


class Page:
    """Stands in for a browser's side of a page; ``gone`` is called to close it."""

    def __init__(self) -> None:
        self.id = "page"
        self.is_deleted = True
        self.gone: Callable[[], None] = lambda: None

    def on_delete(self, call: Callable[[], None]) -> None:
        self.gone = call


async def test_a_site_has_a_table_while_its_page_is_there_and_what_is_no_site_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page: Any = Page()
    monkeypatch.setattr("der_console.topics.context", SimpleNamespace(client=page))
    async with AsyncHeadendClient("http://headend", transport=FakeHeadend().async_transport) as client:
        console = Console(client, url="http://headend")
        console.topics = Topics(linger_s=0.0)
        nowhere = console.topics.show(f"site/{NOWHERE}", SiteFeed(console, NOWHERE))
        await until(lambda: TROUBLE in nowhere.cells)
        assert console.tables == {}
        site = console.topics.show(f"site/{GATEWAY_SITE}", SiteFeed(console, GATEWAY_SITE))
        await until(lambda: "power" in site.cells)
        assert console.tables == {f"site-{GATEWAY_SITE}": site.made_by(SiteFeed).assets}
        page.gone()
        await until(lambda: console.tables == {})
        await console.topics.close()
