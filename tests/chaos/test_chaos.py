"""A short chaos run, always the same one: kills, cuts and standstills of everything, and nothing is lost."""

from pathlib import Path

import pytest

from chaos.__main__ import summary
from chaos.plan import Kind
from chaos.run import Options, run

SEED = 7


@pytest.mark.timeout(240)
def test_whatever_dies_nothing_is_lost_or_doubled_and_every_dispatch_ends_in_a_true_state(
    tmp_path: Path,
) -> None:
    kinds = tuple(kind for kind in Kind if kind is not Kind.FULL_SPOOL)
    options = Options(seed=SEED, duration_s=25.0, kinds=kinds, gateways=2, every_s=1.5)
    lines: list[str] = []
    outcome = run(options, tmp_path, tell=lines.append)
    assert outcome.clean, "\n".join([*lines, summary(outcome)])
    assert {
        finding.what: finding.count for finding in outcome.findings if finding.must_be_zero and finding.count
    } == {}
    figures = dict(outcome.figures)
    assert int(figures["faults"]) > 8
    assert int(figures["samples stored"]) > 500
    assert int(figures["setpoints written for them"]) > 10
