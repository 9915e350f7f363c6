"""T5: ten thousand agents connected to one headend, each over a connection of its own; then the headend is killed.

Memory is what the headend's resident set grew by while they connected, per agent; beside it that of a bare gRPC server
with idle streams. After the kill the headend is started again: how long until all are back, and is anything lost?
"""

import sys
import time

from bench import bare, fleet
from bench.command import main
from bench.rig import Database, Headend
from bench.run import Run
from bench.usage import rss_mib

TITLE = "10,000 agents on one headend, and after a restart"

_TICK_S = 10.0
_SETTLED_TICKS = 2
_BARE_STREAMS = 5_000


def measure(run: Run) -> None:
    agents = run.pick(run.options.assets, full=10_000, quick=100)
    for_s = run.pick(run.options.duration_s, full=90.0, quick=30.0)
    path = fleet.inventory(run, assets=agents, per_site=1)
    database = Database(run)
    headend = Headend(run, inventory=path, database=database)
    before_mib = rss_mib(headend.pid)
    load = fleet.Load(path=path, assets=agents, rate=agents / _TICK_S, for_s=for_s, single_asset=True)
    running = fleet.Fleet(run, headend, load)
    run.figure("all connected after", running.connected_after_s, "s")
    running.watch(_SETTLED_TICKS * _TICK_S if not run.options.quick else 2.0, "settling")
    per_agent_kib = (rss_mib(headend.pid) - before_mib) * 1024 / agents
    run.figure("headend's memory per agent", per_agent_kib, "KiB", at_most=64)

    headend.kill()
    began_s = time.monotonic()
    headend.start_again()
    running.await_agents(agents)
    run.figure("all back after a kill and restart", time.monotonic() - began_s, "s", at_most=20)
    fleet.verify(run, database, running.ledger())

    streams = min(agents, _BARE_STREAMS)
    program, port = bare.server(run, "grpc")
    before_mib = rss_mib(program.pid)
    run.say(f"{streams} bare streams")
    with_streams_mib = bare.with_open_streams(
        port, b"hello", streams=streams, then=lambda: rss_mib(program.pid)
    )
    bare_kib = (with_streams_mib - before_mib) * 1024 / streams
    run.limit(f"bare grpc.aio, {streams} idle streams", bare_kib, "KiB each")
    run.ratio("to a bare stream", per_agent_kib / bare_kib)


if __name__ == "__main__":
    sys.exit(main(["t5", *sys.argv[1:]]))
