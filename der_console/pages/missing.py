"""What is shown of something that is not there, or not heard of yet."""

from nicegui import context, ui

from der_console import shell
from der_console.console import Console
from der_console.parts.elements import link, tag, words

_BACK = {"Fleet": "/", "Dispatch": "/ui/dispatch", "Agents": "/ui/agents"}


async def missing(
    console: Console, kind: str, id_: str, *, under: str = "Fleet", known: bool | None = None, why: str = ""
) -> None:
    """Say that there is no such thing, or, while nothing is ``known`` of such things, that; tries again.

    ``known`` is whether the headend answers, unless it is given; ``why`` is one more sentence. The
    answer's status is 404 or 503.
    """
    known = console.hub.picture.link.up if known is None else known
    context.client.status_code = 404 if known else 503
    title = f"No such {kind}" if known else "Nothing is known yet"
    async with shell.page(console, title, under=under):
        words(title, "h1")
        said = f"There is no {kind} {id_}. {why}".rstrip() if known else "The headend has not been heard yet."
        words(said, "p", "problem" if known else "notice")
        with tag("p", "row"):
            for name in dict.fromkeys((under, "Fleet")):
                link(f"To {name}", _BACK[name])
    if not known:
        ui.timer(5.0, lambda: ui.run_javascript("location.reload()"), once=True)


async def no_page(console: Console, path: str) -> None:
    """The page of an address that leads nowhere."""
    await console.shell().ready()
    await missing(console, "page", path, known=True)
