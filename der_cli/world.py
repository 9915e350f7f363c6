"""What the commands share: the options that mean the same everywhere, and all that lies outside a command.

Tests hand in a ``World`` of their own; in earnest it is made of the real network, clock and terminal.
"""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated
from urllib.parse import urlsplit

import httpx
import typer

from der_cli.processes import Process, running
from der_cli.screen import err, words
from der_client import HeadendClient, HeadendError, OnRetry
from der_client.failures import short
from der_runtime.addresses import is_loopback

DEFAULT_HEADEND = "http://127.0.0.1:3001"

_DATE_WITHIN_S = 3.0
_WORTH_SAYING_S = 1.0
"""A pause that is shorter is over before one has read that there is one."""

HeadendOption = Annotated[
    str,
    typer.Option("--headend", envvar="HEADEND", metavar="URL", help="Where the headend's REST API is."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the JSON of the REST API, and nothing else, on stdout.")
]


def _now() -> datetime:
    return datetime.now(UTC)


def _clock_ahead_s(url: str) -> float | None:
    """How far the clock of a headend is ahead of this machine's, by the date of an answer, in whole seconds."""
    host, before = urlsplit(url).hostname or "", time.time()
    try:
        answer = httpx.get(f"{url}/healthz", timeout=_DATE_WITHIN_S, trust_env=not is_loopback(host))
        told = answer.headers.get("date")
        date = parsedate_to_datetime(told) if told else None
    except (httpx.HTTPError, ValueError):
        return None
    if date is None:
        return None
    off = date.timestamp() + 0.5 - (before + time.time()) / 2
    return 0.0 if abs(off) < 1.0 else off


def _connect(url: str, on_retry: OnRetry | None) -> HeadendClient:
    return HeadendClient(url, on_retry=on_retry)


def _telling() -> OnRetry:
    """Says on a terminal, once of each trouble, that a question is put again; how it ends is said anyway."""
    told: set[str] = set()

    def tell(trouble: HeadendError, pause_s: float) -> None:
        what, console = words(short(trouble)), err()
        if console.is_terminal and pause_s >= _WORTH_SAYING_S and what not in told:
            told.add(what)
            console.print(f"No answer yet ({what}); trying again …", style="yellow", soft_wrap=True)

    return tell


def _at_a_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The outside: how to reach a headend, what time it is, whether somebody can answer a question."""

    connect: Callable[[str, OnRetry | None], HeadendClient] = _connect
    now: Callable[[], datetime] = _now
    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    at_a_terminal: Callable[[], bool] = _at_a_terminal
    processes: Callable[[], Sequence[Process] | None] = running
    clock_ahead_s: Callable[[str], float | None] = _clock_ahead_s

    def headend(self, url: str, *, quiet: bool = False) -> HeadendClient:
        """A client for the headend at ``url``; unless ``quiet`` it says on a terminal that it asks again, and why.

        Raises:
            typer.BadParameter: it is no URL of a headend.
        """
        try:
            return self.connect(url, None if quiet else _telling())
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--headend / HEADEND") from None


def world_of(ctx: typer.Context) -> World:
    """The world that was handed in, or the real one."""
    return ctx.find_object(World) or World()
