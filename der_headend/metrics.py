"""What the headend tells Prometheus; read from the parts when it is scraped, so that counting costs them nothing."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from der_headend.fleet import Fleet
from der_headend.ingest import Ingest
from der_headend.sessions import Sessions


class HeadendMetrics(Collector):
    """The headend's metrics."""

    def __init__(self, *, fleet: Fleet, sessions: Sessions, ingest: Ingest) -> None:
        self._fleet = fleet
        self._sessions = sessions
        self._ingest = ingest

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        yield GaugeMetricFamily("der_assets", "Assets in the inventory", value=len(self._fleet.assets))
        yield GaugeMetricFamily("der_sessions", "Agents connected", value=len(self._sessions.live))
        yield CounterMetricFamily("der_ingest_rows", "Samples stored", value=self._ingest.rows_stored)
        yield GaugeMetricFamily(
            "der_ingest_rows_waiting", "Samples taken but not stored yet", value=self._ingest.rows_waiting
        )
        set_aside = CounterMetricFamily(
            "der_ingest_set_aside", "Records that could not be used", labels=["reason"]
        )
        for reason, count in self._ingest.set_aside_counts.items():
            set_aside.add_metric([reason], count)
        yield set_aside
