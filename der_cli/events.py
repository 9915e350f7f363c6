"""``der events`` and ``der ack``: what happened that a person may want to know, as a list or as it happens."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Annotated, Literal

import typer
from rich.text import Text

from der_cli.feed import feed
from der_cli.names import resolve_id, short
from der_cli.progress import progressing
from der_cli.screen import clock, instant, out, print_json, print_json_line, since, words
from der_cli.table import Column, show
from der_cli.targets import AssetOption, SiteOption, narrowed
from der_cli.times import TimeOption, span
from der_cli.world import DEFAULT_HEADEND, HeadendOption, JsonOption, World, world_of
from der_client import HeadendClient
from der_client.models import Event
from der_core.events import EventKind

Severity = Literal["info", "warning", "critical"]

_LOOKED_THROUGH = 1000
"""So many of the newest are looked through for an id of which only the beginning was given."""

_STYLES = {"critical": "bold red", "warning": "yellow", "info": ""}


def events(
    ctx: typer.Context,
    asset: AssetOption = None,
    site: SiteOption = None,
    severity: Annotated[Severity | None, typer.Option(help="Only of this severity.")] = None,
    active: Annotated[bool, typer.Option("--active", help="Only alarms that are raised now.")] = False,
    start: Annotated[str | None, TimeOption("--start", help="From this time on.")] = None,
    end: Annotated[str | None, TimeOption("--end", help="Before this time.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many, the newest.")] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Then show new ones as they happen, until Ctrl-C.")
    ] = False,
    headend: HeadendOption = DEFAULT_HEADEND,
    as_json: JsonOption = False,
) -> None:
    """Show events and alarms, newest first. With --follow and --json: one line of JSON per event."""
    world = world_of(ctx)
    now = world.now()
    if follow and end is not None:
        raise typer.BadParameter("what is followed has no end but Ctrl-C", param_hint="--end / --follow")
    when = span(start, end, now)
    with world.headend(headend) as client:
        only = narrowed(client, asset=asset, site=site)
        newest = partial(
            client.events,
            asset_id=only.asset_id,
            site_id=only.site_id,
            severity=severity,
            active=active,
            start=when.start,
            end=when.end,
        )
        if not follow:
            listed = list(newest(limit=limit))
            if as_json:
                print_json(listed)
            else:
                _show(listed, names_of(client), since_now=lambda text: since(text, now))
            return
        print_one = print_json_line if as_json else _line_printer(names_of(client), world)
        with suppress(KeyboardInterrupt):  # the way to end it
            for event in feed(
                client.stream(asset_id=only.asset_id, site_id=only.site_id),
                newest=lambda most: newest(limit=most),
                wanted=_wanted(severity, when.start, active=active),
                first=limit,
            ):
                print_one(event)


def ack(
    ctx: typer.Context,
    event: Annotated[list[str], typer.Argument(metavar="ID...", help="The events; `der events` lists them.")],
    headend: HeadendOption = DEFAULT_HEADEND,
    as_json: JsonOption = False,
) -> None:
    """Note that an operator has seen an event or alarm. It stays raised until its cause has gone."""
    world = world_of(ctx)
    with world.headend(headend) as client, progressing("Acknowledging") as step:
        ids = [
            resolve_id(
                each,
                lambda: (e["id"] for e in client.events(active=True)),
                lambda: (e["id"] for e in client.events(limit=_LOOKED_THROUGH)),
                what="event",
                option="ID",
            )
            for each in event
        ]
        done = []
        for event_id in ids:
            step(event_id)
            done.append(client.acknowledge(event_id))
    if as_json:
        print_json(done)
        return
    for each_done in done:
        at = instant(each_done["acknowledged_at"]) if each_done["acknowledged_at"] else None
        seen = f"acknowledged {clock(at, world.now())} UTC" if at else "not acknowledged"
        out().print(f"{words(each_done['code'])}: {seen}", soft_wrap=True)


def names_of(client: HeadendClient) -> Mapping[str, str]:
    """The names of assets and sites, by id."""
    named = {site["id"]: site["name"] for site in client.sites(with_assets=False)}
    return named | {asset["id"]: asset["name"] for asset in client.assets()}


def _show(listed: list[Event], names: Mapping[str, str], *, since_now: Callable[[str], str]) -> None:
    if not listed:
        out().print("No events.")
        return
    columns: list[Column[Event]] = [
        Column("Age", lambda e: since_now(e["at"]), right=True),
        Column("Severity", lambda e: Text(words(e["severity"]), style=_STYLES.get(e["severity"], ""))),
        Column("Kind", lambda e: words(e["kind"]), rank=2),
        Column("Where", lambda e: where(e, names)),
        Column("Code", lambda e: words(e["code"])),
        Column("Seen", lambda e: "yes" if e["acknowledged_at"] else "", rank=2),
        Column("Id", lambda e: words(short(e["id"])), rank=1),
        Column("Message", lambda e: words(e["message"]), rank=3),
    ]
    show(columns, listed, caption="der ack ID notes that one was seen; --json has whole ids.")


def where(event: Event, names: Mapping[str, str]) -> str:
    """The asset, or the site if it is an event of all of it."""
    place = event["asset_id"] or event["site_id"]
    return words(names.get(place, place))


def _line_printer(names: Mapping[str, str], world: World) -> Callable[[Event], None]:
    def print_line(event: Event) -> None:
        style = _STYLES.get(event["severity"], "")
        line = Text.assemble(
            (f"{clock(instant(event['at']), world.now())}  ", "dim"),
            (f"{words(event['severity']):<9}", style),
            f"{words(event['kind']):<8}{where(event, names)}  {words(event['code'])}  ",
            words(event["message"]),
        )
        out().print(line, soft_wrap=True)

    return print_line


def _wanted(severity: str | None, start: datetime | None, *, active: bool) -> Callable[[Event], bool]:
    """Whether one that has just happened would be listed."""

    def is_wanted(event: Event) -> bool:
        return (
            severity in {None, event["severity"]}
            and (not active or event["kind"] == EventKind.RAISED)
            and (start is None or instant(event["at"]) >= start)
        )

    return is_wanted
