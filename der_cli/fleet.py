"""``der fleet``: a fleet that is not there, to try out a big one or to load a headend.

The work is done by the program ``der_fleet``, which takes the place of this one: it has the terminal, Ctrl-C and the
exit code to itself. Its options are its own, so they are handed on as they are.
"""

import os
import sys
from importlib.util import find_spec

import typer

from der_cli.demo_view import complain

fleet = typer.Typer(
    help="A fleet that is not there: its inventory, and thousands of gateways.", no_args_is_help=True
)

_HANDED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
_USAGE = 2


@fleet.command(context_settings=_HANDED_ON, add_help_option=False)
def inventory(ctx: typer.Context) -> None:
    """Write an inventory of any size to stdout; ``--help`` shows the options."""
    _become("inventory", ctx.args)


@fleet.command(context_settings=_HANDED_ON, add_help_option=False)
def run(ctx: typer.Context) -> None:
    """Run the sites of an inventory against a headend, and print one line of JSON; ``--help`` shows the options."""
    _become("run", ctx.args)


def _become(command: str, args: list[str]) -> None:
    if find_spec("numpy") is None:
        complain("der fleet needs numpy; `pip install 'der-fleet[fleet]'` installs it")
        raise typer.Exit(_USAGE)
    os.execv(sys.executable, [sys.executable, "-m", "der_fleet", command, *args])  # noqa: S606 - our own program
