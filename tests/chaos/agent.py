"""The agent of a chaos run: ``edge_agent`` as it is, with a logbook at its spool and at its drivers.

Started as ``python -m chaos.agent`` with the environment of ``edge_agent`` and ``CHAOS_LOGBOOK``, the folder for the
logbook. Each asset also has a fault that flickers, so that there are always events.
"""

import math
import os
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch
from uuid import UUID

from chaos.logbook import LogbookWriter
from der_core.assets import Asset
from der_core.events import Severity
from der_core.signals import CATALOGUE, CURRENT_MW
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import report_from_wire
from edge_agent import factory
from edge_agent.decisions import Applied, NotApplied, Write
from edge_agent.guarded import GuardedDriver
from edge_agent.main import main as edge_agent_main
from edge_agent.outbox import Outbox
from edge_agent.ports import Driver, Fault, Reading, Spool, Spooled, SpoolStatus

FLICKERS_PER_READING = 0.02
_FLICKER = Fault("chaos_flicker", Severity.INFO, "a fault that comes and goes")
_CURRENT_MW = CATALOGUE.index(CURRENT_MW)


class LoggedSpool:
    """A spool that says what it is given, and whether it has kept it."""

    def __init__(self, spool: Spool, *, book: LogbookWriter, assets: Sequence[UUID]) -> None:
        self._spool = spool
        self._book = book
        self._assets = [str(asset) for asset in assets]
        self._told = (0, 0)
        self._tell()

    @property
    def spool_id(self) -> UUID:
        return self._spool.spool_id

    async def append(self, bodies: Sequence[bytes], notes: Mapping[str, bytes | None] | None = None) -> int:
        records = [self._readable(pb.Record.FromString(body)) for body in bodies]
        number = self._book.write("intent", spool=str(self.spool_id), records=records) if records else 0
        last = await self._spool.append(bodies, notes)
        if records and self._spool.status().trouble is None:
            self._book.write("done", of=number, last=last)
        self._tell()
        return last

    async def read(self, after_seq: int, limit: int) -> Sequence[Spooled]:
        return await self._spool.read(after_seq, limit)

    async def acknowledge(self, through_seq: int) -> None:
        await self._spool.acknowledge(through_seq)

    def status(self) -> SpoolStatus:
        return self._spool.status()

    async def close(self) -> None:
        await self._spool.close()

    def _tell(self) -> None:
        """Say how far it begins, whenever it has dropped something."""
        status = self._spool.status()
        if status.dropped != self._told[1]:
            self._told = (status.first_seq, status.dropped)
            self._book.write(
                "spool", spool=str(self.spool_id), first_seq=status.first_seq, dropped=status.dropped
            )

    def _readable(self, record: pb.Record) -> dict[str, Any]:
        match record.WhichOneof("body"):
            case "frame":
                return {"frame": record.frame.timestamp_us, "mw": self._megawatts(record.frame)}
            case "event":
                return {"event": record.event.id, "code": record.event.code}
            case "report":
                report = report_from_wire(record.report)
                parts = [(str(part.asset_id), part.state, part.reason) for part in report.allocations]
                return {
                    "report": str(report.dispatch_id),
                    "of_us": record.report.at_us,
                    "parts": parts,
                }
        return {}

    def _megawatts(self, frame: pb.Frame) -> dict[str, float | None]:
        places = frame.assets or range(len(self._assets))
        column = next((c.values for c in frame.columns if c.signal == _CURRENT_MW), None)
        values = [math.nan] * len(places) if column is None else column
        return {
            self._assets[place]: None if math.isnan(mw) else mw
            for place, mw in zip(places, values, strict=True)
        }


class LoggedDriver(GuardedDriver):
    """A guarded driver that says what it is told."""

    def __init__(
        self, *, asset: Asset, driver: Driver, read_limit_s: float, write_limit_s: float, book: LogbookWriter
    ) -> None:
        super().__init__(
            asset=asset, driver=_Flickering(driver), read_limit_s=read_limit_s, write_limit_s=write_limit_s
        )
        self._book = book

    async def write(self, write: Write) -> Applied | NotApplied:
        dispatch = None if write.order is None else str(write.order.dispatch_id)
        number = self._book.write("write", asset=str(write.asset_id), dispatch=dispatch, mw=write.setpoint_mw)
        result = await super().write(write)
        self._book.write("written", of=number, applied=isinstance(result, Applied))
        return result


class _Flickering:
    """A driver with one more fault, now and then."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver
        self._flickers = False

    async def read(self) -> Reading:
        reading = await self._driver.read()
        if random.random() < FLICKERS_PER_READING:
            self._flickers = not self._flickers
        return replace(reading, faults=(*reading.faults, _FLICKER)) if self._flickers else reading

    async def write(self, setpoint_mw: float | None) -> float:
        return await self._driver.write(setpoint_mw)

    def online(self) -> bool:
        return self._driver.online()

    async def close(self) -> None:
        await self._driver.close()


def _outbox(book: LogbookWriter, *, spool: Spool, places: Mapping[UUID, int], **others: Any) -> Outbox:
    assets = sorted(places, key=lambda asset_id: places[asset_id])
    return Outbox(spool=LoggedSpool(spool, book=book, assets=assets), places=places, **others)


def main() -> int:
    """Run the agent; returns its exit code."""
    book = LogbookWriter(Path(os.environ["CHAOS_LOGBOOK"]))
    with (
        patch.object(factory, "Outbox", partial(_outbox, book)),
        patch.object(factory, "GuardedDriver", partial(LoggedDriver, book=book)),
    ):
        return edge_agent_main([])


if __name__ == "__main__":
    sys.exit(main())
