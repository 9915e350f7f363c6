"""The entry point: the commands, and what each way of failing means to the shell."""

import io
import os
import sys
from typing import Annotated, Any

import typer
from rich.text import Text

from der_cli.agents import agents
from der_cli.assets import assets
from der_cli.before import HandsOn
from der_cli.bugreport.command import bugreport
from der_cli.console import console
from der_cli.db import db
from der_cli.demo import demo
from der_cli.dispatch import dispatch
from der_cli.dispatches import cancel, dispatches, release
from der_cli.doctor.command import doctor
from der_cli.events import ack, events
from der_cli.fleet import fleet
from der_cli.history import history
from der_cli.screen import err, words
from der_cli.sites import sites
from der_cli.telemetry import telemetry
from der_cli.usage import reword
from der_cli.watch.command import watch
from der_client import HeadendProblem, HeadendUnreachable, Invalid
from der_core import __version__

_REFUSED, _WRONG_USAGE, _UNREACHABLE = 1, 2, 3

EXIT_CODES = (
    "Exit codes: 0 done; 1 refused or failed, the dispatch did not come into force, or the doctor found something; "
    "2 wrong usage; 3 the headend is unreachable; 130 interrupted."
)


class _Commands(HandsOn):
    """Turns the errors of every command into a line on stderr and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            reword(error)
            raise
        except HeadendProblem as error:
            _say(words(error))
            raise typer.Exit(_WRONG_USAGE if isinstance(error, Invalid) else _REFUSED) from None
        except HeadendUnreachable as error:
            _say(words(error))
            raise typer.Exit(_UNREACHABLE) from None


def _say(message: str) -> None:
    err().print(Text.assemble(("Error: ", "red"), message), soft_wrap=True)


app = typer.Typer(
    cls=_Commands,
    help="DER Fleet for operators. Power in MW: positive = discharge / export, negative = charge / import.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_PANELS = {
    "Look": (watch, assets, sites, agents, telemetry, history, events),
    "Command": (dispatch, dispatches, cancel, release, ack),
    "Run and mend": (demo, console, doctor, bugreport),
}
for panel, commands in _PANELS.items():
    for command in commands:
        app.command(epilog=EXIT_CODES, rich_help_panel=panel)(command)
app.add_typer(db, name="db", cls=HandsOn, epilog=EXIT_CODES, rich_help_panel="Run and mend")
app.add_typer(fleet, name="fleet", cls=HandsOn, epilog=EXIT_CODES, rich_help_panel="Run and mend")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"der {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    headend: Annotated[
        str | None, typer.Option("--headend", metavar="URL", help="As an option of the command.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="As an option of the command.")] = False,
    version: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    pass


def main() -> None:
    """The command ``der``. A fault of its own ends in one line too; ``DER_TRACEBACK=1`` shows where it happened."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that knows no `│` still shows the rest
    try:
        app()
    except Exception as error:
        if os.environ.get("DER_TRACEBACK"):
            raise
        what = words(f"{type(error).__name__}: {error}")
        _say(f"a fault in der itself, please report it: {what}. DER_TRACEBACK=1 shows where.")
        raise SystemExit(_REFUSED) from error
