"""What the headend tells Prometheus, read from the parts when it is scraped: so counting costs them next to nothing.

Names and units follow Prometheus: base units, ``_total`` for what only grows, no series for each agent or asset. What
is asked of agents is their sum, as of the last heartbeat of each that is connected.
"""

import math
import platform
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from der_core.events import Severity
from der_core.freshness import STALE_AFTER_S
from der_core.lifecycle import State
from der_headend.absences import Absences
from der_headend.admissions import Admissions
from der_headend.alarms import Alarms
from der_headend.announcements import Announcements
from der_headend.dispatcher.tally import Tally
from der_headend.fleet import Fleet
from der_headend.ingest import Ingest
from der_headend.measures import Distribution, SessionCounts
from der_headend.ports import StoreLife
from der_headend.sessions import (
    CLOSED_BY_AGENT,
    HEADEND_STOPPING,
    HEARTBEAT_MISSED,
    LINK_LOST,
    REPLACED,
    Sessions,
)
from der_headend.turns import Turns
from der_runtime.clock import Clock
from der_runtime.right_of_way import RightOfWay

_ENDS = tuple(state for state in State if state.final)
_CLOSED = {
    CLOSED_BY_AGENT: "agent_closed",
    HEARTBEAT_MISSED: "heartbeat_missed",
    LINK_LOST: "link_lost",
    REPLACED: "replaced",
    HEADEND_STOPPING: "headend_stopping",
}
_CLOSED_OTHERWISE = "agent_misbehaved"


