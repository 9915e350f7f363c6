"""What the headend has stored, read from its tables: nothing that the REST API may smooth over is hidden here."""

import asyncio
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import asyncpg

from chaos.logbook import SampleKey

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Step:
    """A transition of an asset's part of a dispatch."""

    state: str
    at_us: int
    by: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Record:
    """A dispatch: its state, when it was submitted (microseconds), and by asset the steps of each part."""

    state: str
    submitted_us: int
    parts: Mapping[str, tuple[Step, ...]]


@dataclass(slots=True)
class Stored:
    """What is in the tables. ``samples``: each power (MW, ``None`` unknown) stored for an asset and a time."""

    samples: dict[SampleKey, list[float | None]] = field(default_factory=dict)
    events: dict[str, str] = field(default_factory=dict)
    dispatches: dict[str, Record] = field(default_factory=dict)
    open_sessions: dict[str, int] = field(default_factory=dict)


def microseconds(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def stored(url: str) -> Stored:
    """Read all of it, as of one moment."""
    return asyncio.run(_stored(url))


async def _stored(url: str) -> Stored:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            found = Stored()
            for row in await connection.fetch(
                "select a.id, t.at, t.current_mw from telemetry as t join assets as a on a.key = t.asset"
            ):
                mw = None if math.isnan(row["current_mw"]) else row["current_mw"]
                key = (str(row["id"]), microseconds(row["at"]))
                found.samples.setdefault(key, []).append(mw)
            for row in await connection.fetch("select id, code from events"):
                found.events[str(row["id"])] = row["code"]
            found.dispatches = await _dispatches(connection)
            for row in await connection.fetch(
                "select agent_id, count(*) as n from sessions where disconnected_at is null group by agent_id"
            ):
                found.open_sessions[row["agent_id"]] = row["n"]
            return found
    finally:
        await connection.close()


async def _dispatches(connection: "asyncpg.Connection[asyncpg.Record]") -> dict[str, Record]:
    parts: dict[str, dict[str, tuple[Step, ...]]] = {}
    for row in await connection.fetch("select dispatch_id, asset_id, transitions from allocations"):
        steps = tuple(Step(*step) for step in json.loads(row["transitions"]))
        parts.setdefault(str(row["dispatch_id"]), {})[str(row["asset_id"])] = steps
    return {
        str(row["id"]): Record(row["state"], microseconds(row["submitted_at"]), parts.get(str(row["id"]), {}))
        for row in await connection.fetch("select id, state, submitted_at from dispatches")
    }
