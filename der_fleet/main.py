"""The program ``der_fleet``: writes an inventory, or runs one and ends with one line of JSON."""

import gc
import json
import os
import sys
import time
from collections.abc import Sequence
from functools import partial, reduce
from operator import add
from pathlib import Path

from der_fleet import inventory
from der_fleet.build import agents_of, share_of
from der_fleet.gateway import Agent
from der_fleet.options import SHORTEST_TICK_S, InventoryOptions, RunOptions, parse
from der_fleet.processes import Report, side_by_side
from der_fleet.progress import Progress, words
from der_fleet.tally import Tally
from der_fleet.worker import Outcome, work
from der_runtime.failure import StartFailed, end_with
from der_runtime.inventory_file import find_inventory, load_inventory
from der_runtime.logs import LogFormat, LogLevel, configure_logging

_FAILED, _UNREACHABLE = 1, 3
_DEFAULT_TICK_S = 4.0
_SHOW_EVERY = 10_000


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    asked = parse(argv)
    configure_logging(LogLevel.WARNING, LogFormat.CONSOLE)
    try:
        return _write(asked) if isinstance(asked, InventoryOptions) else _run(asked)
    except StartFailed as failed:
        end_with(failed.lines)


def _write(asked: InventoryOptions) -> int:
    progress = Progress()
    total = asked.sites * asked.assets_per_site
    entries = inventory.lines(
        sites=asked.sites, assets_per_site=asked.assets_per_site, mix=asked.mix, seed=asked.seed
    )
    try:
        for count, entry in enumerate(entries):
            sys.stdout.write(entry)
            if progress.in_place and count % _SHOW_EVERY == 0:
                progress.show(f"{min(count, total):,} of {total:,} assets")
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILED
    finally:
        progress.end()
    return 0


def _run(asked: RunOptions) -> int:
    path = find_inventory(asked.inventory, Path.cwd(), option="--inventory (ASSETS_PATH)")
    agents = agents_of(load_inventory(path), single_asset=asked.single_asset)
    if not agents:
        raise StartFailed(f"{path} has no assets, so there is nothing to run")
    if asked.spool is not None:
        _make(asked.spool)
    assets = sum(len(agent.assets) for agent in agents)
    tick_s = assets / asked.rate if asked.rate else asked.tick_s or _DEFAULT_TICK_S
    if tick_s < SHORTEST_TICK_S:
        raise StartFailed(
            f"--rate: {assets} assets make at most {assets / SHORTEST_TICK_S:g} samples per second"
        )
    processes = min(asked.processes, len(agents))
    gc.freeze()
    progress, began_s = Progress(), time.monotonic()

    def report(tally: Tally) -> None:
        progress.show(words(tally, time.monotonic() - began_s))

    parts = [
        partial(_part, asked, share_of(agents, place, processes), place, tick_s) for place in range(processes)
    ]
    try:
        outcomes = [parts[0](report)] if len(parts) == 1 else side_by_side(parts, report)
    finally:
        progress.end()
    return _conclude(outcomes, sites=len({agent.site.id for agent in agents}), tick_s=tick_s)


def _part(asked: RunOptions, agents: list[Agent], place: int, tick_s: float, report: Report) -> Outcome:
    return work(asked, agents, process=place, tick_s=tick_s, report=report)


def _make(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartFailed(f"--spool: {path}: {error.strerror}; expected memory or a folder") from error


def _conclude(outcomes: Sequence[Outcome], *, sites: int, tick_s: float) -> int:
    """Print the line of JSON; returns the exit code."""
    tally = reduce(add, (outcome.tally for outcome in outcomes))
    failures = dict.fromkeys(outcome.failure for outcome in outcomes if outcome.failure)
    for failure in failures:
        sys.stderr.write(f"Error: {failure}\n")
    duration_s = max(outcome.duration_s for outcome in outcomes)
    drain_s = max(outcome.drain_s for outcome in outcomes)
    print(
        json.dumps(summary(tally, sites=sites, tick_s=tick_s, duration_s=duration_s, drain_s=drain_s)),
        flush=True,
    )
    if failures:
        return _FAILED if tally.connected or tally.refused else _UNREACHABLE
    return _FAILED if tally.waiting else 0


def summary(
    tally: Tally, *, sites: int, tick_s: float, duration_s: float, drain_s: float
) -> dict[str, object]:
    """What a run ends with; samples unless the name says otherwise."""
    samples_per_s = (tally.generated - tally.recovered) / duration_s if duration_s else 0.0
    rounded = {name: round(getattr(tally, name), 3) for name in ("cpu_s", "lag_s", "max_lag_s")}
    counts = {name: getattr(tally, name) for name in Tally.__slots__ if name not in rounded}
    return {
        "sites": sites,
        **counts,
        "waiting": tally.waiting,
        **rounded,
        "tick_s": tick_s,
        "duration_s": round(duration_s, 3),
        "drain_s": round(drain_s, 3),
        "samples_per_s": round(samples_per_s, 1),
        "cpu_us_per_sample": round(1e6 * tally.cpu_s / tally.generated, 3) if tally.generated else None,
    }
