"""The life of a dispatch, as types: what can't happen can't be written.

    submitted ─► queued ─► sent ─► acknowledged ─► active ─► completed
                   ▲         │
                   └─────────┘  link lost before the agent answered

and from wherever the class below has the method: ``rejected expired superseded cancelled failed``. Each stage is a
class that has one method per transition that is legal from it, and no others; a stage that is over has none. So
``Completed(...).activate(...)`` is an error to the type checker, and at run time there is nothing to call. Every stage
carries the whole list of transitions that led to it.

``advance`` is the one place where a state's *name*, as it comes over the wire or from a store, is turned into such a
call; a name that is not legal from where the dispatch stands leaves it as it is.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, TypeVar


class State(StrEnum):
    """Names of the stages, as they appear in records and on the wire."""

    SUBMITTED = "submitted"
    QUEUED = "queued"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    ACTIVE = "active"
    COMPLETED = "completed"
    REJECTED = "rejected"
    EXPIRED = "expired"
    SUPERSEDED = "superseded"
    CANCELLED = "cancelled"
    FAILED = "failed"

    @property
    def final(self) -> bool:
        """Whether nothing can follow."""
        return self in FINAL_STATES


FINAL_STATES = frozenset(
    {
        State.COMPLETED,
        State.REJECTED,
        State.EXPIRED,
        State.SUPERSEDED,
        State.CANCELLED,
        State.FAILED,
    }
)


@dataclass(frozen=True, slots=True)
class Transition:
    """One step: into which state, when (aware UTC), by whom, and why where that is not plain."""

    state: State
    at: datetime
    by: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Stage:
    transitions: tuple[Transition, ...]

    state: ClassVar[State]

    @property
    def last(self) -> Transition:
        """The step that led here."""
        return self.transitions[-1]

    def at(self, state: State) -> datetime | None:
        """When it last came into ``state``, if it ever did."""
        return next((t.at for t in reversed(self.transitions) if t.state is state), None)


_S = TypeVar("_S", bound=_Stage)


def _step(stage: _Stage, to: type[_S], at: datetime, by: str, reason: str | None) -> _S:
    if at.tzinfo is None:
        raise ValueError("a transition needs an aware time")
    not_before = max(at, stage.transitions[-1].at) if stage.transitions else at
    return to((*stage.transitions, Transition(to.state, not_before, by, reason)))


class Completed(_Stage):
    """Ran to the end of its duration."""

    __slots__ = ()
    state = State.COMPLETED


class Rejected(_Stage):
    """Never applied: the headend or the agent refused it; the reason says why."""

    __slots__ = ()
    state = State.REJECTED


class Expired(_Stage):
    """Could not be delivered within its time to live."""

    __slots__ = ()
    state = State.EXPIRED


class Superseded(_Stage):
    """A newer dispatch took its place."""

    __slots__ = ()
    state = State.SUPERSEDED


class Cancelled(_Stage):
    """An operator took it back."""

    __slots__ = ()
    state = State.CANCELLED


class Failed(_Stage):
    """It was in force, or may have been, and ended otherwise than it should; the reason says how."""

    __slots__ = ()
    state = State.FAILED


class _CanReject(_Stage):
    __slots__ = ()

    def reject(self, at: datetime, by: str, reason: str) -> Rejected:
        """Refuse it before it was applied."""
        return _step(self, Rejected, at, by, reason)


class _CanEnd(_Stage):
    __slots__ = ()

    def supersede(self, at: datetime, by: str, reason: str | None = None) -> Superseded:
        """A newer dispatch for the same asset takes over."""
        return _step(self, Superseded, at, by, reason)

    def cancel(self, at: datetime, by: str, reason: str | None = None) -> Cancelled:
        """Take it back."""
        return _step(self, Cancelled, at, by, reason)

    def fail(self, at: datetime, by: str, reason: str) -> Failed:
        """End it for a fault, or because nobody can know any more what became of it."""
        return _step(self, Failed, at, by, reason)


class _CanExpire(_Stage):
    __slots__ = ()

    def expire(self, at: datetime, by: str, reason: str | None = None) -> Expired:
        """Give it up because its time to live ran out before the agent answered."""
        return _step(self, Expired, at, by, reason)


class Active(_CanEnd):
    """In force at the asset."""

    __slots__ = ()
    state = State.ACTIVE

    def complete(self, at: datetime, by: str, reason: str | None = None) -> Completed:
        """Its duration is over."""
        return _step(self, Completed, at, by, reason)


class Acknowledged(_CanReject, _CanEnd):
    """The agent has it and will apply it."""

    __slots__ = ()
    state = State.ACKNOWLEDGED

    def activate(self, at: datetime, by: str, reason: str | None = None) -> Active:
        """The asset was told."""
        return _step(self, Active, at, by, reason)


class Sent(_CanReject, _CanEnd, _CanExpire):
    """On its way to the agent; no answer yet."""

    __slots__ = ()
    state = State.SENT

    def acknowledge(self, at: datetime, by: str, reason: str | None = None) -> Acknowledged:
        """The agent answered that it has it."""
        return _step(self, Acknowledged, at, by, reason)

    def requeue(self, at: datetime, by: str, reason: str) -> "Queued":
        """The link was lost before an answer came; the agent knows a dispatch by id and applies it once."""
        return _step(self, Queued, at, by, reason)


class Queued(_CanReject, _CanEnd, _CanExpire):
    """Accepted, waiting for the agent."""

    __slots__ = ()
    state = State.QUEUED

    def send(self, at: datetime, by: str, reason: str | None = None) -> Sent:
        """Hand it to the agent's link."""
        return _step(self, Sent, at, by, reason)


