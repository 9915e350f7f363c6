"""Dispatches one after the other over one kept-open connection, and how long each took until it was active."""

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench import sites
from bench.figures import percentile
from bench.rig import Database, Headend, agent, fetch
from bench.run import BenchFailed, Run

ASSET_ID = sites.asset_id(0, 0)

_ASSETS = 3
_WAIT = "/dispatch?wait=active&timeout_s=30"


class Target:
    """An asset to dispatch: the first of three behind a real edge agent."""

    def __init__(self, run: Run, headend: Headend) -> None:
        inventory = sites.write(run.folder() / "target.yaml", sites=1, per_site=_ASSETS)
        self._agent = agent(run, headend, {"SITE_ID": sites.site_id(0), "ASSETS_PATH": str(inventory)})
        self._headend = headend

    def until_active_ms(self, *, times: int, every_s: float = 0.0) -> list[float]:
        """Milliseconds from each POST to the answer that the asset's driver has accepted the power.

        By then the agent has acknowledged it, and the headend knows the power that was applied. They go one after the
        other, one each ``every_s`` seconds at most.

        Raises:
            BenchFailed: a dispatch did not become active.
        """
        taken_ms = []
        operator = self._headend.connect()
        fetch(operator, "GET", "/healthz")
        start_s = time.monotonic()
        for turn in range(times):
            time.sleep(max(0.0, start_s + turn * every_s - time.monotonic()))
            began_s = time.perf_counter()
            answer = fetch(operator, "POST", _WAIT, order(turn))
            taken_ms.append((time.perf_counter() - began_s) * 1000)
            _expect_active(json.loads(answer))
        return taken_ms

    def stop(self, database: Database) -> int:
        """End the agent; how many samples of it are stored."""
        self._agent.stop()
        ids = [sites.asset_id(0, place) for place in range(_ASSETS)]
        mine = "select count(*) from telemetry where asset = any (array(select key from assets where id = any ($1)))"
        return int(database.value(mine, ids))


def with_target(inventory: Path) -> Path:
    """A copy of an inventory file, beside it, that has the target's site as well."""
    of_sites, of_assets = sites.entries(1, _ASSETS)
    more = {"sites:": of_sites, "assets:": of_assets}
    path = inventory.with_name(f"with-target-{inventory.name}")
    with inventory.open(encoding="utf-8") as known, path.open("w", encoding="utf-8") as out:
        for line in known:
            out.write(line)
            out.writelines(more.get(line.rstrip(), ()))
    return path


def order(turn: int) -> dict[str, object]:
    """The body of a dispatch; each has another power than the one before."""
    return {"asset_id": ASSET_ID, "mw": 1.0 + turn % 7 / 10, "duration_s": 600.0}


def tell(run: Run, taken_ms: Sequence[float], when: str, *, p99_at_most: float | None = None) -> None:
    """The distribution as figures, and as a series for the plot."""
    run.figure(f"dispatch {when}, p50", percentile(taken_ms, 0.5), "ms")
    run.figure(f"dispatch {when}, p99", percentile(taken_ms, 0.99), "ms", at_most=p99_at_most)
    run.detail(f"dispatch {when}, longest of {len(taken_ms)}", max(taken_ms), "ms")
    run.series[f"dispatch {when} ms"] = [round(each, 3) for each in sorted(taken_ms)]


def _expect_active(record: dict[str, Any]) -> None:
    (part,) = record["allocations"]
    if record["state"] != "active" or not math.isclose(part["applied_mw"], record["mw"]):
        raise BenchFailed(f"a dispatch is not active as it should be: {record}")
