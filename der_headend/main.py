"""``der_headend``: read the settings, build the headend, run it until it is told to stop."""

import asyncio
import gc
import sys
from collections.abc import Sequence

from der_headend.factory import build
from der_headend.settings import HeadendSettings
from der_runtime.failure import StartFailed, end_with
from der_runtime.logs import configure_logging
from der_runtime.process import run
from der_runtime.settings import load_settings

COLLECT_AFTER = (2_000, 50, 80)
"""``gc`` thresholds. A headend's objects live as long as the session of their agent, most of them without a cycle: to
go through all of them again and again while a fleet connects finds nothing, and holds up everything meanwhile. The
young ones are gone through often, for what HTTP leaves behind is freed there: 20,000 at once take 25 ms."""

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

    gc.set_threshold(*COLLECT_AFTER)
    try:
        code = run(serve)
    except StartFailed as failed:
        end_with(failed.lines)
    finally:
        gc.freeze()  # or the interpreter, before it ends, goes through a million assets for as long as loading took
    sys.exit(code)


def _ready(line: str) -> None:
    """Say what is served; what there is by now stays to the end, and the collector need not look at it again."""
    gc.freeze()
    print(line, flush=True)
