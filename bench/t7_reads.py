"""T7: reading. A page of a thousand assets with live values; one asset's day out of 10^8 samples.

The samples are written by the headend's own store, a commit for each moment as it writes them itself, and rolled up by
it; then a fresh headend is asked over REST, each time for another asset. Beside the page of assets: what encoding the
same JSON costs by itself.
"""

import asyncio
import json
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from urllib.parse import urlencode

import asyncpg
import numpy as np

from bench import sites
from bench.command import main
from bench.figures import percentile
from bench.rig import Database, Headend, agent, await_that, fetch
from bench.run import Run
from der_core.signals import STATUS_STATES
from der_headend.ports import Batch, Rows
from der_headend.store.postgres import PostgresStore
from der_runtime.clock import SystemClock
from der_runtime.inventory_file import load_inventory
from der_runtime.right_of_way import RightOfWay

TITLE = "Reads: a page of assets, a day of one asset"

_ASSETS_PER_SITE = 1_000
_TICK = timedelta(seconds=4)
_TELL_EVERY_S = 10.0
_SIGNALS = ("current_mw", "setpoint_mw", "soc_mwhr", "soc_pct", "voltage_v", "frequency_hz", "temperature_c")
_DAY = {"5m": 288, "1m": 1_000, "raw": 1_000}
"""What is asked of the day, by resolution: how many entries at most (1,000 is the API's page)."""


def measure(run: Run) -> None:
    rows = run.pick(run.options.rows, full=100_000_000, quick=10_000_000)
    assets = 5_000 if rows >= 10_000_000 else 1_000
    ticks = rows // assets
    inventory = sites.write(
        run.folder() / "sites.yaml", sites=assets // _ASSETS_PER_SITE, per_site=_ASSETS_PER_SITE
    )
    database = Database(run)
    end = datetime.now(UTC)
    asyncio.run(_load(run, database, inventory, end - ticks * _TICK, ticks))
    run.check("samples in the database but for those written", database.rows() - ticks * assets, expected=0)
    database.value("analyze")
    headend = Headend(run, inventory=inventory, database=database)
    for resolution, limit in _DAY.items():
        _day(run, headend, resolution, limit, end=end, assets=assets)
    _page(run, headend, inventory)


async def _load(run: Run, database: Database, inventory: Path, begin: datetime, ticks: int) -> None:
    """Write the samples, and make all their buckets."""
    states = {"status": list(STATUS_STATES)}
    known = load_inventory(inventory)
    clock = SystemClock()
    store = PostgresStore(
        database.url, inventory=known, states=states, right_of_way=RightOfWay(clock), clock=clock
    )
    await store.open()
    try:
        await _set_back(database.url, begin)
        slots = np.arange(len(known.assets))
        rng = np.random.default_rng(7)
        columns = {name: rng.normal(50.0, 5.0, slots.shape) for name in _SIGNALS}
        columns["status"] = np.zeros(slots.shape)
        told_s = time.monotonic()
        for tick in range(ticks):
            at_us = np.full(slots.shape, int((begin + tick * _TICK).timestamp() * 1e6))
            moment = {name: np.roll(values, tick) for name, values in columns.items()}
            await store.commit(Batch(rows=[Rows(timestamps_us=at_us, slots=slots, columns=moment)]))
            if time.monotonic() > told_s + _TELL_EVERY_S:
                told_s = time.monotonic()
                run.say(f"{tick * slots.shape[0]:,} samples written")
        run.say("samples written; making the roll-ups")
        await store.keep_up()
    finally:
        await store.close()


async def _set_back(url: str, begin: datetime) -> None:
    """Have everything from ``begin`` on rolled up in turn, as if it came in its time."""
    connection = await asyncpg.connect(url)
    await connection.execute(
        "update rollup_frontier set through = date_bin('5 minutes', $1::timestamptz, '2000-01-01 00:00:00+00')",
        begin,
    )
    await connection.close()


def _day(run: Run, headend: Headend, resolution: str, limit: int, *, end: datetime, assets: int) -> None:
    times = 20 if run.options.quick else 100
    rng = random.Random(limit)
    span = {"start": (end - timedelta(days=1)).isoformat(), "end": end.isoformat()}
    query = urlencode({**span, "resolution": resolution, "limit": limit})
    operator = headend.connect()
    places = rng.sample(range(assets), times + 2)

    def ask(turn: int) -> bytes:
        site, place = divmod(places[turn], _ASSETS_PER_SITE)
        return fetch(operator, "GET", f"/telemetry/{sites.asset_id(site, place)}/history?{query}")

    taken_ms, bodies = _timed(ask, times)
    name = f"a day of one asset, {resolution}, {min(len(json.loads(body)) for body in bodies)} entries"
    run.figure(f"{name}, median", median(taken_ms), "ms", at_most=50)
    run.detail(f"{name}, p99", percentile(taken_ms, 0.99), "ms")


def _page(run: Run, headend: Headend, inventory: Path) -> None:
    times = 20 if run.options.quick else 200
    agent(run, headend, {"SITE_ID": sites.site_id(0), "ASSETS_PATH": str(inventory)})
    path = f"/assets?limit={_ASSETS_PER_SITE}"
    await_that(lambda: all(each["online"] for each in headend.get(path)), "all assets live", deadline_s=60)
    operator = headend.connect()
    taken_ms, bodies = _timed(lambda _turn: fetch(operator, "GET", path), times)
    content = json.loads(bodies[-1])
    encoded_ms, _ = _timed(lambda _turn: _encoded(content), times)
    run.figure("GET /assets?limit=1000, median", median(taken_ms), "ms")
    run.detail("its body", len(bodies[-1]) / 1024, "KiB")
    run.limit("encoding the same JSON, median", median(encoded_ms), "ms")
    run.ratio("to encoding", median(taken_ms) / median(encoded_ms), at_most=1.5)


def _encoded(content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _timed(work: Callable[[int], bytes], times: int) -> tuple[list[float], list[bytes]]:
    """Milliseconds of each turn but the first two, and what each gave."""
    taken_ms, given = [], []
    for turn in range(times + 2):
        began_s = time.perf_counter()
        given.append(work(turn))
        taken_ms.append((time.perf_counter() - began_s) * 1000)
    return taken_ms[2:], given[2:]


if __name__ == "__main__":
    sys.exit(main(["t7", *sys.argv[1:]]))
