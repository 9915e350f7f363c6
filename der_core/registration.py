"""What an agent says of itself when it connects: who it is, which assets it serves, and what is in force there."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self
from uuid import UUID

from der_core.assets import Asset, Inventory
from der_core.dispatch import InForce
from der_core.signals import Signal


class AgentMode(StrEnum):
    """Whether an agent serves one asset, or every asset of a site (Gateway Mode)."""

    SINGLE_ASSET = "single_asset"
    GATEWAY = "gateway"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredAsset:
    """An asset as its agent knows it. Power limits in MW, positive = discharge / export."""

    id: UUID
    name: str
    capacity_mwhr: float
    max_mw: float
    min_mw: float

    @classmethod
    def of(cls, asset: Asset) -> Self:
        """What of an asset's description goes into a registration."""
        return cls(
            id=asset.id,
            name=asset.name,
            capacity_mwhr=asset.capacity_mwhr,
            max_mw=asset.max_mw,
            min_mw=asset.min_mw,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """An agent's introduction.

    ``assets`` are in ascending order of id; telemetry names them, and the ``signals``, by their places here. They may
    be those of an inventory, where it describes them in the same way.
    ``heartbeat_s`` is how often the agent will be heard. ``spool_id`` names the sequence of record numbers, whose
    lowest that the agent still has is ``first_seq``. ``in_force`` is what the assets do on command at this moment:
    the edge's truth.
    """

    protocol: int
    agent_id: str
    mode: AgentMode
    site_id: UUID
    site_name: str
    software: str
    assets: Sequence[RegisteredAsset | Asset]
    signals: tuple[Signal, ...]
    heartbeat_s: float
    spool_id: UUID
    first_seq: int
    in_force: tuple[InForce, ...] = ()

    def is_whole_site(self, inventory: Inventory) -> bool:
        """Whether its assets are those that an inventory has at its site, all of them and taken from there."""
        return self.assets is inventory.assets_of(self.site_id)
