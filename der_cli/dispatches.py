"""``der dispatches``, ``der cancel``, ``der release``: what was ordered, taking it back, and giving assets free."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Annotated

import typer
from rich.text import Text

from der_cli.completion import complete_asset, complete_site
from der_cli.dispatch_view import explained, show_record, show_transitions, style_of
from der_cli.events import names_of
from der_cli.follow import ended
from der_cli.names import resolve_id, short
from der_cli.progress import progressing
from der_cli.screen import SIGN_CONVENTION, UNKNOWN, clock, err, instant, mw, out, print_json, since, words
from der_cli.table import Column, show
from der_cli.targets import AssetOption, SiteOption, narrowed
from der_cli.times import TimeOption, span
from der_cli.world import DEFAULT_HEADEND, HeadendOption, JsonOption, World, world_of
from der_client import HeadendClient, HeadendProblem
from der_client.models import Dispatch
from der_client.parts import has_part
from der_core.lifecycle import State

_NOT_DONE = 1
_CONFIRM_WITHIN_S = 5.0
_LOOKED_THROUGH = 1000
"""So many of the newest are looked through for an id of which only the beginning was given."""
YesOption = Annotated[
    bool,
    typer.Option(
        "--yes", "-y", help="Do not ask. Without a terminal, where nobody can be asked, it is needed."
    ),
]


def dispatches(
    ctx: typer.Context,
    id: Annotated[str | None, typer.Argument(metavar="[ID]", help="One of them, with every step.")] = None,
    asset: AssetOption = None,
    site: SiteOption = None,
    state: Annotated[State | None, typer.Option(help="Only in this state.")] = None,
    start: Annotated[str | None, TimeOption("--start", help="Submitted from this time on.")] = None,
    end: Annotated[str | None, TimeOption("--end", help="Submitted before this time.")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many, the newest.")] = 20,
    headend: HeadendOption = DEFAULT_HEADEND,
    as_json: JsonOption = False,
) -> None:
    """Show dispatches, newest first; or one of them, step by step and asset by asset."""
    world = world_of(ctx)
    when = span(start, end, world.now())
    with world.headend(headend) as client:
        if id is not None:
            whole = resolve_id(id, partial(_newest, client), what="dispatch", option="ID")
            _show_one(client.get_dispatch(whole), world, as_json=as_json)
            return
        only = narrowed(client, asset=asset, site=site)
        listed = list(
            client.dispatches(
                asset_id=only.asset_id,
                site_id=only.site_id,
                state=state,
                start=when.start,
                end=when.end,
                limit=limit,
            )
        )
        if as_json:
            print_json(listed)
        else:
            _show_all(listed, names_of(client), world)


def cancel(
    ctx: typer.Context,
    id: Annotated[
        list[str], typer.Argument(metavar="ID...", help="The dispatches; `der dispatches` lists them.")
    ],
    headend: HeadendOption = DEFAULT_HEADEND,
    as_json: JsonOption = False,
) -> None:
    """Take dispatches back: batteries and chargers return to 0 MW, PV and wind run uncurtailed."""
    world = world_of(ctx)
    with world.headend(headend) as client:
        # What is open comes first: it is what can be cancelled, and is known while the database is away.
        known = (partial(_open, client), partial(_newest, client))
        ids = dict.fromkeys(resolve_id(each, *known, what="dispatch", option="ID") for each in id)
        _cancel_all(client, list(ids), world, as_json=as_json, alone=len(id) == 1)


def release(
    ctx: typer.Context,
    asset: Annotated[
        str | None,
        typer.Option(metavar="NAME|ID", help="What commands this asset.", autocompletion=complete_asset),
    ] = None,
    site: Annotated[
        str | None,
        typer.Option(metavar="NAME|ID", help="What commands this site.", autocompletion=complete_site),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All dispatches of the whole fleet.")] = False,
    yes: YesOption = False,
    headend: HeadendOption = DEFAULT_HEADEND,
    as_json: JsonOption = False,
) -> None:
    """Cancel all that is under way at an asset, at a site or everywhere, so that nothing is commanded there."""
    if sum((asset is not None, site is not None, everything)) != 1:
        raise typer.BadParameter("say of what: one of them", param_hint="--asset / --site / --all")
    world = world_of(ctx)
    with world.headend(headend) as client:
        only = narrowed(client, asset=asset, site=site)
        meant = []
        for each in client.open_dispatches(asset_id=only.asset_id, site_id=only.site_id):
            if only.asset_id is None or only.asset_id == each["asset_id"]:
                meant.append(each)
            elif has_part(each, only.asset_id):
                err().print(
                    f"It is also part of site dispatch {each['id']}, which is left as it is: `der cancel` ends that "
                    "for the whole site.",
                    soft_wrap=True,
                )
        if not meant:
            print_json([]) if as_json else out().print("Nothing to release.")
            return
        _confirm(meant, client, world, yes=yes, quiet=as_json)
        _cancel_all(client, [each["id"] for each in meant], world, as_json=as_json)


def _open(client: HeadendClient) -> Iterator[str]:
    return (each["id"] for each in client.open_dispatches())


def _newest(client: HeadendClient) -> Iterator[str]:
    return (each["id"] for each in client.dispatches(limit=_LOOKED_THROUGH))


def target_of(dispatch: Dispatch, names: Mapping[str, str]) -> str:
    """The name of what a dispatch commands."""
    place = dispatch["asset_id"] or dispatch["site_id"]
    return words(names.get(place, place))


def _show_one(record: Dispatch, world: World, *, as_json: bool) -> None:
    if as_json:
        print_json(record)
    else:
        show_transitions(record, after=0, now=world.now())
        show_record(record)


def _show_all(listed: list[Dispatch], names: Mapping[str, str], world: World) -> None:
    if not listed:
        out().print("No dispatches.")
        return
    now = world.now()
    columns: list[Column[Dispatch]] = [
        Column("Age", lambda d: since(d["submitted_at"], now), right=True),
        Column("Target", lambda d: target_of(d, names)),
        Column("Requested", lambda d: mw(d["requested_mw"]), right=True),
        Column("MW", lambda d: mw(d["mw"]), rank=1, right=True),
        Column("State", lambda d: Text(words(d["state"]), style=style_of(d["state"]))),
        Column("Ends (UTC)", lambda d: _ends(d, now), rank=3),
        Column("Unserved", lambda d: mw(d["unserved_mw"]), rank=4, right=True),
        Column("Id", lambda d: words(short(d["id"])), rank=1),
    ]
    show(columns, listed, caption=f"{SIGN_CONVENTION} der dispatches ID shows one of them.")


def _ends(dispatch: Dispatch, now: datetime) -> str:
    if dispatch["ended_at"]:
        return clock(instant(dispatch["ended_at"]), now)
    return UNKNOWN if dispatch["duration_s"] is None else f"after {dispatch['duration_s']:g} s"


def _confirm(meant: list[Dispatch], client: HeadendClient, world: World, *, yes: bool, quiet: bool) -> None:
    if not quiet:
        _show_all(meant, names_of(client), world)
    if yes:
        return
    if not world.at_a_terminal():
        raise typer.BadParameter(
            "say it if this is meant: nobody can be asked, for this is no terminal", param_hint="--yes"
        )
    if not typer.confirm(f"Cancel {'it' if len(meant) == 1 else f'all {len(meant)}'}?", err=quiet):
        err().print("Nothing was cancelled.")
        raise typer.Exit(_NOT_DONE)


def _cancel_all(
    client: HeadendClient, ids: list[str], world: World, *, as_json: bool, alone: bool = False
) -> None:
    """Cancel each, whatever becomes of the others, and show it; exit code 1 if one is not cancelled (yet).

    JSON is a list, or the record itself if it is about one ``alone``.
    """
    done: dict[str, Dispatch] = {}
    try:
        with progressing("Cancelling") as step:
            # All are told to stop before any agent is waited for: one that is away must not hold up the others.
            for each in ids:
                step(each)
                with _refusal_told(f"{each} is not cancelled"):
                    done[each] = client.cancel(each, timeout_s=0.0)
            until_s = world.monotonic() + _CONFIRM_WITHIN_S
            for each in [id for id, record in done.items() if not ended(record)]:
                with _refusal_told(f"{each} is not confirmed"):
                    done[each] = client.cancel(each, timeout_s=max(until_s - world.monotonic(), 0.0))
    finally:  # also of those before the headend went away, or before Ctrl-C
        _show_cancelled(list(done.values()), as_json=as_json, alone=alone)
    unconfirmed = sum(not ended(record) for record in done.values())
    if unconfirmed:
        err().print(
            f"{unconfirmed} not confirmed by the agent yet; `der dispatches ID` tells.", soft_wrap=True
        )
    if unconfirmed or len(done) < len(ids):
        raise typer.Exit(_NOT_DONE)


@contextmanager
def _refusal_told(what: str) -> Iterator[None]:
    """Within the block the headend may say no to one of several: that is said, and the next one is tried."""
    try:
        yield
    except HeadendProblem as error:
        err().print(f"{what}: {words(error)}", soft_wrap=True)


def _show_cancelled(done: list[Dispatch], *, as_json: bool, alone: bool) -> None:
    if as_json:
        if done or not alone:
            print_json(done[0] if alone else done)
        return
    for record in done:
        reason = record["transitions"][-1]["reason"] if record["transitions"] else None
        why = f", {explained(reason)}" if reason else ""
        line = Text.assemble(f"{record['id']}: ", (words(record["state"]), style_of(record["state"])), why)
        out().print(line, soft_wrap=True)
