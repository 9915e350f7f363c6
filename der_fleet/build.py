"""The only place that makes the real parts of a fleet: from an inventory and options to gateways on a plant."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from der_core import __version__
from der_core.assets import Inventory
from der_core.registration import AgentMode
from der_fleet.channel import Channel
from der_fleet.commands import Commands, Say
from der_fleet.faults import Faults
from der_fleet.fleet import Fleet, shape
from der_fleet.gateway import Agent, Gateway
from der_fleet.options import RunOptions
from der_fleet.plant import Plant
from der_fleet.spool import FileSpool, MemorySpool
from der_fleet.tally import Tally
from der_runtime.clock import Clock, SystemClock
from der_wire._gen import agent_link_pb2 as pb
from edge_agent.recollection import recollect
from edge_agent.spool.sqlite import SqliteSpool

FAILSAFE_AFTER_S = 60.0
CONNECTING_AT_ONCE = 64
SMALLEST_SPOOL_BYTES = 65_536
SOFTWARE = f"der_fleet {__version__}"


def agents_of(inventory: Inventory, *, single_asset: bool) -> list[Agent]:
    """An agent per site that has assets, or one per asset; those whose frames have one shape stand together."""
    mode = AgentMode.SINGLE_ASSET if single_asset else AgentMode.GATEWAY
    agents = []
    for site in inventory.sites.values():
        assets = tuple(inventory.assets_of(site.id))
        shares = [(asset,) for asset in assets] if single_asset else [assets] if assets else []
        agents += [Agent(mode=mode, site=site, assets=share, first=0) for share in shares]
    return sorted(agents, key=lambda agent: shape(agent.assets))


def share_of(agents: Sequence[Agent], process: int, processes: int) -> list[Agent]:
    """The agents of one of the processes, each with its place in that process's plant."""
    placed, first = [], 0
    for agent in agents[process::processes]:
        placed.append(replace(agent, first=first))
        first += len(agent.assets)
    return placed


async def build(asked: RunOptions, agents: Sequence[Agent], *, process: int, tick_s: float) -> Fleet:
    """The fleet of one process; nothing is connected. ``tick_s``: how often an agent makes a frame.

    Raises:
        StartFailed: a spool's file cannot be used.
    """
    clock, seed = SystemClock(), (asked.seed, process)
    rng = random.Random(f"{asked.seed}:{process}")
    tally = Tally(
        agents=len(agents),
        assets=sum(len(agent.assets) for agent in agents),
    )
    plant = Plant([asset for agent in agents for asset in agent.assets], seed=seed)
    connecting = asyncio.Semaphore(CONNECTING_AT_ONCE)
    spool_bytes = max(
        int(asked.spool_mib * 2**20 / asked.processes / max(len(agents), 1)), SMALLEST_SPOOL_BYTES
    )

    def make_commands(agent: Agent, say: Say) -> Commands:
        return Commands(
            agent.assets,
            first=agent.first,
            plant=plant,
            clock=clock,
            failsafe_after_s=FAILSAFE_AFTER_S,
            say=say,
        )

    def gateway(agent: Agent, channel: Channel) -> Gateway:
        return Gateway(
            agent,
            spool=MemorySpool(max_bytes=spool_bytes, tally=tally),
            channel=channel,
            make_commands=make_commands,
            tally=tally,
            clock=clock,
            rng=rng,
            heartbeat_s=asked.heartbeat_s,
            software=SOFTWARE,
        )

    gateways = []
    for at in range(0, len(agents), asked.agents_per_connection):
        channel = Channel(target=asked.headend_grpc, connecting=connecting)
        gateways += [gateway(agent, channel) for agent in agents[at : at + asked.agents_per_connection]]
    if asked.spool is not None:
        for each in gateways:
            await _put_on_disk(each, asked.spool, max_bytes=spool_bytes, tally=tally, clock=clock)
    return Fleet(
        gateways,
        plant=plant,
        faults=Faults(asked.faults, plant=plant, rng=rng),
        tally=tally,
        clock=clock,
        tick_s=tick_s,
        heartbeat_s=asked.heartbeat_s,
        all_signals=asked.signals == "all",
    )


async def _put_on_disk(gateway: Gateway, folder: Path, *, max_bytes: int, tally: Tally, clock: Clock) -> None:
    """Give a gateway a real agent's spool, with what an earlier run left in it."""
    agent = gateway.agent
    file = SqliteSpool.open(folder / f"{agent.id}.db", owner=agent.id, max_bytes=max_bytes, now=clock.now)
    spool = FileSpool(file=file, tally=tally, written=gateway.writable)
    await spool.recover(lambda body: _samples(body, len(agent.assets)))
    gateway.spool = spool
    gateway.restart(recollect(file.recalled).dispatches)


def _samples(body: bytes, assets: int) -> int:
    record = pb.Record.FromString(body)
    return (len(record.frame.assets) or assets) if record.HasField("frame") else 0