class Submitted(_CanReject):
    """Understood and recorded."""

    __slots__ = ()
    state = State.SUBMITTED

    def queue(self, at: datetime, by: str, reason: str | None = None) -> Queued:
        """Put it in line for its agent."""
        return _step(self, Queued, at, by, reason)


Open = Submitted | Queued | Sent | Acknowledged | Active
Final = Completed | Rejected | Expired | Superseded | Cancelled | Failed
Stage = Open | Final


def submit(at: datetime, by: str) -> Submitted:
    """The beginning of every dispatch."""
    return _step(Submitted(()), Submitted, at, by, None)


def advance(stage: Stage, transition: Transition) -> Stage:
    """``stage`` after a reported transition; the same ``stage`` if that transition is not legal from it.

    A report that comes twice, late or out of order therefore does nothing. Two shortcuts are honoured, because a
    report can overtake or outlive the one before it: whatever says *active* or *completed* also says that the agent
    had acknowledged and applied.
    """
    step = (transition.at, transition.by)
    reason = transition.reason
    match stage, transition.state:
        case Submitted(), State.QUEUED:
            return stage.queue(*step, reason)
        case Submitted(), State.REJECTED:
            return stage.reject(*step, reason or "rejected")
        case Queued(), State.SENT:
            return stage.send(*step, reason)
        case Sent(), State.QUEUED:
            return stage.requeue(*step, reason or "link_lost")
        case ((Queued() | Sent()), (State.ACKNOWLEDGED | State.ACTIVE | State.COMPLETED)):
            # Queued, and yet the agent has it: it was sent before a lost link put it back in line.
            sent = stage if isinstance(stage, Sent) else stage.send(*step)
            return advance(sent.acknowledge(*step), transition)
        case Acknowledged(), State.ACTIVE:
            return stage.activate(*step, reason)
        case Acknowledged(), State.COMPLETED:
            return stage.activate(*step).complete(*step, reason)
        case Active(), State.COMPLETED:
            return stage.complete(*step, reason)
        case _:
            return _end(stage, transition)


def _end(stage: Stage, transition: Transition) -> Stage:
    at, by, reason = transition.at, transition.by, transition.reason
    match stage, transition.state:
        case ((Queued() | Sent()), State.EXPIRED):
            return stage.expire(at, by, reason)
        case ((Queued() | Sent() | Acknowledged()), State.REJECTED):
            return stage.reject(at, by, reason or "rejected")
        case ((Queued() | Sent() | Acknowledged() | Active()), State.SUPERSEDED):
            return stage.supersede(at, by, reason)
        case ((Queued() | Sent() | Acknowledged() | Active()), State.CANCELLED):
            return stage.cancel(at, by, reason)
        case ((Queued() | Sent() | Acknowledged() | Active()), State.FAILED):
            return stage.fail(at, by, reason or "failed")
        case _:
            return stage


def restore(transitions: Iterable[Transition]) -> Stage:
    """The stage that a recorded list of transitions leads to.

    Raises:
        ValueError: if the list is empty, does not begin with ``submitted`` or has an illegal step.
    """
    first, *rest = transitions
    if first.state is not State.SUBMITTED:
        raise ValueError(f"a dispatch begins as submitted, not as {first.state}")
    stage: Stage = Submitted((first,))
    for transition in rest:
        following = advance(stage, transition)
        if following.last != transition or len(following.transitions) != len(stage.transitions) + 1:
            raise ValueError(f"{transition.state} cannot follow {stage.state}")
        stage = following
    return stage
