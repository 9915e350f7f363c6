"""The chaos run bites: with one safety taken out, it reports the loss or the doubling."""

from collections.abc import Callable
from pathlib import Path

import pytest

from chaos import logbook
from chaos.load import Load
from chaos.rig import Rig
from chaos.run import judge
from kit.processes import wait_until

pytestmark = pytest.mark.timeout(180)

DISPATCH = "0b9d6b3a-6c39-4c5e-8f2b-3a52f6b7c001"


def frames_pass(rig: Rig, count: int = 5) -> None:
    """Wait until the agent has spooled so many more frames."""

    def spooled() -> int:
        return len({at for _, at in logbook.read(rig.logbooks).samples})

    before = spooled()
    wait_until(lambda: spooled() >= before + count, what=f"{count} frames")


def found(
    folder: Path,
    *do: Callable[[Rig, Load], None],
    headend: tuple[str, ...] = ("der_headend",),
    agent: tuple[str, ...] = ("chaos.agent",),
) -> dict[str, int]:
    """What the judgement finds after these things were done to these programs."""
    with Rig(folder, seed=1, gateways=1, headend=headend, agent=agent) as rig:
        rig.wait_until_connected()
        load = Load(rig, seed=1, per_s=1.0)
        for each in do:
            each(rig, load)
        outcome = judge(rig, load, restart=False, tell=lambda _: None)
    return {finding.what: finding.count for finding in outcome.findings if finding.condemns}


def kill_the_headend_while_the_database_stands_still(rig: Rig, _load: Load) -> None:
    rig.server.pause()
    frames_pass(rig)
    rig.headend.kill()
    rig.server.resume()
    rig.headend.start()


def cut_the_link_again_and_again(rig: Rig, _load: Load) -> None:
    for _ in range(4):
        frames_pass(rig)
        rig.links[0].cut()
        rig.links[0].heal()
        rig.wait_until_connected()


def let_a_dispatch_run_while_the_agent_is_not_heard(rig: Rig, load: Load) -> None:
    rig.links[0].mute()
    load.submit(
        {"id": DISPATCH, "asset_id": str(next(iter(rig.inventory.assets))), "mw": 5.0, "duration_s": 0.5}
    )

    def over() -> bool:
        said = [each[-1].state for each in logbook.read(rig.logbooks).said.values()]
        return said == ["completed"] and rig.connected() == 0

    wait_until(
        over, deadline_s=30, what="a dispatch that is over, and a headend that took the agent for dead"
    )
    rig.links[0].heal()
    rig.wait_until_connected()


def test_with_all_safeties_there_is_no_harm(tmp_path: Path) -> None:
    assert (
        found(
            tmp_path,
            kill_the_headend_while_the_database_stands_still,
            cut_the_link_again_and_again,
            let_a_dispatch_run_while_the_agent_is_not_heard,
        )
        == {}
    )


def test_a_headend_that_acknowledges_before_the_commit_loses_samples(tmp_path: Path) -> None:
    sabotaged = ("chaos.sabotage.headend", "acknowledge-before-commit")
    harm = found(tmp_path, kill_the_headend_while_the_database_stands_still, headend=sabotaged)
    assert harm["samples lost"] > 0


def test_a_headend_that_skips_the_mark_stores_samples_twice(tmp_path: Path) -> None:
    sabotaged = ("chaos.sabotage.headend", "skip-mark")
    harm = found(tmp_path, cut_the_link_again_and_again, headend=sabotaged)
    assert harm["samples stored twice"] > 0


def test_an_agent_that_does_not_know_a_setpoint_again_applies_it_twice(tmp_path: Path) -> None:
    sabotaged = ("chaos.sabotage.agent",)
    harm = found(tmp_path, let_a_dispatch_run_while_the_agent_is_not_heard, agent=sabotaged)
    assert harm["setpoints applied twice"] > 0
