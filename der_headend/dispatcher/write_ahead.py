"""What has to be on record before anything is sent, so that a kill right after leaves no false record behind.

A record is stored as *sent* before its parts go to their agents: a headend that starts again then takes for possible
what may have arrived, asks the agent, and never says that it was not sent. While the store is away there is no waiting
for it: the command goes out, and the record is stored later.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from der_core.dispatch import Dispatch
from der_core.errors import Defect, Unavailable
from der_core.lifecycle import State, Transition
from der_core.request import HEADEND
from der_headend.ports import Batch, Journal, WriteBehind
from der_runtime.logs import get_logger

STORE_PATIENCE_S = 1.0

Agents = Mapping[UUID, str]
"""Agents by asset."""

_log = get_logger("der_headend.dispatcher")


class WriteAhead:
    """Stores at once what cannot wait for ``later``."""

    def __init__(self, *, journal: Journal, later: WriteBehind) -> None:
        self._journal = journal
        self._later = later

    async def new(self, record: Dispatch, agents: Agents, now: datetime) -> bool:
        """Store a record, new or changed, of which parts go to these agents next.

        ``False`` if the store is away or slow.

        Raises:
            Defect: the store refuses it.
        """
        return await self._commit([_as_sent(record, agents, now)])

    async def waiting(self, records: Iterable[Dispatch], agents: Agents, now: datetime) -> set[UUID]:
        """Store those records anew of which parts that were never sent go to these agents next.

        Returns the ids of those that could not be stored: they must not go, or a headend that is killed now and starts
        again would find them on record as never sent.
        """
        return await self._left_out(
            [sent for record in records if (sent := _as_sent(record, agents, now)) is not record]
        )

    async def _left_out(self, records: Sequence[Dispatch]) -> set[UUID]:
        """Store records; returns the ids of those that could not be stored."""
        try:
            if not records or await self._commit(records):
                return set()
        except Defect as defect:
            if len(records) > 1:  # one that is refused must not hold up the others
                return set().union(*[await self._left_out([record]) for record in records])
            _log.error(
                "store refused a dispatch, not sent", dispatch_id=str(records[0].id), reason=defect.detail
            )
        return {record.id for record in records}

    async def _commit(self, records: Sequence[Dispatch]) -> bool:
        if self._later.away:
            return False
        try:
            async with asyncio.timeout(STORE_PATIENCE_S):
                await self._journal.commit(Batch(dispatches={record.id: record for record in records}))
        except (Unavailable, TimeoutError) as error:
            self._later.missed()
            ids = [str(record.id) for record in records]
            _log.warning("dispatch not stored yet", dispatch_ids=ids, reason=str(error))
            return False
        return True


def _as_sent(record: Dispatch, agents: Agents, now: datetime) -> Dispatch:
    going = [
        part.asset_id
        for part in record.allocations
        if part.asset_id in agents and part.state is State.QUEUED and part.never_sent
    ]
    return record.moved(Transition(State.SENT, now, HEADEND), going, agents=agents) if going else record
