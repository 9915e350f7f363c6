"""Running ``der`` in a test: against a fake headend, at a fixed time, without waiting, on any width of terminal."""

from dataclasses import dataclass, field
from datetime import datetime

from typer.testing import CliRunner, Result

from der_cli.main import app
from der_cli.world import World
from der_client import HeadendClient
from kit.fake_headend import NOW, FakeHeadend


@dataclass
class Terminal:
    """Where an operator types; ``slept`` is how long commands would have waited, in seconds."""

    headend: FakeHeadend = field(default_factory=FakeHeadend)
    interactive: bool = False
    slept: float = 0.0

    def der(self, *args: str, typed: str = "", columns: int = 80) -> Result:
        """Run ``der args``; ``typed`` is what the operator answers."""
        world = World(
            connect=lambda url: HeadendClient(url, transport=self.headend.transport),
            now=lambda: datetime.fromisoformat(NOW),
            monotonic=lambda: self.slept,
            sleep=self._sleep,
            at_a_terminal=lambda: self.interactive,
        )
        env = {"COLUMNS": str(columns), "HEADEND": None, "TERM": "dumb", "NO_COLOR": "1"}
        return CliRunner().invoke(app, list(args), input=typed, obj=world, env=env)

    def _sleep(self, seconds: float) -> None:
        self.slept += seconds
