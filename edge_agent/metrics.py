"""What the agent tells Prometheus, if ``METRICS_ADDR`` asks for it: its link, spool, ticks and drivers.

The text format and the little of HTTP that a scrape needs are written here, for an edge device has no library for them.
"""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from der_core import __version__
from der_runtime.addresses import HostPort, listen
from edge_agent.agent import Agent
from edge_agent.ports import SpoolStatus
from edge_agent.uplink.uplink import Uplink

CONNECTIONS = 16
"""Scrapes at a time; a further one is turned away."""

_REQUEST_BYTES = 8192
_REQUEST_S = 5.0
_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def metrics(*, agent: Agent, uplink: Uplink, spool: SpoolStatus) -> str:
    """The metrics as they are now, in the Prometheus text format."""
    failures: Counter[str] = Counter(read=0, write=0)
    for driver in agent.drivers:
        failures.update(driver.failures)
    silent = sum(driver.trouble is not None for driver in agent.drivers)
    families = (
        _family("build_info", "gauge", "Version of the agent", {f'version="{__version__}"': 1}),
        _family("link_up", "gauge", "Whether the link to the headend is up: 1 or 0", {"": int(uplink.up)}),
        _family("link_sessions_total", "counter", "Sessions with the headend begun", {"": uplink.sessions}),
        _family(
            "spool_records", "gauge", "Records that the headend has not acknowledged", {"": spool.records}
        ),
        _family("spool_bytes", "gauge", "Size of those records, in bytes", {"": spool.bytes}),
        _family(
            "records_dropped_total",
            "counter",
            "Records given up since the spool was made",
            {"": spool.dropped},
        ),
        _family(
            "ticks_missed_total",
            "counter",
            "Readings of all assets that were skipped, for the one before took too long",
            {"": agent.ticks_missed},
        ),
        _family("assets", "gauge", "Assets served", {"": len(agent.drivers)}),
        _family("assets_not_answering", "gauge", "Assets that could not be read the last time", {"": silent}),
        _family("faults", "gauge", "Faults that assets have now", {"": agent.faults}),
        _family(
            "driver_failures_total",
            "counter",
            "Calls of drivers that failed, were too slow or made no sense",
            {f'call="{call}"': count for call, count in failures.items()},
        ),
    )
    return "".join(line for family in families for line in family)


def _family(name: str, kind: str, meaning: str, samples: Mapping[str, int]) -> Iterator[str]:
    yield f"# HELP edge_agent_{name} {meaning}\n# TYPE edge_agent_{name} {kind}\n"
    for labels, value in samples.items():
        yield f"edge_agent_{name}{f'{{{labels}}}' if labels else ''} {value}\n"


class MetricsServer:
    """Answers ``GET /metrics`` with ``text``, and nothing else. ``bind`` it, then ``run`` it."""

    def __init__(self, *, address: HostPort, text: Callable[[], str]) -> None:
        self._address = address
        self._text = text
        self._socket: socket.socket | None = None
        self._open = 0

    def bind(self) -> HostPort:
        """Take the address; returns it, with the port that was taken where 0 was asked for.

        Raises:
            StartFailed: it can't be listened on.
        """
        self._socket = listen(self._address, "METRICS_ADDR")
        return HostPort(self._address.host, self._socket.getsockname()[1])

    async def run(self) -> None:
        """Serve until cancelled."""
        if self._socket is None:
            raise RuntimeError("bind first")
        async with await asyncio.start_server(self._serve, sock=self._socket, limit=_REQUEST_BYTES) as server:
            await server.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            async with asyncio.timeout(_REQUEST_S):
                if self._open <= CONNECTIONS:
                    request = await reader.readuntil(b"\r\n\r\n")
                    writer.write(self._answer(request.split(b"\r\n", 1)[0]))
                    await writer.drain()
        except (
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            OSError,
        ):  # TimeoutError is an OSError
            pass
        finally:
            self._open -= 1
            writer.close()

    def _answer(self, request_line: bytes) -> bytes:
        method, _, rest = request_line.partition(b" ")
        if (method, rest.partition(b" ")[0].partition(b"?")[0]) != (b"GET", b"/metrics"):
            return _response("404 Not Found", "Only GET /metrics is answered.\n")
        return _response("200 OK", self._text())


def _response(status: str, text: str) -> bytes:
    body = text.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {_CONTENT_TYPE}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body
