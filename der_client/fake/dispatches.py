"""Dispatches of a fake headend: the real rules (``der_core``), agents that obey at once, and a clock that is looked at.

Nothing happens by itself. What is due by the clock (an expiry, the end of a duration) happens when something looks.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from der_client import models
from der_client.fake import views
from der_client.fake.announcements import Announcement
from der_client.fake.plant import Plant
from der_core.allocation import Candidate, Split, split
from der_core.assets import Asset, Limits
from der_core.dispatch import AllocationReport, Dispatch, DispatchReport, Target
from der_core.errors import Conflict, NotFound
from der_core.lifecycle import State, Transition
from der_core.request import (
    HEADEND,
    OPERATOR,
    Aim,
    DispatchRequest,
    aim,
    check_soc,
    new_dispatch,
    same_request,
)


class Dispatches:
    """All dispatches, oldest first."""

    def __init__(self, plant: Plant, now: Callable[[], datetime]) -> None:
        self._plant = plant
        self._now = now
        self.records: dict[UUID, Dispatch] = {}

    def submit(self, request: DispatchRequest) -> Dispatch:
        """Record a request; the same id with the same content gives the record there is. Its agent gets it later.

        Raises:
            Rejected, NotFound, Conflict: as the headend does.
        """
        meant = aim(request, self._plant.inventory)
        dispatch_id = request.id or uuid4()
        if (known := self.records.get(dispatch_id)) is not None:
            if not same_request(known, request, meant):
                detail = f"dispatch {known.id} exists and asks for something else; use another id"
                raise Conflict("id_in_use", detail, field="id")
            return known
        self._refuse_by_soc(request, meant)
        record = new_dispatch(request, meant, dispatch_id=dispatch_id, now=self._now())
        for older in self._open_with({asset.id for asset in meant.assets}):
            superseded = Transition(State.SUPERSEDED, self._now(), HEADEND, f"superseded_by {record.id}")
            self._put(older.moved(superseded, _parts(older, State.QUEUED) & {a.id for a in meant.assets}))
        self._put(record)
        return record

    def preview(self, request: DispatchRequest) -> models.Preview:
        """The split that would be made now; raises as ``submit``."""
        meant = aim(request, self._plant.inventory)
        self._refuse_by_soc(request, meant)
        chosen, skipped = self._available(meant.assets)
        return views.preview(
            self._split(request.mw, chosen),
            asset_id=meant.asset_id,
            site_id=meant.site_id,
            skipped=skipped,
            warnings=meant.warnings,
            inventory=self._plant.inventory,
        )

    def get(self, dispatch_id: UUID) -> Dispatch:
        """A record.

        Raises:
            NotFound: ``unknown_dispatch``.
        """
        if dispatch_id not in self.records:
            raise NotFound("unknown_dispatch", f"no dispatch {dispatch_id}", field="id")
        return self.records[dispatch_id]

    def cancel(self, dispatch_id: UUID) -> Dispatch:
        """Take one back; what an agent holds that is away is cancelled when it comes."""
        record = self.get(dispatch_id)
        if not record.state.final:
            asked = replace(record, cancel_requested_at=self._now())
            cancelled = Transition(State.CANCELLED, self._now(), OPERATOR)
            self._put(asked.moved(cancelled, _parts(asked, State.QUEUED)))
            self._carry_out_cancellation(dispatch_id)
        return self.get(dispatch_id)

    def settle(self) -> None:
        """Let happen what is due by now, and let the agents that are connected do what they were told."""
        for dispatch_id in list(self.records):
            self._expire(dispatch_id)
            self._complete(dispatch_id)
            if self._plant.connected(self.records[dispatch_id].site_id):
                self._deliver(dispatch_id)
                self._carry_out_cancellation(dispatch_id)

    def shown(self, record: Dispatch) -> models.Dispatch:
        """A record as JSON, with what was measured of its active parts."""
        parts = tuple(
            replace(part, measured_mw=self._plant.samples[str(part.asset_id)]["current_mw"])
            if part.state is State.ACTIVE and self._plant.online(self._plant.asset_of(part.asset_id))
            else part
            for part in record.allocations
        )
        return views.dispatch(replace(record, allocations=parts), self._plant.inventory)

    def _refuse_by_soc(self, request: DispatchRequest, meant: Aim) -> None:
        asset = meant.assets[0]
        if meant.target is Target.ASSET and self._plant.connected(asset.site_id):
            check_soc(request.mw, asset, self._plant.limits(asset))

    def _available(self, assets: Iterable[Asset]) -> tuple[list[Asset], dict[UUID, str]]:
        chosen: list[Asset] = []
        skipped: dict[UUID, str] = {}
        for asset in assets:
            if self._plant.online(asset):
                chosen.append(asset)
            else:
                connected = self._plant.connected(asset.site_id)
                skipped[asset.id] = "asset_offline" if connected else "agent_offline"
        return chosen, skipped

    def _split(self, mw: float, assets: Iterable[Asset]) -> Split:
        return split(mw, [_candidate(asset, self._plant.limits(asset)) for asset in assets])

    def _deliver(self, dispatch_id: UUID) -> None:
        """The agent gets what waits for it, splits it, and applies it at once."""
        record = self.records[dispatch_id]
        queued = _parts(record, State.QUEUED)
        if not queued:
            return
        agent = str(record.site_id)
        assets = [self._plant.inventory.assets[id] for id in sorted(queued, key=lambda id: id.int)]
        self._put(record.moved(Transition(State.SENT, self._now(), HEADEND), queued))
        chosen, skipped = self._available(assets)
        made = self._split(record.requested_mw, chosen)
        self._report(
            dispatch_id,
            agent,
            [
                AllocationReport(asset_id=id, state=State.REJECTED, reason=reason)
                for id, reason in skipped.items()
            ],
        )
        for state in (State.ACKNOWLEDGED, State.ACTIVE):
            self._report(
                dispatch_id, agent, [AllocationReport.of_share(share, state) for share in made.shares]
            )
        for share in made.shares:
            self._drive(share.asset_id, share.mw)
        self._take_over(dispatch_id, agent, {share.asset_id for share in made.shares})

    def _take_over(self, dispatch_id: UUID, agent: str, assets: set[UUID]) -> None:
        """What was in force at these assets before is superseded."""
        for older in self._open_with(assets):
            if older.id != dispatch_id:
                self._end(
                    older,
                    agent,
                    _parts(older, State.ACTIVE) & assets,
                    State.SUPERSEDED,
                    f"superseded_by {dispatch_id}",
                )

    def _expire(self, dispatch_id: UUID) -> None:
        record = self.records[dispatch_id]
        if self._now() >= record.expires_at and (queued := _parts(record, State.QUEUED)):
            self._put(record.moved(Transition(State.EXPIRED, self._now(), HEADEND, "ttl_over"), queued))

    def _complete(self, dispatch_id: UUID) -> None:
        record = self.records[dispatch_id]
        active = _parts(record, State.ACTIVE)
        if not active or record.active_at is None or record.duration_s is None:
            return
        if self._now() >= record.active_at + timedelta(seconds=record.duration_s):
            self._end(record, str(record.site_id), active, State.COMPLETED, None)
            for asset_id in active:
                self._drive(asset_id, 0.0)

    def _carry_out_cancellation(self, dispatch_id: UUID) -> None:
        record = self.records[dispatch_id]
        active = _parts(record, State.ACTIVE)
        if record.cancel_requested_at is None or not active or not self._plant.connected(record.site_id):
            return
        self._end(record, str(record.site_id), active, State.CANCELLED, None)
        for asset_id in active:
            self._drive(asset_id, 0.0)

    def _end(self, record: Dispatch, agent: str, assets: set[UUID], state: State, reason: str | None) -> None:
        self._report(
            record.id, agent, [AllocationReport(asset_id=id, state=state, reason=reason) for id in assets]
        )

    def _report(self, dispatch_id: UUID, agent: str, parts: list[AllocationReport]) -> None:
        if parts:
            report = DispatchReport(dispatch_id=dispatch_id, at=self._now(), allocations=tuple(parts))
            self._put(self.records[dispatch_id].reported(report, agent_id=agent))

    def _drive(self, asset_id: UUID, mw: float) -> None:
        status = "discharging" if mw > 0 else "charging" if mw < 0 else "idle"
        values = {"current_mw": mw, "setpoint_mw": mw, "status": status}
        self._plant.measure(self._plant.asset_of(asset_id), values)

    def _open_with(self, assets: set[UUID]) -> list[Dispatch]:
        return [
            record
            for record in self.records.values()
            if not record.state.final and any(part.asset_id in assets for part in record.allocations)
        ]

    def _put(self, record: Dispatch) -> None:
        if self.records.get(record.id) == record:
            return
        self.records[record.id] = record
        assets = frozenset(str(part.asset_id) for part in record.allocations)
        site_id = str(record.site_id)
        self._plant.announcements.announce(Announcement("dispatch", self.shown(record), site_id, assets))


def _parts(record: Dispatch, state: State) -> set[UUID]:
    return {part.asset_id for part in record.allocations if part.state is state}


def _candidate(asset: Asset, limits: Limits) -> Candidate:
    return Candidate(asset_id=asset.id, capacity_mwhr=asset.capacity_mwhr, limits=limits)
