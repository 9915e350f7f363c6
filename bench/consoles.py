"""A dispatch while ten consoles are open on a live fleet of 1,000 assets, and the same with none open.

The consoles are viewers (``bench.viewers``): for one of these the headend does what it does for a page in a browser,
and nothing is drawn. First they look at a console that is a process of its own, then at that which the headend serves
itself; in this order, for a console goes on for most of a minute after its last page is closed. What ten pages in a
real Chromium do on the same cores comes last, as a detail: operators' browsers stand elsewhere.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from bench import dispatches, fleet
from bench.command import main
from bench.figures import percentile
from bench.rig import Database, Headend
from bench.run import BenchFailed, Run
from bench.usage import Cpu
from bench.viewers import READY
from kit.processes import Program, free_port

TITLE = "Dispatch while ten consoles are open"

_EVERY_S = 0.1
_SPARE = 6.0
_OPEN_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watch:
    """Dispatches, so many ``times``, while none or so many ``consoles`` are open."""

    run: Run
    target: dispatches.Target
    headend: Headend
    times: int
    consoles: int

    def dispatch_ms(self, when: str) -> list[float]:
        """How long each took; what the headend used meanwhile is told."""
        self.run.say(f"{self.times} dispatches {when}")
        cpu = Cpu({"headend": self.headend.pid})
        taken_ms = self.target.until_active_ms(times=self.times, every_s=_EVERY_S)
        self.run.detail(f"CPU of headend {when}", 100 * cpu.used_s()["headend"] / cpu.wall_s, "% of a core")
        return taken_ms

    def watched_ms(self, module: str, url: str, when: str) -> list[float]:
        """The same while the program ``module`` holds the consoles of ``url`` open."""
        with Program.module(module, url, str(self.consoles)) as pages:
            pages.wait_for(READY, deadline_s=_OPEN_S)
            taken_ms = self.dispatch_ms(when)
            if pages.exit_code is not None:
                raise BenchFailed(f"the consoles did not stay open\n{pages}")
        return taken_ms

    def viewed(self, url: str, how: str, alone_ms: Sequence[float]) -> None:
        """Tell by how much viewers move the 99th percentile."""
        when = f"with {self.consoles} consoles {how}"
        taken_ms = self.watched_ms("bench.viewers", url, when)
        dispatches.tell(self.run, taken_ms, when)
        self.run.figure(f"p99 moved by consoles {how}", _moved_ms(taken_ms, alone_ms), "ms", at_most=5)

    def drawn(self, url: str, alone_ms: Sequence[float]) -> None:
        """Tell, as details, what pages in a browser on the same cores make of it."""
        when = f"with {self.consoles} pages in a Chromium on the same cores"
        taken_ms = self.watched_ms("bench.browsers", url, when)
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            self.run.detail(f"dispatch {when}, {name}", percentile(taken_ms, share), "ms")
        self.run.detail("p99 moved by pages in a Chromium", _moved_ms(taken_ms, alone_ms), "ms")


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
    watch = _Watch(run=run, target=target, headend=headend, times=times, consoles=consoles)
    alone_ms = watch.dispatch_ms("without consoles")
    dispatches.tell(run, alone_ms, "without consoles")
    address = f"127.0.0.1:{free_port()}"
    with Program.module("der_console", "--headend", headend.url, "--addr", address) as beside:
        beside.wait_for("der_console: ", deadline_s=_OPEN_S)
        watch.viewed(f"http://{address}", "beside it", alone_ms)
    watch.viewed(headend.url, "in the headend", alone_ms)
    watch.drawn(headend.url, alone_ms)
    running.still_there()
    fleet.verify(run, database, running.ledger(), besides=target.stop(database))


def _moved_ms(watched_ms: Sequence[float], alone_ms: Sequence[float]) -> float:
    return percentile(watched_ms, 0.99) - percentile(alone_ms, 0.99)


if __name__ == "__main__":
    sys.exit(main(["consoles", *sys.argv[1:]]))
