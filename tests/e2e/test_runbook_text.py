"""The text of ``docs/runbook.md``: its ``bash`` blocks, run as they stand, one after the other, against real programs.

Only what must differ from an operator's terminals does, and all of it is here (``Terminals.run``): ports that are free
in place of the runbook's; the two lines that start a program are started as programs of the test, with the environment
that the shell has at that point; ``jq`` where there is none is Python's ``json.tool``; and telemetry comes more often.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from kit.processes import REPOSITORY, Program, free_port, wait_until
from kit.system import ASSET_A, ASSET_B, ASSET_C, BRISK, RUNBOOK, shell_blocks

TEXT = RUNBOOK.read_text(encoding="utf-8")
TWELVE_MW = {ASSET_A: 7.2, ASSET_B: 2.4, ASSET_C: 2.4}
HTTP, GRPC = "127.0.0.1:3001", "127.0.0.1:50070"
START_LINES = {"RUST_LOG=info der_headend": "der_headend", "RUST_LOG=info edge_agent": "edge_agent"}
_SHELL = """\
set -euo pipefail
{jq}
source "$1" 2>/dev/null || true
{block}
export -p > "$1"
declare -p HEADEND >> "$1" 2>/dev/null || true
"""


class Terminals:
    """The operator's terminals: a headend's, an agent's, and one to ask from. Each keeps what it exported."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._ports = {HTTP: f"127.0.0.1:{free_port()}", GRPC: f"127.0.0.1:{free_port()}"}
        self.programs: dict[str, Program] = {}

    def run(self, block: str, *, terminal: str = "questions") -> list[Any]:
        """Run a block; the JSON values that it printed, in order."""
        for ours, free in self._ports.items():
            block = block.replace(ours, free)
        start = next((line for line in block.splitlines() if line in START_LINES), None)
        if start is not None:
            block = block.replace(start, "export RUST_LOG=info")
        jq = "" if shutil.which("jq") else f"jq() {{ {sys.executable} -m json.tool; }}"
        kept = self._folder / terminal
        shell = self._folder / f"{terminal}.sh"
        shell.write_text(_SHELL.format(jq=jq, block=block), encoding="utf-8")
        with Program("bash", str(shell), str(kept), name=block) as bash:
            assert bash.wait() == 0, bash
        if start is not None:
            self._start(START_LINES[start], kept)
        return list(_values("\n".join(bash.stdout)))

    def _start(self, module: str, kept: Path) -> None:
        """Start a program with what its terminal has exported."""
        read = 'source "$1"; exec env -0'
        with Program("bash", "-c", read, "bash", str(kept)) as shell:
            shell.wait()
        exported = dict(e.split("=", 1) for e in "".join(shell.stdout).split("\0") if "=" in e)
        kept_back = {"PATH", "PWD", "OLDPWD", "SHLVL", "_", "PYTHONPATH"}
        env = {name: value for name, value in exported.items() if name not in kept_back}
        if module == "der_headend":
            env["HEADEND_HTTP_ADDR"] = self._ports[HTTP]
        else:
            env = BRISK | env
        self.programs[module] = self._stack.enter_context(Program.module(module, env=env))
        self.programs[module].wait_for(rf"^{module} \d")

    def close(self) -> None:
        """End all programs."""
        self._stack.close()


def _values(text: str) -> Iterator[Any]:
    """The JSON values in a text, one after the other."""
    decoder, rest = json.JSONDecoder(), text.lstrip()
    while rest:
        value, end = decoder.raw_decode(rest)
        yield value
        rest = rest[end:].lstrip()


@pytest.fixture
def terminals(tmp_path: Path) -> Iterator[Terminals]:
    opened = Terminals(tmp_path)
    try:
        yield opened
    finally:
        opened.close()


def block(heading: str, *, above: str | None = None) -> str:
    """The one ``bash`` block below a heading; ``above`` a part's, where headings repeat."""
    text = TEXT if above is None else "\n## " + TEXT.split(f"\n## {above}\n")[1]
    (found,) = shell_blocks(text, heading)
    return found


def connected(terminals: Terminals) -> list[Any]:
    """The entries of ``/agents``, by the runbook's command, once one is connected."""
    entries: list[Any] = []

    def asked() -> bool:
        nonlocal entries
        (entries,) = terminals.run(block("### 5) Verify registration"))
        return any(entry["connected"] for entry in entries)

    wait_until(asked, deadline_s=20, what="a connected agent")
    return entries


