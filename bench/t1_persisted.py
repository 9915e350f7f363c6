"""T1: a million assets every four seconds, from gateways of 100, stored exactly once with the history index in place.

Two loads on one headend and database: a minute at the asked rate, then four times that, as fast as the agents' windows
let it go. What of that was stored is set against PostgreSQL by itself, given the same rows again.
"""

import sys
from statistics import median

from bench import copying, fleet
from bench.command import main
from bench.rig import Database, Headend
from bench.run import Run

TITLE = "Persisted telemetry, gateways of 100 assets"

_OVERLOAD = 4.0
_LIMIT_ROWS = 30_000_000
_EDGES = 0.99
"""Gateways send in ticks, so a minute's count may lack a part of one."""


def measure(run: Run) -> None:
    repeat = run.options.repeat
    assets = run.pick(run.options.assets, full=1_000_000, quick=2_000)
    rate = run.pick(run.options.rate, full=250_000.0, quick=1_000.0)
    for_s = run.pick(run.options.duration_s, full=60.0, quick=6.0)
    path = fleet.inventory(run, assets=assets)
    database = Database(run)
    headend = Headend(run, inventory=path, database=database)

    load = fleet.Load(path=path, assets=assets, rate=rate, for_s=for_s)
    running = fleet.Fleet(run, headend, load)
    steady = running.steady(database)
    run.figure(f"stored over {for_s:g} s", steady.rate, "samples/s", at_least=_EDGES * rate)
    steady.tell_cpu(run, "at the asked rate")
    asked = running.ledger()
    run.detail("oldest unacknowledged sample", asked["max_lag_s"], "s")

    load = fleet.Load(path=path, assets=assets, rate=_OVERLOAD * rate, for_s=for_s / 2)
    running = fleet.Fleet(run, headend, load)
    peak = running.steady(database, times=repeat)
    run.figure(f"stored, of {_OVERLOAD * rate:,.0f} offered", peak.rate, "samples/s")
    peak.tell_cpu(run, "as fast as it goes")
    most = running.ledger()
    run.detail("generated meanwhile", most["samples_per_s"], "samples/s")
    fleet.verify(run, database, asked, most)
    headend.stop()

    run.say("the same rows by binary COPY")
    copied, rows = copying.copied_per_s(run, database, at_most=_LIMIT_ROWS)
    run.limit(f"raw binary COPY of {rows:,} rows", copied, "rows/s")
    inserted = median(copying.inserted_per_s(database, for_s=for_s / 20) for _ in range(repeat))
    run.limit("one INSERT per sample", inserted, "rows/s")
    run.ratio("to raw COPY", peak.rate / copied, at_least=0.6)
    run.ratio("to one INSERT per sample", peak.rate / inserted, at_least=80)


if __name__ == "__main__":
    sys.exit(main(["t1", *sys.argv[1:]]))
