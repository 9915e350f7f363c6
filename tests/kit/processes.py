"""Real programs for tests: started on free ports, watched line by line, gone when the test is over.

A test never sleeps for luck: it waits for a line of output or for a condition, each with a deadline, and a wait that
fails shows what the program had said until then.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Self

REPOSITORY = Path(__file__).resolve().parents[2]
SHIPPED_INVENTORY = REPOSITORY / "der_headend" / "assets_test.yaml"

_KEPT_VARIABLES = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV", "SYSTEMROOT")
_POLL_S = 0.02


def free_port() -> int:
    """A TCP port of the loopback address that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def wait_until(
    condition: Callable[[], bool], *, deadline_s: float = 10.0, what: str = "the condition"
) -> None:
    """Return as soon as ``condition()`` is true.

    Raises:
        TimeoutError: it was not within ``deadline_s`` seconds.
    """
    end = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"{what} did not come about within {deadline_s} s")
        time.sleep(_POLL_S)


class Program:
    """One process, with everything it printed. A context manager: leaving the block ends the process.

    ``env`` is the whole of its environment but for what any program needs to start; the variables of whoever runs the
    tests do not reach it. Its working directory is the repository unless ``cwd`` says otherwise.
    """

    def __init__(
        self,
        *argv: str,
        env: Mapping[str, str] | None = None,
        cwd: Path = REPOSITORY,
        name: str | None = None,
    ) -> None:
        self.name = name or Path(argv[0]).name
        self._out = _Lines()
        self._err = _Lines()
        kept = {key: os.environ[key] for key in _KEPT_VARIABLES if key in os.environ}
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=kept | dict(env or {}),
            cwd=cwd,
            text=True,
            encoding="utf-8",
            errors="replace",
            bufsize=1,
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=lines.read_from, args=(stream,), daemon=True)
            for lines, stream in ((self._out, self._process.stdout), (self._err, self._process.stderr))
            if stream is not None
        ]
        for reader in self._readers:
            reader.start()

    @classmethod
    def module(
        cls, module: str, *args: str, env: Mapping[str, str] | None = None, cwd: Path = REPOSITORY
    ) -> Self:
        """``python -m module args``, with the interpreter that runs the tests."""
        path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH", "")]))
        return cls(
            sys.executable, "-m", module, *args, env={"PYTHONPATH": path, **(env or {})}, cwd=cwd, name=module
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def stdout(self) -> list[str]:
        """The lines it printed so far."""
        return self._out.so_far()

    @property
    def stderr(self) -> list[str]:
        """The lines of its log so far."""
        return self._err.so_far()

    @property
    def exit_code(self) -> int | None:
        """``None`` while it runs; negative: the signal that ended it."""
        return self._process.poll()

    def wait_for(self, pattern: str, *, deadline_s: float = 15.0, after: int = 0) -> str:
        """The first line of either stream in which the regular expression is found.

        ``after`` skips that many lines of each stream, for what must be said again.

        Raises:
            TimeoutError: no such line within ``deadline_s`` seconds.
            ChildProcessError: the program ended without one.
        """
        end = time.monotonic() + deadline_s
        while True:
            ended = self.exit_code is not None
            if ended:
                self._drain()
            for line in (*self.stdout[after:], *self.stderr[after:]):
                if re.search(pattern, line):
                    return line
            if ended:
                raise ChildProcessError(f"{self.name} ended ({self.exit_code}) without {pattern!r}\n{self}")
            if time.monotonic() > end:
                raise TimeoutError(f"{self.name} did not say {pattern!r} within {deadline_s} s\n{self}")
            time.sleep(_POLL_S)

    def wait(self, *, deadline_s: float = 10.0) -> int:
        """Its exit code, once it has ended by itself or by a signal sent before.

        Raises:
            TimeoutError: it still runs after ``deadline_s`` seconds.
        """
        try:
            code = self._process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.name} still runs after {deadline_s} s\n{self}") from None
        self._drain()
        return code

    def send(self, signum: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(signum)

    def stop(self, *, deadline_s: float = 10.0) -> int:
        """SIGTERM, and its exit code."""
        self.send(signal.SIGTERM)
        return self.wait(deadline_s=deadline_s)

    def kill(self) -> None:
        """SIGKILL to it and to whatever it started in its process group."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._drain()

    def _drain(self) -> None:
        for reader in self._readers:
            reader.join(timeout=2.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.kill()

    def __str__(self) -> str:
        streams = (("stdout", self.stdout), ("stderr", self.stderr))
        return "\n".join(f"--- {self.name} {title}\n" + "\n".join(lines) for title, lines in streams if lines)


class _Lines:
    """What came out of one stream, read by a thread of its own so that the pipe never fills."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def so_far(self) -> list[str]:
        return list(self._lines)

    def read_from(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self._lines.append(line.rstrip("\n"))
