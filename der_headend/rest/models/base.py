"""What all models have in common, and the fields that several share."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field


class Reply(BaseModel):
    """A response: these fields and no others."""

    model_config = ConfigDict(extra="forbid")


_ASSET = "7ba7b810-9dad-11d1-80b4-00c04fd430c8"
_SITE = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"

AssetId = Annotated[UUID, Field(description="the asset", examples=[_ASSET])]
AssetName = Annotated[str, Field(description="the asset's name", examples=["GT-BESS-A"])]
SiteId = Annotated[UUID, Field(description="the site", examples=[_SITE])]
SiteName = Annotated[str, Field(description="the site's name", examples=["Gateway-Test"])]
CapacityMwhr = Annotated[float, Field(description="energy capacity in MWh", examples=[120.0])]
MaxMw = Annotated[
    float,
    Field(description="strongest discharge / export in MW (positive = discharge / export)", examples=[60.0]),
]
MinMw = Annotated[
    float,
    Field(
        description="strongest charge / import in MW, usually negative (negative = charge)", examples=[-60.0]
    ),
]
CurrentMw = Annotated[
    float | None, Field(description="measured power in MW, positive = discharge / export", examples=[7.2])
]
SetpointMw = Annotated[
    float | None,
    Field(description="power in MW the asset is told, positive = discharge / export", examples=[7.2]),
]
SocMwhr = Annotated[float | None, Field(description="stored energy in MWh", examples=[60.0])]
SocPct = Annotated[float | None, Field(description="stored energy in % of the capacity", examples=[50.0])]
Status = Annotated[str | None, Field(description="what the asset is doing", examples=["discharging"])]
