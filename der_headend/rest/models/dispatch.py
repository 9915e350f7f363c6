"""Dispatches: what an operator orders, and the record of what became of it."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, Strict

from der_core.assets import LARGEST
from der_core.dispatch import MAX_DURATION_S, Target
from der_core.lifecycle import State
from der_core.request import DispatchRequest
from der_headend.rest.idempotency import dispatch_id
from der_headend.rest.models.base import AssetId, Reply, SiteId

MAX_TTL_S = 7 * 86_400.0

_LenientUuid = Annotated[UUID, Strict(False)]  # noqa: FBT003 - pydantic's spelling: JSON has no UUIDs, only strings


class Order(BaseModel):
    """What is asked for. Name an asset or a site; with both, the asset alone is meant."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [
                {"asset_id": "7ba7b810-9dad-11d1-80b4-00c04fd430c8", "mw": 5},
                {"site_id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8", "mw": 12, "duration_s": 900},
            ]
        },
    )

    asset_id: _LenientUuid | None = Field(default=None, description="the asset to dispatch")
    site_id: _LenientUuid | None = Field(default=None, description="the site to dispatch")
    mw: float = Field(
        ge=-LARGEST,
        le=LARGEST,
        allow_inf_nan=False,
        description="power in MW: positive = discharge / export, negative = charge / import",
    )
    duration_s: float | None = Field(
        default=None,
        gt=0,
        le=MAX_DURATION_S,
        allow_inf_nan=False,
        description="seconds from when it becomes active until the asset returns to 0 MW; open-ended if absent",
    )
    ttl_s: float | None = Field(
        default=None,
        gt=0,
        le=MAX_TTL_S,
        allow_inf_nan=False,
        description="seconds it may wait for its agent before it expires; 300 if absent",
    )
    id: _LenientUuid | None = Field(
        default=None, description="makes the request idempotent: the same id again gives the same record"
    )

    def request(self, idempotency_key: str | None = None) -> DispatchRequest:
        """This order for the dispatcher.

        Raises:
            Rejected: ``idempotency_key_mismatch``, the key and ``id`` name different dispatches.
        """
        return DispatchRequest(
            asset_id=self.asset_id,
            site_id=self.site_id,
            mw=self.mw,
            duration_s=self.duration_s,
            ttl_s=self.ttl_s,
            id=dispatch_id(self.id, idempotency_key),
        )


class Share(Reply):
    """One asset's part of a split. Powers in MW, positive = discharge / export."""

    asset_id: AssetId
    asset_name: str | None = Field(description="the asset's name", examples=["GT-BESS-A"])
    capacity_mwhr: float | None = Field(description="energy capacity in MWh", examples=[120.0])
    weight: float | None = Field(description="its share of the sum of weights, 0 to 1", examples=[0.6])
    raw_mw: float | None = Field(description="what the weight alone gives", examples=[7.2])
    clamped_mw: float | None = Field(description="that, within the asset's limits", examples=[7.2])
    mw: float | None = Field(
        description="what the asset was given, with what others could not take", examples=[7.2]
    )


class Allocation(Share):
    """One asset's part of a dispatch. Powers in MW, positive = discharge / export; null is "not known yet"."""

    applied_mw: float | None = Field(description="what its driver accepted", examples=[7.2])
    measured_mw: float | None = Field(
        description="what telemetry shows while it is in force and the asset is heard; of an ended part what it "
        "showed last",
        examples=[7.19],
    )
    state: State = Field(description="where this part of the dispatch stands", examples=["active"])
    reason: str | None = Field(
        description="why it is there, or why it got less than its share", examples=[None]
    )


class PreviewShare(Share):
    """One asset's part of a split that was not made."""

    reason: str | None = Field(
        description="why it would get less than its share", examples=["soc_at_minimum"]
    )


class Skipped(Reply):
    """An asset that would get no part."""

    asset_id: AssetId
    asset_name: str | None = Field(description="the asset's name", examples=["GT-BESS-C"])
    reason: str = Field(description="why", examples=["agent_offline"])


class Transition(Reply):
    """One step in the life of a dispatch."""

    state: State = Field(description="the state it came into", examples=["active"])
    at: datetime = Field(description="when", examples=["2026-01-31T08:00:00.009000Z"])
    reason: str | None = Field(description="why, where that is not plain", examples=[None])
    by: str = Field(description="who brought it about", examples=["operator"])


class Dispatch(Reply):
    """A dispatch and all that is known of it. Powers in MW, positive = discharge / export."""

    id: UUID = Field(description="the dispatch", examples=["0b1a7c0e-6d58-4f2c-8d2f-0c8a8c1b7d11"])
    target: Target = Field(description="whether one asset or a site is meant", examples=["site"])
    asset_id: UUID | None = Field(description="the asset; null for a site dispatch", examples=[None])
    site_id: SiteId
    requested_mw: float = Field(description="what was asked for", examples=[12.0])
    mw: float | None = Field(
        description="sum of what the assets were given; null until known", examples=[12.0]
    )
    clamped: bool = Field(description="whether less (or other) than requested was given", examples=[False])
    duration_s: float | None = Field(
        description="how long it runs once active; null: open-ended", examples=[900.0]
    )
    state: State = Field(description="where it stands", examples=["active"])
    submitted_at: datetime = Field(
        description="when it was accepted", examples=["2026-01-31T08:00:00.000000Z"]
    )
    expires_at: datetime = Field(
        description="until when it may wait for its agent", examples=["2026-01-31T08:05:00.000000Z"]
    )
    active_at: datetime | None = Field(
        description="when the first asset was told", examples=["2026-01-31T08:00:00.009000Z"]
    )
    ended_at: datetime | None = Field(description="when the last asset was done with it", examples=[None])
    allocations: list[Allocation] = Field(description="one per asset, in order of id")
    unserved_mw: float | None = Field(description="what nobody could take; null until known", examples=[0.0])
    transitions: list[Transition] = Field(description="its life so far")
    warnings: list[str] = Field(description="what the operator should know", examples=[[]])


class Preview(Reply):
    """The split that would be made now. Powers in MW, positive = discharge / export."""

    target: Target = Field(description="whether one asset or a site is meant", examples=["site"])
    asset_id: UUID | None = Field(description="the asset; null for a site dispatch", examples=[None])
    site_id: SiteId
    requested_mw: float = Field(description="what was asked for", examples=[12.0])
    mw: float = Field(description="sum of what the assets would be given", examples=[12.0])
    clamped: bool = Field(
        description="whether less (or other) than requested would be given", examples=[False]
    )
    allocations: list[PreviewShare] = Field(description="one per asset that takes part, in order of id")
    unserved_mw: float = Field(description="what nobody could take", examples=[0.0])
    skipped: list[Skipped] = Field(description="assets that would get no part")
    warnings: list[str] = Field(description="what the operator should know", examples=[[]])
