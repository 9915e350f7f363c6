"""A simulated machine on the clock and behind the driver port."""

from collections.abc import Callable, Iterator
from datetime import datetime

from der_core.assets import Asset
from der_core.signals import CURRENT_MW, FREQUENCY_HZ, TEMPERATURE_C, VOLTAGE_V
from edge_agent.drivers.simulator import environment
from edge_agent.drivers.simulator.faults import FaultKind, Span
from edge_agent.drivers.simulator.machine import Machine, Moment
from edge_agent.ports import DriverFailed, Reading


class SimulatedDriver:
    """Implements ``edge_agent.ports.Driver``; every call first brings the machine up to the present moment."""

    def __init__(
        self,
        *,
        asset: Asset,
        machine: Machine,
        spans: Iterator[Span],
        seed: str,
        monotonic: Callable[[], float],
        utcnow: Callable[[], datetime],
    ) -> None:
        self._asset = asset
        self._machine = machine
        self._spans = spans
        self._span = next(spans)
        self._seed = seed
        self._monotonic = monotonic
        self._utcnow = utcnow
        self._began_s = monotonic()
        self._advanced_s = 0.0

    async def read(self) -> Reading:
        """What the machine shows now.

        Raises:
            DriverFailed: while its connection is out.
        """
        moment = self._advance()
        self._require_connection()
        shown = self._machine.values(moment, self._span.condition)
        loading = self._loading(shown[CURRENT_MW.name])
        values = {
            **shown,
            VOLTAGE_V.name: environment.voltage_v(self._seed, moment, loading),
            FREQUENCY_HZ.name: environment.frequency_hz(self._seed, moment),
        }
        fault = self._span.fault
        if self._asset.asset_type.controllable:
            uncooled_s = moment.elapsed_s - self._span.since_s if fault is FaultKind.HVAC else 0.0
            values[TEMPERATURE_C.name] = environment.temperature_c(self._seed, moment, loading, uncooled_s)
        return Reading(values, (fault.value,) if fault else ())

    async def write(self, setpoint_mw: float | None) -> float:
        """Give the machine a setpoint (MW, positive = discharge / export) and return what it accepted.

        Raises:
            DriverFailed: while its connection is out, or where it takes no setpoints.
        """
        moment = self._advance()
        self._require_connection()
        self._machine = self._machine.told(setpoint_mw, moment)
        return self._machine.accepted_mw

    def online(self) -> bool:
        """Whether its connection is up."""
        self._advance()
        return self._span.fault is not FaultKind.COMMS

    async def close(self) -> None:
        """Nothing is held."""

    def _advance(self) -> Moment:
        moment = Moment(self._monotonic() - self._began_s, self._utcnow())
        while self._advanced_s < moment.elapsed_s:
            until_s = min(self._span.until_s, moment.elapsed_s)
            self._machine = self._machine.after(until_s - self._advanced_s, self._span.condition)
            self._advanced_s = until_s
            if until_s == self._span.until_s:
                self._span = next(self._spans)
        return moment

    def _require_connection(self) -> None:
        if self._span.fault is FaultKind.COMMS:
            raise DriverFailed(f"{self._asset.name}: {FaultKind.COMMS.value.message}")

    def _loading(self, mw: float | str) -> float:
        rating = max(abs(self._asset.max_mw), abs(self._asset.min_mw))
        return float(mw) / rating if rating > 0.0 else 0.0
