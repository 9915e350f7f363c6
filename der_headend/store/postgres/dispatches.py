"""Dispatches in the database: a row for the whole, one per asset's part, each with its transitions as json.

A record comes back exactly as it was, its stages included: ``der_core.lifecycle.restore`` goes through the transitions
again and refuses a list that could not have happened.
"""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from der_core.dispatch import Allocation, Dispatch, Target
from der_core.errors import Defect
from der_core.lifecycle import Stage, State, Transition, restore
from der_headend.cursor import decode_moment, encode_moment
from der_headend.ports import DispatchQuery, Page
from der_headend.store.postgres import queries
from der_headend.store.postgres.connection import Connection, Database
from der_headend.store.postgres.moments import microseconds, moment, plain, plain_or_none
from der_runtime.breather import Breather
from der_runtime.right_of_way import RightOfWay

_DECODED_AT_ONCE = 100

_SQL = queries.load("dispatches.sql")


async def put(connection: Connection, dispatches: Sequence[Dispatch]) -> None:
    """Store the newest record of each; one that is older than what is stored changes nothing."""
    parts = [(d.id, place, a) for d in dispatches for place, a in enumerate(d.allocations)]
    await connection.execute(
        _SQL["put"],
        [d.id for d in dispatches],
        [d.target.value for d in dispatches],
        [d.asset_id for d in dispatches],
        [d.site_id for d in dispatches],
        [d.requested_mw for d in dispatches],
        [d.duration_s for d in dispatches],
        [d.ttl_s for d in dispatches],
        [d.submitted_at for d in dispatches],
        [d.expires_at for d in dispatches],
        [d.state.value for d in dispatches],
        [d.state.final for d in dispatches],
        [d.unserved_mw for d in dispatches],
        [d.cancel_requested_at for d in dispatches],
        [json.dumps([plain(w) for w in d.warnings]) for d in dispatches],
        [_written(d.stage) for d in dispatches],
        [_steps(d) for d in dispatches],
        [id for id, _, _ in parts],
        [a.asset_id for _, _, a in parts],
        [place for _, place, _ in parts],
        [plain_or_none(a.agent_id) for _, _, a in parts],
        [a.state.value for _, _, a in parts],
        [a.capacity_mwhr for _, _, a in parts],
        [a.weight for _, _, a in parts],
        [a.raw_mw for _, _, a in parts],
        [a.clamped_mw for _, _, a in parts],
        [a.mw for _, _, a in parts],
        [a.applied_mw for _, _, a in parts],
        [a.measured_mw for _, _, a in parts],
        [plain_or_none(a.note) for _, _, a in parts],
        [_written(a.stage) for _, _, a in parts],
    )


class PostgresDispatches:
    """A ``DispatchStore``. ``at_start`` is the database for what a headend reads before it serves anybody."""

    def __init__(self, database: Database, *, at_start: Database, right_of_way: RightOfWay) -> None:
        self._database = database
        self._at_start = at_start
        self._right_of_way = right_of_way

    async def get(self, dispatch_id: UUID) -> Dispatch | None:
        """One dispatch by id."""
        return next(iter(await self._whole(self._database, "get", dispatch_id)), None)

    async def page(self, query: DispatchQuery) -> Page[Dispatch]:
        """Some dispatches, newest first; ``start`` and ``end`` bound when they were submitted."""
        before = (None, None) if query.cursor is None else decode_moment(query.cursor)
        found = await self._whole(
            self._database,
            "page",
            query.asset_id,
            query.site_id,
            None if query.state is None else query.state.value,
            query.start,
            query.end,
            *before,
            query.limit + 1,
        )
        items = found[: query.limit]
        more = len(found) > query.limit
        return Page(items, encode_moment(items[-1].submitted_at, items[-1].id) if more else None)

    async def unfinished(self) -> Sequence[Dispatch]:
        """All that have not ended, oldest first."""
        return await self._whole(self._at_start, "unfinished")

    async def newest(self, count: int) -> Sequence[Dispatch]:
        """So many of the newest, newest first."""
        return await self._whole(self._at_start, "newest", count)

    async def _whole(self, database: Database, query: str, *arguments: Any) -> list[Dispatch]:
        """The dispatches that a query finds, with their parts, all as of one moment."""
        async with database.transaction(snapshot=True) as connection:
            records = await connection.fetch(_SQL[query], *arguments)
            parts = await connection.fetch(_SQL["allocations"], [record["id"] for record in records])
        # What may be 100,000 parts is decoded when the database no longer waits for it, and all else goes on meanwhile.
        allocations: dict[UUID, list[Allocation]] = {record["id"]: [] for record in records}
        async for part in self._in_pieces(parts):
            allocations[part["dispatch_id"]].append(_allocation(part))
        return [
            _dispatch(record, tuple(allocations[record["id"]])) async for record in self._in_pieces(records)
        ]

    async def _in_pieces(self, records: Sequence[asyncpg.Record]) -> AsyncIterator[asyncpg.Record]:
        breather = Breather(self._right_of_way)
        for begin in range(0, len(records), _DECODED_AT_ONCE):
            for record in records[begin : begin + _DECODED_AT_ONCE]:
                yield record
            await breather.pause()


def _dispatch(record: asyncpg.Record, allocations: tuple[Allocation, ...]) -> Dispatch:
    return Dispatch(
        id=record["id"],
        target=Target(record["target"]),
        asset_id=record["asset_id"],
        site_id=record["site_id"],
        requested_mw=record["requested_mw"],
        duration_s=record["duration_s"],
        ttl_s=record["ttl_s"],
        submitted_at=record["submitted_at"],
        expires_at=record["expires_at"],
        stage=_read(record["transitions"], record["id"]),
        allocations=allocations,
        warnings=tuple(record["warnings"]),
        cancel_requested_at=record["cancel_requested_at"],
    )


def _allocation(record: asyncpg.Record) -> Allocation:
    return Allocation(
        asset_id=record["asset_id"],
        stage=_read(record["transitions"], record["dispatch_id"]),
        agent_id=record["agent_id"],
        capacity_mwhr=record["capacity_mwhr"],
        weight=record["weight"],
        raw_mw=record["raw_mw"],
        clamped_mw=record["clamped_mw"],
        mw=record["mw"],
        applied_mw=record["applied_mw"],
        measured_mw=record["measured_mw"],
        note=record["note"],
    )


def _written(stage: Stage) -> str:
    return json.dumps(
        [(t.state, microseconds(t.at), plain(t.by), plain_or_none(t.reason)) for t in stage.transitions]
    )


def _read(transitions: str, dispatch_id: UUID) -> Stage:
    steps = [Transition(State(s), moment(us), by, reason) for s, us, by, reason in json.loads(transitions)]
    try:
        return restore(steps)
    except ValueError as error:
        raise Defect(
            "stored_dispatch_impossible", f"dispatch {dispatch_id} as it is stored: {error}"
        ) from error


def _steps(dispatch: Dispatch) -> int:
    return len(dispatch.stage.transitions) + sum(len(a.stage.transitions) for a in dispatch.allocations)
