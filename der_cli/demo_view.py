"""What ``der demo`` shows: how far the start is, what to try next, and the processes' logs, marked with who speaks."""

import shlex
import shutil
import sys
from collections import deque
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.text import Text

from der_cli.demo_plan import Launch, Plan
from der_cli.screen import err, out, words
from der_cli.variables import OF_AGENT
from der_cli.world import DEFAULT_HEADEND

_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_red")
_LONGEST_NAME = 14
_HELD_LINES = 1000
_EXAMPLE_MW = 12


class LogView:
    """Prints the lines of several processes; until ``release`` they are held back, so that the start stays readable."""

    def __init__(self, names: Sequence[str], *, to: Callable[[], Console] = out) -> None:
        self._to = to
        self._width = max(len(_short(name)) for name in names)
        self._colour = {name: _COLOURS[place % len(_COLOURS)] for place, name in enumerate(names)}
        self._held: deque[tuple[str, str]] | None = deque(maxlen=_HELD_LINES)

    @property
    def released(self) -> bool:
        """Whether lines are printed as they come."""
        return self._held is None

    def line(self, name: str, text: str) -> None:
        """One line of a process."""
        if self._held is not None:
            self._held.append((name, text))
        else:
            self._print(name, text)

    def release(self) -> None:
        """Print what was held back, and from now on every line as it comes."""
        held, self._held = self._held or (), None
        for name, text in held:
            self._print(name, text)

    def _print(self, name: str, text: str) -> None:
        prefix = f"{_short(name):<{self._width}} │ "
        self._to().print(
            Text.assemble((prefix, self._colour[name]), words(text) if text else ""), soft_wrap=True
        )


def started(name: str, what: str, *, to: Callable[[], Console] = out) -> None:
    """One step of the start is done."""
    to().print(Text.assemble("  ", (_short(name), "bold"), f"  {what}"), soft_wrap=True)


def agent_ended(name: str, how: str, launch: Launch) -> None:
    """An agent is gone, the demo goes on: say what to expect, and the command that brings the agent back."""
    told = {variable: value for variable, value in launch.env.items() if variable in OF_AGENT}
    settings = " ".join(f"{variable}={shlex.quote(value)}" for variable, value in sorted(told.items()))
    err().print(
        Text.assemble(
            (f"{words(name)} {how}. ", "yellow"),
            "The demo goes on without it, and its assets are offline. Another terminal brings it back:",
        ),
        soft_wrap=True,
    )
    err().print(Text(f"  {settings} {shlex.join(launch.argv)}"), soft_wrap=True)


def complain(message: str, last_lines: Sequence[str] = ()) -> None:
    """Say on stderr what went wrong, with the last lines of the process that did."""
    err().print(Text.assemble(("Error: ", "red"), message), soft_wrap=True)
    for line in last_lines:
        err().print(Text(f"  {words(line)}"), soft_wrap=True)


def try_next(plan: Plan) -> None:
    """Commands to copy into another terminal."""
    der, site = _der(), plan.sites[0]
    where = "" if plan.url == DEFAULT_HEADEND else f" --headend {plan.url}"
    body = f'{{"site_id":"{site.id}","mw":{_EXAMPLE_MW}}}'
    lines = [
        f"{der} dispatch --site {shlex.quote(site.name)} --mw {_EXAMPLE_MW}{where}",
        f"{der} assets{where}",
        f"curl -s -X POST {plan.url}/dispatch -H 'content-type: application/json' -d '{body}'",
        f"{plan.url}/        (the console in a browser; the API is at /docs)",
        "Ctrl-C              (ends all of it)",
    ]
    out().print(Text("\nTry next, in another terminal:", style="bold"))
    for line in lines:
        out().print(Text(f"  {line}"), soft_wrap=True)
    out().print()


def _short(name: str) -> str:
    shown = words(name)
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[: _LONGEST_NAME - 1]}…"


def _der() -> str:
    """How this command can be called again from the same directory."""
    if shutil.which("der"):
        return "der"
    invoked = sys.argv[0]
    return shlex.quote(invoked) if invoked.endswith("der") else f"{shlex.quote(sys.executable)} -m der_cli"
