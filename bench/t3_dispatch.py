"""T3: a dispatch on an idle system, from the POST until the agent has applied and acknowledged it.

A headend on PostgreSQL, a real edge agent with three assets, one operator. Beside it a
FastAPI route that only parses the body and a gRPC stream that only echoes: what the two hops cost by themselves.
"""

import sys
import time

from bench import bare, copying, dispatches, sites
from bench.command import main
from bench.figures import percentile
from bench.rig import Database, Headend, await_that, fetch
from bench.run import Run
from der_wire._gen import agent_link_pb2 as pb

TITLE = "Dispatch from POST to applied and acknowledged, idle"


def measure(run: Run) -> None:
    times = 50 if run.options.quick else 600
    database = Database(run)
    path = dispatches.with_target(sites.write(run.folder() / "sites.yaml", sites=0, per_site=0))
    headend = Headend(run, inventory=path, database=database)
    target = dispatches.Target(run, headend)
    run.say("warm-up")
    target.until_active_ms(times=times // 5)
    run.say(f"{times} dispatches")
    taken_ms = target.until_active_ms(times=times)
    dispatches.tell(run, taken_ms, "idle")

    http_ms, grpc_ms = _bare_http_ms(run, times), _bare_grpc_ms(run, times)
    run.limit("bare FastAPI POST, p50", http_ms, "ms")
    run.limit("bare gRPC echo, p50", grpc_ms, "ms")
    run.limit(
        "one row stored, INSERT and COMMIT with fsync", 1000 / copying.inserted_per_s(database, for_s=2), "ms"
    )
    run.ratio("p50 to the sum of both", percentile(taken_ms, 0.5) / (http_ms + grpc_ms), at_most=2.0)

    made = times + times // 5
    stored = "select count(*) from dispatches"
    await_that(lambda: bool(database.value(stored) >= made), "all dispatches stored", deadline_s=10)
    run.check("dispatches that are stored too often or not", database.value(stored) - made, expected=0)


def _bare_http_ms(run: Run, times: int) -> float:
    _, port = bare.server(run, "http")
    connection = bare.http_client(port)
    taken_ms = []
    for turn in range(-times // 5, times):
        began_s = time.perf_counter()
        fetch(connection, "POST", "/dispatch", dispatches.order(turn))
        if turn >= 0:
            taken_ms.append((time.perf_counter() - began_s) * 1000)
    return percentile(taken_ms, 0.5)


def _bare_grpc_ms(run: Run, times: int) -> float:
    _, port = bare.server(run, "grpc")
    setpoint = pb.Setpoint(
        dispatch_id=dispatches.ASSET_ID, mw=1.0, asset_ids=[dispatches.ASSET_ID], duration_s=600.0
    )
    message = pb.Downlink(setpoint=setpoint).SerializeToString()
    return percentile(bare.echoed_s(port, message, times=times + times // 5)[times // 5 :], 0.5) * 1000


if __name__ == "__main__":
    sys.exit(main(["t3", *sys.argv[1:]]))
