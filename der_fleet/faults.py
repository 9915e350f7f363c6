"""Trouble on demand: links that break, assets that fall silent, alarms, and values that cannot be.

Each kind comes at a rate per agent and minute, drawn from a seed. What is generated stays countable: every frame, with
a bad value or without a silent asset, is one that the headend stores.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from der_core.events import EventKind, Severity
from der_core.signals import CATALOGUE, CURRENT_MW
from der_fleet.gateway import Gateway
from der_fleet.plant import Plant
from der_fleet.rates import Rates
from der_fleet.template import Values
from der_wire._gen import agent_link_pb2 as pb

_SHORTEST_S, _LONGEST_S = 30.0, 180.0
_BAD_MW = 9_999.0
_CURRENT = CATALOGUE.index(CURRENT_MW)
_ALARMS = (
    ("inverter_trip", Severity.CRITICAL, "The inverter has tripped; power is 0 MW."),
    ("hvac_fault", Severity.WARNING, "The air conditioning is out; temperature is rising."),
    ("door_open", Severity.WARNING, "A door is open."),
)


class Faults:
    """Trouble for the gateways of one process."""

    def __init__(self, rates: Rates, *, plant: Plant, rng: random.Random) -> None:
        self._rates = rates
        self._plant = plant
        self._rng = rng

    def strike(
        self, gateways: Sequence[Gateway], first: int, seconds: float, columns: Mapping[int, Values]
    ) -> None:
        """What befalls some gateways in so many seconds; ``columns`` of their assets begin at place ``first``."""
        for gateway in self._chosen(gateways, self._rates.link, seconds):
            gateway.drop("dropped on purpose")
        for gateway in self._chosen(gateways, self._rates.stale, seconds):
            self._silence(gateway)
        for gateway in self._chosen(gateways, self._rates.alarm, seconds):
            self._alarm(gateway)
        for gateway in self._chosen(gateways, self._rates.bad, seconds):
            at = gateway.agent.first - first + self._rng.randrange(len(gateway.agent.assets))
            columns[_CURRENT][at] = self._rng.choice((np.nan, _BAD_MW, -_BAD_MW))

    def _chosen(self, gateways: Sequence[Gateway], per_minute: float, seconds: float) -> list[Gateway]:
        if not per_minute:
            return []
        expected = len(gateways) * per_minute * seconds / 60.0
        count = int(expected) + (self._rng.random() < expected % 1.0)
        return [self._rng.choice(gateways) for _ in range(count)]

    def _silence(self, gateway: Gateway) -> None:
        place = self._rng.randrange(len(gateway.agent.assets))
        if place in gateway.stale or len(gateway.stale) == len(gateway.agent.assets) - 1:
            return  # a frame needs an asset
        asset_id = gateway.agent.assets[place].id
        gateway.stale.add(place)
        code, message = "asset_not_answering", "The asset does not answer."
        gateway.event(asset_id, EventKind.RAISED, Severity.WARNING, code, message)

        def end() -> None:
            gateway.stale.discard(place)
            gateway.event(asset_id, EventKind.CLEARED, Severity.INFO, code, message)

        self._later(end)

    def _alarm(self, gateway: Gateway) -> None:
        place = self._rng.randrange(len(gateway.agent.assets))
        asset_id, at = gateway.agent.assets[place].id, gateway.agent.first + place
        code, severity, message = self._rng.choice(_ALARMS)
        trips = severity is Severity.CRITICAL
        if trips and self._plant.tripped[at]:
            return
        self._plant.tripped[at] |= trips
        gateway.event(asset_id, EventKind.RAISED, severity, code, message)

        def end() -> None:
            if trips:
                self._plant.tripped[at] = False
            gateway.event(asset_id, EventKind.CLEARED, Severity.INFO, code, message)

        self._later(end)

    def _later(self, end: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(self._rng.uniform(_SHORTEST_S, _LONGEST_S), end)


def without(body: bytes, silent: set[int], assets: int) -> bytes:
    """A serialised ``Record`` with a frame of all assets in order, without the silent ones."""
    record = pb.Record.FromString(body)
    heard = [place for place in range(assets) if place not in silent]
    frame = record.frame
    kept = pb.Frame(
        timestamp_us=frame.timestamp_us,
        assets=heard,
        columns=[
            pb.Column(
                signal=column.signal,
                values=[column.values[place] for place in heard] if column.values else None,
                codes=[column.codes[place] for place in heard] if column.codes else None,
            )
            for column in frame.columns
        ],
    )
    return pb.Record(frame=kept).SerializeToString()
