"""What ``der demo`` starts: one headend, one gateway agent per site, and with which environment. Pure.

The programs get the environment of whoever starts the demo, without the variables that would turn them into something
else: a shell in which the runbook was followed still has its ``ASSET_ID`` and ``DATABASE_URL``.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from der_cli.processes import reachable
from der_cli.variables import OF_AGENT, OF_HEADEND
from der_core.assets import Inventory, Site
from der_runtime.addresses import HostPort

_PASSED = {"ALLOW_INSECURE", "LOG_FORMAT", "LOG_LEVEL", "RUST_LOG", "SIM_FAULTS_PER_HOUR", "SIM_SEED"}
DROPPED = (OF_HEADEND | OF_AGENT) - _PASSED
"""Variables of the programs that the demo sets itself or leaves unset; the rest passes."""


@dataclass(frozen=True, slots=True)
class Launch:
    """One process to start; ``name`` is what its lines are marked with."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The whole demo. ``url`` is where its REST API can be reached from this machine."""

    url: str
    grpc: str
    sites: tuple[Site, ...]
    inventory: Inventory
    headend: Launch
    agents: tuple[Launch, ...]

    def as_json(self) -> dict[str, object]:
        """What a program has to know of a demo that is ready."""
        agents = [
            {
                "agent_id": str(site.id),
                "site_name": site.name,
                "assets": len(self.inventory.assets_of(site.id)),
            }
            for site in self.sites
        ]
        return {"headend": self.url, "grpc": self.grpc, "agents": agents}


def plan(
    inventory: Inventory,
    *,
    assets_path: Path,
    http: HostPort,
    grpc: HostPort,
    database_url: str | None,
    environ: Mapping[str, str],
) -> Plan:
    """The processes for an inventory; sites without assets need no agent."""
    base = {name: value for name, value in environ.items() if name not in DROPPED}
    shared = base | {"ASSETS_PATH": str(assets_path)}
    storing = {} if database_url is None else {"DATABASE_URL": database_url}
    sites = tuple(site for site in inventory.sites.values() if inventory.assets_of(site.id))
    return Plan(
        url=f"http://{reachable(http)}",
        grpc=str(reachable(grpc)),
        sites=sites,
        inventory=inventory,
        headend=Launch(
            "headend",
            (sys.executable, "-m", "der_headend"),
            shared | storing | {"HEADEND_HTTP_ADDR": str(http), "HEADEND_GRPC_ADDR": str(grpc)},
        ),
        agents=tuple(
            Launch(
                site.name,
                (sys.executable, "-m", "edge_agent"),
                # A quiet demo unless somebody asks for trouble.
                {"SIM_FAULTS_PER_HOUR": "0"}
                | shared
                | {"HEADEND_GRPC": str(reachable(grpc)), "SITE_ID": str(site.id), "TICK_S": "1"},
            )
            for site in sites
        ),
    )
