"""``python -m bench``: which benchmarks to run, how big, and where the results go."""

import argparse
import http.client
import importlib
import resource
import shlex
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn

from bench.figures import Result
from bench.machine import machine
from bench.run import BenchFailed, Options, Run
from kit.processes import REPOSITORY

RESULTS = REPOSITORY / "bench" / "results"

BENCHMARKS: Mapping[str, str] = {
    "t1": "bench.t1_persisted",
    "t2": "bench.t2_frames_of_one",
    "t3": "bench.t3_dispatch",
    "t4": "bench.t4_dispatch_loaded",
    "t5": "bench.t5_sessions",
    "t6": "bench.t6_growth",
    "t7": "bench.t7_reads",
    "t8": "bench.t8_agent",
    "t9": "bench.t9_split",
    "back-pressure": "bench.back_pressure",
    "flat": "bench.flat",
    "consoles": "bench.consoles",
}
"""By name, the module with a ``TITLE`` and ``measure(run)``."""


def main(argv: Sequence[str]) -> int:
    """Run benchmarks one after the other, or fill the report; the exit code is 1 if one misses or fails."""
    if list(argv[:1]) == ["report"]:
        report = importlib.import_module("bench.report")  # needs matplotlib, which measuring does not
        code: int = report.main(argv[1:])
        return code
    asked = _parser().parse_args(argv)
    options = Options(**{option.name: getattr(asked, option.name) for option in fields(Options)})
    folder: Path | None = asked.json or (None if options.quick else RESULTS)
    # A headend of 10,000 agents has as many connections.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        return max([_one(name, options, folder) for name in asked.names])
    except KeyboardInterrupt:
        print("interrupted; everything that was started has been ended", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)


def _one(name: str, options: Options, folder: Path | None) -> int:
    benchmark = importlib.import_module(BENCHMARKS[name])
    date = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    on = machine()
    print(f"\n{name}: {benchmark.TITLE}\n{', '.join(f'{k} {v}' for k, v in on.items())}", flush=True)
    began_s = time.monotonic()
    try:
        with Run(name, options) as run:
            benchmark.measure(run)
    except (BenchFailed, OSError, http.client.HTTPException) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 1
    result = Result(
        target=name,
        title=benchmark.TITLE,
        command=_command(name, options),
        date=date,
        duration_s=round(time.monotonic() - began_s, 1),
        quick=options.quick,
        machine=on,
        figures=run.figures,
        series=run.series,
    )
    print("\n".join(f"  {figure.role:6} {figure}" for figure in result.figures))
    print(f"{name}: {result.verdict} after {result.duration_s:.0f} s: {result.command}", flush=True)
    if folder is not None:
        print(f"kept in {result.write(folder)}")
    return 0 if result.verdict == "pass" or options.quick else 1


def _command(name: str, options: Options) -> str:
    """What to type for this benchmark alone."""
    words = [name]
    for option in fields(options):
        value = getattr(options, option.name)
        if value != option.default:
            flag = f"--{option.name.replace('_', '-')}"
            words += (
                [flag]
                if value is True
                else [flag, f"{value:.15g}" if isinstance(value, float) else str(value)]
            )
    return f"make bench ARGS={shlex.quote(shlex.join(words))}"


def _interrupt(_signal: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _known(name: str) -> str:
    if name not in BENCHMARKS:
        raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(BENCHMARKS)}, report")
    return name


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=...",
        description="Measure, each figure beside its limit in the same run. `report` fills docs/performance.md.",
    )
    parser.add_argument(
        "names",
        nargs="*",
        type=_known,
        default=list(BENCHMARKS),
        metavar="NAME",
        help=f"which (all): {', '.join(BENCHMARKS)}",
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes: shows that it works, proves nothing"
    )
    parser.add_argument(
        "--repeat", type=int, default=3, help="of how many a short figure is the median (%(default)s)"
    )
    parser.add_argument("--duration-s", type=float, help="how long the load lasts")
    parser.add_argument("--assets", type=int, help="how many assets")
    parser.add_argument("--rate", type=float, help="samples per second")
    parser.add_argument("--rows", type=int, help="samples in the database of t7")
    parser.add_argument("--fleet", default="", help="more arguments of `der fleet run`, e.g. '--signals all'")
    parser.add_argument(
        "--json", type=Path, metavar="DIR", help="where results go (bench/results; none if --quick)"
    )
    return parser
