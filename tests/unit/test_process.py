"""The life of a program: signals stop it in order, and it does not outlive a root task."""

import asyncio
import logging
import os
import signal
import subprocess
import sys

import pytest

from der_runtime.failure import StartFailed, end_with, fatal
from der_runtime.process import Supervisor, run

STUBBORN = """
import asyncio, sys, time
from der_runtime.logs import LogFormat, LogLevel, configure_logging
from der_runtime.process import run

configure_logging(LogLevel.INFO, LogFormat.JSON)

async def main(stop):
    print("ready", flush=True)
    await stop.wait()
    print("stopping", flush=True)
    {then}
    return 0

sys.exit(run(main))
"""


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_sets_the_stop_event_and_the_old_handlers_come_back(signum: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)]

    async def main(stop: asyncio.Event) -> int:
        os.kill(os.getpid(), signum)
        await asyncio.wait_for(stop.wait(), timeout=10)
        return 7

    assert run(main) == 7
    assert [signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)] == before


@pytest.mark.parametrize("then", ["await asyncio.sleep(60)", "time.sleep(60)"])
@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_even_a_program_that_hangs(then: str, second: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUBBORN.format(then=then)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGTERM)
            assert process.stdout.readline() == "stopping\n"
            process.send_signal(second)
            _, err = process.communicate(timeout=10)
        finally:
            process.kill()

    assert process.returncode == -second
    (line,) = err.splitlines()
    assert '"signal": "SIGTERM"' in line


def test_a_crash_of_main_is_exit_code_1() -> None:
    async def main(_stop: asyncio.Event) -> int:
        raise RuntimeError("no luck")

    assert run(main) == 1


def test_what_keeps_the_program_from_starting_is_left_to_the_caller() -> None:
    async def main(_stop: asyncio.Event) -> int:
        raise StartFailed("port 3001 is taken")

    with pytest.raises(StartFailed) as caught:
        run(main)
    assert caught.value.lines == ["Error: port 3001 is taken"]


async def forever(ended: list[str], name: str) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append(name)


async def test_leaving_the_block_cancels_the_tasks_last_started_first() -> None:
    stop, ended = asyncio.Event(), list[str]()

    async with Supervisor(stop) as tasks:
        for name in ("store", "ingest", "servers"):
            tasks.start(name, forever(ended, name))
        await asyncio.sleep(0)
        stop.set()

    assert ended == ["servers", "ingest", "store"]
    assert tasks.failure is None
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_root_task_that_crashes_stops_the_program_and_is_named() -> None:
    stop, ended = asyncio.Event(), list[str]()

    async def crash() -> None:
        raise RuntimeError("no luck")

    async with Supervisor(stop) as tasks:
        tasks.start("store", forever(ended, "store"))
        tasks.start("ingest", crash())
        await asyncio.wait_for(stop.wait(), timeout=10)

    assert tasks.failure == "ingest: RuntimeError('no luck')"
    assert ended == ["store"]


async def test_a_root_task_that_just_ends_stops_the_program_too() -> None:
    stop = asyncio.Event()

    async with Supervisor(stop) as tasks:
        tasks.start("heartbeats", asyncio.sleep(0))
        await asyncio.wait_for(stop.wait(), timeout=10)

    assert tasks.failure == "heartbeats: ended unexpectedly"


async def test_an_error_of_the_block_passes_and_takes_the_tasks_along() -> None:
    ended: list[str] = []

    async def main() -> None:
        async with Supervisor(asyncio.Event()) as tasks:
            tasks.start("store", forever(ended, "store"))
            await asyncio.sleep(0)
            raise RuntimeError("no luck")

    with pytest.raises(RuntimeError, match="no luck"):
        await main()

    assert ended == ["store"]


def test_a_fatal_message_is_one_readable_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        fatal("port 3001 is taken\x1b[2J")
    assert caught.value.code == 2
    assert capsys.readouterr().err == "Error: port 3001 is taken\\x1b[2J\n"

    with pytest.raises(SystemExit) as caught:
        end_with(["a", "b"], code=3)
    assert caught.value.code == 3
    assert capsys.readouterr().err == "a\nb\n"


def test_nothing_is_configured_by_importing() -> None:
    assert not [h for h in logging.getLogger().handlers if type(h).__module__.startswith("der_runtime")]
