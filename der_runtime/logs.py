"""Logs: one renderer for what our programs say and for what their libraries say.

A log line is a constant message and fields. structlog gathers the fields; the standard library's root logger, where
the lines of grpc, asyncio and uvicorn arrive too, filters and writes them. Rendering happens inside the handler, so
a field that cannot be rendered costs its line and not the program.
"""

import contextlib
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from enum import StrEnum
from queue import Queue
from threading import Thread
from typing import Self, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from der_runtime.display import one_line


class LogLevel(StrEnum):
    """How much is logged.

    Also made from ``warn``, from any case, and from the directives of RUST_LOG: of ``info,h2=warn`` the first bare
    level counts, of ``der_headend=debug`` the first module's.
    """

    TRACE = "trace"
    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        directives = [part.strip().lower() for part in str(value).split(",")]
        bare = [part for part in directives if "=" not in part]
        of_modules = [part.rpartition("=")[2].strip() for part in directives if "=" in part]
        name = next(iter(bare + of_modules))
        return cls.__members__.get("WARNING" if name == "warn" else name.upper())

    @property
    def number(self) -> int:
        """The level as the standard library counts; ``TRACE`` is below ``DEBUG``."""
        return _TRACE if self is LogLevel.TRACE else logging.getLevelNamesMapping()[self.name]


class LogFormat(StrEnum):
    """For people, or for machines: one JSON object per line."""

    CONSOLE = "console"
    JSON = "json"

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return cls.__members__.get(str(value).upper())


LINES_WAITING = 10_000
"""Lines that may wait to be written; beyond that, who logs waits."""

_REST_S = 0.02

_TOO_TALKATIVE = ("alembic",)
"""Libraries that tell at ``info`` of what is their own affair, some of them when they are imported."""

_TRACE = 5
_MESSAGE_WIDTH = 32


def configure_logging(level: LogLevel, log_format: LogFormat, *, stream: TextIO | None = None) -> None:
    """Send all logging, structlog's and the standard library's, to ``stream`` (stderr); may be called again."""
    target = sys.stderr if stream is None else stream
    root = logging.getLogger()
    for handler in [h for h in root.handlers if isinstance(h, _Handler)]:
        root.removeHandler(handler)
    root.addHandler(_Handler(target, log_format))
    root.setLevel(level.number)
    for name in _TOO_TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.contextvars.merge_contextvars,
            *_STAMPS,
            _hold_exception,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        # Safe although tests configure anew: level and renderer are the root logger's, not the cached logger's.
        cache_logger_on_first_use=True,
    )


@contextlib.contextmanager
def logging_aside() -> Iterator[None]:
    """While the block runs, lines are rendered and written by a thread, so that nobody waits who has better to do.

    If ``LINES_WAITING`` lines wait for it, whoever logs waits too. All are written when the block is left; a process
    that is killed takes along the lines of its last moment.
    """
    root = logging.getLogger()
    handlers = [handler for handler in root.handlers if isinstance(handler, _Handler)]
    waiting = Queue[logging.LogRecord | None](LINES_WAITING)
    aside, writer = _Aside(waiting), Thread(target=_write, args=(waiting, handlers), name="log", daemon=True)
    root.addHandler(aside)
    for handler in handlers:
        root.removeHandler(handler)
    writer.start()
    try:
        yield
    finally:
        for handler in handlers:
            root.addHandler(handler)
        root.removeHandler(aside)
        waiting.put(None)
        writer.join()


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module; costs nothing until it is first used."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


_STAMPS: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


class _Handler(logging.StreamHandler[TextIO]):
    def __init__(self, stream: TextIO, log_format: LogFormat) -> None:
        super().__init__(stream)
        self.setFormatter(
            structlog.stdlib.ProcessorFormatter(
                foreign_pre_chain=[structlog.contextvars.merge_contextvars, *_STAMPS],
                processors=[
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.stdlib.PositionalArgumentsFormatter(),
                    *_rendering(log_format, stream),
                ],
            )
        )

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the standard library's name
        """Say in one line which message is missing; a stream that is gone is nobody's to mend."""
        message = record.msg.get("event") if isinstance(record.msg, dict) else record.msg
        try:
            self.stream.write(
                f"log message lost: {one_line(str(message))}: {one_line(repr(sys.exception()))}\n"
            )
        except (OSError, ValueError):
            return


def _write(waiting: "Queue[logging.LogRecord | None]", handlers: Sequence[logging.Handler]) -> None:
    idle = True
    while (record := waiting.get()) is not None:
        if idle:
            time.sleep(_REST_S)  # lines come in bursts, from somebody who is busy just then
        for handler in handlers:
            handler.handle(record)
        idle = waiting.empty()


class _Aside(logging.Handler):
    """Hands a line over as it is; whoever writes it renders it."""

    def __init__(self, waiting: "Queue[logging.LogRecord | None]") -> None:
        super().__init__()
        self._waiting = waiting

    def emit(self, record: logging.LogRecord) -> None:
        self._waiting.put(record)


def _rendering(log_format: LogFormat, stream: TextIO) -> list[Processor]:
    if log_format is LogFormat.JSON:
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    colours = stream.isatty() and not os.environ.get("NO_COLOR")
    return [
        _escape_unprintable,
        structlog.dev.ConsoleRenderer(
            colors=colours,
            pad_event_to=_MESSAGE_WIDTH,
            sort_keys=False,
            exception_formatter=structlog.dev.plain_traceback,
        ),
    ]


def _hold_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Which exception is meant can only be told here: the line may be rendered by another thread."""
    if event.get("exc_info") is True:
        event["exc_info"] = sys.exception()
    return event


def _escape_unprintable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """What a peer or an operator sent must not move the cursor or pass for a line of its own."""
    for key, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[key] = one_line(value, longest=len(value))
    return event
