"""What a dispatch means at one site: the agent's own rules (``edge_agent.control``), carried out on arrays.

Made for a gateway when its first command comes; most gateways of a big fleet never get one.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from uuid import UUID

from der_core.assets import Asset
from der_core.dispatch import Command, DispatchReport, InForce
from der_fleet.plant import Plant
from der_runtime.clock import Clock
from edge_agent.control import SiteControl
from edge_agent.decisions import Alarm, Applied, Condition, Decision, Now
from edge_agent.ledger import Ledger

Say = Callable[[Sequence[DispatchReport], Sequence[Alarm], Mapping[UUID, DispatchReport | None]], None]
"""Is told the reports, the alarms, and what is known now of the dispatches that changed."""


class Commands:
    """The dispatches of one gateway, whose ``assets`` stand in the plant from ``first`` on."""

    def __init__(
        self,
        assets: Sequence[Asset],
        *,
        first: int,
        plant: Plant,
        clock: Clock,
        failsafe_after_s: float,
        say: Say,
    ) -> None:
        self._places = {asset.id: first + at for at, asset in enumerate(assets)}
        self._plant = plant
        self._clock = clock
        self._say = say
        self._ledger = Ledger()
        self._control = SiteControl(assets, failsafe_after_s=failsafe_after_s, ledger=self._ledger)
        self._timer: asyncio.TimerHandle | None = None

    def restart(self, dispatches: Iterable[DispatchReport]) -> None:
        """Take over from an earlier run of the same gateway: what was in force then is over."""
        self._ledger.restore(dispatches)
        self._carry_out(self._control.start(self._now()))

    def command(self, command: Command) -> None:
        """A setpoint came."""
        now = self._now()
        named = {
            asset_id: self._places[asset_id] for asset_id in command.asset_ids if asset_id in self._places
        }
        conditions = {asset_id: self._condition(place) for asset_id, place in named.items()}
        self._carry_out(self._control.command(command, conditions, arrived_s=now.monotonic_s, now=now))

    def cancel(self, dispatch_id: UUID, asset_ids: Sequence[UUID]) -> None:
        """A dispatch is taken back from some assets; none named means from all of its own."""
        self._carry_out(self._control.cancel(dispatch_id, asset_ids, self._now()))

    def registered(self) -> None:
        """The link is up."""
        self._carry_out(self._control.registered(self._now()))

    def link_lost(self, last_heard_s: float) -> None:
        """The link is down; the headend was last heard at this monotonic time."""
        self._control.link_lost(last_heard_s)
        self._set_timer()

    def stop(self) -> None:
        """The gateway goes: its assets are left safe."""
        self._carry_out(self._control.stop(self._now()))
        if self._timer is not None:
            self._timer.cancel()

    def in_force(self) -> tuple[InForce, ...]:
        """What the assets do on command right now."""
        return self._control.in_force(self._now())

    def _condition(self, place: int) -> Condition:
        plant = self._plant
        return Condition(
            online=True,
            soc_pct=plant.soc_pct(place),
            available_mw=plant.available_mw(place),
        )

    def _carry_out(self, decision: Decision) -> None:
        self._tell(decision)
        if decision.writes:
            results = [
                Applied(write, self._plant.command(self._places[write.asset_id], write.setpoint_mw))
                for write in decision.writes
            ]
            self._tell(self._control.settle(results, self._now()))
        self._set_timer()

    def _tell(self, decision: Decision) -> None:
        changes = self._ledger.take_changes(self._clock.now())
        if decision.reports or decision.alarms or changes:
            self._say(decision.reports, decision.alarms, changes)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due_s = self._control.next_deadline_s()
        if due_s is not None:
            delay_s = max(due_s - self._clock.monotonic(), 0.0)
            self._timer = asyncio.get_running_loop().call_later(delay_s, self._advance)

    def _advance(self) -> None:
        self._carry_out(self._control.advance(self._now()))

    def _now(self) -> Now:
        return Now(self._clock.monotonic(), self._clock.now())
