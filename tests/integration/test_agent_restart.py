"""The agent as a process with a spool on disk, killed and started again, against a scripted headend."""

import asyncio
import sqlite3
from pathlib import Path
from uuid import uuid4

import pytest

from der_wire._gen import agent_link_pb2 as pb
from kit.disks import fill, small_disk
from kit.processes import SHIPPED_INVENTORY, Program
from kit.scripted_headend import ScriptedHeadend, ScriptedSession, until

SITE = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"
A, B, C = (f"{digit}ba7b810-9dad-11d1-80b4-00c04fd430c8" for digit in "789")
ACTIVE, FAILED = pb.DispatchReport.STATE_ACTIVE, pb.DispatchReport.STATE_FAILED
START_S = 20.0


def agent(port: int, spool: Path, **more: str) -> Program:
    env = {
        "HEADEND_GRPC": f"127.0.0.1:{port}",
        "SITE_ID": SITE,
        "ASSETS_PATH": str(SHIPPED_INVENTORY),
        "TICK_S": "0.05",
        "HEARTBEAT_S": "0.2",
        "SIM_FAULTS_PER_HOUR": "0",
        "SPOOL_PATH": str(spool),
        **more,
    }
    return Program.module("edge_agent", env=env)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


async def told(session: ScriptedSession, dispatch_id: str, *wanted: tuple[str, int, str]) -> None:
    await until(lambda: all(each in session.states(dispatch_id) for each in wanted))


def garbage(path: Path) -> None:
    path.write_bytes(b"\xffno spool\0at all" * 1000)


async def more_records(session: ScriptedSession, count: int) -> None:
    await until(lambda: len(session.records) > count)


def events(session: ScriptedSession) -> list[tuple[str, int]]:
    return [(record.event.code, record.event.kind) for record in session.records if record.HasField("event")]


async def test_killed_agent_goes_on_with_its_numbers_and_loses_nothing(spool: Path) -> None:
    async with ScriptedHeadend(acknowledges=False) as headend:
        seen: dict[int, pb.Record] = {}
        spool_ids = set()
        for run in range(1, 4):
            with agent(headend.port, spool):
                session = await headend.session(run, within_s=START_S)
                await more_records(session, len(seen) + 20)
            spool_ids.add(session.register.spool_id)
            assert session.register.first_seq == 1
            assert [record.seq for record in session.records] == list(range(1, len(session.records) + 1))
            again = {record.seq: record for record in session.records}
            assert {seq: again[seq] for seq in seen} == seen
            seen = again
        assert len(spool_ids) == 1
        times = [record.frame.timestamp_us for record in seen.values() if record.HasField("frame")]
        assert times == sorted(set(times))


async def test_what_was_acknowledged_does_not_come_again(spool: Path) -> None:
    async with ScriptedHeadend() as headend:
        with agent(headend.port, spool) as program:
            session = await headend.session(within_s=START_S)
            await until(lambda: len(session.records) > 20)
            assert await asyncio.to_thread(program.stop) == 0  # while the headend goes on
            assert "spool" in program.stdout[0]
            assert f"{spool} (0 records)" in program.stdout[0]
        headend.acknowledged_seq = session.through_seq
        with agent(headend.port, spool):
            second = await headend.session(2, within_s=START_S)
            await until(lambda: len(second.records) > 5)
        assert second.register.first_seq == session.through_seq + 1
        assert second.records[0].seq == session.through_seq + 1


