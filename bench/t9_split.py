"""T9: the split of a site dispatch over 10,000 assets, by each weighting; a function call, no system around it.

The garbage collector is set as in the headend, where this is called.
"""

import random
import sys
import time
from statistics import median
from uuid import UUID

from bench.command import main
from bench.run import Run
from der_core.allocation import TOLERANCE_MW, Candidate, Weighting, split
from der_core.assets import Limits
from der_headend import collector

TITLE = "Split of 10,000 assets"


def measure(run: Run) -> None:
    assets = run.pick(run.options.assets, full=10_000, quick=1_000)
    times = 20 if run.options.quick else 200
    candidates = _candidates(assets)
    collector.begin()
    collector.loaded()
    for weighting in Weighting:
        taken_ms, wrong = _timed(candidates, weighting, times)
        run.figure(f"by {weighting}, median", median(taken_ms), "ms", at_most=20)
        run.figure(f"by {weighting}, longest of {times}", max(taken_ms), "ms")
        run.check(f"splits by {weighting} that do not add up", wrong, expected=0)


def _candidates(count: int) -> list[Candidate]:
    rng = random.Random(9)
    return [
        Candidate(
            asset_id=UUID(int=rng.getrandbits(128)),
            capacity_mwhr=rng.uniform(1, 100),
            limits=Limits(-rng.uniform(1, 50), rng.uniform(1, 50)),
            soc_pct=rng.uniform(10, 90),
            min_soc_pct=10,
            max_soc_pct=90,
        )
        for _ in range(count)
    ]


def _timed(candidates: list[Candidate], weighting: Weighting, times: int) -> tuple[list[float], int]:
    """Milliseconds of each split, the first ones left out; and how many did not add up."""
    rng = random.Random(10)
    power_mw = sum(each.limits.max_mw for each in candidates)
    taken_ms, wrong = [], 0
    for turn in range(-3, times):
        mw = power_mw * rng.uniform(-1, 1)
        began_s = time.perf_counter()
        made = split(mw, candidates, weighting=weighting)
        if turn >= 0:
            taken_ms.append((time.perf_counter() - began_s) * 1000)
        wrong += abs(made.allocated_mw + made.unserved_mw - mw) > TOLERANCE_MW
    return taken_ms, wrong


if __name__ == "__main__":
    sys.exit(main(["t9", *sys.argv[1:]]))
