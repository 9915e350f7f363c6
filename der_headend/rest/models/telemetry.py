"""Samples, and buckets of samples."""

from datetime import datetime

from pydantic import Field

from der_core.assets import AssetType
from der_headend.rest.models.base import (
    AssetId,
    CapacityMwhr,
    CurrentMw,
    MaxMw,
    MinMw,
    Reply,
    SetpointMw,
    SiteId,
    SocMwhr,
    SocPct,
    Status,
)


class Sample(Reply):
    """What was measured of an asset at one moment."""

    asset_id: AssetId
    site_id: SiteId
    asset_type: AssetType = Field(description="what kind of DER it is", examples=["bess"])
    timestamp: datetime = Field(
        description="when it was measured, by the agent's clock", examples=["2026-01-31T08:00:00Z"]
    )
    current_mw: CurrentMw
    setpoint_mw: SetpointMw
    soc_mwhr: SocMwhr
    soc_pct: SocPct
    capacity_mwhr: CapacityMwhr
    max_mw: MaxMw
    min_mw: MinMw
    status: Status
    online: bool = Field(
        description="of the latest sample: its agent is connected and its power is known; "
        "of an older one: its power was known",
        examples=[True],
    )
    signals: dict[str, float | str] = Field(
        description="what else was measured, by the signal's name, in the signal's unit; states by their name",
        examples=[{"voltage_v": 400.2, "frequency_hz": 50.01, "temperature_c": 24.5}],
    )


class Statistics(Reply):
    """A number over one bucket; ``null`` where nothing is known. In the signal's unit."""

    mean: float | None = Field(description="mean of the samples", examples=[7.1])
    min: float | None = Field(description="least of the samples", examples=[6.9])
    max: float | None = Field(description="greatest of the samples", examples=[7.2])
    last: float | None = Field(description="newest of the samples", examples=[7.2])


class LastState(Reply):
    """A state over one bucket."""

    last: str | None = Field(description="newest of the samples", examples=["discharging"])


class Bucket(Reply):
    """What was measured of an asset over a minute, five minutes or an hour."""

    asset_id: AssetId
    site_id: SiteId
    asset_type: AssetType = Field(description="what kind of DER it is", examples=["bess"])
    timestamp: datetime = Field(description="when the bucket begins", examples=["2026-01-31T08:00:00Z"])
    current_mw: Statistics = Field(description="measured power in MW, positive = discharge / export")
    setpoint_mw: Statistics = Field(
        description="power in MW the asset was told, positive = discharge / export"
    )
    soc_mwhr: Statistics = Field(description="stored energy in MWh")
    soc_pct: Statistics = Field(description="stored energy in % of the capacity")
    status: LastState = Field(description="what the asset was doing")
    signals: dict[str, Statistics | LastState] = Field(
        description="what else was measured, by the signal's name",
        examples=[{"voltage_v": {"mean": 400.2, "min": 399.8, "max": 400.9, "last": 400.1}}],
    )


class MeanPower(Reply):
    """Power over one bucket in MW, positive = discharge / export."""

    mean: float | None = Field(
        description="sum of the assets' means in MW, positive = discharge / export; null if none is known",
        examples=[12.0],
    )


class SiteBucket(Reply):
    """What the assets of a site did together over a minute, five minutes or an hour.

    Positive MW = discharge / export. An asset of which nothing is known in the bucket is in no sum.
    """

    site_id: SiteId
    timestamp: datetime = Field(description="when the bucket begins", examples=["2026-01-31T08:00:00Z"])
    assets: int = Field(description="how many assets have a mean power, and so are in its sum", examples=[3])
    current_mw: MeanPower = Field(description="measured power in MW, positive = discharge / export")
    setpoint_mw: float | None = Field(
        description="sum of the last setpoints in MW, positive = discharge / export; null if none is known",
        examples=[12.0],
    )
    soc_mwhr: float | None = Field(
        description="sum of the last stored energies in MWh, of those assets that tell", examples=[100.0]
    )
    soc_pct: float | None = Field(
        description="the last states of charge in %, weighted by capacity, of those assets that tell",
        examples=[50.0],
    )