def started(terminals: Terminals, mode: str) -> list[Any]:
    """Steps 2 to 5 of the startup checklist; the entries of ``/agents`` at the end."""
    terminals.run(block("### 2) Start headend"), terminal="headend")
    assets, agents = terminals.run(block("### 3) Sanity check headend"))
    assert {a["name"] for a in assets} == {"GT-BESS-A", "GT-BESS-B", "GT-BESS-C", "CT-BESS-A", "CT-BESS-B"}
    assert {(a["current_mw"], a["online"]) for a in assets} == {(None, False)}
    assert agents == []
    terminals.run(block(mode), terminal="agent")
    return connected(terminals)


def test_every_block_of_the_three_parts_is_run_by_this_file() -> None:
    parts = ("## Startup checklist (local)", "## Demo flow (script)", "## Operational checks")
    assert [len(shell_blocks(TEXT, part)) for part in parts] == [5, 4, 3]


def test_the_startup_checklist_in_single_asset_mode(terminals: Terminals) -> None:
    (entry,) = started(terminals, "#### Single-asset mode")
    assert (entry["mode"], [a["id"] for a in entry["assets"]]) == ("single_asset", [ASSET_A])
    assert terminals.programs["edge_agent"].stop() == 0
    # The same terminal, without closing it: the block itself says what must be unset.
    terminals.run(block("#### Gateway Mode (one agent per site)"), terminal="agent")
    wait_until(
        lambda: any(e["mode"] == "gateway" and e["connected"] for e in connected(terminals)),
        what="the gateway",
    )


def test_the_startup_checklist_in_gateway_mode_and_the_demo_flow(terminals: Terminals) -> None:
    (entry,) = started(terminals, "#### Gateway Mode (one agent per site)")
    assert (entry["mode"], [a["id"] for a in entry["assets"]]) == ("gateway", [ASSET_A, ASSET_B, ASSET_C])
    agent = terminals.programs["edge_agent"]

    terminals.run(block("### 1) Identify IDs"))
    (record,) = terminals.run(block("### 2) Per-asset dispatch"))
    assert (record["target"], record["mw"], len(record["allocations"])) == ("asset", 5.0, 1)
    agent.wait_for(r"dispatch .*GT-BESS-A.*state=active.*applied_mw=5\.0")

    dispatch, history = shell_blocks(TEXT, "### 3) Per-site dispatch (Gateway Mode)")
    (record,) = terminals.run(dispatch)
    assert record["state"] == "active"
    for name, mw in (("GT-BESS-A", 7.2), ("GT-BESS-B", 2.4), ("GT-BESS-C", 2.4)):
        agent.wait_for(rf"split .*{name}.*final_mw={mw}\b")
    agent.wait_for(r"split sum .*requested_mw=12\.0.*unserved_mw=0\.0.*tolerance_mw=1e-06")
    for power in ("mw", "applied_mw"):
        assert {a["asset_id"]: a[power] for a in record["allocations"]} == pytest.approx(TWELVE_MW)

    def measured() -> bool:
        ((newest,),) = terminals.run(history)
        return {a["asset_id"]: a["measured_mw"] for a in newest["allocations"]} == pytest.approx(
            TWELVE_MW, abs=0.05
        )

    wait_until(measured, what="the powers in telemetry")

    (checked,) = terminals.run(block("### Check connected agents"))
    assert [(e["connected"], e["site_name"]) for e in checked] == [(True, "Gateway-Test")]
    (assets,) = terminals.run(block("### Check loaded assets"))
    assert {a["name"]: (a["capacity_mwhr"], a["min_mw"], a["max_mw"]) for a in assets}["GT-BESS-A"] == (
        120,
        -60,
        60,
    )
    (ready,) = terminals.run(block("### Check the headend itself"))
    assert ready["ready"] is True


def test_the_lines_it_promises_are_the_programs_own(terminals: Terminals) -> None:
    started(terminals, "#### Gateway Mode (one agent per site)")
    for program in terminals.programs.values():
        (said,) = program.stdout
        said = said.replace(os.fspath(REPOSITORY), "…").replace(f"every {BRISK['TICK_S']} s", "every 4 s")
        for ours, free in terminals._ports.items():
            said = said.replace(free, ours)
        assert f"\n{said}\n" in TEXT
