"""``der db``: the headend's database: how it is, migrate it, empty it.

The work is done by the headend's own program, started as a process, so that the command line needs no database driver.
"""

import json
import os
import subprocess
import sys
from typing import Annotated, Any

import typer

from der_cli.progress import progressing
from der_cli.screen import UNKNOWN, out, print_json, words
from der_cli.table import Column, show
from der_cli.world import JsonOption, world_of

db = typer.Typer(help="Look after the headend's database (DATABASE_URL).", no_args_is_help=True)

UrlOption = Annotated[
    str,
    typer.Option(
        "--database-url",
        envvar="DATABASE_URL",
        metavar="URL",
        show_envvar=True,
        help="postgres://user:password@host:port/database",
    ),
]
_MIB = 1024 * 1024


@db.command()
def status(url: UrlOption, as_json: JsonOption = False) -> None:
    """Show the server, the schema's revision, and what is stored. Changes nothing."""
    found = _ask("status", url)
    if as_json:
        print_json(found)
        return
    schema = found["schema_revision"] or "none yet"
    line = f"{found['database']}: PostgreSQL {found['server']}, schema {schema} ({_state(found)})"
    out().print(words(line), soft_wrap=True)
    if found["tables"]:
        rows = [{"name": name, **sizes} for name, sizes in found["tables"].items()]
        columns: list[Column[dict[str, Any]]] = [
            Column("Table", lambda r: words(r["name"])),
            Column("Rows", lambda r: UNKNOWN if r["rows"] is None else f"{r['rows']:,}", right=True),
            Column("MiB", lambda r: f"{r['bytes'] / _MIB:,.1f}", right=True),
        ]
        show(columns, rows, caption=f"Rows as the server estimates them; {UNKNOWN} = not yet.")


@db.command()
def migrate(url: UrlOption, as_json: JsonOption = False) -> None:
    """Bring the schema up to date, as a headend does when it starts."""
    with progressing("Migrating"):
        done = _ask("migrate", url)
    if as_json:
        print_json(done)
    else:
        out().print("The schema was migrated." if done["migrated"] else "The schema was up to date.")


@db.command()
def reset(
    ctx: typer.Context,
    url: UrlOption,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also a database on another machine.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Empty every table. Destructive; stop the headend first."""
    if not yes:
        if not world_of(ctx).at_a_terminal():
            raise typer.BadParameter(
                "say it if this is meant: nobody can be asked, for this is no terminal", param_hint="--yes"
            )
        typer.confirm("Everything in the database will be lost. Go on?", abort=True, err=as_json)
    done = _ask("reset", url, *(["--force"] if force else []))
    if as_json:
        print_json(done)
    else:
        out().print("The database is empty.")


def _state(found: dict[str, Any]) -> str:
    """What the schema is to this program, and what to do about it."""
    if found["up_to_date"]:
        return "up to date"
    newest = found["newest_revision"]
    if not found["known"]:
        return f"made by another version of this program, run that one; this one knows up to {newest}"
    return f"the newest is {newest}: der db migrate"


def _ask(action: str, url: str, *more: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "der_headend.database", action, *more]
    environment = {**os.environ, "DATABASE_URL": url}
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, env=environment)
    if done.returncode:
        raise typer.Exit(1)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer
