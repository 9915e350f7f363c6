"""``der demo``: a headend and one gateway agent per site, as real processes, until Ctrl-C.

Everything an operator would do by hand with the runbook: start the headend, start the agents, wait until each is
connected, look at the fleet. Then the processes' logs, marked with who said it.
"""

import asyncio
import os
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from der_cli.demo_plan import plan
from der_cli.demo_ports import Wanted, obstacles
from der_cli.demo_run import Demo
from der_cli.demo_view import complain
from der_cli.screen import err, out
from der_cli.world import world_of
from der_core.assets import Inventory
from der_runtime.addresses import HostPort
from der_runtime.failure import StartFailed
from der_runtime.inventory_file import find_inventory, load_inventory

_FAILED = 1
_USAGE = 2


def demo(
    ctx: typer.Context,
    assets_path: Annotated[
        Path | None, typer.Option(help="The inventory.", show_default="the one that comes with der_headend")
    ] = None,
    http: Annotated[
        str, typer.Option(envvar="HEADEND_HTTP_ADDR", metavar="HOST:PORT", help="Where REST is served.")
    ] = "127.0.0.1:3001",
    grpc: Annotated[
        str, typer.Option(envvar="HEADEND_GRPC_ADDR", metavar="HOST:PORT", help="Where the agents connect.")
    ] = "127.0.0.1:50051",
    database_url: Annotated[
        str | None, typer.Option(metavar="URL", help="PostgreSQL to store in.", show_default="in memory")
    ] = None,
    duration_s: Annotated[
        float | None, typer.Option(metavar="S", min=0, help="End after so many seconds of running.")
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print one line of JSON once it is ready; the rest goes to stderr."),
    ] = False,
) -> None:
    """Start a headend and one gateway agent per site, show the fleet, stream the logs; Ctrl-C ends it all."""
    http_addr, grpc_addr = _address(http, "--http"), _address(grpc, "--grpc")
    if http_addr == grpc_addr:
        raise typer.BadParameter("REST and gRPC need a port each", param_hint="--http / --grpc")
    path, inventory = _inventory(assets_path)
    wanted = Wanted("REST", "--http", http_addr), Wanted("gRPC", "--grpc", grpc_addr)
    if problems := obstacles(*wanted):
        for problem in problems:
            complain(problem)
        raise typer.Exit(_FAILED)
    made = plan(
        inventory,
        assets_path=path,
        http=http_addr,
        grpc=grpc_addr,
        database_url=database_url,
        environ=os.environ,
    )
    (err if as_json else out)().print(
        f"DER Fleet demo: {len(made.sites)} sites, {len(inventory.assets)} assets of {path}", soft_wrap=True
    )
    code = asyncio.run(Demo(made, now=world_of(ctx).now, as_json=as_json).run(duration_s))
    raise typer.Exit(code)


def _address(text: str, option: str) -> HostPort:
    try:
        address = HostPort.parse(text)
    except ValueError as error:
        raise typer.BadParameter(f"{error}; expected for example 127.0.0.1:3001", param_hint=option) from None
    if not address.port:
        raise typer.BadParameter("port 0 is not one that agents and operators could find", param_hint=option)
    return address


def _inventory(given: Path | None) -> tuple[Path, Inventory]:
    """The inventory and where it is.

    Raises:
        typer.Exit: there is none, or it holds nothing to show; said on stderr.
    """
    try:
        path = _shipped() if given is None else find_inventory(given, Path.cwd())
        inventory = load_inventory(path)
    except StartFailed as failed:
        for line in failed.lines:
            err().print(line, soft_wrap=True)
        raise typer.Exit(_USAGE) from None
    if not inventory.assets:
        complain(f"{path} has no assets, so there is nothing to demonstrate")
        raise typer.Exit(_USAGE)
    return path.resolve(), inventory


def _shipped() -> Path:
    """The inventory that comes with the headend, found without importing the headend."""
    spec = find_spec("der_headend")
    if spec is None or spec.origin is None:
        raise StartFailed(
            "der_headend is not installed here; `pip install 'der-fleet[headend,edge,cli]'` installs it"
        )
    return Path(spec.origin).parent / "assets_test.yaml"
