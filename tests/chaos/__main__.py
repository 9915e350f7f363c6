"""``python -m chaos``: a chaos run on a terminal. Exit code 0 if every promise held, else 1."""

import argparse
import random
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from chaos.plan import Kind
from chaos.run import Options, Outcome, run

_EXAMPLES_SHOWN = 5


def main(argv: Sequence[str] | None = None) -> int:
    """Run as told; returns the exit code."""
    asked = _parser().parse_args(argv)
    options = Options(
        seed=asked.seed if asked.seed is not None else random.randrange(10_000),
        duration_s=asked.duration_s,
        kinds=asked.faults,
        gateways=asked.gateways,
        every_s=asked.every_s,
        dispatches_per_s=asked.dispatches_per_s,
        most_memory_mb=asked.most_memory_mb,
    )
    folder = Path(tempfile.mkdtemp(prefix="der-chaos-"))
    say(
        f"chaos --seed {options.seed} --duration-s {options.duration_s:g} --gateways {options.gateways} "
        f"--every-s {options.every_s:g} --faults {','.join(options.kinds)}"
    )
    say(f"logs and logbooks in {folder}")
    outcome = run(options, folder, tell=say)
    say(summary(outcome))
    return 0 if outcome.clean else 1


def say(line: str) -> None:
    """One line to the terminal, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def summary(outcome: Outcome) -> str:
    """The figures, the findings, and examples of those that condemn the run."""
    lines = ["", *(f"{value:>12}  {what}" for what, value in outcome.figures), ""]
    for finding in outcome.findings:
        mark = "!" if finding.condemns else " "
        lines.append(f"{mark}{finding.count:>11}  {finding.what}")
    for finding in outcome.findings:
        if finding.condemns:
            lines += ["", f"{finding.what}:", *(f"  {each}" for each in finding.examples[:_EXAMPLES_SHOWN])]
    return "\n".join([*lines, "", "every promise held" if outcome.clean else "BROKEN PROMISES, see above"])


def _parser() -> argparse.ArgumentParser:
    kinds = "\n".join(f"  {kind:20}{kind.what}" for kind in Kind)
    parser = argparse.ArgumentParser(
        prog="make chaos ARGS=...",
        description="Break a real system at random and see whether it keeps its promises.",
        epilog=f"kinds of fault:\n{kinds}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, help="repeats a run's faults and orders (default: a new one)")
    parser.add_argument(
        "--duration-s", type=float, default=60.0, help="how long faults go on (default: %(default)g)"
    )
    parser.add_argument(
        "--faults",
        type=_kinds,
        default=tuple(Kind),
        metavar="KIND,KIND,...",
        help="which kinds (default: all)",
    )
    parser.add_argument("--gateways", type=int, default=3, help="how many (default: %(default)s)")
    parser.add_argument(
        "--every-s", type=float, default=3.0, help="mean time between faults (default: %(default)g)"
    )
    parser.add_argument("--dispatches-per-s", type=float, default=3.0, help="(default: %(default)g)")
    parser.add_argument(
        "--most-memory-mb", type=int, default=400, help="bound of the headend's memory (default: %(default)s)"
    )
    return parser


def _kinds(text: str) -> tuple[Kind, ...]:
    try:
        return tuple(Kind(name) for name in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