class HeadendMetrics(Collector):
    """The headend's metrics."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        alarms: Alarms,
        sessions: Sessions,
        absences: Absences,
        admissions: Admissions,
        ingest: Ingest,
        turns: Turns,
        right_of_way: RightOfWay,
        dispatches: Tally,
        announcements: Announcements,
        store: StoreLife,
        clock: Clock,
        loop_lag_s: Distribution,
        version: str,
    ) -> None:
        self._fleet = fleet
        self._alarms = alarms
        self._sessions = sessions
        self._absences = absences
        self._admissions = admissions
        self._ingest = ingest
        self._turns = turns
        self._right_of_way = right_of_way
        self._dispatches = dispatches
        self._announcements = announcements
        self._store = store
        self._clock = clock
        self._loop_lag_s = loop_lag_s
        self._version = version

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        build = {"version": self._version, "python": platform.python_version()}
        yield InfoMetricFamily("der_build", "Version of the headend and of Python", value=build)
        yield _histogram(
            "der_event_loop_lag_seconds",
            "How late the event loop was with what was due, looked at four times a second, in seconds",
            self._loop_lag_s,
        )
        yield from self._of_fleet()
        yield from self._of_sessions(self._sessions.counts)
        yield from self._of_spools()
        yield from self._of_ingest()
        yield from self._of_store()
        yield from self._of_dispatches()
        yield _gauge(
            "der_stream_listeners", "Open streams of changes (GET /stream)", self._announcements.listeners
        )
        yield _counter(
            "der_stream_announcements_lost",
            "Changes that listeners did not get, for they did not keep up, each counted for itself",
            self._announcements.lost,
        )

    def _of_fleet(self) -> Iterator[Metric]:
        yield _gauge("der_assets", "Assets in the inventory", len(self._fleet.assets))
        yield _gauge("der_assets_served", "Assets whose agent is connected", self._sessions.sums.assets)
        heard, power_mw = self._heard()
        yield _gauge(
            "der_assets_heard",
            "Assets whose agent is connected and whose values are not stale",
            heard,
        )
        yield _gauge(
            "der_fleet_power_watts",
            "Power of the assets that are heard, in watts: positive = discharge / export, negative = charge / import",
            power_mw * 1e6 if heard else None,
        )
        raised = Counter(alarm.event.severity for alarm in self._alarms.active())
        yield _gauges("der_alarms_raised", "Alarms raised now", "severity", {s: raised[s] for s in Severity})

    def _heard(self) -> tuple[int, float]:
        """How many assets are heard, and their power in MW, as in the sums of REST."""
        fleet = self._fleet
        fresh_us = int((self._clock.now().timestamp() - STALE_AFTER_S) * 1e6)
        heard = self._sessions.served & (fleet.timestamp_us >= fresh_us)
        heard &= np.isfinite(fleet.columns["current_mw"])
        # Without a copy of what may be a million numbers.
        return int(np.count_nonzero(heard)), float(fleet.columns["current_mw"].sum(where=heard))

    def _of_sessions(self, counts: SessionCounts) -> Iterator[Metric]:
        yield _gauge("der_sessions", "Agents connected", len(self._sessions.live))
        yield _gauge(
            "der_agents_lost",
            "Agents away for two minutes that did not go on purpose, some of their assets not served since",
            self._absences.missed,
        )
        yield _counters(
            "der_agents_refused",
            "Registrations of agents that were refused",
            "reason",
            self._admissions.refused_counts,
        )
        yield _counter("der_sessions_opened", "Sessions of agents opened", counts.opened)
        closed: Counter[str] = Counter(dict.fromkeys((*_CLOSED.values(), _CLOSED_OTHERWISE), 0))
        for reason, count in counts.closed.items():
            closed[_CLOSED.get(reason, _CLOSED_OTHERWISE)] += count
        yield _counters("der_sessions_closed", "Sessions of agents closed", "reason", closed)
        yield _counter("der_heartbeats_received", "Heartbeats of agents received", counts.heartbeats)
        yield _counter(
            "der_heartbeats_missed",
            "Heartbeats of connected agents that were overdue by half their interval, or did not come",
            counts.heartbeats_missed,
        )
        yield _counter(
            "der_heartbeats_dropped",
            "Heartbeats not stored, for too many waited for the store",
            self._ingest.heartbeats_dropped,
        )

    def _of_spools(self) -> Iterator[Metric]:
        sums = self._sessions.sums
        yield _gauge(
            "der_agent_spool_records",
            "Records that connected agents hold and the headend lacks",
            sums.spooled_records,
        )
        yield _gauge("der_agent_spool_bytes", "Size of those records, in bytes", sums.spooled_bytes)
        yield _gauge(
            "der_agents_waiting",
            "Connected agents that wait for their turn to be told what is stored, and so to send on",
            self._turns.waiting,
        )
        yield _counter(
            "der_right_of_way_seconds",
            "Time in which commands under way had the right of way before what agents send, in seconds",
            self._right_of_way.given_s,
        )
        yield _counter(
            "der_agent_records_dropped",
            "Records that agents gave up for want of space, as far as their heartbeats told",
            self._sessions.counts.records_dropped,
        )

    def _of_ingest(self) -> Iterator[Metric]:
        too_old = self._store.samples_too_old
        yield _counter(
            "der_ingest_rows", "Samples stored (one moment of one asset)", self._ingest.rows_stored - too_old
        )
        yield _counter(
            "der_ingest_rows_too_old", "Samples not stored, for they were older than what is kept", too_old
        )
        yield _gauges("der_ingest_waiting", "Taken and not stored yet", "kind", self._ingest.waiting)
        yield _gauge(
            "der_ingest_lag_seconds",
            "How long the oldest sample taken and not stored yet has been waiting, in seconds",
            self._ingest.lag_s,
        )
        yield _counters(
            "der_ingest_set_aside",
            "Records that could not be used or stored",
            "reason",
            self._ingest.set_aside_counts,
        )

    def _of_store(self) -> Iterator[Metric]:
        up, _ = self._store.health()
        yield _gauge("der_store_up", "Whether the store (the database, if there is one) answers: 1 or 0", up)
        yield _histogram(
            "der_store_commit_seconds",
            "How long the store took for a commit, in seconds",
            self._ingest.commits.took_s,
        )
        yield _counter(
            "der_store_commits_failed",
            "Commits that found the store away; each is tried again",
            self._ingest.commits.failed,
        )
        yield _gauges("der_store_partitions", "Partitions of the database", "table", self._store.partitions())

    def _of_dispatches(self) -> Iterator[Metric]:
        tally = self._dispatches
        yield _gauge("der_dispatches_open", "Dispatches that have not ended", tally.open)
        ended = {str(state): tally.ended[state] for state in _ENDS}
        yield _counters(
            "der_dispatches_ended", "Dispatches ended, by the state in which they did", "state", ended
        )
        yield _histogram(
            "der_dispatch_active_seconds",
            "From the POST of a dispatch until the headend knew it to be active, in seconds",
            tally.latency_s,
        )


def _gauge(name: str, meaning: str, value: float | None) -> Metric:
    return GaugeMetricFamily(name, meaning, value=value)


def _counter(name: str, meaning: str, value: float) -> Metric:
    return CounterMetricFamily(name, meaning, value=value)


def _gauges(name: str, meaning: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _counters(name: str, meaning: str, label: str, values: Mapping[str, float]) -> Metric:
    family = CounterMetricFamily(name, meaning, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family


def _histogram(name: str, meaning: str, values: Distribution) -> Metric:
    buckets = [
        ("+Inf" if math.isinf(bound) else str(bound), float(count)) for bound, count in values.cumulative()
    ]
    return HistogramMetricFamily(name, meaning, buckets=buckets, sum_value=values.total)
