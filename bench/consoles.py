"""A dispatch while ten consoles are open on a live fleet of 1,000 assets, and the same with none open.

The pages are first those that the headend serves itself, then those of a console that is a process of its own.
"""

import sys

from bench import dispatches, fleet, viewers
from bench.command import main
from bench.figures import percentile
from bench.rig import Database, Headend
from bench.run import Run
from kit.processes import Program, free_port

TITLE = "Dispatch while ten consoles are open"

_EVERY_S = 0.1
_SPARE = 4.5
_OPEN_S = 120.0


def measure(run: Run) -> None:
    consoles, times = (2, 50) if run.options.quick else (10, 600)
    assets = run.pick(run.options.assets, full=1_000, quick=100)
    path = fleet.inventory(run, assets=assets)
    database = Database(run)
    headend = Headend(run, inventory=dispatches.with_target(path), database=database)
    target = dispatches.Target(run, headend)
    target.until_active_ms(times=times // 5)
    load = fleet.Load(path=path, assets=assets, rate=assets / 4, for_s=_SPARE * times * _EVERY_S)
    running = fleet.Fleet(run, headend, load)
    running.warm_up()
    run.say(f"{times} dispatches, no console open")
    alone_ms = target.until_active_ms(times=times, every_s=_EVERY_S)
    dispatches.tell(run, alone_ms, "without consoles")

    def watched(url: str, how: str) -> None:
        with Program.module("bench.viewers", url, str(consoles)) as pages:
            pages.wait_for(viewers.READY, deadline_s=_OPEN_S)
            run.say(f"{times} dispatches, {consoles} consoles open, {how}")
            watched_ms = target.until_active_ms(times=times, every_s=_EVERY_S)
        dispatches.tell(run, watched_ms, f"with {consoles} consoles {how}")
        moved_ms = percentile(watched_ms, 0.99) - percentile(alone_ms, 0.99)
        run.figure(f"p99 moved by consoles {how}", moved_ms, "ms", at_most=5)

    watched(headend.url, "in the headend")
    address = f"127.0.0.1:{free_port()}"
    with Program.module("der_console", "--headend", headend.url, "--addr", address) as beside:
        beside.wait_for("der_console: ", deadline_s=_OPEN_S)
        watched(f"http://{address}", "beside it")
    running.still_there()
    fleet.verify(run, database, running.ledger(), besides=target.stop(database))


if __name__ == "__main__":
    sys.exit(main(["consoles", *sys.argv[1:]]))
