"""``python -m der_console``: the console as a program of its own, beside a headend."""

import argparse
import asyncio
import json
import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import uvicorn

from der_client import AsyncHeadendClient
from der_client.addresses import is_loopback
from der_console.mounting import ask, create_app, show
from der_runtime.same_origin import SameOrigin

_HEADEND = "http://127.0.0.1:3001"
_ADDRESS = "127.0.0.1:3002"
_STOP_S = 2
_YES = {"1", "true", "yes", "on"}


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point; ends the process with its exit code."""
    parser = argparse.ArgumentParser(
        prog="der_console", description="The operator's screen of a headend, in a browser."
    )
    parser.add_argument(
        "--headend",
        default=os.environ.get("HEADEND", _HEADEND),
        metavar="URL",
        help=f"where the headend is (HEADEND; default {_HEADEND})",
    )
    parser.add_argument(
        "--addr",
        default=os.environ.get("CONSOLE_ADDR", _ADDRESS),
        metavar="HOST:PORT",
        help=f"where the console is served (CONSOLE_ADDR; default {_ADDRESS})",
    )
    parser.add_argument(
        "--json", action="store_true", help="print where it is served as one line of JSON, not as a sentence"
    )
    asked = parser.parse_args(argv)
    host, _, port = asked.addr.rpartition(":")
    if not host or not port.isdecimal():
        parser.error(f"--addr: {asked.addr!r} is not host:port, such as {_ADDRESS}")
    if not is_loopback(host.strip("[]")) and os.environ.get("ALLOW_INSECURE", "").lower() not in _YES:
        parser.error(
            f"--addr: {host} can be reached by other machines, and the console has neither encryption nor login yet; "
            f"use {_ADDRESS}, or set ALLOW_INSECURE=1 if you mean it"
        )
    try:
        headend = ask(asked.headend)
    except ValueError as error:
        parser.error(f"--headend: {error}")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    try:
        bound = socket.create_server((host.strip("[]"), int(port)), family=family)
    except (OSError, OverflowError) as error:
        parser.exit(1, f"Error: cannot listen on {asked.addr}: {error}\n")
    served = f"http://{host}:{bound.getsockname()[1]}"
    told = {"console": served, "headend": headend.base_url}
    line = json.dumps(told) if asked.json else f"der_console: {served}, headend {headend.base_url}"
    asyncio.run(_serve(headend, bound, host.strip("[]"), line))


async def _serve(headend: AsyncHeadendClient, bound: socket.socket, host: str, line: str) -> None:
    """Serve on a socket, bound to ``host``, until a signal comes; ``line`` is said once a signal may come.

    Raises:
        RuntimeError: the pages or the server ended by themselves.
    """
    server = _Server(
        uvicorn.Config(
            SameOrigin(create_app(), host=host, loopback=is_loopback(host)),
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=_STOP_S,
        )
    )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    print(line, flush=True)
    roots = [
        asyncio.create_task(show(headend), name="console pages"),
        asyncio.create_task(server.serve([bound]), name="console server"),
    ]
    stopping = asyncio.create_task(stop.wait(), name="console stop")
    await asyncio.wait([*roots, stopping], return_when=asyncio.FIRST_COMPLETED)
    ended = next((task for task in roots if task.done() and not stop.is_set()), None)
    server.should_exit = True
    roots[0].cancel()
    stopping.cancel()
    await asyncio.wait([*roots, stopping])
    if ended is not None:
        raise RuntimeError(f"the {ended.get_name()} ended: nothing is served any more") from ended.exception()


class _Server(uvicorn.Server):
    """uvicorn, stopped by us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
