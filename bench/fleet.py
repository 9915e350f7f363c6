"""Load from the fleet simulator, ``python -m der_fleet``, and whether all of it arrived."""

import contextlib
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from bench.rig import Database, Headend, await_that
from bench.run import BenchFailed, Run
from bench.usage import Cpu
from kit.processes import REPOSITORY, Program

GATEWAY_ASSETS = 100
"""Assets of one gateway."""

_CONNECT_S = 300.0
_WARM_UP_S = 2.0, 10.0
_DRAIN_S = 300.0
_SPOOL_MIB = 6_144
"""So that nothing is dropped that an overloaded headend takes only later."""
_TELL_EVERY_S = 10.0

Ledger = Mapping[str, Any]
"""What the fleet says at its end: ``generated``, ``acknowledged``, ``dropped`` samples and more."""


def inventory(run: Run, *, assets: int, per_site: int = GATEWAY_ASSETS) -> Path:
    """A file with so many assets."""
    path = run.folder() / "fleet.yaml"
    sites = assets // per_site
    run.say(f"an inventory of {sites:,} sites with {per_site} assets each")
    command = (sys.executable, "-m", "der_fleet", "inventory")
    sizes = ("--sites", str(sites), "--assets-per-site", str(per_site))
    with path.open("wb") as out:
        made = subprocess.run(
            [*command, *sizes], stdout=out, stderr=subprocess.PIPE, cwd=REPOSITORY, text=True, check=False
        )
    if made.returncode:
        raise BenchFailed(f"no inventory of the fleet: exit code {made.returncode}\n{made.stderr}")
    return path


@dataclass(frozen=True, slots=True)
class Steady:
    """Samples stored per second under steady load, and CPU seconds by program for ``rows`` of them in ``wall_s``."""

    rate: float
    rows: float
    wall_s: float
    cpu_s: Mapping[str, float]

    def cpu_us(self, program: str) -> float:
        """Microseconds of CPU per sample."""
        return 1e6 * self.cpu_s[program] / max(self.rows, 1)

    def tell_cpu(self, run: Run, when: str) -> None:
        """Where the CPU goes."""
        for name, used_s in self.cpu_s.items():
            run.detail(f"CPU of {name}, {when}", 100 * used_s / self.wall_s, "% of a core")
            run.detail(f"CPU of {name} per sample, {when}", self.cpu_us(name), "µs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a fleet shall do while ``for_s`` are measured: the assets of the file at ``path`` send ``rate`` samples/s.

    They stand behind gateways of 100, or with ``single_asset`` each has an agent of its own.
    """

    path: Path
    assets: int
    rate: float
    for_s: float
    single_asset: bool = False

    @property
    def agents(self) -> int:
        """How many agents connect."""
        return self.assets if self.single_asset else self.assets // GATEWAY_ASSETS

    @property
    def tick_s(self) -> float:
        """How often each asset sends."""
        return self.assets / self.rate

    @property
    def warm_up_s(self) -> float:
        """What is left out at the beginning; the load goes on for as long after the end."""
        return min(max(self.tick_s, _WARM_UP_S[0]), _WARM_UP_S[1])


class Fleet:
    """A fleet at work. Leaving the block ends it; ``ledger`` waits for its own end."""

    def __init__(self, run: Run, headend: Headend, load: Load) -> None:
        self._run = run
        self._headend = headend
        self._load = load
        self._others = headend.sessions()
        flags = {
            "--inventory": load.path,
            "--rate": load.rate,
            "--duration-s": load.for_s + 2 * load.warm_up_s,
            "--connect-s": _CONNECT_S,
            "--drain-s": _DRAIN_S,
            "--spool-mib": _SPOOL_MIB,
        }
        self.program = Program.module(
            *("der_fleet", "run", *(["--single-asset"] if load.single_asset else [])),
            *(text for flag, value in flags.items() for text in (flag, str(value))),
            *shlex.split(run.options.fleet),
            env={"HEADEND_GRPC": headend.grpc_address},
        )
        run.stack.enter_context(self.program)
        began_s = time.monotonic()
        self.await_agents(self._others + load.agents)
        self.connected_after_s = time.monotonic() - began_s
        run.say(f"{load.agents:,} agents connected after {self.connected_after_s:.1f} s")

    @property
    def pid(self) -> int:
        """Its process id; the others of it are its children."""
        return self.program.pid

    def await_agents(self, count: int) -> None:
        """Wait until the headend has so many sessions."""

        def all_there() -> bool:
            self.still_there()
            with contextlib.suppress(OSError):  # while the headend is restarted
                return self._headend.sessions() >= count
            return False

        await_that(all_there, f"{count} agents connected", deadline_s=_CONNECT_S)

    def steady(self, database: Database, *, times: int = 1) -> Steady:
        """Watch the load, in so many stretches of which the rate is the median, after the warm-up."""
        self.warm_up()
        cpu = Cpu({"headend": self._headend.pid, "PostgreSQL": database.pid, "generator": self.pid})
        counts, rates = [self._headend.rows_stored()], []
        for turn in range(times):
            began_s = time.monotonic()
            self.watch(self._load.for_s / times, f"measuring, {turn + 1} of {times}")
            counts.append(self._headend.rows_stored())
            rates.append((counts[-1] - counts[-2]) / (time.monotonic() - began_s))
        return Steady(median(rates), counts[-1] - counts[0], cpu.wall_s, cpu.used_s())

    def warm_up(self) -> None:
        """Let it come to its rate."""
        self.watch(self._load.warm_up_s, "warm-up")

    def watch(self, for_s: float, what: str) -> None:
        """Let it work for a while, telling how far it is."""
        self._run.say(f"{what}, {for_s:g} s")
        end_s = time.monotonic() + for_s
        while (left_s := end_s - time.monotonic()) > 0:
            time.sleep(min(left_s, _TELL_EVERY_S))
            self.still_there()
            self._run.say(f"{self._headend.rows_stored():,.0f} samples stored")

    def still_there(self) -> None:
        """Fail if it has ended."""
        if self.program.exit_code is not None:
            raise BenchFailed(
                f"the fleet ended early with exit code {self.program.exit_code}\n{self._last()}"
            )

    def ledger(self) -> Ledger:
        """Wait until it has ended, all it generated is stored, and the headend has seen it go."""
        self._run.say("waiting until all is acknowledged")
        code = self.program.wait(deadline_s=self._load.for_s + 2 * _DRAIN_S)
        if code:
            raise BenchFailed(f"the fleet ended with exit code {code}\n{self._last()}")
        await_that(
            lambda: self._headend.sessions() <= self._others, "its sessions to end", deadline_s=_CONNECT_S
        )
        told: Ledger = json.loads(self.program.stdout[-1])
        return told

    def _last(self) -> str:
        return "\n".join([*self.program.stdout[-5:], *self.program.stderr[-20:]])


def verify(run: Run, database: Database, *ledgers: Ledger, besides: int = 0, when: str = "") -> None:
    """Every sample that was generated is in the database, once; ``besides`` counts those that others sent."""
    run.say("counting what is in the database")
    generated = sum(ledger["generated"] for ledger in ledgers)
    rows = database.rows()
    run.detail(f"samples generated{when}", generated, "")
    run.check(f"dropped by the fleet{when}", sum(each["dropped"] for each in ledgers), expected=0)
    run.check(f"generated and not stored{when}", generated - (rows - besides), expected=0)
    run.check(f"stored twice{when}", rows - database.distinct(), expected=0)
