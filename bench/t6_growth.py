"""T6: what a sample costs in CPU, and an asset in memory, from a thousand assets to a million at the same sample rate.

Each fleet has a headend and a database of its own. The rate is that of T1, a million assets every four seconds, and the
cost per sample should not depend on how many assets share it. What does not come with samples, as heartbeats, costs
more of each the more rarely they come: so the largest fleet is also watched at a fifth of the rate. Memory per asset is
what the headend's resident set grows by from the smallest fleet to the largest.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from bench import fleet
from bench.command import main
from bench.rig import Database, Headend
from bench.run import Run
from bench.usage import rss_mib
from der_fleet.options import SHORTEST_TICK_S

TITLE = "Cost from 1,000 to 1,000,000 assets at the same rate"

_PER_S = 250_000.0
_RARELY = 1 / 5
_MOST_PER_S = 1_000_000.0


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one fleet: CPU per sample (µs) by program, the headend's memory (MiB), samples stored per second at most."""

    assets: int
    headend_us: float
    postgres_us: float
    memory_mib: float
    most_per_s: float


def measure(run: Run) -> None:
    sizes = (200, 1_000) if run.options.quick else (1_000, 10_000, 100_000, 1_000_000)
    costs = [_cost(run, assets, also_rarely=assets == sizes[-1]) for assets in sizes]
    headend_us, postgres_us = [each.headend_us for each in costs], [each.postgres_us for each in costs]
    together_us = [sum(pair) for pair in zip(headend_us, postgres_us, strict=True)]
    run.figure("CPU per sample, headend, ± from the middle", _spread_pct(headend_us), "%", at_most=20)
    run.figure("CPU per sample, PostgreSQL, ± from the middle", _spread_pct(postgres_us), "%")
    run.figure("CPU per sample, both, ± from the middle", _spread_pct(together_us), "%", at_most=20)
    grown_mib = costs[-1].memory_mib - costs[0].memory_mib
    per_asset_kib = 1024 * grown_mib / (costs[-1].assets - costs[0].assets)
    run.figure("headend's memory per asset", per_asset_kib, "KiB", at_most=1)
    run.series |= {
        "assets": [float(each) for each in sizes],
        "headend µs per sample": headend_us,
        "PostgreSQL µs per sample": postgres_us,
        "samples stored per second": [each.most_per_s for each in costs],
    }


def _cost(run: Run, assets: int, *, also_rarely: bool) -> Cost:
    rate = run.pick(run.options.rate, full=_PER_S, quick=1_000.0)
    most_per_s = min(run.pick(None, full=_MOST_PER_S, quick=2 * rate), assets / SHORTEST_TICK_S)
    for_s = run.pick(run.options.duration_s, full=60.0, quick=4.0)
    named = f"at {assets:,} assets"
    with run.part() as part:
        path = fleet.inventory(part, assets=assets)
        database = Database(part)
        headend = Headend(part, inventory=path, database=database)
        ledgers: list[fleet.Ledger] = []

        def under(per_s: float, for_s: float) -> tuple[fleet.Steady, float]:
            """What it costs, and the headend's memory while all agents are connected."""
            running = fleet.Fleet(
                part, headend, fleet.Load(path=path, assets=assets, rate=per_s, for_s=for_s)
            )
            steady, memory_mib = running.steady(database), rss_mib(headend.pid)
            ledgers.append(running.ledger())
            return steady, memory_mib

        steady, memory_mib = under(rate, for_s)
        if also_rarely:
            rarely, _ = under(_RARELY * rate, for_s)
            run.figure(
                f"CPU per sample, headend, {named} at a fifth of the rate", rarely.cpu_us("headend"), "µs"
            )
        most, _ = under(most_per_s, for_s / 4)
        fleet.verify(part, database, *ledgers, when=f" {named}")
    cost = Cost(assets, steady.cpu_us("headend"), steady.cpu_us("PostgreSQL"), memory_mib, most.rate)
    run.detail(f"CPU per sample, headend, {named}", cost.headend_us, "µs")
    run.detail(f"CPU per sample, PostgreSQL, {named}", cost.postgres_us, "µs")
    run.detail(f"headend's memory {named}", cost.memory_mib, "MiB")
    run.detail(f"stored {named}, of {most_per_s:,.0f} offered", cost.most_per_s, "samples/s")
    return cost


def _spread_pct(costs: Sequence[float]) -> float:
    """By how much the costs lie to either side of their middle."""
    return 100 * (max(costs) - min(costs)) / (max(costs) + min(costs))


if __name__ == "__main__":
    sys.exit(main(["t6", *sys.argv[1:]]))
