"""The command: ask again and again in the foreground, while the screen is drawn beside it and so never freezes."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.live import Live

from der_cli.completion import complete_site
from der_cli.screen import err, out, print_json_line, wide_out, words
from der_cli.targets import site_id_of
from der_cli.watch.snapshot import Snapshot, take
from der_cli.watch.view import screen
from der_cli.world import DEFAULT_HEADEND, HeadendOption, World, world_of
from der_client import MAY_PASS, HeadendClient
from der_client.failures import short

_DRAWN_PER_S = 2
_LATE_AFTER_S = 5.0
"""Values that are so much older than they should be are put under the banner, even before the headend is given up."""


@dataclass(slots=True)
class _Known:
    """What was learnt last; written by who asks, read by who draws."""

    snapshot: Snapshot | None = None
    trouble: str | None = None


def watch(
    ctx: typer.Context,
    site: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|ID", help="This site alone, with its assets.", autocompletion=complete_site
        ),
    ] = None,
    every_s: Annotated[float, typer.Option(metavar="S", min=0.5, max=3600, help="Ask so often.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Show it once, in full, and end.")] = False,
    headend: HeadendOption = DEFAULT_HEADEND,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON per update.")] = False,
) -> None:
    """Watch the fleet: sites and assets, dispatches under way, alarms. Ctrl-C ends it; piped, it shows it once."""
    world = world_of(ctx)
    with world.headend(headend, quiet=True) as client:
        site_id = None if site is None else site_id_of(client, site)
        if once or not (as_json or out().is_terminal):
            _show_once(client, world, site_id, as_json=as_json)
            return
        with suppress(KeyboardInterrupt):  # the way to end it
            if as_json:
                _print_updates(client, world, site_id, every_s)
            else:
                _live(client, world, site_id, every_s)


def _show_once(client: HeadendClient, world: World, site_id: str | None, *, as_json: bool) -> None:
    snapshot = take(client, world.now, site_id=site_id)
    if as_json:
        print_json_line(snapshot.as_json())
    else:
        console = wide_out()
        console.print(
            screen(snapshot, world.now(), url=client.base_url, trouble=None, width=console.width, height=None)
        )


def _print_updates(client: HeadendClient, world: World, site_id: str | None, every_s: float) -> None:
    while True:
        try:
            print_json_line(take(client, world.now, site_id=site_id).as_json())
        except MAY_PASS as error:
            err().print(words(error), soft_wrap=True)
        world.sleep(every_s)


def _live(client: HeadendClient, world: World, site_id: str | None, every_s: float) -> None:
    known, console = _Known(), out()

    def drawn() -> RenderableType:
        snapshot, trouble, now = known.snapshot, known.trouble, world.now()
        late = snapshot is not None and (now - snapshot.at).total_seconds() > every_s + _LATE_AFTER_S
        width, height = console.size
        return screen(
            snapshot,
            now,
            url=client.base_url,
            trouble=trouble or ("the answer is late" if late else None),
            width=width,
            height=height,
        )

    with Live(get_renderable=drawn, console=console, screen=True, refresh_per_second=_DRAWN_PER_S) as live:
        while True:
            try:
                known.snapshot, known.trouble = take(client, world.now, site_id=site_id), None
            except MAY_PASS as error:
                known.trouble = short(error)
            live.refresh()
            world.sleep(every_s)
