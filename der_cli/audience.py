"""Whoever reads what the demo prints may go away: the terminal is closed, ``| head`` has seen enough.

A pipe says so by itself; else a write fails, wherever the demo happens to be. Either way it is told once, and what is
printed from then on goes nowhere, so that nothing fails on the way to the end.
"""

import asyncio
import contextlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from typing import TextIO, cast


class _Watched:
    """A stream that never fails to be written; everything else is the stream's own."""

    def __init__(self, stream: TextIO, on_gone: Callable[[], None]) -> None:
        self._stream = stream
        self._on_gone = on_gone

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            self.leave()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            self.leave()

    def leave(self) -> None:
        """Let it all go nowhere, also what is still in buffers."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        self._on_gone()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


@contextlib.contextmanager
def watched(on_gone: Callable[[], None]) -> Iterator[None]:
    """Within the block, in a running event loop: call ``on_gone`` when nobody reads stdout or stderr any more."""
    with contextlib.ExitStack() as stack:
        for stream, redirect in (
            (sys.stdout, contextlib.redirect_stdout),
            (sys.stderr, contextlib.redirect_stderr),
        ):
            if stream is not None:
                mine = _Watched(stream, on_gone)
                stack.enter_context(redirect(cast("TextIO", mine)))
                stack.enter_context(_hung_up(stream.fileno(), mine.leave))
        yield


@contextlib.contextmanager
def _hung_up(fd: int, tell: Callable[[], None]) -> Iterator[None]:
    """Call ``tell`` when the other end of a pipe is closed: its writing end then counts as readable."""
    loop = asyncio.get_running_loop()

    def closed() -> None:
        loop.remove_reader(fd)
        tell()

    if stat.S_ISFIFO(os.fstat(fd).st_mode):
        loop.add_reader(fd, closed)
    try:
        yield
    finally:
        loop.remove_reader(fd)
