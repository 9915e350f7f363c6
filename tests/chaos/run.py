"""The course of a chaos run: load and faults for a while, then everything heals, comes to rest, and is compared."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from chaos import compare, logbook
from chaos.compare import Finding
from chaos.faults import Faults
from chaos.load import Load
from chaos.plan import Fault, Kind, plan
from chaos.rig import Rig
from chaos.stored import stored
from kit.processes import wait_until

REST_WITHIN_S = 120.0
_PROGRESS_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What can be chosen; the same choice plans the same faults and orders."""

    seed: int
    duration_s: float = 60.0
    kinds: Sequence[Kind] = tuple(Kind)
    gateways: int = 3
    every_s: float = 3.0
    dispatches_per_s: float = 3.0
    most_memory_mb: int = 400


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run has shown: findings that may condemn it, and figures to go with them."""

    findings: Sequence[Finding]
    figures: Sequence[tuple[str, str]]

    @property
    def clean(self) -> bool:
        """Whether everything is as promised."""
        return not any(finding.condemns for finding in self.findings)


def run(options: Options, folder: Path, *, tell: Callable[[str], None]) -> Outcome:
    """Carry out a run in ``folder``; ``tell`` gets a line for everything that happens."""
    faults = plan(
        seed=options.seed,
        duration_s=options.duration_s,
        kinds=options.kinds,
        gateways=options.gateways,
        every_s=options.every_s,
    )
    small_spool = Kind.FULL_SPOOL in options.kinds
    with Rig(folder, seed=options.seed, gateways=options.gateways, small_spool=small_spool) as rig:
        rig.wait_until_connected()
        load = Load(rig, seed=options.seed, per_s=options.dispatches_per_s)
        began_s = time.monotonic()

        def tell_at(line: str) -> None:
            tell(f"{time.monotonic() - began_s:7.2f} s  {line}")

        tell_at(
            f"{len(rig.inventory.assets)} assets at {len(rig.sites)} gateways, {len(faults)} faults to come"
        )
        load.start()
        count = unleash(faults, rig, load, duration_s=options.duration_s, tell=tell_at)
        load.stop()
        tell_at("everything is healed, coming to rest")
        return judge(rig, load, faults=count, most_memory_mb=options.most_memory_mb, tell=tell_at)


def unleash(
    faults: Sequence[Fault], rig: Rig, load: Load, *, duration_s: float, tell: Callable[[str], None]
) -> int:
    """Carry out faults at their times; returns how many, when all are over and ``duration_s`` has passed."""
    began_s = time.monotonic()
    doing = Faults(rig, tell=tell)
    over = threading.Event()

    def progress() -> None:
        while not over.wait(_PROGRESS_S):
            memory_mb = rig.most_memory_bytes // 2**20
            tell(
                f"{len(load.accepted)} dispatches, {rig.connected()} agents connected, headend {memory_mb} MB at most"
            )

    teller = threading.Thread(target=progress, name="progress", daemon=True)
    teller.start()
    for fault in faults:
        time.sleep(max(began_s + fault.at_s - time.monotonic(), 0.0))
        doing.start(fault)
    time.sleep(max(began_s + duration_s - time.monotonic(), 0.0))
    doing.wait()
    over.set()
    teller.join()
    return doing.count


def judge(
    rig: Rig,
    load: Load,
    *,
    faults: int = 0,
    most_memory_mb: int | None = None,
    restart: bool = True,
    tell: Callable[[str], None],
) -> Outcome:
    """Let everything come to rest, with ``restart`` once more after a last restart of the headend, and compare."""
    until_us = rest(rig, load)
    if restart:
        tell("at rest; the headend is killed once more, so that all is read as a restart finds it")
        rig.headend.kill()
        rig.headend.start()
        until_us = rest(rig, load)
    found = stored(rig.database_url)
    produced = logbook.read(rig.logbooks)
    findings = compare.compare(produced, found, accepted=load.accepted, warned=load.warned, until_us=until_us)
    memory_mb = rig.most_memory_bytes // 2**20
    findings += [
        Finding("sessions seen open twice on the way", sorted(rig.doubled_sessions)),
        Finding("programs that ended by themselves", rig.ended_by_themselves),
        Finding("requests without an answer", [""] * load.unanswered),
        Finding(
            "requests refused",
            [code for code, n in load.refused.items() for _ in range(n)],
            must_be_zero=False,
        ),
        Finding(
            f"headend above {most_memory_mb} MB",
            [f"{memory_mb} MB"] if most_memory_mb is not None and memory_mb > most_memory_mb else [],
        ),
    ]
    figures = [
        ("faults", str(faults)),
        ("samples produced", str(len(produced.samples))),
        ("samples stored", str(len(found.samples))),
        ("events produced", str(len(produced.events))),
        ("dispatches accepted", str(len(load.accepted))),
        ("setpoints written for them", str(sum(w.dispatch is not None for w in produced.writes))),
        ("records dropped by spools", str(sum(spool.dropped for spool in produced.spools.values()))),
        ("headend's memory at most", f"{memory_mb} MB"),
    ]
    return Outcome(findings, figures)


def rest(rig: Rig, load: Load) -> int:
    """Wait until everyone is there, nothing is open and the spools are drained.

    Returns a time (microseconds since 1970) up to which all that was produced had the time to be stored.
    """
    rig.wait_until_connected(deadline_s=REST_WITHIN_S)
    _end_dispatches(rig, load)
    now_us = time.time_ns() // 1000
    for site in rig.inventory.sites:
        # Spools are drained in order: once something newer is stored, so is all that came before it.
        _wait_for_telemetry(rig, str(rig.inventory.assets_of(site)[0].id), now_us)
    return now_us


def _wait_for_telemetry(rig: Rig, asset: str, after_us: int) -> None:
    start, end = (
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(after_us // 1_000_000 + later_s))
        for later_s in (1, 3600)
    )
    wait_until(
        lambda: bool(rig.get(f"/telemetry/{asset}/history", start=start, end=end, limit=1)),
        deadline_s=REST_WITHIN_S,
        what=f"telemetry of {asset} after {start} in the store",
    )


def _end_dispatches(rig: Rig, load: Load) -> None:
    """Take back whatever is open, and wait until all is over."""
    open_ids = set(load.accepted)
    asked: set[str] = set()

    def all_over() -> bool:
        for dispatch_id in sorted(open_ids):
            record = rig.get(f"/dispatch/{dispatch_id}")
            if record is None or record["state"] in compare.FINAL:
                open_ids.discard(dispatch_id)
            elif dispatch_id not in asked:
                load.cancel(dispatch_id)
                asked.add(dispatch_id)
        return not open_ids

    wait_until(all_over, deadline_s=REST_WITHIN_S, what="the end of every dispatch")
