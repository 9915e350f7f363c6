"""``python -m der_console``: the console as a program of its own, beside a headend."""

import argparse
import asyncio
import json
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address

import uvicorn

from der_client import without_login
from der_console.mounting import create_app, run

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
    if not _is_loopback(host.strip("[]")) and os.environ.get("ALLOW_INSECURE", "").lower() not in _YES:
        parser.error(
            f"--addr: {host} can be reached by other machines, and the console has neither encryption nor login yet; "
            f"use {_ADDRESS}, or set ALLOW_INSECURE=1 if you mean it"
        )
    asyncio.run(_serve(asked.headend, host.strip("[]"), int(port), as_json=asked.json))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _serve(headend: str, host: str, port: int, *, as_json: bool) -> None:
    app = create_app()
    server = _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=_STOP_S,
        )
    )
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, server.stop)
    pages = asyncio.create_task(run(headend), name="console")
    served, asked = f"http://{host}:{port}", without_login(headend)
    told = {"console": served, "headend": asked}
    print(json.dumps(told) if as_json else f"der_console: {served}, headend {asked}", flush=True)
    await server.serve()
    pages.cancel()
    await asyncio.wait([pages])


class _Server(uvicorn.Server):
    """uvicorn, stopped by us."""

    def stop(self) -> None:
        """End what is under way, then return from ``serve``."""
        self.should_exit = True

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
