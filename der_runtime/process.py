"""The life of a program: its event loop, the signals that end it, the root tasks it stands on."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from types import TracebackType
from typing import Self

from der_runtime.failure import StartFailed
from der_runtime.logs import get_logger, logging_aside

if sys.platform == "win32":
    _new_event_loop = asyncio.new_event_loop
else:
    from uvloop import new_event_loop as _new_event_loop

_log = get_logger(__name__)
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def run(main: Callable[[asyncio.Event], Awaitable[int]]) -> int:
    """Run ``main`` on a fresh event loop and return its exit code; 1, with the traceback in the log, if it crashes.

    A ``StartFailed`` is the caller's to print. The first SIGTERM or SIGINT sets the event that ``main`` is given; a
    second one ends the process at once.
    """

    async def guarded() -> int:
        stop = asyncio.Event()
        with contextlib.ExitStack() as aside:
            aside.enter_context(logging_aside())
            # From the first signal on lines are written at once again: a second one would take along those that wait.
            with _stopped_by_signals(stop, first=aside.close):
                return await main(stop)

    with asyncio.Runner(loop_factory=_new_event_loop) as runner:
        try:
            return runner.run(guarded())
        except StartFailed:
            raise
        except Exception:  # noqa: BLE001 - the last resort: whatever it is, it goes to the log
            _log.exception("program crashed")
            return 1


@contextlib.contextmanager
def _stopped_by_signals(stop: asyncio.Event, *, first: Callable[[], None]) -> Iterator[None]:
    if sys.platform == "win32":  # Ctrl-C arrives there as a cancellation, by way of asyncio.Runner
        yield
        return
    loop = asyncio.get_running_loop()
    before = {signum: signal.getsignal(signum) for signum in _STOP_SIGNALS}

    def on_signal(signum: signal.Signals) -> None:
        first()
        _log.info("stopping", signal=signum.name)
        stop.set()
        for each in _STOP_SIGNALS:
            loop.remove_signal_handler(each)
            # The kernel's own action also ends a process whose event loop hangs.
            signal.signal(each, signal.SIG_DFL)

    for signum in _STOP_SIGNALS:
        loop.add_signal_handler(signum, on_signal, signum)
    try:
        yield
    finally:
        for signum, handler in before.items():
            loop.remove_signal_handler(signum)
            signal.signal(signum, handler)


class Supervisor:
    """Owns the root tasks of a program: none of them may end before the program does.

    One that ends or crashes on its own is logged, noted in ``failure``, and sets the stop event. Leaving the block
    cancels the tasks, last started first, each awaited before the next.

    >>> async def main(stop: asyncio.Event) -> int:
    ...     async with Supervisor(stop) as tasks:
    ...         tasks.start("ingest", ingest.run())
    ...         await stop.wait()
    ...     return 1 if tasks.failure else 0
    """

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self._tasks: list[asyncio.Task[object]] = []
        self.failure: str | None = None

    def start(self, name: str, work: Coroutine[object, object, object]) -> None:
        """Run ``work`` as a root task."""
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stop.set()
        for task in reversed(self._tasks):
            task.cancel()
            await asyncio.wait([task])

    def _ended(self, task: asyncio.Task[object]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is None and self._stop.is_set():
            return
        name, reason = task.get_name(), "ended unexpectedly" if error is None else repr(error)
        _log.error("root task ended", task=name, reason=reason, exc_info=error)
        self.failure = self.failure or f"{name}: {reason}"
        self._stop.set()
