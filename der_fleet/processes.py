"""Several processes that share a run: each does its part, their ledgers are added up.

They are forked when the inventory is read, so that it is in memory once. Each leads a process group of its own: Ctrl-C
reaches the first process alone, which tells the others once. One that can no longer report ends.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection, wait
from types import FrameType

from der_fleet.tally import Tally
from der_fleet.worker import Outcome
from der_runtime.failure import StartFailed

Report = Callable[[Tally], None]


def side_by_side(parts: Sequence[Callable[[Report], Outcome]], report: Report) -> list[Outcome]:
    """Do the parts in a process each; ``report`` is told the sum of their ledgers as they come in.

    Raises:
        StartFailed: one of them could not start, or died.
    """
    fork = multiprocessing.get_context("fork")
    pipes: dict[Connection, int] = {}
    children = []
    for place, part in enumerate(parts):
        ours, theirs = fork.Pipe(duplex=False)
        child = fork.Process(target=_child, args=(part, theirs), name=f"der_fleet {place}")
        child.start()
        theirs.close()
        children.append(child)
        pipes[ours] = place

    def pass_on(_signum: int, _frame: FrameType | None) -> None:
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_DFL)
        for child in children:
            child.terminate()

    before = {signum: signal.signal(signum, pass_on) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        return _gather(pipes, len(parts), report)
    finally:
        for child in children:
            child.terminate()
            child.join()
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _gather(pipes: dict[Connection, int], count: int, report: Report) -> list[Outcome]:
    latest: dict[int, Tally] = {}
    outcomes: dict[int, Outcome] = {}
    while pipes:
        for pipe in wait(list(pipes)):
            assert isinstance(pipe, Connection)  # noqa: S101 - nothing else was handed in
            try:
                said = pipe.recv()
            except EOFError:
                place = pipes.pop(pipe)
                if place not in outcomes:
                    raise StartFailed(f"process {place} of the fleet died") from None
                continue
            place = pipes[pipe]
            if isinstance(said, StartFailed):
                raise said
            if isinstance(said, Outcome):
                outcomes[place] = said
                latest[place] = said.tally
            else:
                latest[place] = said
                report(sum(latest.values(), Tally()))
    return [outcomes[place] for place in range(count)]


def _child(part: Callable[[Report], Outcome], pipe: Connection) -> None:
    os.setpgid(0, 0)
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_DFL)
    try:
        pipe.send(part(pipe.send))
    except StartFailed as failed:
        pipe.send(StartFailed(str(failed)))  # the others do not all travel
    except BrokenPipeError:
        os._exit(1)  # nobody is there to be told
