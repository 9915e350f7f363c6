"""``der console``: the operator's console as a process of its own, beside a headend anywhere.

The work is done by the program ``der_console``, which takes the place of this one.
"""

import os
import sys
from importlib.util import find_spec
from typing import Annotated

import typer

from der_cli.demo_view import complain
from der_cli.world import DEFAULT_HEADEND, HeadendOption

_USAGE = 2


def console(
    headend: HeadendOption = DEFAULT_HEADEND,
    addr: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT", help="Where the console is served.", show_default="the console's own"
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print where it is served as one line of JSON.")
    ] = False,
) -> None:
    """Serve the operator's console in the browser, until Ctrl-C."""
    if find_spec("der_console") is None or find_spec("nicegui") is None:
        complain("der console needs nicegui; `pip install 'der-fleet[console]'` installs it")
        raise typer.Exit(_USAGE)
    more = ([] if addr is None else ["--addr", addr]) + (["--json"] if as_json else [])
    command = [sys.executable, "-m", "der_console", "--headend", headend, *more]
    os.execv(sys.executable, command)  # noqa: S606 - our own program
