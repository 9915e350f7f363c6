"""Logs: ours and the libraries' through one renderer, and never at the program's cost."""

import io
import json
import logging
import threading
from datetime import UTC, datetime
from uuid import UUID

import pytest
import structlog

from der_core.allocation import Candidate, split
from der_core.assets import Limits
from der_runtime import logs
from der_runtime.logs import LogFormat, LogLevel, configure_logging, get_logger, logging_aside
from der_runtime.split_log import log_split
from kit.control_bench import A


class Stream(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal


def configured(
    level: LogLevel = LogLevel.INFO, log_format: LogFormat = LogFormat.JSON, *, terminal: bool = False
) -> Stream:
    logging.getLogger().handlers.clear()  # pytest's own would render, and raise, too
    stream = Stream(terminal=terminal)
    configure_logging(level, log_format, stream=stream)
    return stream


def test_json_lines_of_ours_and_of_a_library_have_the_same_shape() -> None:
    stream = configured()

    get_logger("der_headend.sessions").warning("session replaced", agent_id="a1", mw=5.0)
    logging.getLogger("uvicorn.error").warning("Started server process [%d]", 42)

    ours, theirs = (json.loads(line) for line in stream.getvalue().splitlines())
    assert datetime.fromisoformat(ours.pop("timestamp")).utcoffset() == datetime.now(UTC).utcoffset()
    assert ours == {
        "event": "session replaced",
        "level": "warning",
        "logger": "der_headend.sessions",
        "agent_id": "a1",
        "mw": 5.0,
    }
    theirs.pop("timestamp")
    assert theirs == {"event": "Started server process [42]", "level": "warning", "logger": "uvicorn.error"}


def test_console_lines_are_plain_where_there_is_no_terminal() -> None:
    stream = configured(log_format=LogFormat.CONSOLE)

    get_logger("edge_agent.agent").info("split", asset="GT-BESS-A", mw=7.2)

    (line,) = stream.getvalue().splitlines()
    assert "\x1b" not in line
    assert line.split()[1:3] == ["[info", "]"]
    assert line.endswith("asset=GT-BESS-A mw=7.2")


def test_console_lines_are_coloured_on_a_terminal_unless_that_is_not_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = configured(log_format=LogFormat.CONSOLE, terminal=True)
    get_logger("x").info("split")
    assert "\x1b[" in coloured.getvalue()

    monkeypatch.setenv("NO_COLOR", "1")
    plain = configured(log_format=LogFormat.CONSOLE, terminal=True)
    get_logger("x").info("split")
    assert "\x1b[" not in plain.getvalue()


def test_levels_hold_for_ours_and_for_libraries_and_can_be_changed_later() -> None:
    log = get_logger("der_headend.changed")
    stream = configured(LogLevel.WARNING)
    log.info("hidden")
    logging.getLogger("grpc").info("hidden")
    log.error("seen")
    assert len(stream.getvalue().splitlines()) == 1

    later = configured(LogLevel.DEBUG)
    log.debug("seen")
    logging.getLogger("grpc").debug("seen")
    assert len(later.getvalue().splitlines()) == 2
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_exceptions_are_rendered(log_format: LogFormat) -> None:
    stream = configured(log_format=log_format)

    try:
        raise RuntimeError("no luck")  # noqa: TRY301 - needs a traceback
    except RuntimeError:
        get_logger("x").exception("program crashed")

    assert "Traceback" in stream.getvalue()
    assert "RuntimeError: no luck" in stream.getvalue()


def test_context_is_added_to_every_line_within() -> None:
    stream = configured()

    with structlog.contextvars.bound_contextvars(dispatch_id="d1"):
        get_logger("x").info("sent")
        logging.getLogger("y").info("sent")
    get_logger("x").info("sent")

    assert [json.loads(line).get("dispatch_id") for line in stream.getvalue().splitlines()] == [
        "d1",
        "d1",
        None,
    ]


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_a_line_that_cannot_be_rendered_is_lost_and_said_to_be(log_format: LogFormat) -> None:
    stream = configured(log_format=log_format)

    get_logger("x").info("telemetry stored", what=Unprintable())
    get_logger("x").info("wrong %d", "arguments")
    logging.getLogger("y").info("wrong %d", "arguments")
    get_logger("x").info("still here")

    text = stream.getvalue()
    assert "log message lost: telemetry stored: RuntimeError('no words')" in text
    assert text.count("log message lost: wrong %d: TypeError") == 2
    assert "still here" in text


def test_a_stream_that_is_gone_does_not_end_the_program() -> None:
    configured().close()

    get_logger("x").error("to nobody")


def test_aside_lines_are_rendered_by_another_thread_and_all_are_written_in_order() -> None:
    renderers = set()

    class Rendered:
        def __repr__(self) -> str:
            renderers.add(threading.current_thread())
            return "rendered"

    stream = configured()
    with logging_aside():
        for number in range(50):
            get_logger("x").info("line", number=number, value=Rendered())
    get_logger("x").info("line", number=50)
    assert [json.loads(line)["number"] for line in stream.getvalue().splitlines()] == list(range(51))
    assert threading.current_thread() not in renderers


def test_aside_nothing_is_lost_where_too_many_lines_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LINES_WAITING", 2)
    stream = configured()
    with logging_aside():
        for _ in range(20):
            get_logger("x").info("line")
    assert len(stream.getvalue().splitlines()) == 20


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_aside_exceptions_are_rendered_too(log_format: LogFormat) -> None:
    stream = configured(log_format=log_format)
    with logging_aside():
        try:
            raise RuntimeError("no luck")  # noqa: TRY301 - needs a traceback
        except RuntimeError:
            get_logger("x").exception("program crashed")
        get_logger("x").error("nothing was raised", exc_info=True)
    assert stream.getvalue().count("Traceback") == 1
    assert "RuntimeError: no luck" in stream.getvalue()


def test_foreign_text_cannot_pass_for_a_line_or_move_the_cursor() -> None:
    stream = configured(log_format=LogFormat.CONSOLE)

    get_logger("x").info("agent registered", agent_id="a\n2026-01-01 [error] all is lost\x1b[2J")
    logging.getLogger("y").info("bad\nnews\x1b[2J")

    text = stream.getvalue()
    assert len(text.splitlines()) == 2
    assert "\x1b" not in text


def test_every_line_of_a_split_names_its_dispatch() -> None:
    stream = configured()

    made = split(12.0, [Candidate(asset_id=A, capacity_mwhr=40.0, limits=Limits(-20, 20))])
    log_split(UUID(int=1), made, {A: "asset"})

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line["dispatch_id"]) for line in lines] == [
        ("split", str(UUID(int=1))),
        ("split sum", str(UUID(int=1))),
    ]
