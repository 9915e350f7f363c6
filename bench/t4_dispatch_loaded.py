"""T4: a dispatch while a million assets send at half of T1's rate; beside it the same system without that load.

The dispatched asset is served by a real edge agent beside the simulated fleet.
"""

import sys

from bench import dispatches, fleet
from bench.command import main
from bench.rig import Database, Headend
from bench.run import Run

TITLE = "Dispatch under T1's load at half rate"

_EVERY_S = 0.1
_SPARE = 1.5


def measure(run: Run) -> None:
    times = 50 if run.options.quick else 600
    assets = run.pick(run.options.assets, full=1_000_000, quick=2_000)
    rate = run.pick(run.options.rate, full=125_000.0, quick=1_000.0)
    path = fleet.inventory(run, assets=assets)
    database = Database(run)
    headend = Headend(run, inventory=dispatches.with_target(path), database=database)
    target = dispatches.Target(run, headend)
    target.until_active_ms(times=times // 5)
    run.say(f"{times} dispatches, idle")
    idle_ms = target.until_active_ms(times=times)

    load = fleet.Load(path=path, assets=assets, rate=rate, for_s=_SPARE * times * _EVERY_S)
    running = fleet.Fleet(run, headend, load)
    running.warm_up()
    before = headend.rows_stored()
    run.say(f"{times} dispatches at {rate:,.0f} samples/s")
    loaded_ms = target.until_active_ms(times=times, every_s=_EVERY_S)
    run.detail("samples stored meanwhile", headend.rows_stored() - before, "")
    running.still_there()
    dispatches.tell(run, loaded_ms, "loaded", p99_at_most=100)
    dispatches.tell(run, idle_ms, "idle")
    fleet.verify(run, database, running.ledger(), besides=target.stop(database))


if __name__ == "__main__":
    sys.exit(main(["t4", *sys.argv[1:]]))
