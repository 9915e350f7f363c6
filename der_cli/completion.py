"""Names of assets and sites for the shell's completion, as the headend has them.

Whoever presses the tab key does not wait and does not want to read: after a fraction of a second it is done with what
has come by then, and nothing is ever said.
"""

import threading
from collections.abc import Callable, Iterator

import typer

from der_cli.world import DEFAULT_HEADEND, world_of
from der_client import HeadendClient, HeadendError

WITHIN_S = 0.4


def complete_asset(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of assets that begin like this."""
    return _names(ctx, incomplete, lambda client: (each["name"] for each in client.assets()))


def complete_site(ctx: typer.Context, incomplete: str) -> list[str]:
    """Names of sites that begin like this."""
    return _names(ctx, incomplete, lambda client: (each["name"] for each in client.sites(with_assets=False)))


def _names(ctx: typer.Context, incomplete: str, ask: Callable[[HeadendClient], Iterator[str]]) -> list[str]:
    found: list[str] = []
    url = ctx.params.get("headend") or DEFAULT_HEADEND

    def collect() -> None:
        try:
            with world_of(ctx).headend(url, quiet=True) as client:
                found.extend(name for name in ask(client) if name.startswith(incomplete))
        except (HeadendError, typer.BadParameter):
            return

    # A thread of its own, left behind if it is late: nothing else bounds the looking up of a name.
    asking = threading.Thread(target=collect, name="completion", daemon=True)
    asking.start()
    asking.join(WITHIN_S)
    return sorted(found)
