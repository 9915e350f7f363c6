"""Running ``der`` in a test: against a fake headend, at a fixed time, without waiting, on any width of terminal."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import httpx
from typer.testing import CliRunner, Result

from der_cli.main import app
from der_cli.processes import Process
from der_cli.world import World
from der_client import HeadendClient
from der_client.fake import FakeHeadend as BehavingHeadend
from der_client.fake.announcements import Watch
from kit.fake_headend import NOW, FakeHeadend


@dataclass(kw_only=True)
class Keyboard:
    """Where an operator types; ``slept`` is how long commands would have waited, in seconds.

    ``meanwhile`` is called each time a command waits: with what happens in that time, or KeyboardInterrupt for Ctrl-C.
    """

    interactive: bool = False
    slept: float = 0.0
    meanwhile: Callable[[float], None] = lambda _seconds: None
    processes: Sequence[Process] | None = ()
    clock_ahead_s: float | None = 0.0

    @property
    def transport(self) -> httpx.BaseTransport:
        """What stands in for the network."""
        raise NotImplementedError

    def world(self) -> World:
        """The world of its commands."""
        return World(
            connect=lambda url, on_retry: HeadendClient(
                url, transport=self.transport, sleep=self._sleep, on_retry=on_retry
            ),
            now=lambda: datetime.fromisoformat(NOW),
            monotonic=lambda: self.slept,
            sleep=self._sleep,
            at_a_terminal=lambda: self.interactive,
            processes=lambda: self.processes,
            clock_ahead_s=lambda _url: self.clock_ahead_s,
        )

    def der(self, *args: str, typed: str = "", columns: int = 80, **env: str | None) -> Result:
        """Run ``der args``; ``typed`` is what the operator answers, ``env`` changes the shell's variables."""
        shell = {"COLUMNS": str(columns), "HEADEND": None, "TERM": "dumb", "NO_COLOR": "1", **env}
        return CliRunner().invoke(app, list(args), input=typed, obj=self.world(), env=shell)

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.meanwhile(seconds)


@dataclass
class Terminal(Keyboard):
    """With a headend that takes the steps a test has written down for it."""

    headend: FakeHeadend = field(default_factory=FakeHeadend)

    @property
    def transport(self) -> httpx.BaseTransport:
        """What stands in for the network."""
        return self.headend.transport


def _behaving() -> BehavingHeadend:
    return BehavingHeadend(now=lambda: datetime.fromisoformat(NOW))


@dataclass
class Desk(Keyboard):
    """With a headend that behaves by the real rules."""

    headend: BehavingHeadend = field(default_factory=_behaving)

    @property
    def transport(self) -> httpx.BaseTransport:
        """What stands in for the network."""
        return self.headend.transport

    def store_hangs(self) -> None:
        """From now on nothing comes of a question for which the headend would ask its store."""
        answer = self.headend.answer

        def hanging(request: httpx.Request) -> httpx.Response | Watch:
            path, raised_now = request.url.path, request.url.params.get("active") == "true"
            if path.endswith("/history") or (path == "/events" and not raised_now):
                raise httpx.ReadTimeout("")
            return answer(request)

        self.headend.answer = hanging  # type: ignore[method-assign]
