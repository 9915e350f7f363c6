"""Which sites and assets the screen shows, and in which order: what needs a person first. Pure.

Within a class the order is by name, so that rows do not jump about while somebody reads them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from rich.text import Text

from der_cli.screen import UNKNOWN, Freshness, age, freshness, instant, live, mw, since, status, words
from der_cli.watch.snapshot import Snapshot
from der_client.missed import missed
from der_client.models import Agent, Asset, Site
from der_core.freshness import STALE_AFTER_S

_BAR = 8
_LOW_PCT, _HIGH_PCT = 10.0, 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table, ready to be laid out."""

    name: Text
    power: Text
    setpoint: Text
    soc: Text
    state: Text
    age: Text
    link: Text
    alarms: Text


@dataclass(frozen=True, slots=True)
class Chosen:
    """The rows that fit, and how many sites did not."""

    rows: Sequence[Row]
    sites_left_out: int = 0


def choose(snapshot: Snapshot, now: datetime, *, room: int | None) -> Chosen:
    """As many rows as fit into ``room`` lines (``None``: all): every site first, then assets.

    Where sites are left out, a line is left for saying so.
    """
    commanded = {d["site_id"] for d in snapshot.dispatches}
    sites = sorted(snapshot.sites, key=lambda site: (_urgency(site, commanded), site["name"]))
    agents: dict[str, list[Agent]] = {}
    for agent in snapshot.agents or ():
        agents.setdefault(agent["site_id"], []).append(agent)
    left = None if room is None else max(room, 0)
    shown = sites if left is None or len(sites) <= left else sites[: max(left - 1, 0)]
    left = None if left is None else left - len(shown) - (len(shown) < len(sites))
    rows: list[Row] = []
    for site in shown:
        rows.append(_site_row(site, agents.get(site["id"]), now, known=snapshot.agents is not None))
        assets = site["assets"]
        if left is None or len(assets) <= left:
            rows += [
                _asset_row(asset, now)
                for asset in sorted(assets, key=lambda a: (_is_live(a, now), a["name"]))
            ]
            left = None if left is None else left - len(assets)
    return Chosen(rows, len(sites) - len(shown))


def _urgency(site: Site, commanded: set[str]) -> int:
    if site["alarms"]:
        return 0
    if site["assets_online"] < site["assets_total"]:
        return 1
    return 2 if site["id"] in commanded else 3


def _is_live(asset: Asset, now: datetime) -> bool:
    return freshness(asset, now) is Freshness.LIVE


def _site_row(site: Site, agents: Sequence[Agent] | None, now: datetime, *, known: bool) -> Row:
    live_assets = [asset for asset in site["assets"] if _is_live(asset, now)]
    setpoints = [asset["setpoint_mw"] for asset in live_assets if asset["setpoint_mw"] is not None]
    total, online, heard = site["assets_total"], site["assets_online"], site["assets_heard"]
    style = "green" if heard == total else "yellow" if online else "red"
    stale = f", {online - heard} stale" if online > heard else ""
    return Row(
        name=Text(words(site["name"]), style="bold"),
        power=Text(mw(site["current_mw"]), style="bold"),
        setpoint=Text(mw(sum(setpoints)) if setpoints else UNKNOWN),
        soc=_bar(site["soc_pct"]),
        state=Text(f"{online}/{total} online{stale}", style=style),
        age=Text(_age(site, live_assets, now)),
        link=_link(agents, now) if known else Text(UNKNOWN),
        alarms=Text(str(site["alarms"]), style="bold red" if site["alarms"] else "dim"),
    )


def _age(site: Site, live_assets: Sequence[Asset], now: datetime) -> str:
    """How old the oldest of its live values is; where none is live, the newest of all."""
    if not site["assets_heard"]:
        return since(site["unheard_since"], now)
    times = [asset["updated_at"] for asset in live_assets if asset["updated_at"]]
    return since(min(times), now) if times else f"< {STALE_AFTER_S:g} s"


def _asset_row(asset: Asset, now: datetime) -> Row:
    alive = freshness(asset, now) is Freshness.LIVE
    return Row(
        name=Text(f"  {words(asset['name'])}"),
        power=live(mw(asset["current_mw"]), asset, now),
        setpoint=live(mw(asset["setpoint_mw"]), asset, now),
        soc=_bar(asset["soc_pct"], dim=not alive),
        state=status(asset, now),
        age=Text(since(asset["updated_at"], now), style="" if alive else "yellow"),
        link=Text(""),
        alarms=Text(""),
    )


def _bar(pct: float | None, *, dim: bool = False) -> Text:
    """A bar of a fixed width and the number beside it."""
    if pct is None:
        return Text(f"{'':{_BAR}}    {UNKNOWN}", style="dim")
    full = min(max(round(pct / 100 * _BAR), 0), _BAR)
    style = "dim" if dim else "yellow" if not _LOW_PCT < pct < _HIGH_PCT else "cyan"
    return Text.assemble(
        ("█" * full, style), ("░" * (_BAR - full), "dim"), (f" {pct:3.0f}%", "dim" if dim else "")
    )


def _link(agents: Sequence[Agent] | None, now: datetime) -> Text:
    if not agents:
        return Text("never", style="dim")
    up = sum(agent["connected"] for agent in agents)
    wanted = up + len(missed(agents))
    if up == wanted:
        beats = max(agent.get("heartbeats_missed") or 0 for agent in agents)
        return Text(f"up, {beats} missed", style="yellow") if beats else Text("up", style="green")
    last = max(instant(agent["last_seen_at"]) for agent in agents)
    if up == 0:
        return Text(f"down {age((now - last).total_seconds())}", style="red")
    return Text(f"{up}/{wanted} up", style="yellow")
