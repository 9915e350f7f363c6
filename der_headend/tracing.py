"""A trace of each dispatch for an OpenTelemetry collector: from its POST until its agents have told the assets.

It is made from the record, once the dispatch is active or has ended, by a listener like any other: the way of a
dispatch is not touched. The id of the trace is the id of the dispatch, which every log line about it has, here and at
the agent; so an agent needs no library for this, and nothing more on the wire.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import Span, Status, StatusCode, set_span_in_context

from der_core.dispatch import Dispatch
from der_core.lifecycle import State
from der_headend.announcements import Announcements, Lost

_EXPORT_S = 1.0
"""How long an export may take; a headend that stops waits for the last one."""
_LOOK_UP_S = 60.0


class Tracing:
    """Exports to the collector at ``endpoint`` (OTLP over HTTP); what it does not take is lost."""

    def __init__(self, *, announcements: Announcements, endpoint: str, version: str) -> None:
        self._announcements = announcements
        self._ids = _TraceOfDispatch()
        self._provider = TracerProvider(
            resource=Resource.create({"service.name": "der_headend", "service.version": version}),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=_EXPORT_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("der_headend", version)
        self._on_the_way: set[UUID] = set()

    async def run(self) -> None:
        """Trace dispatches for as long as the headend runs."""
        try:
            with self._announcements.listen() as listener:
                while True:
                    await listener.wait(_LOOK_UP_S)
                    for changed in listener.take():
                        match changed:
                            case Dispatch():
                                self._note(changed)
                            case Lost():  # the end of any of them may be among it
                                self._on_the_way.clear()
        finally:
            await asyncio.to_thread(self._provider.shutdown)

    def _note(self, record: Dispatch) -> None:
        if record.active_at is None and not record.state.final:
            self._on_the_way.add(record.id)
        elif record.id in self._on_the_way:
            self._on_the_way.discard(record.id)
            self._trace(record)

    def _trace(self, record: Dispatch) -> None:
        last = record.stage.last
        done_at = record.active_at or last.at
        self._ids.trace_id = record.id.int
        whole = self._span(
            "POST /dispatch",
            record.submitted_at,
            Context(),
            {"dispatch.target": record.target, "dispatch.requested_mw": record.requested_mw},
        )
        inside = set_span_in_context(whole)
        sent_at = record.stage.at(State.SENT)
        handing = self._span("hand over", record.submitted_at, inside, {})
        handing.end(_nanoseconds(sent_at or done_at))
        for agent_id in dict.fromkeys(part.agent_id for part in record.allocations if part.agent_id):
            parts = [part for part in record.allocations if part.agent_id == agent_id]
            ends = [part.stage.at(State.ACTIVE) or part.stage.last.at for part in parts]
            begun = [part.stage.at(State.SENT) or record.submitted_at for part in parts]
            applying = self._span(
                "agent apply", min(begun), inside, {"agent.id": agent_id, "agent.assets": len(parts)}
            )
            if acknowledged := [at for part in parts if (at := part.stage.at(State.ACKNOWLEDGED))]:
                applying.add_event("acknowledged", timestamp=_nanoseconds(min(acknowledged)))
            applying.end(_nanoseconds(max(ends)))
        if record.active_at is None:
            whole.set_status(Status(StatusCode.ERROR, f"{last.state}: {last.reason}"))
        whole.end(_nanoseconds(done_at))

    def _span(
        self, name: str, begun_at: datetime, inside: Context, attributes: Mapping[str, str | float]
    ) -> Span:
        return self._tracer.start_span(name, inside, attributes=attributes, start_time=_nanoseconds(begun_at))


class _TraceOfDispatch(RandomIdGenerator):
    trace_id = 0

    def generate_trace_id(self) -> int:
        """The one that was set last."""
        return self.trace_id


def _nanoseconds(at: datetime) -> int:
    return int(at.timestamp() * 1e6) * 1000
