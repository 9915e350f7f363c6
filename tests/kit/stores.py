"""One store behind all its ports, as the contract suites take it."""

from dataclasses import dataclass

from der_headend.ports import DispatchStore, EventStore, HeartbeatStore, Journal, TelemetryStore

ASSETS = 4
"""Size of the fleet whose samples are stored."""


@dataclass(frozen=True, kw_only=True)
class Stores:
    """An empty store."""

    journal: Journal
    dispatches: DispatchStore
    events: EventStore
    heartbeats: HeartbeatStore
    telemetry: TelemetryStore
