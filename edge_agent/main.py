"""The program ``edge_agent``: settings, one line that says what is served, and the agent's life until it must stop."""

import asyncio
from collections.abc import Sequence

from der_core import __version__
from der_core.registration import AgentMode
from der_runtime.failure import StartFailed, end_with
from der_runtime.logs import configure_logging, get_logger
from der_runtime.process import Supervisor, run
from der_runtime.settings import load_settings
from edge_agent import factory
from edge_agent.agent import Identity
from edge_agent.ports import SpoolStatus
from edge_agent.settings import AgentSettings

_SAFE_WITHIN_S = 3.0
_FLUSH_WITHIN_S = 1.0

_log = get_logger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the agent; return the exit code."""
    settings = load_settings(
        AgentSettings,
        argv,
        prog="edge_agent",
        description="Serves one asset, or every asset of a site (Gateway Mode), to a headend.",
    )
    configure_logging(settings.log_level, settings.log_format)
    try:
        identity = factory.identify(settings)
    except StartFailed as failed:
        end_with(failed.lines)
    if settings.asset_id is not None and settings.assets_path is not None:
        _log.info("ASSET_ID is set, so ASSETS_PATH is not used; `unset ASSET_ID` for Gateway Mode")
    if identity.heartbeat_s < settings.heartbeat_s:
        _log.info(
            "heartbeats are more frequent than HEARTBEAT_S, so that FAILSAFE_AFTER_S can be kept",
            heartbeat_s=round(identity.heartbeat_s, 3),
            failsafe_after_s=settings.failsafe_after_s,
        )
    try:
        return run(lambda stop: _serve(settings, identity, stop))
    except StartFailed as failed:
        end_with(failed.lines)


async def _serve(settings: AgentSettings, identity: Identity, stop: asyncio.Event) -> int:
    parts = factory.build(settings, identity)
    clock = parts.clock
    metrics_at = None if parts.metrics is None else parts.metrics.bind()
    start_line = _start_line(settings, identity, parts.outbox.spool.status())
    print(start_line + (f", metrics on http://{metrics_at}/metrics" if metrics_at else ""), flush=True)
    await parts.agent.start()
    async with Supervisor(stop) as tasks:
        tasks.start("control", parts.agent.run_control())
        tasks.start("ticks", parts.agent.run_ticks())
        tasks.start("uplink", parts.uplink.run())
        if parts.metrics is not None:
            tasks.start("metrics", parts.metrics.run())
        await stop.wait()
        safe = await parts.agent.stop(deadline_s=clock.monotonic() + _SAFE_WITHIN_S)
        if not safe:
            _log.error("not all assets could be left safe")
        if parts.uplink.up:
            await parts.outbox.wait_until_empty(deadline_s=clock.monotonic() + _FLUSH_WITHIN_S)
        if safe and not tasks.failure:  # else somebody shall miss it, as an agent that was killed
            await parts.uplink.close()
    await parts.agent.close()
    await parts.outbox.spool.close()
    return 1 if tasks.failure else 0


def _start_line(settings: AgentSettings, identity: Identity, spool: SpoolStatus) -> str:
    count = len(identity.assets)
    served = (
        f"asset {identity.agent_id} {identity.assets[0].name!r} at site {identity.site.name!r}"
        if identity.mode is AgentMode.SINGLE_ASSET
        else f"gateway {identity.agent_id} {identity.site.name!r} with {count} asset{'s' * (count > 1)}"
    )
    place = (
        "in memory"
        if settings.spool_path is None
        else f"{settings.spool_path} ({spool.records} record{'s' * (spool.records != 1)})"
    )
    return (
        f"edge_agent {__version__}: {served} -> headend {settings.headend_grpc}, every {settings.tick_s:g} s, "
        f"spool {place}"
    )
