"""What stands around every page: navigation, the state of the link, the banner, the convention of signs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nicegui import ui
from nicegui.element import Element

from der_console.console import Console
from der_console.parts.chrome import Banner, LinkState, Tools
from der_console.parts.elements import link, tag, words
from der_console.parts.value import Value
from der_console.topics import Topic
from der_console.turns import give_way

_PAGES = {"Fleet": "/", "Dispatch": "/ui/dispatch", "Events": "/ui/events", "Agents": "/ui/agents"}


@asynccontextmanager
async def page(console: Console, title: str, *, under: str) -> AsyncIterator[Element]:
    """The page ``title`` within the shell; ``under`` is the entry of the navigation that it belongs to."""
    shell = console.shell()
    ui.page_title(f"{title} · DER Fleet")
    with ui.header(wrap=False).classes("top"):
        _top(shell, under)
        Banner(shell, headend=console.url)
    await give_way()
    main = tag("div", "page")
    with main:
        yield main
        with tag("p", "legend"):
            words("+ discharge / export", classes="out")
            words("− charge / import", classes="in")
            words("– unknown")
            words("faded: stale or disconnected", classes="faded")
            words("times in UTC")
    ui.skip_link("Skip to content", target=main)


def _top(shell: Topic, under: str) -> None:
    with tag("div", "top-row"):
        link("DER Fleet", "/", "brand")
        with tag("nav", "nav", aria_label="Pages"):
            for name, path in _PAGES.items():
                here = {"aria_current": "page"} if name == under else {}
                with link(name, path, **here):
                    if name == "Events":
                        Value(shell, "alarms").classes("count")
        LinkState(shell)
        Tools()
