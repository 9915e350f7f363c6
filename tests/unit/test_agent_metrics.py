"""The agent's own metrics: what they say, and that the little server of them can not be held up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from der_core import __version__
from der_runtime.addresses import HostPort
from edge_agent import factory, metrics
from edge_agent.decisions import Write
from edge_agent.factory import Parts
from edge_agent.metrics import MetricsServer
from edge_agent.settings import AgentSettings
from unit.test_agent_settings import GATEWAY


def of(**variables: str) -> AgentSettings:
    """A gateway's settings."""
    return AgentSettings.model_validate({**GATEWAY, **variables})


@pytest.fixture
async def parts() -> AsyncIterator[Parts]:
    """An agent that has read its assets once; there is no headend."""
    settings = of(METRICS_ADDR="127.0.0.1:0", SIM_FAULTS_PER_HOUR="0")
    parts = factory.build(settings, factory.identify(settings))
    await parts.agent.start()
    yield parts
    await parts.agent.close()


async def scraped(parts: Parts) -> dict[str, float]:
    """Every sample by its name and labels, asked for as Prometheus does."""
    server = parts.metrics
    assert server is not None
    address = server.bind()
    running = asyncio.create_task(server.run())
    try:
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            answer = await client.get("/metrics")
            assert (await client.get("/")).status_code == 404
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        sample.name.removeprefix("edge_agent_") + "".join(f"|{value}" for value in sample.labels.values()): (
            sample.value
        )
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


async def test_an_agent_without_a_headend_says_so(parts: Parts) -> None:
    found = await scraped(parts)
    assert found[f"build_info|{__version__}"] == 1
    assert (found["link_up"], found["link_sessions_total"], found["assets"]) == (0, 0, 3)
    assert found["spool_records"] >= 1
    assert found["spool_bytes"] > 0
    assert (found["records_dropped_total"], found["ticks_missed_total"], found["faults"]) == (0, 0, 0)


async def test_an_asset_that_does_not_answer_is_counted(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = next(iter(parts.agent.drivers))

    async def broken(*_arguments: object) -> None:
        raise ConnectionError("cable out")

    monkeypatch.setattr(first._driver, "read", broken)
    monkeypatch.setattr(first._driver, "write", broken)
    await parts.agent._tick()
    await first.write(Write(asset_id=first.asset.id, setpoint_mw=1.0))
    found = await scraped(parts)
    assert (found["assets_not_answering"], found["faults"]) == (1, 1)
    assert (found["driver_failures_total|read"], found["driver_failures_total|write"]) == (1, 1)


async def test_whoever_asks_nothing_does_not_keep_others_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_REQUEST_S", 0.1)
    server = MetricsServer(address=HostPort("127.0.0.1", 0), text=lambda: "m 1\n")
    address = server.bind()
    running = asyncio.create_task(server.run())
    said = (b"", b"", b"", b"GET /" + b"x" * 100_000)
    async with asyncio.timeout(5):
        assert set(await asyncio.gather(*(answer(address, request) for request in said))) == {b""}
        async with httpx.AsyncClient(base_url=f"http://{address}") as client:
            assert (await client.get("/metrics?x=1")).text == "m 1\n"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_more_than_a_few_at_a_time_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "CONNECTIONS", 2)
    server = MetricsServer(address=HostPort("127.0.0.1", 0), text=lambda: "m 1\n")
    address = server.bind()
    running = asyncio.create_task(server.run())
    idle = [await asyncio.open_connection(address.host, address.port) for _ in range(2)]
    asked = b"GET /metrics HTTP/1.1\r\n\r\n"
    assert await answer(address, asked) == b""
    for reader, writer in idle:
        writer.write(asked)
        assert (await reader.read()).endswith(b"m 1\n")
        writer.close()
        await writer.wait_closed()
    assert (await answer(address, asked)).endswith(b"m 1\n")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def answer(address: HostPort, request: bytes) -> bytes:
    """All that the server says until it closes the connection, to whoever says no more than this."""
    reader, writer = await asyncio.open_connection(address.host, address.port)
    try:
        writer.write(request)
        return await reader.read()
    except ConnectionError:  # it did not even read all
        return b""
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


def test_other_machines_are_kept_out_unless_somebody_says_so() -> None:
    with pytest.raises(ValueError, match=r"METRICS_ADDR: '0\.0\.0\.0' can be reached from other machines"):
        of(METRICS_ADDR="0.0.0.0:9101")
    assert of(METRICS_ADDR="0.0.0.0:9101", ALLOW_INSECURE="1").metrics_addr is not None
    with pytest.raises(ValueError, match="https:// is not available yet"):
        of(METRICS_ADDR="https://127.0.0.1:9101")
    assert of().metrics_addr is None
