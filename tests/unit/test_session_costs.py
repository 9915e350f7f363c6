"""What a session costs, in counts: thousands of agents are connected to one headend."""

import asyncio
import sys
import tracemalloc
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from der_core.assets import Inventory, Site
from der_core.registration import Registration
from der_core.signals import CATALOGUE, CORE_SIGNALS
from der_headend.agents import Session
from der_headend.fleet import Fleet
from der_headend.measures import LiveSums
from der_headend.sessions import Sessions
from der_runtime.clock import ManualClock
from der_wire._gen import agent_link_pb2 as pb
from der_wire.registration import registration_from_wire
from kit import raw_agent, records
from kit.headend import SITE, A, NotingLink, World, battery

AGENTS = 500
BYTES_PER_SESSION = 5_000
"""Of Python's own objects; about 2 KiB as things are. What grpc needs for a stream comes on top."""


def asset_id(n: int) -> UUID:
    return UUID(int=SITE.int + 1 + n)


def registration(n: int) -> Registration:
    """As it comes from the wire, for what it holds on to counts."""
    sent = pb.Register(
        protocol=1,
        agent_id=str(asset_id(n)),
        mode=pb.MODE_SINGLE_ASSET,
        site_id=str(SITE),
        site_name="Site",
        software="test",
        assets=[pb.Asset(id=str(asset_id(n)), name=f"asset {n}", capacity_mwhr=40, max_mw=20, min_mw=-20)],
        signals=[pb.Signal(name=s.name, unit=s.unit, states=s.states) for s in CATALOGUE],
        heartbeat_s=10.0,
        spool_id=str(UUID(int=n + 1)),
        first_seq=1,
    )
    return registration_from_wire(pb.Register.FromString(sent.SerializeToString()))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sessions(clock: ManualClock) -> Sessions:
    batteries = [battery(asset_id(n), f"asset {n}", SITE, 40.0, 20.0) for n in range(AGENTS)]
    fleet = Fleet(Inventory([Site(SITE, "Site", "Local")], batteries))
    return Sessions(fleet=fleet, clock=clock, changed=lambda _: None, closed=lambda _: None)


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[UUID]:
    """At which sessions the watch has looked."""
    seen: list[UUID] = []
    overdue_at_s = Session.overdue_at_s.fget  # type: ignore[attr-defined] # mypy sees the value of a property

    def noted(session: Session) -> float:
        seen.append(session.id)
        return overdue_at_s(session)  # type: ignore[no-any-return] # as above

    monkeypatch.setattr(Session, "overdue_at_s", property(noted))
    return seen


def connect_all(sessions: Sessions) -> list[Session]:
    return [sessions.open(registration(n), peer=f"127.0.0.1:{n}", link=NotingLink()) for n in range(AGENTS)]


def test_a_session_holds_little_memory(sessions: Sessions) -> None:
    connect_all(sessions)  # whatever is made once, is made now
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept = connect_all(sessions)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == AGENTS
    assert (after - before) / AGENTS < BYTES_PER_SESSION


def test_a_signal_that_agents_register_and_never_send_takes_nothing_per_asset(sessions: Sessions) -> None:
    connect_all(sessions)
    assert [*sessions._fleet.columns] == [signal.name for signal in CORE_SIGNALS]


class Talking:
    """An agent's stream, which notes each time it is read how many hold on to what it said before."""

    def __init__(self, introduction: pb.Uplink) -> None:
        said = [introduction, *(pb.Uplink(heartbeat=pb.Heartbeat(at_us=n)) for n in range(1, 4))]
        self._ahead = [message.SerializeToString() for message in said]
        self._said: bytes | None = None
        self.holders: list[int] = []

    def peer(self) -> str:
        return "ipv4:127.0.0.1:1"

    async def read(self) -> bytes | None:
        if self._said is not None:
            self.holders.append(sys.getrefcount(self._said))
        self._said = self._ahead.pop(0) if self._ahead else None
        return self._said

    async def write(self, _message: pb.Downlink) -> None:
        pass


async def test_nothing_is_kept_of_a_message_while_the_next_is_awaited() -> None:
    world = World()
    link: Any = world.link
    stream = Talking(pb.Uplink(register=raw_agent.registration(str(SITE), [str(A)])))

    await link.Connect(None, stream)

    assert stream.holders == [2, 2, 2, 2]  # the stream itself, and the call that counts


def test_agents_of_a_kind_share_their_catalogue_of_signals() -> None:
    assert registration(0).signals is registration(1).signals
    assert [signal.name for signal in registration(0).signals] == [signal.name for signal in CATALOGUE]


async def test_the_watch_looks_only_at_sessions_that_may_be_overdue(
    sessions: Sessions, clock: ManualClock, looked: list[UUID]
) -> None:
    opened = connect_all(sessions)
    looked.clear()
    watching = asyncio.create_task(sessions.watch())
    await clock.run_for(25.0)
    assert looked == []
    for session in opened[1:]:
        sessions.heard(session)
    await clock.run_for(25.0)
    assert opened[0].id not in sessions.live
    assert len(sessions.live) == AGENTS - 1
    assert len(looked) <= 2 * AGENTS + 1  # each once, and its next time
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


def test_an_agent_that_comes_and_goes_leaves_nothing_for_the_watch(sessions: Sessions) -> None:
    for _ in range(500):
        sessions.close(sessions.open(registration(0), peer="", link=NotingLink()).id, "link lost")
    assert len(sessions._due) < 100


def test_what_is_asked_of_all_sessions_together_is_summed_up_as_they_come_and_go(sessions: Sessions) -> None:
    opened = connect_all(sessions)
    for n, session in enumerate(opened):
        beat = replace(records.heartbeat(0), agent_id=session.agent_id, spooled_records=1, spooled_bytes=n)
        sessions.beat(session, replace(beat, spooled_records=5))
        sessions.beat(session, beat)
    assert sessions.sums == LiveSums(AGENTS, AGENTS, sum(range(AGENTS)))
    again = sessions.open(registration(3), peer="", link=NotingLink())
    sessions.beat(opened[3], replace(records.heartbeat(0), agent_id=again.agent_id, spooled_records=100))
    assert sessions.sums == LiveSums(AGENTS, AGENTS, sum(range(AGENTS)))
    for session in tuple(sessions.live.values()):
        sessions.close(session.id, "gone")
    assert sessions.sums == LiveSums()
