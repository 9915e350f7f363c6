"""The results that are kept, as what stands in docs/performance.md between its marks ``<!-- bench: NAME -->``."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bench.command import BENCHMARKS
from bench.figures import Figure, Result, Role

PLOTS = {
    "throughput": "Samples stored per second over the number of assets",
    "cpu": "CPU per sample over the number of assets",
    "dispatch": "Distribution of dispatch latency, idle and loaded",
}
"""By name, what each shows."""

_BLOCK = re.compile(r"(<!-- bench: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def read(folder: Path) -> Mapping[str, Result]:
    """The results in a folder by target, in the order of the benchmarks; quick ones prove nothing and are left out."""
    paths = (folder / f"{name}.json" for name in BENCHMARKS)
    found = (Result.read(path) for path in paths if path.exists())
    return {result.target: result for result in found if not result.quick}


def filled(page: str, results: Mapping[str, Result], drawn: Sequence[str]) -> str:
    """The page with its blocks as they should be; ``drawn`` are the names of the plots that there are."""
    blocks = {name: write(results) for name, write in _BLOCKS.items()} | {"plots": plots(drawn)}
    return _BLOCK.sub(lambda found: found[1] + blocks[found[2]] + found[3], page)


def plots(drawn: Sequence[str]) -> str:
    """The pictures."""
    return "".join(f"![{PLOTS[name]}](images/bench-{name}.svg)\n" for name in drawn)


def table(results: Mapping[str, Result]) -> str:
    """One row per target: what was asked and measured, the limit in the same run, the verdict."""
    lines = [
        "| | target | figure | limit | ratio | verdict | command | date, commit |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in BENCHMARKS:
        if (result := results.get(name)) is None:
            lines.append(f"| {_label(name)} | not measured yet | | | | | | |")
            continue
        cells = [_cell(result.of(role)) for role in (Role.FIGURE, Role.LIMIT, Role.RATIO)]
        verdict = "pass" if result.verdict == "pass" else "**miss**"
        taken = f"{result.date}, `{result.machine['commit']}`"
        row = (_label(name), result.title, *cells, verdict, f"`{result.command}`", taken)
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join([*lines, ""])


def details(results: Mapping[str, Result]) -> str:
    """Every figure of every result."""
    lines = []
    for name, result in results.items():
        lines += [
            f"**{_label(name)}: {result.title}** ({result.duration_s:.0f} s)",
            "",
            "| figure | value | asked |",
            "|---|---|---|",
            *(f"| {f.name} | {f.measured} | {_asked(f)} |" for f in result.figures),
            "",
        ]
    return "\n".join(lines)


def machines(results: Mapping[str, Result]) -> str:
    """On what was measured."""
    lines = ["| on | " + " | ".join(map(_label, results)) + " |", "|---" * (len(results) + 1) + "|"]
    keys = list(
        dict.fromkeys(key for result in results.values() for key in result.machine if key != "commit")
    )
    return "\n".join(lines + [_machine_row(key, results) for key in keys] + [""]) if results else ""


def _machine_row(key: str, results: Mapping[str, Result]) -> str:
    values = [result.machine.get(key, "") for result in results.values()]
    return f"| {key} | " + " | ".join(values) + " |"


def _cell(figures: Sequence[Figure]) -> str:
    return "<br>".join(f"{f.name}: **{f.measured}**{f' ({f.asked})' if f.asked else ''}" for f in figures)


def _asked(figure: Figure) -> str:
    return f"{figure.asked}{'' if figure.met else ' **missed**'}"


def _label(name: str) -> str:
    return name.upper() if re.fullmatch(r"t\d", name) else name


_BLOCKS: Mapping[str, Callable[[Mapping[str, Result]], str]] = {
    "table": table,
    "details": details,
    "machines": machines,
}
