"""``der history``: what was measured of an asset, or of a site as a whole; as a table, as JSON, or as CSV."""

import csv
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Any, cast

import typer

from der_cli.completion import complete_asset, complete_site
from der_cli.progress import progressing
from der_cli.screen import SIGN_CONVENTION, instant, mw, number, out, print_json, words
from der_cli.table import Column, show
from der_cli.targets import asset_id_of, site_id_of
from der_cli.times import Span, TimeOption, span
from der_cli.world import DEFAULT_HEADEND, HeadendOption, JsonOption, world_of
from der_client import HeadendClient
from der_client.models import Bucket, Sample, SiteBucket
from der_client.routes import Resolution

Entry = Sample | Bucket | SiteBucket

_SAY_EVERY = 1000
_FIXED = ("timestamp", "current_mw", "setpoint_mw", "soc_mwhr", "soc_pct", "status")
_FIXED_OF_SITE = ("timestamp", "assets", "current_mw", "setpoint_mw", "soc_mwhr", "soc_pct")
_STATISTICS = ("mean", "min", "max", "last")


def history(
    ctx: typer.Context,
    asset: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|ID", help="The asset.", autocompletion=complete_asset, show_default=False
        ),
    ] = None,
    site: Annotated[
        str | None,
        typer.Option(
            "--site",
            metavar="NAME|ID",
            help="Of this site as a whole, in buckets.",
            autocompletion=complete_site,
        ),
    ] = None,
    start: Annotated[
        str | None, TimeOption("--start", help="From this time on; an hour ago if not given.")
    ] = None,
    end: Annotated[str | None, TimeOption("--end", help="Before this time.")] = None,
    resolution: Annotated[
        Resolution | None,
        typer.Option(help="The samples, or buckets of this width; raw, of a site 1m, if not given."),
    ] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many, the newest.")] = 100,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, with all signals.")] = False,
    headend: HeadendOption = DEFAULT_HEADEND,
    as_json: JsonOption = False,
) -> None:
    """Show what was measured of an asset, or of a site as a whole, newest first."""
    if as_csv and as_json:
        raise typer.BadParameter("one of them", param_hint="--csv / --json")
    if (asset is None) == (site is None):
        raise typer.BadParameter("one of them", param_hint="ASSET / --site")
    world = world_of(ctx)
    when = span(start, end, world.now())
    with progressing("Reading") as step, world.headend(headend) as client:
        entries: list[Entry] = []
        for entry in _asked(client, asset, site, when, resolution, limit):
            entries.append(entry)
            if len(entries) % _SAY_EVERY == 0:
                step(f"{len(entries):,} of at most {limit:,}")
    if as_json:
        print_json(entries)
    elif as_csv:
        _print_csv(entries)
    elif not entries:
        out().print(
            "Nothing was measured in that time. --start and --end say which; without them, the last hour."
        )
    else:
        _show(words(asset or site), entries, cut=len(entries) == limit)


def _asked(
    client: HeadendClient,
    asset: str | None,
    site: str | None,
    when: Span,
    resolution: Resolution | None,
    limit: int,
) -> Iterator[Entry]:
    """What there is of the asset or the site, whichever is named."""
    if asset is not None:
        asset_id = asset_id_of(client, asset, option="ASSET")
        return client.history(asset_id, start=when.start, end=when.end, resolution=resolution, limit=limit)
    if resolution == "raw":
        raise typer.BadParameter("a site has buckets: 1m, 5m or 1h", param_hint="--resolution")
    site_id = site_id_of(client, site or "")
    return client.site_history(site_id, start=when.start, end=when.end, resolution=resolution, limit=limit)


def _show(name: str, entries: Sequence[Entry], *, cut: bool) -> None:
    bucketed = isinstance(entries[0]["current_mw"], dict)
    columns = (
        _site_columns() if "assets" in entries[0] else _bucket_columns() if bucketed else _sample_columns()
    )
    title = f"{name}: the newest {len(entries)}; --limit shows more" if cut else name
    show(columns, entries, title=title, caption=SIGN_CONVENTION)


def _sample_columns() -> list[Column[Any]]:
    return [
        Column("Time (UTC)", lambda e: f"{instant(e['timestamp']):%Y-%m-%d %H:%M:%S}"),
        Column("MW", lambda e: mw(e["current_mw"]), right=True),
        Column("Setpoint", lambda e: mw(e["setpoint_mw"]), rank=1, right=True),
        Column("SOC %", lambda e: number(e["soc_pct"]), right=True),
        Column("SOC MWh", lambda e: number(e["soc_mwhr"]), rank=3, right=True),
        Column("Status", lambda e: words(e["status"]), rank=2),
    ]


def _bucket_columns() -> list[Column[Any]]:
    return [
        Column("From (UTC)", lambda e: f"{instant(e['timestamp']):%Y-%m-%d %H:%M}"),
        Column("Mean MW", lambda e: mw(e["current_mw"]["mean"]), right=True),
        Column("Min", lambda e: mw(e["current_mw"]["min"]), rank=1, right=True),
        Column("Max", lambda e: mw(e["current_mw"]["max"]), rank=1, right=True),
        Column("Setpoint", lambda e: mw(e["setpoint_mw"]["mean"]), rank=2, right=True),
        Column("SOC %", lambda e: number(e["soc_pct"]["last"]), right=True),
        Column("Status", lambda e: words(e["status"]["last"]), rank=3),
    ]


def _site_columns() -> list[Column[Any]]:
    return [
        Column("From (UTC)", lambda e: f"{instant(e['timestamp']):%Y-%m-%d %H:%M}"),
        Column("Mean MW", lambda e: mw(e["current_mw"]["mean"]), right=True),
        Column("Assets", lambda e: str(e["assets"]), rank=1, right=True),
        Column("Setpoint", lambda e: mw(e["setpoint_mw"]), rank=2, right=True),
        Column("SOC %", lambda e: number(e["soc_pct"]), right=True),
        Column("SOC MWh", lambda e: number(e["soc_mwhr"]), rank=3, right=True),
    ]


def _print_csv(entries: Iterable[Entry]) -> None:
    """One line per entry; statistics as ``current_mw.mean`` and so on, signals by their names."""
    lines = [_flat(entry) for entry in entries]
    names = dict.fromkeys(name for line in lines for name in line)
    writer = csv.DictWriter(sys.stdout, list(names) or list(_FIXED), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)


def _flat(entry: Entry) -> dict[str, object]:
    values = cast("dict[str, Any]", entry)
    names = _FIXED_OF_SITE if "assets" in values else _FIXED
    values = {name: values[name] for name in names} | values.get("signals", {})
    flat: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{each}": value[each] for each in _STATISTICS if each in value}
        else:
            flat[name] = value
    return flat
