"""``SiteControl`` on a bench: assets that obey or don't, time that a test moves, a record of all that is said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from der_core.allocation import Weighting
from der_core.assets import Asset, AssetType
from der_core.dispatch import AllocationReport, Command, DispatchReport
from edge_agent.control import SiteControl
from edge_agent.decisions import Alarm, Applied, Condition, Decision, NotApplied, Now, Write

SITE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
A, B, C = (UUID(f"{digit}ba7b810-9dad-11d1-80b4-00c04fd430c8") for digit in "789")
UNKNOWN = UUID("fba7b810-9dad-11d1-80b4-00c04fd430c8")

_START = datetime(2026, 1, 1, tzinfo=UTC)


def battery(
    asset_id: UUID,
    *,
    capacity_mwhr: float = 40,
    max_mw: float = 20,
    failsafe_mw: float = 0.0,
    asset_type: AssetType = AssetType.BESS,
) -> Asset:
    return Asset(
        id=asset_id,
        name=f"asset-{str(asset_id)[0]}",
        site_id=SITE,
        capacity_mwhr=capacity_mwhr,
        max_mw=max_mw,
        min_mw=-max_mw,
        efficiency=0.9,
        ramp_rate_mw_per_min=1000,
        min_soc_pct=10,
        max_soc_pct=90,
        asset_type=asset_type,
        failsafe_mw=failsafe_mw,
    )


GATEWAY_TEST = (battery(A, capacity_mwhr=120, max_mw=60), battery(B), battery(C))


@dataclass
class Bench:
    assets: Sequence[Asset] = GATEWAY_TEST
    failsafe_after_s: float = 60.0
    t: float = 1000.0
    conditions: dict[UUID, Condition] = field(default_factory=dict)
    failures: dict[UUID, tuple[str, bool]] = field(default_factory=dict)
    """By asset: the reason of a failing write, and whether the asset is certainly unchanged."""

    setpoints: dict[UUID, float | None] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    reports: list[DispatchReport] = field(default_factory=list)
    alarms: list[Alarm] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.control = SiteControl(self.assets, failsafe_after_s=self.failsafe_after_s)
        for asset in self.assets:
            self.conditions.setdefault(asset.id, Condition(online=True, soc_pct=50.0))

    @property
    def now(self) -> Now:
        return Now(self.t, _START + timedelta(seconds=self.t))

    def command(
        self,
        dispatch_id: UUID,
        mw: float,
        *asset_ids: UUID,
        site_wide: bool = False,
        duration_s: float | None = None,
        expires_in_s: float = 300.0,
        waited_s: float = 0.0,
        weighting: Weighting = Weighting.CAPACITY,
    ) -> Decision:
        command = Command(
            dispatch_id=dispatch_id,
            mw=mw,
            site_wide=site_wide,
            asset_ids=asset_ids,
            weighting=weighting,
            duration_s=duration_s,
            expires_in_s=expires_in_s,
        )
        return self.carry_out(
            self.control.command(command, self.conditions, arrived_s=self.t - waited_s, now=self.now)
        )

    def cancel(self, dispatch_id: UUID, *asset_ids: UUID) -> Decision:
        return self.carry_out(self.control.cancel(dispatch_id, asset_ids, self.now))

    def registered(self) -> Decision:
        return self.carry_out(self.control.registered(self.now))

    def link_lost(self) -> None:
        self.control.link_lost(self.t)

    def stop(self) -> Decision:
        return self.carry_out(self.control.stop(self.now))

    def pass_time(self, seconds: float) -> None:
        """Let time pass, with every deadline on the way met on time."""
        until = self.t + seconds
        while (due := self.control.next_deadline_s()) is not None and due <= until:
            self.t = max(self.t, due)
            self.carry_out(self.control.advance(self.now))
        self.t = until

    def carry_out(self, decision: Decision) -> Decision:
        self._note(decision)
        results = [self._write(write) for write in decision.writes]
        settled = self.control.settle(results, self.now)
        assert not settled.writes
        self._note(settled)
        return decision

    def told(self, dispatch_id: UUID, asset_id: UUID) -> list[str]:
        """The states that were reported of a part, in order; with the reason, where there was one."""
        return [
            f"{part.state}: {part.reason}" if part.reason else str(part.state)
            for part in self.parts(dispatch_id, asset_id)
        ]

    def parts(self, dispatch_id: UUID, asset_id: UUID) -> list[AllocationReport]:
        return [
            part
            for report in self.reports
            if report.dispatch_id == dispatch_id
            for part in report.allocations
            if part.asset_id == asset_id
        ]

    def in_force(self) -> Mapping[UUID, UUID]:
        """Which dispatch is in force, by asset."""
        return {held.asset_id: held.dispatch_id for held in self.control.in_force(self.now)}

    def _write(self, write: Write) -> Applied | NotApplied:
        self.writes.append(write)
        if write.asset_id in self.failures:
            reason, unchanged = self.failures[write.asset_id]
            return NotApplied(write, reason, "it did not work", unchanged)
        self.setpoints[write.asset_id] = write.setpoint_mw
        return Applied(write, write.setpoint_mw or 0.0)

    def _note(self, decision: Decision) -> None:
        self.reports += decision.reports
        self.alarms += decision.alarms
