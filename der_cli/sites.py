"""``der sites``: the places, and what each is doing as a whole."""

import typer
from rich.text import Text

from der_cli.screen import SIGN_CONVENTION, mw, number, out, print_json, words
from der_cli.table import Column, show
from der_cli.world import DEFAULT_HEADEND, HeadendOption, JsonOption, world_of
from der_client.heard import heard_of
from der_client.models import Site


def sites(ctx: typer.Context, headend: HeadendOption = DEFAULT_HEADEND, as_json: JsonOption = False) -> None:
    """Show the sites: power, headroom, stored energy, how many assets are online, alarms."""
    world = world_of(ctx)
    with world.headend(headend) as client:
        listed = list(client.sites(with_assets=False))
    if as_json:
        print_json(listed)
        return
    if not listed:
        out().print("No sites.")
        return
    columns: list[Column[Site]] = [
        Column("Site", lambda s: words(s["name"])),
        Column("MW", lambda s: mw(s["current_mw"]), right=True),
        Column("Up MW", lambda s: number(s["headroom_up_mw"], 2), rank=2, right=True),
        Column("Down MW", lambda s: number(s["headroom_down_mw"], 2), rank=2, right=True),
        Column("MWh", lambda s: number(s["soc_mwhr"]), rank=1, right=True),
        Column("of MWh", lambda s: number(s["capacity_mwhr"]), rank=3, right=True),
        Column("Online", online, right=True),
        Column("Alarms", alarms, rank=1, right=True),
        Column("Location", lambda s: words(s["location"]), rank=4),
        Column("Id", lambda s: words(s["id"]), rank=5),
    ]
    caption = f"{SIGN_CONVENTION} Up, Down: how far the site could go now."
    if said := heard_of(listed).statement(world.now()):
        caption += f"\nSums are {said}."
    show(columns, sorted(listed, key=lambda s: s["name"]), caption=caption)


def online(site: Site) -> Text:
    """How many of a site's assets are online."""
    style = (
        "green"
        if site["assets_online"] == site["assets_total"]
        else "yellow"
        if site["assets_online"]
        else "red"
    )
    return Text(f"{site['assets_online']}/{site['assets_total']}", style=style)


def alarms(site: Site) -> Text:
    """How many alarms are raised at a site."""
    return Text(str(site["alarms"]), style="bold red" if site["alarms"] else "dim")
