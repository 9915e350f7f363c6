"""``der assets``: the inventory with what each asset is doing."""

from collections.abc import Sequence
from datetime import datetime

import typer

from der_cli.screen import SIGN_CONVENTION, live, mw, number, out, print_json, status, words
from der_cli.table import Column, show
from der_cli.targets import SiteOption, site_id_of
from der_cli.world import DEFAULT_HEADEND, HeadendOption, JsonOption, world_of
from der_client.models import Asset


def assets(
    ctx: typer.Context,
    site: SiteOption = None,
    headend: HeadendOption = DEFAULT_HEADEND,
    as_json: JsonOption = False,
) -> None:
    """Show the assets: limits, and what each is doing now."""
    world = world_of(ctx)
    with world.headend(headend) as client:
        site_id = None if site is None else site_id_of(client, site)
        listed = list(client.assets(site_id=site_id))
    if as_json:
        print_json(listed)
    else:
        show_fleet(listed, now=world.now())


def show_fleet(listed: Sequence[Asset], *, now: datetime) -> None:
    """Print the table of assets."""
    if not listed:
        out().print("No assets.")
        return
    columns: list[Column[Asset]] = [
        Column("Asset", lambda a: words(a["name"])),
        Column("Site", lambda a: words(a["site_name"]), rank=3),
        Column("Type", lambda a: words(a["asset_type"]), rank=6),
        Column("MWh", lambda a: number(a["capacity_mwhr"]), rank=4, right=True),
        Column("Min MW", lambda a: mw(a["min_mw"]), rank=2, right=True),
        Column("Max MW", lambda a: mw(a["max_mw"]), rank=2, right=True),
        Column("MW", lambda a: live(mw(a["current_mw"]), a, now), right=True),
        Column("Setpoint", lambda a: live(mw(a["setpoint_mw"]), a, now), rank=5, right=True),
        Column("SOC %", lambda a: live(number(a["soc_pct"]), a, now), rank=1, right=True),
        Column("Status", lambda a: status(a, now)),
        Column("Id", lambda a: words(a["id"]), rank=7),
    ]
    by_site = sorted(listed, key=lambda a: (a["site_name"], a["name"]))
    show(columns, by_site, caption=SIGN_CONVENTION)
