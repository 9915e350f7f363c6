"""What PostgreSQL takes by itself: the rows of a run again, into a copy of their table with its indexes and partitions.

The rows are read page by page in the order the headend wrote them, kept as they came, and copied back one commit per
batch, by one connection, with nothing else going on. ``one INSERT per sample`` is how earlier systems do it.
"""

import time
from collections.abc import Sequence
from pathlib import Path

import asyncpg

from bench.rig import Database
from bench.run import BenchFailed, Run

COPY = "telemetry_limit"

_PARTITIONS = """
select c.relname as name, pg_get_expr(c.relpartbound, c.oid) as bound, c.reltuples as rows, c.relpages as pages
from pg_inherits as i join pg_class as c on c.oid = i.inhrelid
where i.inhparent = 'telemetry'::regclass
order by c.relname
"""
_OF_PAGES = "select * from {partition} where ctid >= '({first},0)'::tid and ctid < '({last},0)'::tid"
_ROWS_AT_ONCE = 50_000


def copied_per_s(run: Run, database: Database, *, at_most: int) -> tuple[float, int]:
    """Rows per second by binary COPY, and how many rows that were: those of the run, or the first ``at_most``."""
    files = database.use(lambda connection: _written_out(connection, run.folder(), at_most))
    return database.use(lambda connection: _copied_per_s(connection, files))


def inserted_per_s(database: Database, *, for_s: float) -> float:
    """Rows per second by one INSERT and COMMIT per row."""
    return database.use(lambda connection: _inserted_per_s(connection, for_s))


async def _written_out(connection: asyncpg.Connection, folder: Path, at_most: int) -> Sequence[Path]:
    """Files with some rows each, as COPY writes them, in the order in which they were stored."""
    await connection.execute("analyze telemetry")
    files: list[Path] = []
    left = at_most
    for partition in await connection.fetch(_PARTITIONS):
        rows_per_page = max(partition["rows"] / max(partition["pages"], 1), 1)
        step = max(int(_ROWS_AT_ONCE / rows_per_page), 1)
        for first in range(0, partition["pages"], step):
            query = _OF_PAGES.format(partition=partition["name"], first=first, last=first + step)
            path = folder / f"{len(files)}.copy"
            told = await connection.copy_from_query(query, output=path, format="binary")
            files.append(path)
            left -= int(told.split()[-1])
            if left <= 0:
                return files
    return files


async def _copied_per_s(connection: asyncpg.Connection, files: Sequence[Path]) -> tuple[float, int]:
    await make_copy(connection)
    rows = 0
    began_s = time.monotonic()
    for path in files:
        told = await connection.copy_to_table(COPY, source=path, format="binary")
        rows += int(told.split()[-1])
    return rows / (time.monotonic() - began_s), rows


async def _inserted_per_s(connection: asyncpg.Connection, for_s: float) -> float:
    await make_copy(connection)
    values = await connection.fetchrow("select * from telemetry limit 1")
    if values is None:
        raise BenchFailed("there is no sample in the database to insert again")
    places = ", ".join(f"${n}" for n, _ in enumerate(values.values(), 1))
    insert = await connection.prepare(f"insert into {COPY} values ({places})")  # noqa: S608 - our own names
    count = 0
    began_s = time.monotonic()
    while (now_s := time.monotonic()) < began_s + for_s:
        await insert.fetch(*values.values())
        count += 1
    return count / (now_s - began_s)


async def make_copy(connection: asyncpg.Connection) -> None:
    """An empty table like ``telemetry``, with its partitions.

    Each has the indexes of the newest, which is as a partition is while rows still come; those of older ones may have
    been made afterwards.
    """
    key = await connection.fetchval("select pg_get_partkeydef('telemetry'::regclass)")
    partitions = await connection.fetch(_PARTITIONS)
    newest = partitions[-1]["name"]
    await connection.execute(f"drop table if exists {COPY}")
    await connection.execute(f"create table {COPY} (like telemetry including all) partition by {key}")
    for partition in partitions:
        own = partition["name"].replace("telemetry", COPY)
        await connection.execute(
            f"create table {own} (like {newest} including all) with (autovacuum_enabled = false)"
        )
        await connection.execute(f"alter table {COPY} attach partition {own} {partition['bound']}")
