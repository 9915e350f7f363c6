"""The harness of the benchmarks: what it makes of figures. Nothing here takes a time."""

import importlib
import json
import os
from pathlib import Path
from uuid import UUID

import pytest

from bench.command import BENCHMARKS, main
from bench.dispatches import ASSET_ID, with_target
from bench.figures import Figure, Result, Role, percentile, shown
from bench.run import BenchFailed, Options, Run
from bench.tables import PLOTS, details, filled, machines, read, table
from bench.usage import Sampled, cpu_s, rss_mib, slope
from der_runtime.inventory_file import load_inventory
from kit.processes import REPOSITORY, SHIPPED_INVENTORY, wait_until

PAGE = REPOSITORY / "docs" / "performance.md"


def result(target: str = "t9", *figures: Figure, quick: bool = False) -> Result:
    return Result(
        target=target,
        title="Split",
        command=f"make bench ARGS={target}",
        date="2026-01-01 12:00 UTC",
        duration_s=1.5,
        quick=quick,
        machine={"cpu": "some", "commit": "1234567"},
        figures=figures or (Figure(name="median", value=12.5, unit="ms", at_most=20),),
        series={"ms": [1.0, 2.5]},
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.01234, "0.0123"), (1.5, "1.50"), (12.34, "12.3"), (123.4, "123"), (251234.5, "251,234")],
)
def test_numbers_have_three_digits_that_count(value: float, text: str) -> None:
    assert shown(value) == text


def test_an_unknown_number_is_no_success() -> None:
    nothing = Figure(name="rate", value=float("nan"), unit="1/s", at_least=1)
    assert not nothing.met
    assert str(nothing) == "rate ? 1/s (≥ 1)"


def test_a_run_passes_when_every_figure_is_what_was_asked() -> None:
    good = Figure(name="a", value=1, at_least=1, at_most=1)
    bad = Figure(name="b", value=0.59, role=Role.RATIO, at_least=0.6)
    assert result("t1", good).verdict == "pass"
    assert result("t1", good, bad).verdict == "miss"


def test_a_count_that_does_not_come_out_is_a_miss() -> None:
    with Run("t1", Options()) as run:
        run.figure("rate", 5, "1/s", at_least=1)
        run.check("lost", 1, expected=0)
    assert result("t1", *run.figures).verdict == "miss"


def test_percentiles_are_values_that_were_measured() -> None:
    assert [percentile([3, 1, 2, 4], share) for share in (0, 0.5, 0.99, 1)] == [1, 2, 4, 4]
    assert percentile([7], 0.99) == 7


def test_the_slope_of_a_line_is_found() -> None:
    assert slope([0, 1, 2, 5], [10, 12, 14, 20]) == pytest.approx(2.0)


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = result("t9", Figure(name="x", value=0.5, role=Role.RATIO, at_least=0.6))
    path = written.write(tmp_path / "new")
    assert json.loads(path.read_text(encoding="utf-8"))["verdict"] == "miss"
    assert Result.read(path) == Result.read(path)
    assert Result.read(path).figures == list(written.figures)


def test_quick_results_are_not_reported(tmp_path: Path) -> None:
    result("t1", quick=True).write(tmp_path)
    result("t9").write(tmp_path)
    assert list(read(tmp_path)) == ["t9"]


def test_the_table_has_a_row_for_every_target_and_says_what_is_missed() -> None:
    missed = result("t3", Figure(name="ratio", value=2.5, role=Role.RATIO, at_most=2))
    rows = table({"t3": missed, "t9": result()}).splitlines()[2:]
    assert len(rows) == len(BENCHMARKS)
    (t3,) = (row for row in rows if row.startswith("| T3 "))
    assert "**2.50** (≤ 2)" in t3
    assert "**miss**" in t3
    assert sum("not measured yet" in row for row in rows) == len(BENCHMARKS) - 2


def test_the_table_leaves_details_out() -> None:
    noted = result("t9", Figure(name="memory", value=3, unit="MiB", role=Role.DETAIL))
    assert "memory" not in table({"t9": noted})
    assert "| memory | 3 MiB |" in details({"t9": noted})


def test_only_the_blocks_of_the_page_are_written() -> None:
    page = "before\n<!-- bench: table -->\nold\n<!-- end -->\nafter\n<!-- bench: plots -->\n<!-- end -->\n"
    new = filled(page, {"t9": result()}, ["cpu"])
    assert new.startswith("before\n<!-- bench: table -->\n| |")
    assert "\n<!-- end -->\nafter\n" in new
    assert f"![{PLOTS['cpu']}](images/bench-cpu.svg)\n<!-- end -->" in new
    assert "old" not in new
    assert filled(new, {"t9": result()}, ["cpu"]) == new


def test_the_page_shows_the_results_that_are_kept() -> None:
    results = read(REPOSITORY / "bench" / "results")
    page = PAGE.read_text(encoding="utf-8")
    drawn = [name for name in PLOTS if (PAGE.parent / "images" / f"bench-{name}.svg").exists()]
    assert page == filled(page, results, drawn), "run `make bench ARGS=report`"
    assert machines(results) in page


def test_every_benchmark_can_be_run_by_name_and_is_explained() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name, module in BENCHMARKS.items():
        benchmark = importlib.import_module(module)
        assert benchmark.TITLE
        assert callable(benchmark.measure)
        assert f"\n| `{name}` |" in page


def test_a_name_that_is_not_known_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        main(["t10"])
    assert refused.value.code == 2
    assert "'t10' is not one of t1, t2" in capsys.readouterr().err


def test_what_a_part_of_a_run_starts_ends_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    ended: list[str] = []
    with Run("t6", Options(quick=True)) as run:
        run.stack.callback(ended.append, "run")
        with run.part() as part:
            part.stack.callback(ended.append, "part")
            part.detail("found", 1, "s")
        assert ended == ["part"]
    assert ended == ["part", "run"]
    assert [figure.name for figure in run.figures] == ["found"]
    assert "detail found 1 s" in capsys.readouterr().err


def test_an_inventory_gets_the_site_of_the_target(tmp_path: Path) -> None:
    fleet = tmp_path / "fleet.yaml"
    fleet.write_text(SHIPPED_INVENTORY.read_text(encoding="utf-8"), encoding="utf-8")
    both = load_inventory(with_target(fleet)).assets
    assert set(load_inventory(fleet).assets) < set(both)
    assert UUID(ASSET_ID) in both


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_run: Run) -> None:
        raise BenchFailed("no PostgreSQL here; install it")

    monkeypatch.setattr("bench.t9_split.measure", fail)


@pytest.mark.usefixtures("failing")
def test_a_run_that_fails_says_why_and_keeps_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["t9", "--json", str(tmp_path)]) == 1
    assert "t9: no PostgreSQL here; install it" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_benchmark_runs_and_keeps_its_result(tmp_path: Path) -> None:
    assert main(["t9", "--quick", "--assets", "10", "--json", str(tmp_path)]) == 0
    kept = Result.read(tmp_path / "t9.json")
    assert kept.quick
    assert [figure for figure in kept.of(Role.CHECK) if not figure.met] == []
    assert "--assets 10" in kept.command


def test_a_process_is_measured() -> None:
    assert cpu_s(os.getpid()) > 0
    assert rss_mib(os.getpid()) > 1
    with Sampled(lambda: 3.0, every_s=0.001) as sampled:
        wait_until(lambda: len(sampled.values) > 2)
    assert set(sampled.values) == {3.0}
    assert sampled.at_s == sorted(sampled.at_s)
