"""Spools for tests, one maker per kind, each held to the same contract."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.ports import Spool
from edge_agent.spool.memory import MemorySpool
from edge_agent.spool.sqlite import SqliteSpool

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


def open_spool(path: Path, *, max_bytes: int = 10_000_000, owner: str = OWNER) -> SqliteSpool:
    return SqliteSpool.open(path, owner=owner, max_bytes=max_bytes, now=lambda: NOW)


@asynccontextmanager
async def spool_at(path: Path, *, max_bytes: int = 10_000_000) -> AsyncIterator[SqliteSpool]:
    """A spool that is closed at the end, as by an agent that is told to stop."""
    spool = open_spool(path, max_bytes=max_bytes)
    try:
        yield spool
    finally:
        await spool.close()


@dataclass
class SpoolMaker:
    """Makes fresh spools of one kind; ``close`` closes them all."""

    make: Callable[[int, int], Spool]
    made: list[Spool] = field(default_factory=list)

    def __call__(self, max_bytes: int) -> Spool:
        self.made.append(self.make(len(self.made), max_bytes))
        return self.made[-1]

    async def close(self) -> None:
        for spool in self.made:
            await spool.close()


def memory_maker(_folder: Path) -> SpoolMaker:
    return SpoolMaker(lambda _n, max_bytes: MemorySpool(max_bytes=max_bytes))


def sqlite_maker(folder: Path) -> SpoolMaker:
    return SpoolMaker(lambda n, max_bytes: open_spool(folder / f"spool-{n}.db", max_bytes=max_bytes))


MAKERS: dict[str, Callable[[Path], SpoolMaker]] = {"memory": memory_maker, "sqlite": sqlite_maker}
