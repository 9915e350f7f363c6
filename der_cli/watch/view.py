"""The screen: a line about the whole, the table, what is under way, what is wrong; never wider or higher than it is."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from rich.console import Group, RenderableType
from rich.text import Text

from der_cli.dispatch_view import style_of
from der_cli.screen import SIGN_CONVENTION, age, instant, mw, since, words
from der_cli.table import Column, laid_out, left_out
from der_cli.watch.rows import Row, choose
from der_cli.watch.snapshot import MOST_LISTED, Snapshot
from der_client.heard import heard_of
from der_client.models import Dispatch

_TABLE_HEAD = 2
_SHARE_OF_LISTS = 3
"""Dispatches and alarms get at most a third of the height each."""

_COLUMNS: Sequence[Column[Row]] = (
    Column("Site / asset", lambda row: row.name),
    Column("MW", lambda row: row.power, right=True),
    Column("Setpoint", lambda row: row.setpoint, rank=3, right=True),
    Column("SOC", lambda row: row.soc, rank=2),
    Column("State", lambda row: row.state),
    Column("Age", lambda row: row.age, rank=4, right=True),
    Column("Link", lambda row: row.link, rank=1),
    Column("Alarms", lambda row: row.alarms, rank=5, right=True),
)


def screen(
    snapshot: Snapshot | None, now: datetime, *, url: str, trouble: str | None, width: int, height: int | None
) -> Group:
    """All of it, in at most ``height`` lines (``None``: as many as it takes) of ``width`` columns.

    ``trouble`` is why the headend does not answer; what was known last stays, under a banner.
    """
    top = [_head(snapshot, url), *_left_out(snapshot)]
    if trouble is not None:
        top.append(_banner(snapshot, now, trouble))
    if snapshot is None:
        return Group(*map(_fitted, top))
    names = {site["id"]: site["name"] for site in snapshot.sites} | {
        asset["id"]: asset["name"] for site in snapshot.sites for asset in site["assets"]
    }
    most = None if height is None else height // _SHARE_OF_LISTS
    under_way = _limited([_dispatch_line(d, names, now) for d in snapshot.dispatches], most)
    alarms = _limited(list(_alarm_lines(snapshot, names, now)), most)
    below = [
        Text(),
        _title("Under way", snapshot.dispatches),
        *under_way,
        _title("Alarms", snapshot.alarms),
        *alarms,
        Text(SIGN_CONVENTION, style="dim"),
    ]
    room = None if height is None else height - len(top) - len(below) - _TABLE_HEAD
    parts: list[RenderableType] = [_fitted(line) for line in top]
    if room is None or room > 0:
        parts += _table(snapshot, now, width=width, room=room)
    shown = [*parts, *map(_fitted, below)]
    return Group(*(shown if height is None or room is None or room > 0 else shown[:height]))


def _table(snapshot: Snapshot, now: datetime, *, width: int, room: int | None) -> Iterator[RenderableType]:
    """Sites and assets in at most ``room`` lines below the head, and what had no room."""
    chosen = choose(snapshot, now, room=room)
    table = laid_out(_COLUMNS, chosen.rows, width=width)
    hidden = left_out(_COLUMNS, table)
    if hidden and room is not None:
        chosen = choose(snapshot, now, room=room - 1)
        table = laid_out(_COLUMNS, chosen.rows, width=width)
    yield table
    if chosen.sites_left_out:
        more = f"… and {chosen.sites_left_out:,} more sites; --site NAME shows one, a higher window more"
        yield _fitted(Text(more, style="dim"))
    if hidden and (room is None or room > 1):
        yield hidden if room is None else _fitted(hidden)


def _head(snapshot: Snapshot | None, url: str) -> Text:
    line = Text.assemble(("DER Fleet", "bold"))
    if snapshot is not None:
        known = [site["current_mw"] for site in snapshot.sites if site["current_mw"] is not None]
        online = sum(site["assets_online"] for site in snapshot.sites)
        total = sum(site["assets_total"] for site in snapshot.sites)
        raised = sum(site["alarms"] for site in snapshot.sites)
        net = mw(sum(known)) if known else mw(None)
        line.append(f"  {net} MW")
        line.append(f"  {online:,}/{total:,} online", style="green" if online == total else "yellow")
        line.append(f"  {raised:,} alarms", style="bold red" if raised else "dim")
        line.append(f"  {snapshot.at:%H:%M:%S} UTC", style="dim")
    line.append(f"  {words(url)}", style="dim")
    return line


def _left_out(snapshot: Snapshot | None) -> Iterator[Text]:
    """A line on what is not in the sums, if anything."""
    if snapshot is not None and (said := heard_of(snapshot.sites).statement(snapshot.at)):
        yield Text(f"Sums are {said}.", style="yellow")


def _banner(snapshot: Snapshot | None, now: datetime, trouble: str) -> Text:
    old = "" if snapshot is None else f" Values are {age((now - snapshot.at).total_seconds())} old."
    return Text(
        f" NO ANSWER FROM THE HEADEND, trying again.{old} {words(trouble)}", style="bold white on red"
    )


def _title(what: str, listed: Sequence[object]) -> Text:
    count = f"{len(listed)}{' or more' if len(listed) >= MOST_LISTED else ''}" if listed else "none"
    return Text(f"{what}: {count}", style="bold")


def _dispatch_line(dispatch: Dispatch, names: Mapping[str, str], now: datetime) -> Text:
    place = dispatch["asset_id"] or dispatch["site_id"]
    line = Text.assemble(
        f"  {mw(dispatch['requested_mw']):>9} MW  ",
        (f"{words(dispatch['state']):<13}", style_of(dispatch["state"])),
        words(names.get(place, place)),
    )
    line.append(f"  {_remaining(dispatch, now)}", style="dim")
    return line


def _remaining(dispatch: Dispatch, now: datetime) -> str:
    if dispatch["active_at"] is None:
        left_s = (instant(dispatch["expires_at"]) - now).total_seconds()
        return f"expires in {age(left_s)}"
    if dispatch["duration_s"] is None:
        return f"for {since(dispatch['active_at'], now)}, open-ended"
    left_s = dispatch["duration_s"] - (now - instant(dispatch["active_at"])).total_seconds()
    return f"{age(left_s)} left"


def _alarm_lines(snapshot: Snapshot, names: Mapping[str, str], now: datetime) -> Iterator[Text]:
    for alarm in snapshot.alarms:
        place = alarm["asset_id"] or alarm["site_id"]
        style = "bold red" if alarm["severity"] == "critical" else "yellow"
        yield Text.assemble(
            (f"  {words(alarm['severity']):<9}", style),
            f"{words(names.get(place, place))}  {words(alarm['code'])}  ",
            (f"{since(alarm['at'], now)}{', seen' if alarm['acknowledged_at'] else ''}  ", "dim"),
            words(alarm["message"]),
        )


def _limited(lines: list[Text], most: int | None) -> list[Text]:
    if most is None or len(lines) <= most:
        return lines
    return [*lines[: max(most - 1, 0)], Text(f"  … and {len(lines) - max(most - 1, 0)} more", style="dim")]


def _fitted(line: Text) -> Text:
    line.no_wrap, line.overflow = True, "ellipsis"
    return line
