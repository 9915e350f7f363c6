"""``python -m der_headend.database``: what ``der db`` starts. Looks after the database without a headend.

``DATABASE_URL`` names the database, and no flag does: a command line, and so a password in it, is there for all to see.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict

from der_headend.store.postgres import administration
from der_runtime.failure import StartFailed, end_with
from der_runtime.logs import LogFormat, LogLevel, configure_logging

_PATIENCE_S = 5.0


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point; prints one line of JSON, or ends with a line that says what is wrong."""
    parser = argparse.ArgumentParser(prog="python -m der_headend.database", description=__doc__)
    parser.add_argument("action", choices=("status", "migrate", "reset"))
    parser.add_argument("--force", action="store_true", help="let reset empty a database on another machine")
    asked = parser.parse_args(argv)
    if (url := os.environ.get("DATABASE_URL")) is None:
        parser.error("DATABASE_URL is not set; expected postgres://user:password@host:port/database")
    configure_logging(LogLevel.WARNING, LogFormat.CONSOLE)
    try:
        answer = asyncio.run(_do(asked.action, url, force=asked.force))
    except StartFailed as failed:
        end_with(failed.lines, code=1)
    json.dump(answer, sys.stdout)
    sys.stdout.write("\n")


async def _do(action: str, url: str, *, force: bool) -> dict[str, object]:
    match action:
        case "migrate":
            return {"migrated": await administration.migrate(url, patience_s=_PATIENCE_S)}
        case "reset":
            await administration.reset(url, force=force, patience_s=_PATIENCE_S)
            return {"emptied": True}
        case _:
            found = await administration.status(url, patience_s=_PATIENCE_S)
            return {**asdict(found), "up_to_date": found.up_to_date}


if __name__ == "__main__":
    main()
