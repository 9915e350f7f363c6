"""The command: collect, mask, pack, and say what is in it and what is not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from der_cli.bugreport.archive import Entry, write
from der_cli.bugreport.contents import Report, collect_headend, collect_here, collect_logs, mask_for
from der_cli.bugreport.excerpts import Wanted, around
from der_cli.doctor.facts import Facts, gather
from der_cli.masking import REMOVED
from der_cli.progress import progressing
from der_cli.screen import err, instant, out, print_json, words
from der_cli.times import TimeOption, moment
from der_cli.world import DEFAULT_HEADEND, HeadendOption, JsonOption, world_of
from der_client import HeadendClient, HeadendError
from der_core import __version__

_FAILED = 1
_MONTH_S = 2_678_400
_README = """\
# DER Fleet bug report

Made on {at} by `der bugreport` {version}. It holds what the runbook's escalation checklist asks for.

## What is in it

{contents}

## What is missing

{missing}

## What was removed

Passwords, tokens, keys and whatever else looks like one, everywhere: `{removed}` stands in its place ({count} times).
Of the environment only the variables that matter are here. {names}
Look through it before you hand it on: only you know what else is private.
"""


def bugreport(
    ctx: typer.Context,
    log: Annotated[
        list[Path] | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="A log of the headend or of an agent, also a .gz. May be repeated.",
            metavar="FILE",
        ),
    ] = None,
    around_time: Annotated[
        str | None, TimeOption("--around", help="Log lines around this time only.")
    ] = None,
    dispatch: Annotated[
        UUID | None,
        typer.Option(metavar="UUID", help="The dispatch that is concerned: its record and its log lines."),
    ] = None,
    window_s: Annotated[
        float, typer.Option(metavar="S", min=0, max=_MONTH_S, help="How far around the time or the dispatch.")
    ] = 120.0,
    lines: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many lines of each log.")] = 2000,
    anonymise: Annotated[
        bool, typer.Option("--anonymise", help="Put asset-1, site-1, … in the place of names.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="The archive.", show_default="der-bugreport-<time>.tar.gz"
        ),
    ] = None,
    headend: HeadendOption = DEFAULT_HEADEND,
    as_json: JsonOption = False,
) -> None:
    """Collect what a bug report needs into one archive, without secrets; also while the headend is down."""
    world = world_of(ctx)
    at = world.now()
    moment_asked = None if around_time is None else moment(around_time, at, option="--around")
    window = timedelta(seconds=window_s)
    with progressing("Collecting") as step, world.headend(headend, quiet=True) as client:
        facts = gather(world, headend, step=step)
        report = Report(mask_for(facts, headend=headend, anonymise=anonymise))
        collect_here(report, facts)
        dispatch_id = None if dispatch is None else str(dispatch)
        collect_headend(report, facts, client, dispatch_id, step=step)
        wanted = _wanted(facts, client, moment_asked, dispatch_id, window, lines)
        collect_logs(report, _logs(log or [], facts), wanted, step=step)
    path = output or Path(f"der-bugreport-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}.tar.gz")
    _pack(path, report, at=at, anonymised=anonymise)
    if as_json:
        print_json(_as_document(path, report))
    else:
        _show(path, report)


def _wanted(
    facts: Facts,
    client: HeadendClient,
    moment_asked: datetime | None,
    dispatch_id: str | None,
    window: timedelta,
    lines: int,
) -> Wanted:
    """Which log lines: those of the time, those of the dispatch from its first to its last moment, or the last ones."""
    ids = () if dispatch_id is None else (dispatch_id,)
    if moment_asked is not None:
        start, end = around(moment_asked, window)
        return Wanted(lines=lines, start=start, end=end, ids=ids)
    if dispatch_id is not None and facts.headend is not None:
        try:
            record = client.get_dispatch(dispatch_id)
        except HeadendError:
            return Wanted(lines=lines, ids=ids)
        last = record["transitions"][-1]["at"] if record["transitions"] else record["submitted_at"]
        start, end = around(instant(record["submitted_at"]), window, until=instant(last))
        return Wanted(lines=lines, start=start, end=end, ids=ids)
    return Wanted(lines=lines, ids=ids)


def _logs(given: list[Path], facts: Facts) -> list[Path]:
    """The logs that were named, and those that the headend's programs write."""
    written = [path for process in facts.ours for path in process.logs]
    return list(dict.fromkeys(path.resolve() for path in [*given, *written]))


def _pack(path: Path, report: Report, *, at: datetime, anonymised: bool) -> None:
    from_names = path.name.removesuffix(".tar.gz").removesuffix(".tgz")
    readme = _readme(report, at=at, anonymised=anonymised)
    try:
        write(path, from_names, [readme, *report.entries], at=at)
    except FileExistsError:
        raise typer.BadParameter(f"{path} is there already; name another file", param_hint="--out") from None
    except OSError as error:
        err().print(f"Error: {path} cannot be written: {words(error.strerror)}", soft_wrap=True)
        raise typer.Exit(_FAILED) from None


def _readme(report: Report, *, at: datetime, anonymised: bool) -> Entry:
    text = _README.format(
        at=at.isoformat(timespec="seconds"),
        version=__version__,
        contents="\n".join(f"- `{entry.name}`: {report.mask.text(entry.about)}" for entry in report.entries),
        missing="\n".join(f"- {each}" for each in report.missing) or "Nothing.",
        removed=REMOVED,
        count=_removed(report),
        names="Names of assets, sites, places, this machine and its user were replaced."
        if anonymised
        else "",
    )
    return Entry("README.md", "this overview", text)


def _removed(report: Report) -> int:
    return sum(entry.text.count(REMOVED) for entry in report.entries)


def _as_document(path: Path, report: Report) -> dict[str, object]:
    return {
        "archive": str(path),
        "contents": [
            {"name": entry.name, "about": entry.about, "removed": entry.text.count(REMOVED)}
            for entry in report.entries
        ],
        "missing": report.missing,
        "removed": _removed(report),
    }


def _show(path: Path, report: Report) -> None:
    out().print(
        f"{path}: {len(report.entries)} files; {_removed(report)} secrets removed.",
        soft_wrap=True,
    )
    for entry in report.entries:
        out().print(f"  {entry.name}{_told_removed(entry)}", soft_wrap=True)
    for each in report.missing:
        out().print(f"! missing: {words(each)}", soft_wrap=True)
    out().print("Look through it before you hand it on.")


def _told_removed(entry: Entry) -> str:
    """How many secrets an entry lost, by kind."""
    in_urls = entry.text.count(f":{REMOVED}@")
    kinds = {"in URLs": in_urls, "others (tokens, keys, passwords)": entry.text.count(REMOVED) - in_urls}
    told = ", ".join(f"{count} {kind}" for kind, count in kinds.items() if count)
    return f": removed {told}" if told else ""
