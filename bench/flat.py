"""Ten minutes at T1's rate: does the headend's memory stay where it is?"""

import sys

from bench import fleet
from bench.command import main
from bench.rig import Database, Headend
from bench.run import Run
from bench.usage import Sampled, rss_mib, slope

TITLE = "Ten minutes at T1's rate, memory"

_WARM_UP_SHARE = 0.2


def measure(run: Run) -> None:
    assets = run.pick(run.options.assets, full=1_000_000, quick=2_000)
    rate = run.pick(run.options.rate, full=250_000.0, quick=1_000.0)
    for_s = run.pick(run.options.duration_s, full=600.0, quick=10.0)
    path = fleet.inventory(run, assets=assets)
    database = Database(run)
    headend = Headend(run, inventory=path, database=database)
    load = fleet.Load(path=path, assets=assets, rate=rate, for_s=for_s)
    running = fleet.Fleet(run, headend, load)
    with Sampled(lambda: rss_mib(headend.pid), every_s=for_s / 60) as memory:
        steady = running.steady(database)
    first = int(len(memory.values) * _WARM_UP_SHARE)
    at_s, values_mib = memory.at_s[first:], memory.values[first:]
    per_s_mib = slope(at_s, values_mib)
    run.figure(f"stored over {for_s:g} s", steady.rate, "samples/s", at_least=0.99 * rate)
    run.figure("headend's memory after warm-up", values_mib[0], "MiB")
    run.figure("headend's memory at the end", values_mib[-1], "MiB")
    run.figure("its slope", 60 * per_s_mib, "MiB/min")
    run.figure("that over the run", 100 * per_s_mib * (at_s[-1] - at_s[0]) / values_mib[0], "%", at_most=5)
    run.series |= {"seconds": [round(each, 1) for each in memory.at_s], "memory MiB": memory.values}
    steady.tell_cpu(run, "at the asked rate")
    ledger = running.ledger()
    run.detail("oldest unacknowledged sample", ledger["max_lag_s"], "s")
    fleet.verify(run, database, ledger)


if __name__ == "__main__":
    sys.exit(main(["flat", *sys.argv[1:]]))
