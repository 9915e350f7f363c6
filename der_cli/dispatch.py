"""``der dispatch``: send a command to an asset or a site, after a look at the split if wanted, and follow it.

Positive MW = discharge / export, negative MW = charge / import.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID, uuid4

import typer

from der_cli.completion import complete_asset, complete_site
from der_cli.dispatch_view import explained, show_preview, show_record, show_transitions
from der_cli.follow import Patient, as_wished, ended, follow, settled
from der_cli.names import short
from der_cli.progress import progressing
from der_cli.screen import clock, err, instant, print_json, words
from der_cli.targets import narrowed
from der_cli.waiting import why_it_waits
from der_cli.world import DEFAULT_HEADEND, HeadendOption, JsonOption, World, world_of
from der_client import HeadendClient, HeadendError, HeadendUnreachable
from der_client.failures import short as why
from der_client.models import Dispatch
from der_core.lifecycle import State

_NOT_AS_WISHED = 1
_FOLLOW_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What the operator asked for, with the target's name turned into its id."""

    id: str
    mw: float
    asset_id: str | None
    site_id: str | None
    duration_s: float | None
    ttl_s: float | None


def dispatch(
    ctx: typer.Context,
    mw: Annotated[float, typer.Option(metavar="MW", help="+ discharges / exports, - charges / imports.")],
    asset: Annotated[
        str | None,
        typer.Option(metavar="NAME|ID", help="The asset to command.", autocompletion=complete_asset),
    ] = None,
    site: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|ID", help="The site to command; it is split.", autocompletion=complete_site
        ),
    ] = None,
    duration_s: Annotated[
        float | None,
        typer.Option(
            metavar="S", help="How long from when it is active.", show_default="until further notice"
        ),
    ] = None,
    ttl_s: Annotated[
        float | None,
        typer.Option(
            metavar="S", help="How long it may wait for an agent that is offline.", show_default="300"
        ),
    ] = None,
    id: Annotated[
        UUID | None,
        typer.Option(
            metavar="UUID", help="An id of your own: sent twice, it counts once.", show_default="a new one"
        ),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Follow it until it is active or over.")] = True,
    until_end: Annotated[bool, typer.Option("--until-end", help="Follow it until it is over.")] = False,
    timeout_s: Annotated[
        float | None,
        typer.Option(
            metavar="S", min=0, help="How long to follow it.", show_default="30; with --until-end no limit"
        ),
    ] = None,
    preview: Annotated[
        bool,
        typer.Option("--preview", help="Show the split and ask. Without a terminal: send only with --yes."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask after --preview.")] = False,
    headend: HeadendOption = DEFAULT_HEADEND,
    as_json: JsonOption = False,
) -> None:
    """Command an asset or a site: der dispatch --site Gateway-Test --mw 12."""
    world = world_of(ctx)
    _check(mw, asset, site)
    _check_seconds("--duration-s", duration_s)
    _check_seconds("--ttl-s", ttl_s)
    if until_end and not wait:
        raise typer.BadParameter("either follow it or do not", param_hint="--until-end / --no-wait")
    enough, limit_s = (ended, math.inf) if until_end else (settled, _FOLLOW_S)
    limit_s = limit_s if timeout_s is None else timeout_s
    with world.headend(headend, quiet=True) as client:
        only = narrowed(client, asset=asset, site=site)
        order = _Order(
            id=str(id or uuid4()),
            mw=mw,
            asset_id=only.asset_id,
            site_id=only.site_id,
            duration_s=duration_s,
            ttl_s=ttl_s,
        )
        if preview and not _confirmed(client, order, world, yes=yes, as_json=as_json):
            return
        record = _send(client, order)
        _say_why_it_waits(client, record, world)
        if wait:
            record = _follow(client, record, world, enough=enough, timeout_s=limit_s, as_json=as_json)
    if as_json:
        print_json(record)
    else:
        show_record(record)
    _conclude(record, enough=enough, waited_s=limit_s if wait else None, now=world.now())


def _check(mw: float, asset: str | None, site: str | None) -> None:
    if not math.isfinite(mw):
        raise typer.BadParameter("expected a finite number of MW, such as 12 or -5", param_hint="--mw")
    if (asset is None) == (site is None):
        raise typer.BadParameter("name the target: either --asset or --site", param_hint="--asset / --site")


def _check_seconds(option: str, value: float | None) -> None:
    if value is not None and not 0.0 < value < math.inf:
        raise typer.BadParameter("expected a number of seconds above 0, such as 900", param_hint=option)


def _confirmed(client: HeadendClient, order: _Order, world: World, *, yes: bool, as_json: bool) -> bool:
    """Show the split; whether to go on and send it."""
    split = client.preview(mw=order.mw, asset_id=order.asset_id, site_id=order.site_id)
    if not as_json:
        show_preview(split, mw=order.mw)
    if yes:
        return True
    if as_json:
        print_json(split)
    if as_json or not world.at_a_terminal():
        err().print("Nothing was sent; --yes sends it without asking.")
        return False
    if not typer.confirm("Send it?"):
        err().print("Nothing was sent.")
        raise typer.Exit(_NOT_AS_WISHED)
    return True


def _send(client: HeadendClient, order: _Order) -> Dispatch:
    try:
        return client.dispatch(
            id=order.id,
            mw=order.mw,
            asset_id=order.asset_id,
            site_id=order.site_id,
            duration_s=order.duration_s,
            ttl_s=order.ttl_s,
        )
    except (HeadendUnreachable, KeyboardInterrupt) as error:
        if isinstance(error, KeyboardInterrupt) or error.maybe_done:
            err().print(
                f"It may have been accepted all the same. The same command with --id {order.id} tells, "
                "and cannot send it twice.",
                soft_wrap=True,
            )
        raise


def _say_why_it_waits(client: HeadendClient, record: Dispatch, world: World) -> None:
    """Where the agent is connected it is sent before the headend answers."""
    if record["state"] != State.QUEUED:
        return
    with suppress(HeadendError):
        if why := why_it_waits(record, client.agents(), now=world.now()):
            err().print(why, soft_wrap=True)


def _follow(
    client: HeadendClient,
    record: Dispatch,
    world: World,
    *,
    enough: Callable[[Dispatch], bool],
    timeout_s: float,
    as_json: bool,
) -> Dispatch:
    latest, shown, dispatch_id = record, 0, record["id"]
    patient = Patient(record, lambda: client.get_dispatch(dispatch_id), _tell_of_trouble)
    steps = follow(
        record,
        fetch=patient.look,
        sleep=world.sleep,
        monotonic=world.monotonic,
        enough=enough,
        timeout_s=timeout_s,
    )
    try:
        with progressing("Following; Ctrl-C leaves it to itself. It is") as progress:
            for latest in steps:
                progress(latest["state"])
                if not as_json and len(latest["transitions"]) > shown:
                    with progress.aside():
                        shown = show_transitions(latest, after=shown, now=world.now())
        if patient.trouble is not None:
            raise patient.trouble
    except (KeyboardInterrupt, HeadendError):
        err().print(
            f"No longer following; dispatch {dispatch_id} goes on without this command.", soft_wrap=True
        )
        raise
    return latest


def _tell_of_trouble(trouble: HeadendError | None) -> None:
    told = "It answers again." if trouble is None else f"No answer ({words(why(trouble))}); trying again …"
    err().print(told, style="yellow", soft_wrap=True)


def _conclude(
    record: Dispatch, *, enough: Callable[[Dispatch], bool], waited_s: float | None, now: datetime
) -> None:
    """Say what is not as wished, and end with the exit code for it."""
    if waited_s is None and not settled(record):
        return
    if as_wished(record) and (waited_s is None or enough(record)):
        return
    if ended(record):
        reason = record["transitions"][-1]["reason"] if record["transitions"] else None
        why = f": {explained(reason)}" if reason else ""
        err().print(f"The dispatch was not carried out: it is {words(record['state'])}{why}.", soft_wrap=True)
    else:
        err().print(
            f"Still {words(record['state'])} after {waited_s:g} s{_what_follows(record, now)}.",
            soft_wrap=True,
        )
    raise typer.Exit(_NOT_AS_WISHED)


def _what_follows(record: Dispatch, now: datetime) -> str:
    """What becomes of a dispatch that is not looked at any longer, and how to learn it."""
    if settled(record):
        return "; it goes on"
    if record["state"] in {State.SENT, State.ACKNOWLEDGED}:
        which = short(record["id"])
        return (
            ". It was handed to its agent, which has not told what became of it: it may have been applied. "
            f"`der telemetry` shows what is measured, `der dispatches {which}` what the agent tells; "
            f"`der cancel {which}` takes it back"
        )
    until = f"{clock(instant(record['expires_at']), now)} UTC"
    return f". It stays in the queue until {until}, then it expires; `der agents` shows which links are up"
