"""Assets and sites."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from der_core.assets import AssetType
from der_headend.rest.models.base import (
    CapacityMwhr,
    CurrentMw,
    MaxMw,
    MinMw,
    Reply,
    SetpointMw,
    SiteId,
    SiteName,
    SocMwhr,
    SocPct,
    Status,
)


class Asset(Reply):
    """An asset of the inventory and, as far as it is known, its live state."""

    id: UUID = Field(description="the asset", examples=["7ba7b810-9dad-11d1-80b4-00c04fd430c8"])
    name: str = Field(description="the asset's name", examples=["GT-BESS-A"])
    site_id: SiteId
    site_name: SiteName
    location: str = Field(description="where its site is", examples=["Local"])
    asset_type: AssetType = Field(description="what kind of DER it is")
    capacity_mwhr: CapacityMwhr
    max_mw: MaxMw
    min_mw: MinMw
    min_soc_pct: float = Field(description="SOC in % below which it is not discharged", examples=[10.0])
    max_soc_pct: float = Field(description="SOC in % above which it is not charged", examples=[90.0])
    efficiency: float = Field(
        description="factor (0, 1] of each leg, charging and discharging", examples=[0.92]
    )
    ramp_rate_mw_per_min: float = Field(
        description="how fast its power changes, MW per minute", examples=[1000.0]
    )
    failsafe_mw: float = Field(
        description="power in MW it goes to when the headend is lost, positive = discharge / export",
        examples=[0.0],
    )
    current_mw: CurrentMw
    setpoint_mw: SetpointMw
    soc_mwhr: SocMwhr
    soc_pct: SocPct
    status: Status
    online: bool = Field(description="its agent is connected and its power is known", examples=[True])
    updated_at: datetime | None = Field(
        description="time of the newest sample", examples=["2026-01-31T08:00:00Z"]
    )


class Site(Reply):
    """A site: its assets, and what those of them that are heard are together. Positive MW = discharge / export.

    An asset is heard while it is online and its newest sample is not older than 15 s, by the agent's time of it.
    """

    id: UUID = Field(description="the site", examples=["6ba7b810-9dad-11d1-80b4-00c04fd430c8"])
    name: str = Field(description="the site's name", examples=["Gateway-Test"])
    location: str = Field(description="where it is", examples=["Local"])
    current_mw: float | None = Field(
        description="power of the assets heard in MW, positive = discharge / export; null if none is heard",
        examples=[12.0],
    )
    soc_mwhr: float | None = Field(
        description="energy stored in those assets heard that tell, in MWh", examples=[100.0]
    )
    soc_pct: float | None = Field(description="the same in % of their capacity", examples=[50.0])
    capacity_mwhr: float = Field(description="sum of the energy capacities in MWh", examples=[200.0])
    headroom_up_mw: float | None = Field(
        description="by how many MW the assets heard could go up (discharge more, charge less) now; "
        "null if none is heard",
        ge=0,
        examples=[88.0],
    )
    headroom_down_mw: float | None = Field(
        description="by how many MW the assets heard could go down (charge more, discharge less) now; "
        "null if none is heard",
        ge=0,
        examples=[112.0],
    )
    assets_online: int = Field(description="how many assets are online", examples=[3])
    assets_heard: int = Field(description="how many assets are heard, and so in the sums", examples=[3])
    assets_total: int = Field(description="how many assets the site has", examples=[3])
    unheard_since: datetime | None = Field(
        description="when the last of the others whose power was known was heard; null if there is none",
        examples=[None],
    )
    alarms: int = Field(description="how many alarms are raised", examples=[0])
    assets: list[Asset] = Field(description="its assets, in order of id; empty if asked for without them")
