"""A process that fills a spool as fast as it can until it is killed: ``python spool_writer.py PATH RUN``.

It prints a line for each number that its spool has made durable, and for each acknowledgement before it is made.
"""

import asyncio
import sys
from itertools import count
from pathlib import Path

from kit.spools import open_spool


async def main(path: Path, run: str) -> None:
    spool = open_spool(path)
    for n in count():
        bodies = [f"{run}/{n}/{part}".encode() for part in range(1 + n % 3)]
        last = await spool.append(bodies, {"run": run.encode(), "last": bodies[-1]})
        for seq, body in enumerate(bodies, last - len(bodies) + 1):
            _say(f"kept {seq} {body.decode()}")
        if n % 5 == 4:
            _say(f"acknowledged {last - 2}")
            await spool.acknowledge(last - 2)


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
