"""A share of the fleet, in one process: connects it, makes its frames on a fixed grid of time, and drains it.

The ticks of the agents are spread over the tick, in groups ``SLOT_S`` apart: one group's assets are one stretch of the
plant's arrays. A group that comes more than a tick too late is skipped and counted, not made up for.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TypeVar

from der_core.assets import Asset, AssetType
from der_core.signals import CATALOGUE
from der_fleet.faults import Faults, without
from der_fleet.gateway import LOOKS, Gateway
from der_fleet.plant import CORE_PLACES, OTHER_PLACES, PLANT_PLACES, Plant
from der_fleet.tally import Tally
from der_fleet.template import FrameTemplate
from der_runtime.clock import Clock
from der_wire.codec import state_signals
from der_wire.fields import micros

SLOT_S = 0.02
REGISTERING_AT_ONCE = 256
_LOOK_S = 0.02
_ASK_EVERY_S = 2.0
_CLOSE_WITHIN_S = 2.0
_STATES = frozenset(state_signals(CATALOGUE))
_SUNNY = frozenset({AssetType.PV, AssetType.WIND})

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring agents whose frames have one shape; ``assets`` is their stretch of the plant."""

    gateways: Sequence[Gateway]
    assets: slice
    template: FrameTemplate


class Fleet:
    """Runs gateways, which are in order of the places of their assets in the plant."""

    def __init__(
        self,
        gateways: Sequence[Gateway],
        *,
        plant: Plant,
        faults: Faults,
        tally: Tally,
        clock: Clock,
        tick_s: float,
        heartbeat_s: float,
        all_signals: bool,
    ) -> None:
        self._gateways = gateways
        self._plant = plant
        self._faults = faults
        self._tally = tally
        self._clock = clock
        self._tick_s = tick_s
        self._heartbeat_s = heartbeat_s
        self._all_signals = all_signals
        self._templates: dict[tuple[int, bool], FrameTemplate] = {}
        count = max(min(round(tick_s / SLOT_S), len(gateways)), 1)
        self._slots = [list(self._runs(part)) for part in _parts(gateways, count)]
        self._began_s = clock.monotonic()
        self._cpu_before_s = time.process_time()

    async def connect(self, *, within_s: float, stop: asyncio.Event) -> None:
        """Return when all agents are registered or the time is up.

        Only so many are under way at once: what a fleet does to a headend that comes back is a matter of its own.
        """
        waiting, under_way = deque(self._gateways), list[Gateway]()

        def all_connected() -> bool:
            under_way[:] = [gateway for gateway in under_way if not gateway.tried]
            while waiting and len(under_way) < REGISTERING_AT_ONCE:
                under_way.append(waiting.popleft())
                under_way[-1].connect()
            return self._tally.connected == len(self._gateways)

        await self._until(all_connected, within_s, stop)
        for gateway in waiting:
            gateway.connect()

    async def tick(self, duration_s: float | None, stop: asyncio.Event) -> float:
        """Make frames for so long, or until told to stop; returns the seconds that took."""
        slot_s = self._tick_s / len(self._slots)
        slots = None if duration_s is None else max(round(duration_s / self._tick_s), 1) * len(self._slots)
        began_s = self._began_s = self._clock.monotonic()
        self._cpu_before_s = time.process_time()
        at = 0
        while at != slots and not stop.is_set():
            due_s = began_s + at * slot_s
            await self._clock.sleep_until(due_s)
            runs = self._slots[at % len(self._slots)]
            if self._clock.monotonic() - due_s > self._tick_s:
                self._tally.frames_skipped += sum(len(run.gateways) for run in runs)
            else:
                for run in runs:
                    self._make(run)
            at += 1
        if not stop.is_set():
            await self._clock.sleep_until(began_s + at * slot_s)
        return self._clock.monotonic() - began_s

    async def beat(self) -> None:
        """Have each agent send its heartbeat when it is due, for ever."""
        look_s = self._heartbeat_s / LOOKS
        parts = list(_parts(self._gateways, max(round(look_s / SLOT_S), 1)))
        due_s = self._clock.monotonic()
        while True:
            for part in parts:
                due_s += look_s / len(parts)
                await self._clock.sleep_until(due_s)
                now_s = self._clock.monotonic()
                for gateway in part:
                    gateway.beat(now_s)

    async def drain(self, *, within_s: float) -> None:
        """Leave the assets safe and wait until all is acknowledged, or the time is up.

        The headend says how far it is when it is asked, so those that wait for nothing else ask again and again.
        """
        for gateway in self._gateways:
            gateway.leave_safe()
        tally, clock = self._tally, self._clock
        asked_s = clock.monotonic()

        def done() -> bool:
            nonlocal asked_s
            now_s = clock.monotonic()
            if now_s >= asked_s + _ASK_EVERY_S:
                asked_s = now_s
                for gateway in self._gateways:
                    if gateway.waits_for_acknowledgement:
                        gateway.ask(now_s)
            return tally.records_acknowledged + tally.records_dropped == tally.records_generated

        await self._until(done, within_s, asyncio.Event())

    async def close(self) -> None:
        """End the streams in order, for a short time at most, and the spools."""
        for gateway in self._gateways:
            gateway.finish()
        await self._until(lambda: self._tally.connected == 0, _CLOSE_WITHIN_S, asyncio.Event())
        for gateway in self._gateways:
            await gateway.spool.close()

    def tally(self) -> Tally:
        """The ledger as it stands at this moment."""
        now_s = self._clock.monotonic()
        waiting_since_s = (gateway.spool.oldest_s for gateway in self._gateways)
        oldest_s = min((since_s for since_s in waiting_since_s if since_s is not None), default=now_s)
        tally = self._tally
        tally.lag_s = now_s - oldest_s
        tally.max_lag_s = max(tally.max_lag_s, tally.lag_s)
        tally.cpu_s = time.process_time() - self._cpu_before_s
        tally.refused.clear()
        tally.refused.update(g.refusal.code for g in self._gateways if g.refusal is not None)
        return replace(tally, refused=tally.refused.copy())

    def troubles(self) -> Iterator[str]:
        """Why agents have no link."""
        return (gateway.trouble for gateway in self._gateways if gateway.trouble is not None)

    def spool_trouble(self) -> str | None:
        """Why some spool cannot keep records, if one cannot."""
        return next((g.spool.trouble for g in self._gateways if g.spool.trouble is not None), None)

    # ------------------------------------------------------------------------------------------------- frames

    def _make(self, run: Run) -> None:
        utc, now_s = self._clock.now(), self._clock.monotonic()
        columns = self._plant.step(run.assets, seconds=self._tick_s, elapsed_s=now_s - self._began_s, utc=utc)
        if self._all_signals:
            columns |= self._plant.others(run.assets, elapsed_s=now_s - self._began_s, utc=utc)
        self._faults.strike(run.gateways, run.assets.start, self._tick_s, columns)
        for gateway, body in zip(run.gateways, run.template.bodies(micros(utc), columns), strict=True):
            samples = len(gateway.agent.assets)
            if gateway.stale:
                gateway.frame(without(body, gateway.stale, samples), samples - len(gateway.stale), now_s)
            else:
                gateway.frame(body, samples, now_s)

    def _runs(self, part: Sequence[Gateway]) -> Iterator[Run]:
        for (assets, sunny), some in groupby(part, key=lambda gateway: shape(gateway.agent.assets)):
            gateways = list(some)
            first = gateways[0].agent.first
            yield Run(gateways, slice(first, first + assets * len(gateways)), self._template(assets, sunny))

    def _template(self, assets: int, sunny: bool) -> FrameTemplate:  # noqa: FBT001 - part of a shape
        if (assets, sunny) not in self._templates:
            others = OTHER_PLACES if self._all_signals else ()
            signals = (*CORE_PLACES, *(PLANT_PLACES if sunny else ()), *others)
            self._templates[assets, sunny] = FrameTemplate(assets=assets, signals=signals, states=_STATES)
        return self._templates[assets, sunny]

    async def _until(self, condition: Callable[[], bool], within_s: float, stop: asyncio.Event) -> None:
        end_s = self._clock.monotonic() + within_s
        while not condition() and not stop.is_set() and self._clock.monotonic() < end_s:
            await self._clock.sleep_until(self._clock.monotonic() + _LOOK_S)


def shape(assets: Sequence[Asset]) -> tuple[int, bool]:
    """What decides the layout of an agent's frames: how many assets, and whether one of them has a sun or a wind."""
    return len(assets), any(asset.asset_type in _SUNNY for asset in assets)


def _parts(items: Sequence[T], count: int) -> Iterator[Sequence[T]]:
    """The items in order in so many parts, as even as can be."""
    for at in range(count):
        yield items[len(items) * at // count : len(items) * (at + 1) // count]
