"""``der telemetry``: the latest values, of the whole fleet or of one asset with all its signals."""

from typing import Annotated

import typer

from der_cli.completion import complete_asset
from der_cli.screen import SIGN_CONVENTION, live, mw, number, out, print_json, since, status, words
from der_cli.table import Column, show
from der_cli.targets import asset_id_of
from der_cli.world import DEFAULT_HEADEND, HeadendOption, JsonOption, World, world_of
from der_client import HeadendClient
from der_client.models import Asset, Sample


def telemetry(
    ctx: typer.Context,
    asset: Annotated[
        str | None,
        typer.Argument(
            metavar="[NAME|ID]",
            help="One asset, with all its signals.",
            show_default=False,
            autocompletion=complete_asset,
        ),
    ] = None,
    headend: HeadendOption = DEFAULT_HEADEND,
    as_json: JsonOption = False,
) -> None:
    """Show the latest values. Without an asset: of all of them (--json: as /assets has them)."""
    world = world_of(ctx)
    with world.headend(headend) as client:
        if asset is None:
            _show_all(list(client.assets()), world, as_json=as_json)
        else:
            _show_one(client, asset, world, as_json=as_json)


def _show_all(listed: list[Asset], world: World, *, as_json: bool) -> None:
    if as_json:
        print_json(listed)
        return
    if not listed:
        out().print("No assets.")
        return
    now = world.now()
    columns: list[Column[Asset]] = [
        Column("Asset", lambda a: words(a["name"])),
        Column("MW", lambda a: live(mw(a["current_mw"]), a, now), right=True),
        Column("Setpoint", lambda a: live(mw(a["setpoint_mw"]), a, now), rank=2, right=True),
        Column("SOC %", lambda a: live(number(a["soc_pct"]), a, now), rank=1, right=True),
        Column("SOC MWh", lambda a: live(number(a["soc_mwhr"]), a, now), rank=4, right=True),
        Column("Status", lambda a: status(a, now)),
        Column("Age", lambda a: since(a["updated_at"], now), rank=3, right=True),
    ]
    by_site = sorted(listed, key=lambda a: (a["site_name"], a["name"]))
    show(columns, by_site, caption=SIGN_CONVENTION)


def _show_one(client: HeadendClient, text: str, world: World, *, as_json: bool) -> None:
    asset_id = asset_id_of(client, text, option="ASSET")
    sample = client.telemetry(asset_id)
    if as_json:
        print_json(sample)
        return
    columns: list[Column[tuple[str, str]]] = [
        Column("Signal", lambda row: row[0]),
        Column("Value", lambda row: row[1], right=True),
    ]
    age = since(sample["timestamp"], world.now())
    state = "" if sample["online"] else "OFFLINE, "
    show(columns, _rows(sample), title=f"{words(text)}  ({state}{age} old)", caption=SIGN_CONVENTION)


def _rows(sample: Sample) -> list[tuple[str, str]]:
    """Name with unit, and value: first what every asset has, then what else this one measures."""
    first = [
        ("Power MW", mw(sample["current_mw"])),
        ("Setpoint MW", mw(sample["setpoint_mw"])),
        ("Limits MW", f"{mw(sample['min_mw'])} to {mw(sample['max_mw'])}"),
        ("SOC %", number(sample["soc_pct"])),
        ("SOC MWh", number(sample["soc_mwhr"])),
        ("Capacity MWh", number(sample["capacity_mwhr"])),
        ("Status", words(sample["status"])),
    ]
    more = [
        (words(name), number(value, 2) if isinstance(value, int | float) else words(value))
        for name, value in sorted(sample["signals"].items())
    ]
    return first + more
