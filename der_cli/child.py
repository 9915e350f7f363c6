"""A process of the demo: its output line by line, and its end, which never outlasts the demo's own.

A child leads a process group of its own, so Ctrl-C in the terminal reaches the demo alone, which then ends its children
in order. On Linux the kernel kills a child whose parent is gone, even if that was killed itself.
"""

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Self

from der_cli.demo_plan import Launch

_KEPT_LINES = 20
_CHUNK_BYTES = 65_536
_LONGEST_LINE_BYTES = 65_536
_STOP_WITHIN_S = 5.0
_LAST_WORDS_WITHIN_S = 1.0
_PR_SET_PDEATHSIG = 1


class Child:
    """A running process; ``last_lines`` are the last ones it printed."""

    def __init__(
        self, name: str, process: asyncio.subprocess.Process, on_line: Callable[["Child", str], None]
    ) -> None:
        self.name = name
        self.last_lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._process = process
        self._on_line = on_line
        self._reading = asyncio.create_task(self._read(), name=f"output of {name}")

    @classmethod
    async def start(cls, launch: Launch, on_line: Callable[["Child", str], None]) -> Self:
        """Start it; every line of its stdout and stderr is handed to ``on_line`` once."""
        process = await asyncio.create_subprocess_exec(
            *launch.argv,
            env=dict(launch.env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,
            preexec_fn=_die_with(os.getpid()),
        )
        return cls(launch.name, process, on_line)

    @property
    def exit_code(self) -> int | None:
        """``None`` while it runs; negative: the signal that ended it."""
        return self._process.returncode

    @property
    def how_it_ended(self) -> str:
        """Its end in words."""
        code = self.exit_code
        if code is None:
            return "still runs"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    async def wait(self) -> None:
        """Return when it has ended and its last lines are read."""
        await self._process.wait()
        # With a limit: what the child started itself may hold the pipe open.
        await asyncio.wait([self._reading], timeout=_LAST_WORDS_WITHIN_S)

    def signal(self, signum: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        if self.exit_code is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signum)

    def kill_all(self) -> None:
        """SIGKILL to it and to whatever it has started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)

    async def _read(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        rest = b""
        while chunk := await stream.read(_CHUNK_BYTES):
            *lines, rest = (rest + chunk).split(b"\n")
            if len(rest) > _LONGEST_LINE_BYTES:
                lines, rest = [*lines, rest], b""
            for line in lines:
                self._say(line)
        if rest:
            self._say(rest)

    def _say(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r")
        self.last_lines.append(text)
        self._on_line(self, text)


async def stop_all(children: Sequence[Child], hurry: asyncio.Event) -> list[Child]:
    """SIGTERM to all; SIGKILL to those that have not ended after 5 s, or at once when ``hurry`` is set.

    Returns the children that had to be killed.
    """
    for child in children:
        child.signal(signal.SIGTERM)
    all_ended: asyncio.Future[Any] = asyncio.gather(*(child.wait() for child in children))
    hurried: asyncio.Future[Any] = asyncio.create_task(hurry.wait(), name="wait for hurry")
    await asyncio.wait([all_ended, hurried], timeout=_STOP_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
    hurried.cancel()
    killed = [child for child in children if child.exit_code is None]
    for child in killed:
        child.kill_all()
    await all_ended
    return killed


def _die_with(parent: int) -> Callable[[], None] | None:
    """What a child does before it becomes the program: ask the kernel to end it when its parent ends."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None, use_errno=True).prctl

    def ask() -> None:
        prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != parent:  # it ended before the kernel knew
            os._exit(1)

    return ask
