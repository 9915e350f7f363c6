"""``der_headend``: read the settings, build the headend, run it until it is told to stop."""

import asyncio
import sys
from collections.abc import Sequence

from der_headend import collector
from der_headend.factory import build
from der_headend.settings import HeadendSettings
from der_runtime.failure import StartFailed, end_with
from der_runtime.logs import configure_logging
from der_runtime.process import run
from der_runtime.settings import load_settings

_DESCRIPTION = (
    "The headend of DER Fleet: operators see and dispatch assets over REST, edge agents connect over gRPC. "
    "Positive MW = discharge / export, negative = charge / import."
)


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the command; ends the process with its exit code."""
    settings = load_settings(HeadendSettings, argv, prog="der_headend", description=_DESCRIPTION)
    configure_logging(settings.log_level, settings.log_format)

    async def serve(stop: asyncio.Event) -> int:
        headend = await build(settings, stop)
        return 0 if headend is None else await headend.run(stop, on_ready=_ready)

    collector.begin()
    try:
        code = run(serve)
    except StartFailed as failed:
        end_with(failed.lines)
    finally:
        collector.loaded()  # or the interpreter goes through a million assets before it ends, for as long as loading
    sys.exit(code)


def _ready(line: str) -> None:
    """Say what is served."""
    collector.loaded()
    print(line, flush=True)
