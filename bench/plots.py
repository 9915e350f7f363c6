"""The plots of docs/performance.md, as SVG that is the same byte for byte for the same results."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl

from bench.figures import Result

mpl.use("svg")
mpl.rcParams.update(
    {
        "svg.hashsalt": "der-fleet",
        "svg.fonttype": "none",
        "font.size": 10,
        "axes.grid": True,
        "grid.alpha": 0.3,
    }
)

from matplotlib import pyplot as plt  # noqa: E402 - what is drawn with is chosen before

_NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}

Results = Mapping[str, Result]


def draw(results: Results, folder: Path) -> list[str]:
    """Draw those plots whose results are there; their names."""
    drawn = []
    for name, (targets, plot) in _PLOTS.items():
        if all(target in results for target in targets):
            figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
            plot(axes, results)
            figure.savefig(folder / f"bench-{name}.svg", metadata=_NO_METADATA)
            plt.close(figure)
            drawn.append(name)
    return drawn


def _throughput(axes: Any, results: Results) -> None:
    series = results["t6"].series
    axes.plot(
        series["assets"], series["samples stored per second"], marker="o", label="stored, as fast as it goes"
    )
    for figure in results["t1"].figures:
        if figure.name.startswith("raw binary COPY"):
            axes.axhline(figure.value, linestyle="--", color="grey", label="raw binary COPY (T1)")
    axes.set(
        xscale="log", xlabel="assets", ylabel="samples/s", ylim=(0, None), title="Throughput over assets"
    )
    axes.legend()


def _cpu(axes: Any, results: Results) -> None:
    series = results["t6"].series
    for program in ("headend", "PostgreSQL"):
        axes.plot(series["assets"], series[f"{program} µs per sample"], marker="o", label=program)
    axes.set(xscale="log", xlabel="assets", ylabel="µs per sample", ylim=(0, None))
    axes.set_title("CPU per sample over fleet size, same sample rate")
    axes.legend()


def _dispatch(axes: Any, results: Results) -> None:
    distributions = [("T3, idle", "t3", "idle"), ("T4, a million assets, idle", "t4", "idle")]
    for label, target, when in [*distributions, ("T4, a million assets at half rate", "t4", "loaded")]:
        values = results[target].series[f"dispatch {when} ms"]
        axes.plot(values, _shares(values), label=label)
    axes.set(xscale="log", xlabel="ms from POST to active", ylabel="share of dispatches", ylim=(0, 1))
    axes.set_title("Dispatch latency")
    axes.legend()


def _shares(values: Sequence[float]) -> list[float]:
    return [(place + 1) / len(values) for place in range(len(values))]


_PLOTS: Mapping[str, tuple[tuple[str, ...], Callable[[Any, Results], None]]] = {
    "throughput": (("t1", "t6"), _throughput),
    "cpu": (("t6",), _cpu),
    "dispatch": (("t3", "t4"), _dispatch),
}
"""By name (``bench.tables.PLOTS``), the results it needs and what draws it."""
