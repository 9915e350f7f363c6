"""One process's share of a run, from the first connection to the last acknowledgement."""

import asyncio
import gc
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from der_fleet.build import build
from der_fleet.fleet import Fleet
from der_fleet.gateway import Agent
from der_fleet.options import RunOptions
from der_fleet.tally import Tally
from der_runtime.failure import StartFailed
from der_runtime.process import run

REPORT_S = 1.0

_YOUNG, _OLDER, _OLDEST = 50_000, 50, 100
"""When Python looks for garbage in cycles, of which there is little: each look at all that the agents hold takes a
quarter of a second, in which none of them says anything, and then all at once."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a share went: the ledger, how long it took, and why it could not even begin, if it could not."""

    tally: Tally
    duration_s: float = 0.0
    drain_s: float = 0.0
    failure: str | None = None


def work(
    asked: RunOptions,
    agents: Sequence[Agent],
    *,
    process: int,
    tick_s: float,
    report: Callable[[Tally], None],
) -> Outcome:
    """Run some agents as asked; ``report`` is told the ledger every second. SIGTERM and SIGINT end it early.

    Raises:
        StartFailed: a spool's file cannot be used.
    """
    outcomes: list[Outcome] = []

    async def main(stop: asyncio.Event) -> int:
        gc.set_threshold(_YOUNG, _OLDER, _OLDEST)
        fleet = await build(asked, agents, process=process, tick_s=tick_s)
        outcomes.append(await _course(fleet, asked, stop, report))
        return 0

    run(main)
    if not outcomes:
        raise StartFailed("the simulator crashed; its log says where")
    return outcomes[0]


async def _course(
    fleet: Fleet, asked: RunOptions, stop: asyncio.Event, report: Callable[[Tally], None]
) -> Outcome:
    loop = asyncio.get_running_loop()
    beating = asyncio.create_task(fleet.beat(), name="heartbeats")
    reporting = asyncio.create_task(_report(fleet, stop, report), name="report")
    try:
        await fleet.connect(within_s=asked.connect_s, stop=stop)
        tally = fleet.tally()
        if tally.connected == 0:
            return Outcome(tally, failure=_why_not(fleet, tally, asked, stopped=stop.is_set()))
        duration_s = await fleet.tick(asked.duration_s, stop)
        began_s = loop.time()
        await fleet.drain(within_s=asked.drain_s)
        tally = fleet.tally()
        return Outcome(tally, duration_s, loop.time() - began_s, fleet.spool_trouble())
    finally:
        beating.cancel()
        reporting.cancel()
        await fleet.close()


async def _report(fleet: Fleet, stop: asyncio.Event, report: Callable[[Tally], None]) -> None:
    while True:
        await asyncio.sleep(REPORT_S)
        report(fleet.tally())
        if fleet.spool_trouble() is not None:
            stop.set()


def _why_not(fleet: Fleet, tally: Tally, asked: RunOptions, *, stopped: bool) -> str:
    if stopped:
        return "stopped before any agent was connected"
    (reason, _), *_ = Counter(fleet.troubles()).most_common(1)
    if tally.refused:
        return f"the headend at HEADEND_GRPC={asked.headend_grpc} refused all agents: {reason}"
    return f"no headend at HEADEND_GRPC={asked.headend_grpc} within {asked.connect_s:g} s: {reason}"
