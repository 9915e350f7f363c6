"""The real agent with its simulated assets against a scripted headend, over a real socket."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from der_runtime.backoff import Backoff
from der_wire._gen import agent_link_pb2 as pb
from edge_agent import factory
from edge_agent.settings import AgentSettings
from kit.scripted_headend import ScriptedHeadend, ScriptedSession, until
from kit.tcp_proxy import TcpProxy

INVENTORY = Path(__file__).parents[2] / "der_headend" / "assets_test.yaml"
SITE = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
A, B, C = (f"{digit}ba7b810-9dad-11d1-80b4-00c04fd430c8" for digit in "789")
HEARTBEAT_S = 0.1

ACKNOWLEDGED, ACTIVE, REJECTED, FAILED = (
    pb.DispatchReport.STATE_ACKNOWLEDGED,
    pb.DispatchReport.STATE_ACTIVE,
    pb.DispatchReport.STATE_REJECTED,
    pb.DispatchReport.STATE_FAILED,
)


@contextlib.asynccontextmanager
async def agent_at(port: int, **settings: Any) -> AsyncIterator[factory.Parts]:
    chosen = {
        "HEADEND_GRPC": f"127.0.0.1:{port}",
        "SITE_ID": SITE,
        "ASSETS_PATH": str(INVENTORY),
        "TICK_S": "0.05",
        "HEARTBEAT_S": str(HEARTBEAT_S),
        "SIM_FAULTS_PER_HOUR": "0",
        "SIM_SEED": "7",
        **settings,
    }
    loaded = AgentSettings(**chosen)
    parts = factory.build(loaded, factory.identify(loaded))
    parts.uplink._backoff = Backoff(first_s=0.02, cap_s=0.1)
    await parts.agent.start()
    works = (parts.agent.run_control(), parts.agent.run_ticks(), parts.uplink.run())
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield parts
    finally:
        crashed = [task.exception() for task in tasks if task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await parts.agent.close()
        assert all(error is None for error in crashed)


async def told(session: ScriptedSession, dispatch_id: str, *wanted: tuple[str, int, str]) -> None:
    await until(lambda: all(each in session.states(dispatch_id) for each in wanted))


async def test_registers_its_assets_in_order_and_reports() -> None:
    async with ScriptedHeadend() as headend, agent_at(headend.port):
        session = await headend.session()
        assert session.register.protocol == 1
        assert session.register.mode == pb.MODE_GATEWAY
        assert session.register.agent_id == session.register.site_id == SITE
        assert [asset.id for asset in session.register.assets] == [A, B, C]
        assert list(session.register.in_force) == []
        await until(lambda: len(session.records) > 3 and len(session.heartbeats) > 3)
        assert [record.seq for record in session.records] == list(range(1, len(session.records) + 1))
        assert session.latest("soc_pct") == [50.0, 50.0, 50.0]
        assert session.live == []


async def test_obeys_a_site_setpoint_and_shows_it_in_telemetry() -> None:
    dispatch_id = str(uuid4())
    async with ScriptedHeadend() as headend, agent_at(headend.port):
        session = await headend.session()
        await session.setpoint(dispatch_id, 12.0, A, B, C, site_wide=True)
        await told(session, dispatch_id, *((asset, ACTIVE, "") for asset in (A, B, C)))
        await until(lambda: session.latest("setpoint_mw") == pytest.approx([7.2, 2.4, 2.4]))
        await until(lambda: session.latest("current_mw") == pytest.approx([7.2, 2.4, 2.4]))


async def test_applies_a_repeated_setpoint_once() -> None:
    dispatch_id = str(uuid4())
    async with ScriptedHeadend() as headend, agent_at(headend.port):
        session = await headend.session()
        for _ in range(3):
            await session.setpoint(dispatch_id, 5.0, A)
        await until(lambda: session.states(dispatch_id).count((A, ACTIVE, "")) == 3)
        assert {state for _, state, _ in session.states(dispatch_id)} <= {ACKNOWLEDGED, ACTIVE}


async def test_cancel_returns_the_asset_to_rest() -> None:
    dispatch_id = str(uuid4())
    async with ScriptedHeadend() as headend, agent_at(headend.port):
        session = await headend.session()
        await session.setpoint(dispatch_id, 5.0, A)
        await until(lambda: session.latest("current_mw") == pytest.approx([5.0, 0.0, 0.0]))
        await session.send(pb.Downlink(cancel=pb.Cancel(dispatch_id=dispatch_id)))
        await told(session, dispatch_id, (A, pb.DispatchReport.STATE_CANCELLED, ""))
        await until(lambda: session.latest("current_mw") == pytest.approx([0.0, 0.0, 0.0]))


async def test_unknown_asset_is_rejected_and_nothing_moves() -> None:
    dispatch_id, unknown = str(uuid4()), str(uuid4())
    async with ScriptedHeadend() as headend, agent_at(headend.port):
        session = await headend.session()
        await session.setpoint(dispatch_id, 5.0, unknown)
        await told(session, dispatch_id, (unknown, REJECTED, "unknown_asset"))
        assert session.latest("setpoint_mw") in ([], [0.0, 0.0, 0.0])


async def test_setpoint_without_sense_is_rejected_and_the_link_stays() -> None:
    dispatch_id = str(uuid4())
    async with ScriptedHeadend() as headend, agent_at(headend.port):
        session = await headend.session()
        await session.setpoint(dispatch_id, float("nan"), A)
        await told(session, dispatch_id, (A, REJECTED, "invalid"))
        assert len(headend.sessions) == 1


async def test_comes_back_at_once_after_a_drop_with_what_is_in_force() -> None:
    dispatch_id = str(uuid4())
    async with ScriptedHeadend() as headend, agent_at(headend.port) as parts:
        session = await headend.session()
        parts.uplink._backoff = Backoff(first_s=60.0, cap_s=60.0)
        parts.uplink._steady_after_s = 0.0
        await session.setpoint(dispatch_id, 5.0, A, duration_s=600.0)
        await told(session, dispatch_id, (A, ACTIVE, ""))
        session.ended.set()
        second = await headend.session(2, within_s=10.0)  # any wait of the backoff would be 30 s or more
        (held,) = second.register.in_force
        assert (held.dispatch_id, held.asset, held.mw, held.duration_s) == (dispatch_id, 0, 5.0, 600.0)
        assert 590.0 < held.remaining_s < 600.0
        assert second.register.spool_id == session.register.spool_id


async def test_session_that_ends_as_soon_as_it_begins_does_not_make_it_spin() -> None:
    async with ScriptedHeadend() as headend, agent_at(headend.port) as parts:
        parts.uplink._backoff = Backoff(first_s=60.0, cap_s=60.0)
        (await headend.session()).ended.set()
        await until(lambda: not parts.uplink.up)
        with pytest.raises(TimeoutError):
            await headend.session(3, within_s=0.5)


async def test_resumes_after_what_the_headend_has_stored() -> None:
    async with ScriptedHeadend(acknowledges=False) as headend, agent_at(headend.port):
        first = await headend.session()
        await until(lambda: len(first.records) > 8)
        headend.acknowledged_seq = 5
        first.ended.set()
        second = await headend.session(2)
        await until(lambda: len(second.records) > 8)
        assert [record.seq for record in second.records[:4]] == [6, 7, 8, 9]


async def test_window_is_never_exceeded_and_live_copies_go_ahead() -> None:
    dispatch_id = str(uuid4())
    async with ScriptedHeadend(window=4, acknowledges=False) as headend, agent_at(headend.port):
        session = await headend.session()
        await until(lambda: len(session.live) > 3)
        assert [record.seq for record in session.records] == [1, 2, 3, 4]
        await session.setpoint(dispatch_id, 5.0, A)
        await until(lambda: any(p.state == ACTIVE for r in session.live for p in r.report.allocations))
        frames = [record.frame.timestamp_us for record in session.live if record.HasField("frame")]
        assert frames == sorted(set(frames))
        await session.send(pb.Downlink(acknowledgement=pb.Acknowledgement(through_seq=3)))
        await until(lambda: len(session.records) == 7)
        await until(lambda: session.heartbeats[-1].spooled_records > 4)
        assert len(session.records) == 7


@pytest.mark.parametrize(("bundle", "largest"), [(0, 1), (3, 3)], ids=["an older headend", "three together"])
async def test_a_backlog_goes_together_as_far_as_the_headend_takes_that(bundle: int, largest: int) -> None:
    async with ScriptedHeadend(acknowledges=False, bundle=bundle) as headend, agent_at(headend.port):
        first = await headend.session()
        await until(lambda: len(first.records) > 8)
        first.ended.set()
        await until(lambda: any(len(later.records) > 8 for later in headend.sessions[1:]))
        later = next(later for later in headend.sessions[1:] if len(later.records) > 8)
        assert [record.seq for record in later.records[:8]] == list(range(1, 9))
        assert max(later.messages) == largest


@pytest.mark.parametrize(
    "garbage",
    [
        b"\xff\xff\xff\xff",
        pb.Downlink(registered=pb.Registered(window=1)),
        pb.Downlink(setpoint=pb.Setpoint(dispatch_id="x")),
        pb.Downlink(cancel=pb.Cancel(dispatch_id="x")),
        pb.Downlink(acknowledgement=pb.Acknowledgement(through_seq=10**9)),
    ],
    ids=["bytes", "registered twice", "nameless setpoint", "nameless cancel", "acknowledges the future"],
)
async def test_garbage_from_the_headend_drops_the_link_and_no_more(garbage: pb.Downlink | bytes) -> None:
    async with ScriptedHeadend() as headend, agent_at(headend.port):
        await (await headend.session()).send(garbage)
        # Not the second for sure: a machine that stands still for three heartbeats ends that one as well.
        await until(lambda: any(len(later.heartbeats) > 2 for later in headend.sessions[1:]))


async def test_message_of_a_newer_headend_is_passed_over() -> None:
    async with ScriptedHeadend() as headend, agent_at(headend.port):
        session = await headend.session()
        await session.send(b"\xfa\x01\x00")  # field 31, which nobody knows
        beats = len(session.heartbeats)
        await until(lambda: len(session.heartbeats) > beats + 2)
        assert len(headend.sessions) == 1


@pytest.mark.parametrize(
    "answer",
    [
        pb.Downlink(refused=pb.Refused(code="asset_served_elsewhere", reason="stop the other one")),
        pb.Downlink(acknowledgement=pb.Acknowledgement(through_seq=1)),
        pb.Downlink(registered=pb.Registered(window=0)),
        pb.Downlink(registered=pb.Registered(window=10, acknowledged_seq=10**6)),
        b"\xff",
    ],
    ids=["refused", "not an answer", "no window", "from the future", "bytes"],
)
async def test_agent_that_is_not_accepted_tries_on(answer: pb.Downlink | bytes) -> None:
    async with ScriptedHeadend(refusals=[answer] * 3) as headend, agent_at(headend.port):
        session = await headend.session()
        assert headend.attempts == 4
        await until(lambda: len(session.heartbeats) > 2)


async def test_silent_headend_is_noticed_within_three_heartbeats() -> None:
    async with ScriptedHeadend() as headend, agent_at(headend.port) as parts:
        session = await headend.session()
        await until(lambda: len(session.heartbeats) > 2)
        began = time.monotonic()
        session.silent = True
        await until(lambda: not parts.uplink.up)
        assert (
            time.monotonic() - began < 5 * HEARTBEAT_S + 1.0
        )  # the limit, and a machine with other things to do
        await headend.session(2)


async def test_black_hole_sends_open_setpoints_to_failsafe_and_timed_ones_on() -> None:
    open_ended, timed = str(uuid4()), str(uuid4())
    async with ScriptedHeadend() as headend:
        with TcpProxy(headend.port) as proxy:
            async with agent_at(proxy.port, FAILSAFE_AFTER_S="0.6") as parts:
                session = await headend.session()
                await session.setpoint(open_ended, 5.0, A)
                await session.setpoint(timed, 6.0, B, duration_s=600.0)
                await told(session, open_ended, (A, ACTIVE, ""))
                await told(session, timed, (B, ACTIVE, ""))
                proxy.blackhole()
                await until(lambda: not parts.uplink.up)
                known = len(headend.sessions)
                control = parts.agent._control
                await until(lambda: len(control.in_force(parts.agent._now())) == 1)
                proxy.heal()
                second = await headend.session(known + 1)
                await told(second, open_ended, (A, FAILED, "link_lost_failsafe"))
                await until(lambda: any(r.event.kind == pb.Event.KIND_CLEARED for r in second.records))
                raised, cleared = (r.event for r in second.records if r.HasField("event"))
                assert (raised.code, raised.kind, raised.asset) == (
                    "link_lost_failsafe",
                    pb.Event.KIND_RAISED,
                    0,
                )
                assert (cleared.code, cleared.asset) == ("link_lost_failsafe", 0)
                await until(lambda: second.latest("setpoint_mw") == [0.0, 6.0, 0.0])


async def test_failsafe_is_in_time_although_heartbeats_are_rare() -> None:
    dispatch_id = str(uuid4())
    async with ScriptedHeadend() as headend:
        with TcpProxy(headend.port) as proxy:
            async with agent_at(proxy.port, HEARTBEAT_S="5", FAILSAFE_AFTER_S="0.6") as parts:
                session = await headend.session()
                await session.setpoint(dispatch_id, 5.0, A)
                await told(session, dispatch_id, (A, ACTIVE, ""))
                began = time.monotonic()
                proxy.blackhole()
                await until(lambda: parts.agent._control.in_force(parts.agent._now()) == ())
                assert time.monotonic() - began < 0.6 + 1.0  # and a machine with other things to do


async def test_drained_agent_goes_and_comes_back_later() -> None:
    async with ScriptedHeadend() as headend, agent_at(headend.port) as parts:
        session = await headend.session()
        began = time.monotonic()
        await session.send(pb.Downlink(drain=pb.Drain(reason="upgrade", reconnect_after_s=0.3)))
        await until(lambda: not parts.uplink.up)
        await headend.session(2)
        assert time.monotonic() - began >= 0.3


async def test_headend_that_restarts_is_found_again() -> None:
    async with ScriptedHeadend() as headend, agent_at(headend.port):
        await headend.session()
        port = headend.port
        await headend.__aexit__()
        async with ScriptedHeadend(port=port) as restarted:
            session = await restarted.session()
            await until(lambda: len(session.records) > 3)


async def test_agent_can_be_cancelled_at_the_moment_the_link_ends() -> None:
    for _ in range(20):
        async with ScriptedHeadend() as headend, agent_at(headend.port):
            (await headend.session()).ended.set()
            await asyncio.sleep(0)


async def test_closing_tells_the_headend() -> None:
    async with ScriptedHeadend() as headend, agent_at(headend.port) as parts:
        session = await headend.session()
        await session.setpoint(dispatch_id := str(uuid4()), 5.0, A)
        await told(session, dispatch_id, (A, ACTIVE, ""))
        assert await parts.agent.stop(deadline_s=parts.clock.monotonic() + 5)
        await told(session, dispatch_id, (A, FAILED, "agent_stopped"))
        await parts.uplink.close()
        await until(lambda: session.half_closed)