async def test_setpoint_sent_again_after_a_kill_is_not_applied_again(spool: Path) -> None:
    alone, wide = str(uuid4()), str(uuid4())
    async with ScriptedHeadend() as headend:
        with agent(headend.port, spool):
            session = await headend.session(within_s=START_S)
            await session.setpoint(wide, 12.0, A, B, C, site_wide=True)
            await session.setpoint(alone, 5.0, A, duration_s=600.0)
            await told(session, alone, (A, ACTIVE, ""))
            await until(lambda: session.latest("setpoint_mw") == pytest.approx([5.0, 2.4, 2.4]))
        headend.acknowledged_seq = session.through_seq
        with agent(headend.port, spool) as program:
            second = await headend.session(2, within_s=START_S)
            assert list(second.register.in_force) == []
            await told(second, alone, (A, FAILED, "agent_restarted"))
            await told(second, wide, (B, FAILED, "agent_restarted"), (C, FAILED, "agent_restarted"))
            await second.setpoint(alone, 5.0, A, duration_s=600.0)
            await second.setpoint(wide, 12.0, A, B, C, site_wide=True)
            fresh = str(uuid4())
            await second.setpoint(fresh, 7.0, C)
            await told(second, fresh, (C, ACTIVE, ""))
            await until(lambda: second.latest("setpoint_mw") == [0.0, 0.0, 7.0])
            assert [s for s in second.states(alone) if s[1] != FAILED] == []
            assert {s for s in second.states(wide) if s[1] != FAILED} == {
                (A, pb.DispatchReport.STATE_SUPERSEDED, f"superseded_by {alone}")
            }
            assert program.stop() == 0


async def test_damaged_spool_is_set_aside_and_told(spool: Path) -> None:
    garbage(spool)
    async with ScriptedHeadend() as headend:
        with agent(headend.port, spool) as program:
            session = await headend.session(within_s=START_S)
            await until(lambda: len(session.records) > 3)
            assert program.wait_for("spool damaged, begun anew")
        assert session.records[0].event.code == "spool_corrupt"
        assert "spool.db.corrupt-" in session.records[0].event.message
        assert len(list(spool.parent.glob("spool.db.corrupt-*"))) == 1


async def test_full_disk_leaves_control_and_live_values_and_is_told_afterwards(tmp_path: Path) -> None:
    dispatch_id = str(uuid4())
    with small_disk(tmp_path / "disk", mib=8) as disk:
        async with ScriptedHeadend() as headend:
            with agent(headend.port, disk / "spool.db") as program:
                session = await headend.session(within_s=START_S)
                await until(lambda: len(session.records) > 3)
                filler = fill(disk)
                await asyncio.to_thread(program.wait_for, "spool out of order")
                await session.setpoint(dispatch_id, 5.0, A)
                await until(
                    lambda: any(part.state == ACTIVE for r in session.live for part in r.report.allocations)
                )
                live = len(session.live)
                await until(lambda: len(session.live) > live + 5)
                assert session.states(dispatch_id) == []
                filler.unlink()
                await asyncio.to_thread(program.wait_for, "spool in order again")
                await told(session, dispatch_id, (A, ACTIVE, ""))
                await until(lambda: ("spool_not_written", pb.Event.KIND_NOTICE) in events(session))
                await until(lambda: session.heartbeats[-1].dropped_records > 5)
                assert sum("spool out of order" in line for line in program.stderr) == 1
                assert program.stop() == 0


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("nowhere/spool.db", "there is no folder"),
        (".", "is not a file"),
        ("other.db", "is a database of another program"),
        ("notes.md", "is not a spool: name another file"),
    ],
)
def test_spool_that_cannot_be_used_is_named_in_one_line(tmp_path: Path, place: str, said: str) -> None:
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE customers (name TEXT)")
    other.close()
    (tmp_path / "notes.md").write_text("# Notes")
    with agent(1, tmp_path / place) as program:
        assert program.wait(deadline_s=START_S) == 2
        assert len(program.stderr) == 1
        assert program.stderr[0].startswith("Error: SPOOL_PATH: ")
        assert said in program.stderr[0]


async def test_second_agent_on_the_same_spool_is_refused(spool: Path) -> None:
    async with ScriptedHeadend() as headend:
        with agent(headend.port, spool):
            await headend.session(within_s=START_S)
            with agent(headend.port, spool) as second:
                assert await asyncio.to_thread(second.wait, deadline_s=START_S) == 2
                assert "is in use by another process" in second.stderr[0]
        assert headend.attempts == 1
