"""Back-pressure: a minute at twice the load the system can take, then the load ends and the spools drain.

How much it can take is measured first. Meanwhile the headend's memory, the age of live values and dispatches to a real
edge agent are watched; in the end every sample that was generated has to be in the database.
"""

import json
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

from bench import dispatches, fleet
from bench.command import main
from bench.figures import percentile
from bench.rig import Database, Headend, fetch
from bench.run import Run
from bench.usage import Sampled, rss_mib
from der_core.freshness import STALE_AFTER_S
from der_headend.store.postgres.tally import WINDOW_US

TITLE = "Back-pressure at twice the load it can take"

_SURELY_TOO_MUCH_PER_S = 1_000_000.0
_EVERY_S = 0.1
_STARTING = 1 / 6
"""The part of the time for which the load is on before it is judged; by then the agents are behind."""
_SPARE = 1.5
_READ_BLOCK_KIB = 64.0
"""What grpc takes for a connection over which more than 12 KiB come at a time."""


def measure(run: Run) -> None:
    assets = run.pick(run.options.assets, full=1_000_000, quick=2_000)
    for_s = run.pick(run.options.duration_s, full=60.0, quick=8.0)
    path = fleet.inventory(run, assets=assets)
    database = Database(run)
    database.in_use_for_long()
    headend = Headend(run, inventory=dispatches.with_target(path), database=database)
    target = dispatches.Target(run, headend)
    target.until_active_ms(times=20)
    if not run.options.quick:
        _until_it_adds_up(run)

    too_much = run.pick(run.options.rate, full=_SURELY_TOO_MUCH_PER_S, quick=5_000.0)
    load = fleet.Load(path=path, assets=assets, rate=too_much, for_s=for_s / 3)
    running = fleet.Fleet(run, headend, load)
    can_take = running.steady(database).rate
    run.figure("it can take", can_take, "samples/s")
    before = running.ledger()

    load = fleet.Load(path=path, assets=assets, rate=2 * can_take, for_s=_SPARE * for_s)
    running = fleet.Fleet(run, headend, load)
    memory_mib, agents = rss_mib(headend.pid), headend.sessions()
    starting_ms = target.until_active_ms(times=int(_STARTING * for_s / _EVERY_S), every_s=_EVERY_S)
    run.detail("dispatch while the load begins, longest", max(starting_ms), "ms")
    run.say(f"{for_s:g} s at {2 * can_take:,.0f} samples/s")
    with Sampled(lambda: rss_mib(headend.pid), every_s=1.0) as memory:
        with Sampled(_age_of_live_values(headend), every_s=0.2) as ages:
            taken_ms = target.until_active_ms(times=int(for_s / _EVERY_S), every_s=_EVERY_S)
        running.still_there()
        dispatches.tell(run, taken_ms, "overloaded", p99_at_most=100)
        run.figure("age of live values, p99", percentile(ages.values, 0.99), "s", at_most=STALE_AFTER_S)
        after = running.ledger()
    _tell_memory(run, memory_mib, memory, agents=agents)
    run.detail("copies sent ahead", after["live_copies"], "frames")
    run.figure("generated meanwhile", after["samples_per_s"], "samples/s")
    run.detail("oldest unacknowledged sample", after["max_lag_s"], "s")
    fleet.verify(run, database, before, after, besides=target.stop(database))


def _until_it_adds_up(run: Run) -> None:
    """Wait for the next five minutes to begin, from which on a headend adds up what it stores.

    The memory for that, half a GB, is taken once, when each asset's first sample comes; it is no part of any load.
    """
    window_s = WINDOW_US / 1e6
    left_s = window_s - time.time() % window_s
    run.say(f"waiting {left_s:.0f} s for the next five minutes, from which on the headend adds up samples")
    time.sleep(left_s)


def _age_of_live_values(headend: Headend) -> Callable[[], float]:
    """What gives the age in seconds of an asset's newest sample, each time of another asset."""
    rng = random.Random(1)
    known = [asset["id"] for asset in headend.get("/assets?limit=1000") if asset["updated_at"]]
    operator = headend.connect()

    def age_s() -> float:
        sample = json.loads(fetch(operator, "GET", f"/telemetry/{rng.choice(known)}"))
        return (datetime.now(UTC) - datetime.fromisoformat(sample["timestamp"])).total_seconds()

    return age_s


def _tell_memory(run: Run, before_mib: float, memory: Sampled, *, agents: int) -> None:
    """Over the load and the draining, for it rises and falls with each minute whose sums are finished and written.

    What an overload may take, however long it lasts, is what grpc keeps ready for reading, one block for each agent;
    and a tenth of all for what waits for the store and the buckets of the minute that has ended.
    """
    half = len(memory.values) // 2
    early_mib, late_mib = max(memory.values[:half]), max(memory.values[half:])
    bound_mib = None if run.options.quick else 1.1 * (before_mib + agents * _READ_BLOCK_KIB / 1024)
    run.figure("headend's memory once all are connected", before_mib, "MiB")
    run.figure("headend's memory, highest", max(early_mib, late_mib), "MiB", at_most=bound_mib)
    grown_pct = 100 * (late_mib / early_mib - 1)
    run.detail("its growth from the first half to the second", grown_pct, "%")
    run.series["memory MiB"] = [round(each, 1) for each in memory.values]


if __name__ == "__main__":
    sys.exit(main(["back-pressure", *sys.argv[1:]]))
