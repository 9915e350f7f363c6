"""A headend that is told to end does so though its console is looked at."""

from collections.abc import Callable

from kit.browser import Screen
from kit.system import ASSET_A, GATEWAY, SITE_ID, System


def test_headend_ends_at_once_though_pages_are_open(screen: Callable[..., Screen]) -> None:
    with System(CONSOLE="1") as system:
        system.start_agent(GATEWAY)
        pages = [
            screen(system.url).open(path) for path in ("/", f"/ui/site/{SITE_ID}", f"/ui/asset/{ASSET_A}")
        ]
        for each in pages:
            each.see("Live")
        assert system.headend.stop() == 0
        said = "\n".join(system.headend.stderr)
        assert "Traceback" not in said
        assert "HTTP Request" not in said  # the console's own, of which there are several each second
        # What the browser itself says of the time without a headend is no fault of the page.
        for each in pages:
            each.faults = [fault for fault in each.faults if "ERR_CONNECTION_REFUSED" not in fault]
