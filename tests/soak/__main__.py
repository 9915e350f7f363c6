"""``python -m soak``: a soak on a terminal. Exit code 0 if nothing happened, else 1."""

import argparse
import sys
from collections.abc import Sequence

from soak.run import WARM_UP_SHARE, Outcome, run


def main(argv: Sequence[str] | None = None) -> int:
    """Run as told; returns the exit code."""
    asked = _parser().parse_args(argv)
    say(f"der demo for {asked.duration_s:g} s; resident memory in MB every {asked.every_s:g} s:")
    outcome = run(duration_s=asked.duration_s, every_s=asked.every_s, tell=say)
    say(summary(outcome, asked.most_growth_mb))
    return 1 if outcome.complaints(most_growth_mb=asked.most_growth_mb) else 0


def say(line: str) -> None:
    """One line to the terminal, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def summary(outcome: Outcome, most_growth_mb: float) -> str:
    """The figures, then what is wrong."""
    figures = [
        f"links up        {outcome.links} for {outcome.sites} sites",
        f"warnings        {len(outcome.trouble)}",
        f"memory          after {WARM_UP_SHARE:.0%} of the run -> at its end; bound {most_growth_mb:+g} MB",
        *(
            f"  {each.name:14}{each.warm_mb:6.1f} -> {each.end_mb:6.1f} MB  ({each.growth_mb:+.2f})"
            for each in outcome.memory
        ),
    ]
    complaints = outcome.complaints(most_growth_mb=most_growth_mb)
    return "\n".join(["", *figures, "", *(complaints or ["nothing happened, as it should be"])])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="make soak ARGS=...",
        description="Leave the demo alone and see that nothing happens: no reconnect, no warning, no growth.",
    )
    parser.add_argument("--duration-s", type=float, default=300.0, help="(default: %(default)g)")
    parser.add_argument("--every-s", type=float, default=5.0, help="between samples (default: %(default)g)")
    parser.add_argument(
        "--most-growth-mb",
        type=float,
        default=3.0,
        help="what each process may grow by after the warm-up (default: %(default)g)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
