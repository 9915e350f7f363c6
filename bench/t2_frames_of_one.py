"""T2: single-asset agents, so frames of one, as fast as their windows let them go, all stored.

Beside it the same bytes over as many bare gRPC streams, to a server process that only counts them.
"""

import sys
import time
from statistics import median

from bench import bare, fleet
from bench.command import main
from bench.rig import Database, Headend
from bench.run import Run
from der_core.signals import CORE_SIGNALS
from der_wire._gen import agent_link_pb2 as pb

TITLE = "Single-asset agents, frames of one"

_OVERLOAD = 3.0


def measure(run: Run) -> None:
    agents = run.pick(run.options.assets, full=1_000, quick=50)
    rate = run.pick(run.options.rate, full=15_000.0, quick=200.0)
    for_s = run.pick(run.options.duration_s, full=15.0, quick=2.0)
    path = fleet.inventory(run, assets=agents, per_site=1)
    database = Database(run)
    headend = Headend(run, inventory=path, database=database)
    offered, repeat = rate * _OVERLOAD, run.options.repeat
    load = fleet.Load(path=path, assets=agents, rate=offered, for_s=repeat * for_s, single_asset=True)
    running = fleet.Fleet(run, headend, load)
    steady = running.steady(database, times=repeat)
    run.figure(f"stored, of {offered:,.0f} offered", steady.rate, "samples/s", at_least=rate)
    steady.tell_cpu(run, "as fast as it goes")
    fleet.verify(run, database, running.ledger())

    streams = min(agents, 200)
    _, port = bare.server(run, "grpc")
    message = _frame_of_one()
    by_itself = median(
        bare.streamed_per_s(port, message, streams=streams, for_s=for_s / 3) for _ in range(repeat)
    )
    run.limit(f"bare gRPC, {streams} streams, {len(message)} bytes each", by_itself, "messages/s")
    run.ratio("to bare gRPC", steady.rate / by_itself, at_least=0.6)


def _frame_of_one() -> bytes:
    """What an agent sends of one battery."""
    columns = [
        pb.Column(signal=place, codes=[1]) if signal.states else pb.Column(signal=place, values=[50.0])
        for place, signal in enumerate(CORE_SIGNALS)
    ]
    frame = pb.Frame(timestamp_us=time.time_ns() // 1000, columns=columns)
    return pb.Uplink(record=pb.Record(seq=1_000, frame=frame)).SerializeToString()


if __name__ == "__main__":
    sys.exit(main(["t2", *sys.argv[1:]]))
