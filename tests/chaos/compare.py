"""The judgement: what the agents say they did against what the headend has stored. Pure.

A finding with a count that is not 0 condemns the run, but for those that are there to be known (``must_be_zero``).
What an agent's spool dropped for want of space, and said so, is not lost: it is counted beside.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from chaos.logbook import PartKey, Produced, Said, Trace
from chaos.stored import Record, Step, Stored

FINAL = frozenset({"completed", "rejected", "expired", "superseded", "cancelled", "failed"})

_SAME_US = 1000
"""Times that differ by no more are the same, for REST may give fewer digits."""

_HEADEND_MAY_SAY: Mapping[str, Callable[[str], bool]] = {
    "expired": {"ttl_over"}.__contains__,
    "failed": {
        "no_answer_within_ttl",
        "agent_restarted",
        "agent_replaced",
        "agent_gone_outcome_unknown",
    }.__contains__,
    "rejected": {"agent_offline", "asset_offline", "agent_busy"}.__contains__,
    "superseded": lambda reason: reason.startswith("superseded_by "),
    "cancelled": lambda reason: not reason,
}
"""How the headend may end a part by itself, and with which reasons (docs/explain/dispatch.md)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked for, how often it was found, and a few examples."""

    what: str
    examples: Sequence[str]
    must_be_zero: bool = True

    @property
    def count(self) -> int:
        """How often."""
        return len(self.examples)

    @property
    def condemns(self) -> bool:
        """Whether it must not be."""
        return self.must_be_zero and self.count > 0


def compare(
    produced: Produced,
    stored: Stored,
    *,
    accepted: Mapping[str, int],
    warned: Collection[str] = (),
    until_us: int,
) -> list[Finding]:
    """Judge a run.

    ``accepted``: the dispatches that were accepted, and when they were submitted (microseconds); ``warned``: those of
    them that were said not to be stored yet. A record that was submitted later was made anew, when the same request
    came again: the first one was forgotten. ``until_us``: what was produced after it need not have been stored yet.
    """
    dropped = _Dropped(produced, stored, until_us)
    forgotten = {
        id
        for id, at_us in accepted.items()
        if (record := stored.dispatches.get(id)) is None or abs(record.submitted_us - at_us) > _SAME_US
    }
    parts = {
        (id, asset): steps
        for id, record in stored.dispatches.items()
        for asset, steps in record.parts.items()
        if id not in forgotten
    }
    attempts = Counter((w.dispatch, w.asset) for w in produced.writes if w.dispatch is not None)
    return [
        Finding("samples lost", [f"{key}" for key in dropped.samples_lost]),
        Finding("samples stored twice", [f"{key}" for key, mws in stored.samples.items() for _ in mws[1:]]),
        Finding("samples with another value", list(_other_values(produced, stored))),
        Finding(
            "samples that no agent produced", [f"{k}" for k in stored.samples if k not in produced.samples]
        ),
        Finding("events lost", dropped.events_lost),
        Finding(
            "records set aside", [id for id, code in stored.events.items() if code == "record_set_aside"]
        ),
        Finding("dispatches forgotten", [id for id in sorted(forgotten) if id not in warned]),
        Finding("dispatches without a final state", list(_not_final(stored.dispatches, accepted))),
        Finding("dispatches with an untrue state", list(_untrue(parts, produced, set(attempts)))),
        Finding("setpoints applied twice", [f"{key} x {n}" for key, n in attempts.items() if n > 1]),
        Finding("assets left on a command", list(_left_on_command(produced))),
        Finding("sessions open twice", [f"{a} x {n}" for a, n in stored.open_sessions.items() if n > 1]),
        Finding("records that a full spool dropped, and said so", dropped.excused, must_be_zero=False),
        Finding(
            "accepted while the database was away, lost with the headend, warned of",
            [id for id in sorted(forgotten) if id in warned],
            must_be_zero=False,
        ),
        Finding(
            "parts ended by the headend while their agent had them",
            list(_overruled(parts, produced)),
            must_be_zero=False,
        ),
        Finding(
            "parts that were applied, and whose record does not show when",
            list(_unseen(parts, produced)),
            must_be_zero=False,
        ),
    ]


class _Dropped:
    """What was kept by a spool and is not stored, told apart: dropped by the spool, or lost."""

    def __init__(self, produced: Produced, stored: Stored, until_us: int) -> None:
        samples = [
            (key, trace)
            for key, (_, trace) in produced.samples.items()
            if trace.kept and trace.at_us <= until_us and key not in stored.samples
        ]
        events = [
            (id, trace)
            for id, trace in produced.events.items()
            if trace.kept and trace.at_us <= until_us and id not in stored.events
        ]
        excused = self._excused(produced, [trace for _, trace in (*samples, *events)])
        self.excused = [f"{spool} {seq}" for spool, seq in excused]
        self.samples_lost = [key for key, trace in samples if (trace.spool, trace.seq) not in excused]
        self.events_lost = [id for id, trace in events if (trace.spool, trace.seq) not in excused]

    @staticmethod
    def _excused(produced: Produced, missing: Iterable[Trace]) -> set[tuple[str, int]]:
        by_spool: dict[str, set[int]] = {}
        for trace in missing:
            if trace.seq is not None:
                by_spool.setdefault(trace.spool, set()).add(trace.seq)
        excused: set[tuple[str, int]] = set()
        for spool, seqs in by_spool.items():
            said = produced.spools.get(spool)
            if said is not None:
                below = sorted(seq for seq in seqs if seq < said.first_seq)
                excused |= {(spool, seq) for seq in below[: said.dropped]}
        return excused


def _other_values(produced: Produced, stored: Stored) -> Iterator[str]:
    for key, mws in stored.samples.items():
        if key in produced.samples and any(mw != produced.samples[key][0] for mw in mws):
            yield f"{key}: {mws}, produced as {produced.samples[key][0]}"


def _not_final(dispatches: Mapping[str, Record], accepted: Collection[str]) -> Iterator[str]:
    for id, record in dispatches.items():
        parts = [steps[-1].state for steps in record.parts.values()]
        if id in accepted and not (parts and FINAL.issuperset([record.state, *parts])):
            yield f"{id} is {record.state}, its parts {parts}"


def _untrue(
    parts: Mapping[PartKey, tuple[Step, ...]],
    produced: Produced,
    written: Collection[PartKey | tuple[str | None, str]],
) -> Iterator[str]:
    for key, steps in parts.items():
        said = produced.said.get(key, [])
        if (lie := _lie(steps, said, was_written=key in written)) is not None:
            course = " > ".join(f"{step.state} ({step.by}, {step.reason})" for step in steps)
            yield f"{key}: {lie}; {course}; the agent: {[(s.state, s.reason, s.trace.seq) for s in said]}"


def _lie(steps: Sequence[Step], said: Sequence[Said], *, was_written: bool) -> str | None:
    """What is not true about a part as it is recorded; ``None`` if it is true."""
    end, states = steps[-1], {step.state for step in steps}
    if end.state not in FINAL:
        return None  # counted elsewhere
    if end.by.startswith("agent"):
        if not said or said[-1].state != end.state:
            return "the agent did not end it so"
    else:
        if not _HEADEND_MAY_SAY[end.state](end.reason or ""):
            return "the headend may not end it so"
        if "sent" not in states and (was_written or said):
            return "said to be never sent, and the agent had it"
        if end.state in {"expired", "rejected"} and was_written:
            return "said to be never applied, and it was"
    if {"active", "completed"} & states and not was_written:
        return "said to be applied, and it was not"
    if end.state == "rejected" and was_written:
        return "said to be refused, and it was applied"
    return None


def _overruled(parts: Mapping[PartKey, tuple[Step, ...]], produced: Produced) -> Iterator[str]:
    for key, steps in parts.items():
        said = produced.said.get(key)
        if said and not steps[-1].by.startswith("agent") and steps[-1].state in FINAL:
            yield f"{key}: {steps[-1].state} ({steps[-1].reason}); the agent: {[s.state for s in said]}"


def _unseen(parts: Mapping[PartKey, tuple[Step, ...]], produced: Produced) -> Iterator[str]:
    for key, said in produced.said.items():
        was_active = any(each.state == "active" for each in said)
        if was_active and key in parts and "active" not in {step.state for step in parts[key]}:
            yield f"{key}: {[step.state for step in parts[key]]}; the agent: {[each.state for each in said]}"


def _left_on_command(produced: Produced) -> Iterator[str]:
    """Assets whose last word to the driver was a command, though in the end every dispatch is over."""
    last = {}
    for write in produced.writes:
        if write.applied is not False or write.dispatch is None:
            last[write.asset] = write
    for asset, write in last.items():
        if write.dispatch is not None:
            yield f"{asset} at {write.mw} MW by {write.dispatch}"
