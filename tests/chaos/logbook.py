"""What an agent really produced and did, in its own words.

The agent of a chaos run writes a line before and a line after each thing that matters, straight to a file of its own
process, so that a SIGKILL at any moment loses nothing that was said. What was *kept* (its spool took it) must be stored
by the headend exactly once; what was only *intended* when the agent died may be there or not.

Power in MW, positive = discharge / export; times in microseconds since 1970.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SampleKey = tuple[str, int]
"""An asset and a time."""

PartKey = tuple[str, str]
"""A dispatch and an asset."""


class LogbookWriter:
    """The lines of one process, in a new file in ``folder``."""

    def __init__(self, folder: Path) -> None:
        name = f"{time.time_ns()}-{os.getpid()}.jsonl"
        self._file = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND)
        self._lines = 0

    def write(self, what: str, **said: Any) -> int:
        """Write a line; returns its number in this file."""
        self._lines += 1
        line = {"n": self._lines, "what": what, "at_us": time.time_ns() // 1000, **said}
        os.write(self._file, json.dumps(line).encode() + b"\n")
        return self._lines


@dataclass(slots=True)
class Trace:
    """A record on its way into the spool: when it was handed over, and under which number it was kept, if it was."""

    spool: str
    at_us: int
    seq: int | None = None

    @property
    def kept(self) -> bool:
        """Whether the spool took it."""
        return self.seq is not None


@dataclass(slots=True)
class Said:
    """A dispatch report about one asset."""

    state: str
    reason: str | None
    at_us: int
    trace: Trace


@dataclass(slots=True)
class Write:
    """A setpoint (MW; ``None``: release) given to a driver, for a dispatch or not; ``applied``: whether it took it."""

    asset: str
    dispatch: str | None
    mw: float | None
    at_us: int
    applied: bool | None = None


@dataclass(slots=True)
class SpoolSaid:
    """The last word of a spool about itself: its lowest number, and how many records it has dropped."""

    first_seq: int = 1
    dropped: int = 0


@dataclass(slots=True)
class Produced:
    """All that the agents of a run say they did."""

    samples: dict[SampleKey, tuple[float | None, Trace]] = field(default_factory=dict)
    events: dict[str, Trace] = field(default_factory=dict)
    said: dict[PartKey, list[Said]] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    spools: dict[str, SpoolSaid] = field(default_factory=dict)


def read(folders: Iterable[Path]) -> Produced:
    """The logbooks in some folders, each folder's in order of time."""
    produced = Produced()
    for folder in folders:
        for file in sorted(folder.glob("*.jsonl")):
            _File(produced).read(_lines(file))
    return produced


def _lines(file: Path) -> Iterator[Mapping[str, Any]]:
    for line in file.read_bytes().splitlines(keepends=True):
        if line.endswith(b"\n"):  # the last one may be torn
            yield json.loads(line)


class _File:
    """Enters the lines of one process."""

    def __init__(self, produced: Produced) -> None:
        self._produced = produced
        self._traces: dict[int, list[Trace]] = {}
        self._writes: dict[int, Write] = {}

    def read(self, lines: Iterable[Mapping[str, Any]]) -> None:
        for line in lines:
            match line["what"]:
                case "intent":
                    self._traces[line["n"]] = [self._record(line, record) for record in line["records"]]
                case "done":
                    traces = self._traces.pop(line["of"])
                    for seq, trace in enumerate(traces, line["last"] - len(traces) + 1):
                        trace.seq = seq
                case "spool":
                    self._produced.spools[line["spool"]] = SpoolSaid(line["first_seq"], line["dropped"])
                case "write":
                    write = Write(line["asset"], line["dispatch"], line["mw"], line["at_us"])
                    self._writes[line["n"]] = write
                    self._produced.writes.append(write)
                case "written":
                    self._writes.pop(line["of"]).applied = line["applied"]

    def _record(self, line: Mapping[str, Any], record: Mapping[str, Any]) -> Trace:
        produced, trace = self._produced, Trace(line["spool"], line["at_us"])
        if "frame" in record:
            for asset, mw in record["mw"].items():
                produced.samples[asset, record["frame"]] = (mw, trace)
        elif "event" in record:
            produced.events[record["event"]] = trace
        elif "report" in record:
            for asset, state, reason in record["parts"]:
                said = Said(state, reason, record["of_us"], trace)
                produced.said.setdefault((record["report"], asset), []).append(said)
        return trace
