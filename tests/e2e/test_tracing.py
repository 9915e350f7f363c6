"""A real headend sends the trace of a dispatch to a collector, which here is a few lines of HTTP."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import UUID

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from kit.system import CAMPUS_A, GATEWAY, SITE_ID, System


class Collector(ThreadingHTTPServer):
    """Keeps the spans that it is sent."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.spans: list[Span] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def of(self, dispatch_id: str) -> dict[str, Span]:
        """By name the spans of a dispatch."""
        return {span.name: span for span in tuple(self.spans) if span.trace_id == UUID(dispatch_id).bytes}


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Collector)
        body = self.rfile.read(int(self.headers["content-length"]))
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            for scope in resource.scope_spans:
                self.server.spans.extend(scope.spans)
        self.send_response(200 if self.path == "/v1/traces" else 404)
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_one_trace_from_the_post_to_the_agents_answer(collector: Collector) -> None:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with System(**settings) as system:
        system.start_agent(GATEWAY)
        done = system.dispatch(site_id=SITE_ID, mw=12)
        system.wait(lambda: len(collector.of(done["id"])) == 3, "three spans")
        waiting = system.dispatch(asset_id=CAMPUS_A, mw=1, wait=None, ttl_s=0.2)
        system.wait(lambda: len(collector.of(waiting["id"])) == 2, "the trace of one that expired")
    spans = collector.of(done["id"])
    post, handing, applying = (spans[name] for name in ("POST /dispatch", "hand over", "agent apply"))
    assert (handing.parent_span_id, applying.parent_span_id) == (post.span_id, post.span_id)
    assert post.parent_span_id == b""
    assert post.start_time_unix_nano == handing.start_time_unix_nano <= handing.end_time_unix_nano
    assert applying.start_time_unix_nano <= applying.end_time_unix_nano == post.end_time_unix_nano
    assert [event.name for event in applying.events] == ["acknowledged"]
    assert {a.key: a.value.string_value for a in applying.attributes}["agent.id"] == SITE_ID
    expired = collector.of(waiting["id"])["POST /dispatch"]
    assert expired.status.message == "expired: ttl_over"
