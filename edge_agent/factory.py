"""The only place that makes real parts and knows all of them."""

import random
from dataclasses import dataclass

from der_core import __version__
from der_core.assets import Asset, Inventory, Site
from der_core.registration import AgentMode
from der_runtime.backoff import Backoff
from der_runtime.clock import Clock, SystemClock
from der_runtime.inventory_file import load_inventory
from der_runtime.settings import SettingsInvalid
from der_wire.rules import MISSED_HEARTBEATS
from edge_agent.agent import Agent, Identity
from edge_agent.control import SiteControl
from edge_agent.drivers.simulator import simulated_driver
from edge_agent.guarded import GuardedDriver
from edge_agent.ledger import Ledger
from edge_agent.metrics import MetricsServer, metrics
from edge_agent.outbox import Outbox
from edge_agent.ports import Driver, Spool
from edge_agent.recollection import Recollection, recollect
from edge_agent.settings import AgentSettings, gateway_site, single_asset
from edge_agent.spool.memory import MemorySpool
from edge_agent.spool.sqlite import SqliteSpool
from edge_agent.uplink.uplink import Uplink

SOFTWARE = f"edge_agent {__version__}"

_WRITE_LIMIT_S = 2.0
_READ_LIMITS_S = (0.25, 2.0)
_SEEDS = 2**32


@dataclass(frozen=True, slots=True)
class Parts:
    """A whole agent, put together but not started."""

    agent: Agent
    outbox: Outbox
    uplink: Uplink
    metrics: MetricsServer | None
    clock: Clock


def identify(settings: AgentSettings) -> Identity:
    """Who the agent is and what it serves, by the settings and, in Gateway Mode, the inventory.

    Raises:
        StartFailed: the inventory is missing or broken, or has nothing for the site.
    """
    single = settings.mode is AgentMode.SINGLE_ASSET
    site, assets = _only_site(single_asset(settings)) if single else _site_of_gateway(settings)
    return Identity(
        agent_id=str(assets[0].id) if single else settings.gateway_id or str(site.id),
        mode=settings.mode,
        site=site,
        assets=assets,
        software=SOFTWARE,
        # A silent link is to be noticed by the time the fail-safe is due.
        heartbeat_s=min(settings.heartbeat_s, settings.failsafe_after_s / MISSED_HEARTBEATS),
    )


def build(settings: AgentSettings, identity: Identity) -> Parts:
    """The parts of an agent. Needs a running event loop; nothing is connected or started.

    Raises:
        StartFailed: the spool's file cannot be used.
    """
    clock = SystemClock()
    spool, recalled, damage = _spool(settings, identity, clock)
    ledger = Ledger()
    ledger.restore(recalled.dispatches)
    outbox = Outbox(
        spool=spool,
        site_id=identity.site.id,
        places={asset.id: place for place, asset in enumerate(identity.assets)},
        clock=clock,
        ledger=ledger,
        recalled=recalled,
        damage=damage,
    )
    low_s, high_s = _READ_LIMITS_S
    agent = Agent(
        identity=identity,
        drivers=[
            GuardedDriver(
                asset=asset,
                driver=driver,
                read_limit_s=min(max(settings.tick_s / 2, low_s), high_s),
                write_limit_s=_WRITE_LIMIT_S,
            )
            for asset, driver in _drivers(settings, identity, clock)
        ],
        control=SiteControl(identity.assets, failsafe_after_s=settings.failsafe_after_s, ledger=ledger),
        outbox=outbox,
        clock=clock,
        tick_s=settings.tick_s,
    )
    uplink = Uplink(
        target=str(settings.headend_grpc),
        agent=agent,
        outbox=outbox,
        clock=clock,
        backoff=Backoff(),
        heartbeat_s=identity.heartbeat_s,
    )
    return Parts(agent, outbox, uplink, _metrics(settings, agent, uplink, spool), clock)


def _metrics(settings: AgentSettings, agent: Agent, uplink: Uplink, spool: Spool) -> MetricsServer | None:
    if settings.metrics_addr is None:
        return None
    return MetricsServer(
        address=settings.metrics_addr,
        text=lambda: metrics(agent=agent, uplink=uplink, spool=spool.status()),
    )


def _spool(
    settings: AgentSettings, identity: Identity, clock: Clock
) -> tuple[Spool, Recollection, str | None]:
    """The spool, what it knows of an earlier run, and why it is a new one although there was one."""
    if settings.spool_path is None:
        return MemorySpool(max_bytes=settings.spool_max_bytes), Recollection(), None
    spool = SqliteSpool.open(
        settings.spool_path, owner=identity.agent_id, max_bytes=settings.spool_max_bytes, now=clock.now
    )
    return spool, recollect(spool.recalled), spool.was_damaged


def _drivers(settings: AgentSettings, identity: Identity, clock: Clock) -> list[tuple[Asset, Driver]]:
    seed = random.randrange(_SEEDS) if settings.sim_seed is None else settings.sim_seed
    return [
        (
            asset,
            simulated_driver(
                asset,
                monotonic=clock.monotonic,
                utcnow=clock.now,
                seed=seed,
                fault_rate_per_hour=settings.sim_faults_per_hour,
            ),
        )
        for asset in identity.assets
    ]


def _only_site(inventory: Inventory) -> tuple[Site, tuple[Asset, ...]]:
    (site,) = inventory.sites.values()
    return site, tuple(inventory.assets_of(site.id))


def _site_of_gateway(settings: AgentSettings) -> tuple[Site, tuple[Asset, ...]]:
    site_id, path = gateway_site(settings)
    inventory = load_inventory(path)
    site = inventory.sites.get(site_id)
    if site is None:
        known = ", ".join(f"{other.id} ({other.name})" for other in inventory.sites.values()) or "none"
        raise SettingsInvalid("SITE_ID", f"{site_id} is not in {path}; its sites are {known}")
    assets = tuple(inventory.assets_of(site_id))
    if not assets:
        having = ", ".join(
            f"{other.id} ({other.name})"
            for other in inventory.sites.values()
            if inventory.assets_of(other.id)
        )
        raise SettingsInvalid(
            "SITE_ID", f"site {site.name} has no assets in {path}; sites with assets: {having}"
        )
    return site, assets
