"""Which agents are let in, and what operators are told of those who are not, or who know their assets otherwise.

An agent that is refused tries again every half a minute, perhaps for days. That is one alarm for as long as it goes on:
its code is ``refused_`` and the code of the refusal, its place the asset of an agent that has one, else the site. It
ends soon after the last of those who were refused for it is let in, or when nobody has been for ``QUIET_S``. Of an
alarm of an earlier run it is not known who they were: it ends once an agent of its place is let in. Strangers may name
any site and any id: of sites that are not in the inventory only a few are told, and whoever names none that can be read
is only counted.

An agent whose assets have other limits than in the inventory is let in, with an alarm at the first of them until it
comes without the difference, or without the asset. Other names are only logged: an asset goes by the inventory's.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from der_core.assets import Asset, Inventory
from der_core.errors import Conflict, DerError, Rejected
from der_core.registration import AgentMode, RegisteredAsset, Registration
from der_headend import own_alarms
from der_headend.alarms import LIMITS_DIFFER, REFUSED, Alarms
from der_headend.fleet import Fleet
from der_headend.own_alarms import Cause, Events, OwnAlarms
from der_headend.sessions import Sessions
from der_runtime.clock import Clock
from der_runtime.logs import get_logger
from der_wire._gen import agent_link_pb2 as pb
from der_wire.fields import WireInvalid, for_people, read_uuid
from der_wire.registration import MAX_AGENT_ID, registration_from_wire

QUIET_S = 120.0
STRANGE_SITES = 20
"""Of so many sites that are not in the inventory alarms may be raised."""

AGENTS_KNOWN = 1000
"""Of so many agents it is remembered why they were refused, so that the alarm ends once they are let in."""

AGENTS_PER_CAUSE = 20
"""Of so many agents it is remembered that they were refused for one cause; if there are more, it ends by itself."""

_OTHERS = ""
_LIMITS = ("capacity_mwhr", "max_mw", "min_mw")
_LOGGED = 10

_log = get_logger("der_headend.link")


@dataclass(slots=True)
class _Refused:
    """How often somebody was refused for one cause, when (monotonic) last, who, and whether one was let in since.

    ``waiting``: the ids of those who were not let in yet, and ``_OTHERS`` if they are more than can be remembered.
    """

    last_s: float
    attempts: int = 0
    waiting: set[str] = field(default_factory=set)
    let_in: bool = False

    @property
    def over(self) -> bool:
        """Whether all who were refused have been let in."""
        return self.let_in and not self.waiting

    def refused(self, agent_id: str) -> None:
        """One more, or the same again."""
        if agent_id not in self.waiting:
            self.waiting.add(agent_id if len(self.waiting) < AGENTS_PER_CAUSE else _OTHERS)

    def accepted(self, agent_id: str) -> None:
        """One of them was let in."""
        self.waiting.discard(agent_id)
        self.let_in = True


@dataclass(frozen=True, slots=True)
class Difference:
    """In what an agent's description of an asset departs from the inventory's: a field, and its value there."""

    asset: Asset
    field: str
    theirs: str | float

    @property
    def in_words(self) -> str:
        """What the agent has, and what the headend."""
        return f"{self.field} {self.theirs} (here {getattr(self.asset, self.field)})"

    def __str__(self) -> str:
        return f"{self.asset.name}: {self.in_words}"


class Admissions:
    """Judges registrations, and keeps the alarms about them."""

    def __init__(
        self, *, fleet: Fleet, sessions: Sessions, alarms: Alarms, events: Events, clock: Clock
    ) -> None:
        def own(kind: str) -> OwnAlarms:
            return OwnAlarms(kind=kind, inventory=fleet.inventory, alarms=alarms, events=events, clock=clock)

        self._fleet = fleet
        self._sessions = sessions
        self._clock = clock
        self._refusals, self._differing = own(REFUSED), own(LIMITS_DIFFER)
        self._refused: dict[Cause | str, _Refused] = {}
        self._refused_for: OrderedDict[str, Cause] = OrderedDict()
        self._taken_up: dict[tuple[UUID, UUID | None], list[Cause]] = {}
        self.refused_counts: Counter[str] = Counter()
        """How many registrations were refused, by code."""

    def read(self, introduction: pb.Register) -> Registration:
        """What an agent says of itself.

        Raises:
            WireInvalid: it makes no sense.
        """
        return registration_from_wire(introduction, self._fleet.inventory)

    def check(self, registration: Registration) -> None:
        """Whether a registration can be accepted.

        Raises:
            Rejected: it names something that the headend does not know, or knows otherwise.
            Conflict: an asset, or the spool, is served by a live session of another agent.
        """
        if registration.site_id not in self._fleet.inventory.sites:
            raise Rejected(
                "unknown_site",
                f"site {registration.site_id} is not in the headend's inventory",
                field="site_id",
            )
        if not self._sessions.may_take_all(registration):
            for offered in registration.assets:
                self._check_asset(offered, registration)
        other = self._sessions.of_spool(registration.spool_id)
        if other is not None and other.agent_id != registration.agent_id:
            raise Conflict(
                "spool_served_elsewhere",
                f"agent {other.agent_id} from {other.record.peer} has the same spool, so one of the two is a copy; "
                "give this agent a SPOOL_PATH of its own",
                field="spool_id",
            )

    def _check_asset(self, offered: RegisteredAsset | Asset, registration: Registration) -> None:
        slot, other = self._fleet.slot_of.get(offered.id), self._sessions.serving(offered.id)
        if slot is None:
            raise Rejected(
                "unknown_asset",
                f"asset {offered.id} ({offered.name}) is not in the headend's inventory; "
                "add it to ASSETS_PATH there and restart the headend",
                field="assets",
            )
        site_id = self._fleet.inventory.columns.site_id(slot)
        if site_id != registration.site_id:
            raise Rejected(
                "wrong_site",
                f"asset {offered.id} ({offered.name}) belongs to site {site_id} in the headend's "
                f"inventory, not to {registration.site_id}",
                field="assets",
            )
        if other is not None and other.agent_id != registration.agent_id:
            raise Conflict(
                "asset_served_elsewhere",
                f"asset {offered.id} ({offered.name}) is served by agent {other.agent_id} from "
                f"{other.record.peer}; stop that agent first",
                field="assets",
            )

    def refused(self, introduction: pb.Register, refusal: DerError, *, peer: str) -> None:
        """An agent was turned away; of its introduction nothing needs to be valid."""
        self.refused_counts[refusal.code] += 1
        cause = self._cause(introduction, REFUSED + refusal.code)
        known = self._refused.get(cause or refusal.code)
        if known is None:
            if len(self._refused) >= own_alarms.MOST:
                return
            known = self._refused[cause or refusal.code] = _Refused(0.0)
        known.last_s = self._clock.monotonic()
        known.attempts += 1
        agent_id = for_people(introduction.agent_id[:MAX_AGENT_ID])
        if known.attempts.bit_count() == 1:  # the first, the second, the fourth, ever more rarely
            _log.warning(
                "agent refused",
                agent_id=agent_id,
                peer=peer,
                code=refusal.code,
                reason=refusal.detail,
                attempts=known.attempts,
            )
        if cause is None:
            return
        known.refused(agent_id)
        self._refused_for[agent_id] = cause
        self._refused_for.move_to_end(agent_id)
        if len(self._refused_for) > AGENTS_KNOWN:
            self._refused_for.popitem(last=False)
        if cause not in self._refusals.raised and self._refusals.room:
            self._refusals.begin(cause, f"agent {agent_id} from {peer} is refused: {refusal.detail}")

    def accepted(self, registration: Registration, *, given_up: Sequence[UUID] = ()) -> None:
        """An agent was let in. ``given_up``: assets that it served before, and now nobody does."""
        for cause in self._over_for(registration):
            if cause in self._refused:
                self._refused[cause].accepted(registration.agent_id)
        found = differences(registration, self._fleet.inventory)
        if found:
            _log.warning(
                "agent and headend know its assets differently; the headend shows its own inventory",
                agent_id=registration.agent_id,
                differences=[str(each) for each in found[:_LOGGED]],
                count=len(found),
            )
        if self._differing.raised:
            for asset_id in given_up:
                self._end_difference(asset_id, "its agent does not serve it any more")
        self._tell_limits(registration, [each for each in found if each.field in _LIMITS])

    async def run(self) -> None:
        """End what is over, for as long as the headend runs."""
        await own_alarms.keep(self, clock=self._clock)

    def take_up(self) -> None:
        """Take up the alarms of an earlier run."""
        self._refusals.take_up()
        self._differing.take_up()
        now_s = self._clock.monotonic()
        for cause in self._refusals.raised:
            self._refused.setdefault(cause, _Refused(now_s))
            self._taken_up.setdefault((cause.site_id, cause.asset_id), []).append(cause)
        for cause in [c for c in self._differing.raised if self._difference(c.asset_id) != c]:
            self._differing.end(cause, "it is not in the inventory any more, or at another site")

    def look(self) -> None:
        """End the alarms of those who were let in, or have not tried for a while."""
        quiet_since_s = self._clock.monotonic() - QUIET_S
        for key, refused in tuple(self._refused.items()):
            if not refused.over and refused.last_s > quiet_since_s:
                continue
            del self._refused[key]
            if isinstance(key, Cause) and key in self._refusals.raised:
                why = "the agent was let in" if refused.over else f"not tried again for {QUIET_S:.0f} s"
                times = f" (refused {refused.attempts} times)" if refused.attempts else ""
                self._refusals.end(key, why + times)

    def _cause(self, introduction: pb.Register, code: str) -> Cause | None:
        """Of what a refusal tells, as far as it can be read and may be told."""
        inventory = self._fleet.inventory
        if introduction.mode == pb.MODE_SINGLE_ASSET and introduction.assets:
            asset_id = _readable(introduction.assets[0].id)
            asset = None if asset_id is None else inventory.assets.get(asset_id)
            if asset is not None:
                return Cause(asset.site_id, asset.id, code)
        site_id = _readable(introduction.site_id)
        if site_id is None:
            return None
        cause = Cause(site_id, None, code)
        if site_id in inventory.sites or cause in self._refused:
            return cause
        strange = sum(isinstance(key, Cause) and key.site_id not in inventory.sites for key in self._refused)
        return cause if strange < STRANGE_SITES else None

    def _over_for(self, registration: Registration) -> Iterator[Cause]:
        """For what an agent that is let in was refused, or in an earlier run perhaps."""
        cause = self._refused_for.pop(registration.agent_id, None)
        if cause is not None:
            yield cause
        if self._taken_up:
            single = registration.mode is AgentMode.SINGLE_ASSET
            place = registration.site_id, registration.assets[0].id if single else None
            yield from self._taken_up.pop(place, ())
            # Of an asset that was not in the inventory then it was said at the site, where others are spoken of too.
            for cause in self._taken_up.get((registration.site_id, None), ()):
                alarm = self._refusals.raised.get(cause)
                if alarm is not None and f"agent {registration.agent_id} from " in alarm.message:
                    yield cause

    def _difference(self, asset_id: UUID | None) -> Cause | None:
        """The cause of an alarm at an asset with other limits; ``None`` if there can be none."""
        asset = None if asset_id is None else self._fleet.inventory.assets.get(asset_id)
        return None if asset is None else Cause(asset.site_id, asset.id, LIMITS_DIFFER)

    def _end_difference(self, asset_id: UUID, why: str) -> None:
        cause = self._difference(asset_id)
        if cause is not None and cause in self._differing.raised:
            self._differing.end(cause, why)

    def _tell_limits(self, registration: Registration, found: Sequence[Difference]) -> None:
        """Keep one alarm, at the first asset with other limits."""
        first = found[0].asset.id if found else None
        told = [
            c for c in self._differing.raised if c.site_id == registration.site_id and c.asset_id != first
        ]
        offered = {asset.id for asset in registration.assets} if told else ()
        for cause in told:
            if cause.asset_id in offered:
                self._differing.end(cause, "agent and inventory agree, or differ in another asset")
        if first is None:
            return
        here = ", ".join(each.in_words for each in found if each.asset.id == first)
        others = len({each.asset.id for each in found}) - 1
        text = (
            f"agent {registration.agent_id} has {here}{f', likewise {others} more assets' if others else ''}; "
            "a dispatch is clamped by the limits of both"
        )
        cause = Cause(registration.site_id, first, LIMITS_DIFFER)
        before = self._differing.raised.get(cause)
        if (before is None or not before.message.endswith(text)) and self._differing.room:
            self._differing.begin(cause, text)


def differences(registration: Registration, inventory: Inventory) -> Sequence[Difference]:
    """In what an agent's assets depart from an inventory that has them all, in order of asset id."""
    if registration.is_whole_site(inventory):
        return ()
    assets = inventory.those(offered.id for offered in registration.assets)
    described = zip(assets.names, *map(assets.numbers, _LIMITS), strict=True)
    return [
        Difference(assets[place], field, theirs)
        for place, (offered, ours) in enumerate(zip(registration.assets, described, strict=True))
        for field, here in zip(("name", *_LIMITS), ours, strict=True)
        if (theirs := getattr(offered, field)) != here
    ]


def _readable(id: str) -> UUID | None:
    try:
        return read_uuid("id", id)
    except WireInvalid:
        return None
