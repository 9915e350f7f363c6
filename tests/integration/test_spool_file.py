"""The spool on disk: what it keeps over restarts, kills, full disks and damage."""

import asyncio
import os
import random
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.spool import sqlite as spool_module
from edge_agent.spool.file import APPLICATION_ID, SCHEMA_VERSION, SpoolUnusable
from edge_agent.spool.set_aside import KEPT, set_aside
from edge_agent.spool.sqlite import SqliteSpool
from kit.disks import fill, small_disk
from kit.processes import REPOSITORY, Program
from kit.scripted_headend import until
from kit.spools import NOW, open_spool, spool_at

KILLS = 8


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.db"


async def bodies(spool: SqliteSpool) -> list[tuple[int, bytes]]:
    return [(record.seq, record.body) for record in await spool.read(0, 100_000)]


# --------------------------------------------------------------------------------------------- restarts


async def test_comes_back_with_records_notes_and_name(path: Path) -> None:
    async with spool_at(path) as spool:
        first_id = spool.spool_id
        await spool.append([b"a", b"b"], {"x": b"1", "y": b"2", "z": b"3"})
        await spool.append([b"c"], {"x": b"4", "y": None})
        await spool.acknowledge(1)
    async with spool_at(path) as spool:
        assert spool.spool_id == first_id
        assert await bodies(spool) == [(2, b"b"), (3, b"c")]
        assert list(spool.recalled.items()) == [("z", b"3"), ("x", b"4")]
        assert spool.was_damaged is None


async def test_numbers_go_on_after_everything_was_acknowledged(path: Path) -> None:
    async with spool_at(path) as spool:
        await spool.append([b"a"] * 7)
        await spool.acknowledge(7)
    for n in range(3):
        async with spool_at(path) as spool:
            assert (spool.status().first_seq, spool.status().records) == (8 + n, 0)
            assert await spool.append([b"b"]) == 8 + n
            await spool.acknowledge(8 + n)


async def test_dropped_records_are_counted_over_restarts(path: Path) -> None:
    counts = []
    for _ in range(2):
        async with spool_at(path, max_bytes=10_000) as spool:
            await spool.append([b"x" * 1000] * 10)
            counts.append(spool.status().dropped)
    async with spool_at(path, max_bytes=5_000) as spool:
        assert spool.status().dropped > counts[1] > counts[0] > 0
        assert spool.status().bytes <= 5_000


async def test_what_comes_during_a_commit_shares_the_next(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with spool_at(path) as spool:
        commits: list[int] = []
        real = spool._file.commit

        def counted(records: list[object], *args: object, **kwargs: int) -> None:
            commits.append(len(records))
            real(records, *args, **kwargs)  # type: ignore[arg-type]  # passed through

        monkeypatch.setattr(spool._file, "commit", counted)
        lasts = await asyncio.gather(*(spool.append([b"x"]) for _ in range(100)))
        assert lasts == list(range(1, 101))
        assert sum(commits) == 100
        assert len(commits) <= 2


async def test_append_that_is_cancelled_is_kept_all_the_same(path: Path) -> None:
    async with spool_at(path) as spool:
        append = asyncio.create_task(spool.append([b"a"]))
        await asyncio.sleep(0)
        append.cancel()
        await asyncio.wait([append])
        assert await spool.append([b"b"]) == 2
        assert await bodies(spool) == [(1, b"a"), (2, b"b")]


async def test_backlog_is_read_from_disk_in_order(path: Path) -> None:
    async with spool_at(path) as spool:
        for n in range(200):
            await spool.append([n.to_bytes(2, "big") * 4000])
        assert spool._tail[0].seq > 100
        after, seen = 0, []
        while records := await spool.read(after, 7):
            seen += [int.from_bytes(record.body[:2], "big") for record in records]
            after = records[-1].seq
        assert seen == list(range(200))


async def test_space_is_used_again(path: Path) -> None:
    async with spool_at(path) as spool:
        for _ in range(20):
            await spool.acknowledge(await spool.append([b"x" * 5000] * 200))
        taken = sum(each.stat().st_size for each in path.parent.iterdir())
    assert taken < 5 * 200 * 5000


@settings(max_examples=25)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["append", "acknowledge", "reopen"]), st.integers(0, 30), st.integers(0, 3)
        ),
        max_size=25,
    )
)
async def test_like_a_list_over_restarts(steps: list[tuple[str, int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spool.db"
        spool, next_seq = open_spool(path), 1
        model: dict[int, bytes] = {}
        notes: dict[str, bytes] = {}
        for step, n, key in steps:
            if step == "append":
                new = {next_seq + i: b"%d" % (next_seq + i) for i in range(n)}
                value = b"%d" % n if n % 4 else None
                assert await spool.append(list(new.values()), {str(key): value}) == next_seq + n - 1
                model |= new
                next_seq += n
                notes.pop(str(key), None)
                notes |= {} if value is None else {str(key): value}
            elif step == "acknowledge":
                await spool.acknowledge(n)
                model = {seq: body for seq, body in model.items() if seq > n}
            else:
                await spool.close()
                spool = open_spool(path)
                assert list(spool.recalled.items()) == list(notes.items())
            assert await bodies(spool) == list(model.items())
            assert spool.status().next_seq == next_seq
        await spool.close()


# ------------------------------------------------------------------------------------------------ kills


async def test_nothing_durable_is_lost_by_kills_and_no_number_is_given_twice(path: Path) -> None:
    rng = random.Random(7)
    kept: dict[int, str] = {}
    acknowledged = 0
    spool_ids = set()
    for run in range(KILLS):
        env = {"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'tests'}"}
        writer = str(REPOSITORY / "tests" / "kit" / "spool_writer.py")
        with Program(sys.executable, writer, str(path), str(run), env=env) as program:
            program.wait_for("^kept")
            await asyncio.sleep(rng.uniform(0.0, 0.3))
            program.kill()
            said = [line.split() for line in program.stdout]
        for word, seq, *rest in (line for line in said if len(line) > 1):
            if word == "acknowledged":
                acknowledged = max(acknowledged, int(seq))
            elif rest:
                assert int(seq) not in kept
                kept[int(seq)] = rest[0]
        async with spool_at(path) as spool:
            there = {seq: body.decode() for seq, body in await bodies(spool)}
            spool_ids.add(spool.spool_id)
            assert spool.recalled["run"] == str(run).encode()
            newest = max(there)
            assert spool.recalled["last"].decode() == there[newest]
            assert newest >= max(kept)
            # Together with the record whose number could not be printed any more: it is durable too.
            kept |= {seq: body for seq, body in there.items() if seq not in kept}
            assert {seq: body for seq, body in kept.items() if seq > acknowledged} == {
                seq: body for seq, body in there.items() if seq > acknowledged
            }
            assert all(kept[seq] == body for seq, body in there.items())
    assert len(spool_ids) == 1
    assert sorted(kept) == list(range(1, max(kept) + 1))


# --------------------------------------------------------------------------------------------- full disk


def limit(spool: SqliteSpool, pages: int) -> None:
    spool._thread.submit(spool._file._db.execute, f"PRAGMA max_page_count = {pages}").result()


async def test_full_disk_drops_what_comes_and_says_so(path: Path) -> None:
    async with spool_at(path) as spool:
        await spool.append([b"x" * 10_000] * 3)
        limit(spool, 1)  # that is: not one page more
        assert await spool.append([b"y" * 10_000] * 2, {"n": b"1"}) == 5
        status = spool.status()
        assert status.trouble is not None
        assert "full" in status.trouble
        assert (status.records, status.dropped, status.next_seq) == (3, 2, 6)
        assert await spool.read(3, 10) == ()
        limit(spool, 1_000_000)
        assert await spool.append([b"z"]) == 6
        assert (spool.status().trouble, spool.status().dropped) == (None, 2)
        assert [seq for seq, _ in await bodies(spool)] == [1, 2, 3, 6]
    async with spool_at(path) as spool:
        assert [seq for seq, _ in await bodies(spool)] == [1, 2, 3, 6]
        assert (spool.status().next_seq, spool.status().dropped) == (7, 2)
        assert spool.recalled["n"] == b"1"


async def test_full_disk_has_room_again_once_something_is_acknowledged(path: Path) -> None:
    async with spool_at(path) as spool:
        await spool.append([b"x" * 10_000] * 3)
        limit(spool, 1)
        await spool.append([b"y" * 10_000])
        assert spool.status().trouble is not None
        await spool.acknowledge(2)
        await spool.append([b"z" * 10_000])
        assert spool.status().trouble is None
        assert [seq for seq, _ in await bodies(spool)] == [3, 5]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", mib=8) as folder:
        yield folder


async def test_disk_that_is_really_full(disk: Path) -> None:
    path = disk / "spool.db"
    kept: list[int] = []
    async with spool_at(path) as spool:
        for _ in range(400):
            last = await spool.append([b"x" * 20_000])
            kept += [last] if spool.status().trouble is None else []
        assert 100 < len(kept) < 400
        assert spool.status().dropped == 400 - len(kept)
        assert [seq for seq, _ in await bodies(spool)] == kept
    async with spool_at(path) as spool:  # starts on the full disk
        assert [seq for seq, _ in await bodies(spool)] == kept
        await spool.acknowledge(kept[49])
        kept = kept[50:] + [await spool.append([b"y" * 20_000]) for _ in range(20)]
        assert spool.status().trouble is None
        assert [seq for seq, _ in await bodies(spool)] == kept


async def test_disk_that_others_filled(disk: Path) -> None:
    async with spool_at(disk / "spool.db") as spool:
        await spool.append([b"a"])
        filler = fill(disk)
        assert await spool.append([b"b" * 100_000], {"kept": b"1", "changed": b"1"}) == 2
        assert await spool.append([], {"changed": b"2"}) == 2
        assert spool.status().trouble is not None
        assert await bodies(spool) == [(1, b"a")]
        filler.unlink()
        assert await spool.append([b"c"]) == 3
        assert (spool.status().trouble, spool.status().dropped) == (None, 1)
        assert await bodies(spool) == [(1, b"a"), (3, b"c")]
    async with spool_at(disk / "spool.db") as spool:
        assert spool.recalled == {"kept": b"1", "changed": b"2"}


async def test_disk_that_hangs_holds_nobody_up_and_memory_is_bounded(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "PATIENCE_S", 0.02)
    monkeypatch.setattr(spool_module, "UNWRITTEN_BYTES", 50_000)
    async with spool_at(path) as spool:
        await spool.append([b"a"])
        hanging = threading.Event()
        spool._thread.submit(hanging.wait)
        await spool.append([b"x" * 10_000])
        monkeypatch.setattr(spool_module, "PATIENCE_S", 60.0)
        for _ in range(19):  # whoever comes later does not wait at all
            await spool.append([b"x" * 10_000])
        assert spool.status().trouble == "the disk does not answer"
        assert spool._batch.bytes <= 50_000
        assert [seq for seq, _ in await bodies_within_reach(spool)] == [1]
        hanging.set()
        await until(lambda: spool.status().trouble is None)
        last = await spool.append([b"b"])
        assert last == 22
        status = spool.status()
        assert status.trouble is None
        assert 0 < status.dropped < 20
        assert status.records + status.dropped == 22


async def test_backlog_on_a_disk_that_hangs_is_not_waited_for(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spool_module, "PATIENCE_S", 0.02)
    monkeypatch.setattr(spool_module, "TAIL_BYTES", 0)
    async with spool_at(path) as spool:
        await spool.append([b"a"])
        hanging = threading.Event()
        spool._thread.submit(hanging.wait)
        for _ in range(3):
            assert await spool.read(0, 10) == ()
        assert spool.status().trouble == "the disk does not answer"
        assert spool._thread._work_queue.qsize() == 1
        hanging.set()
        monkeypatch.setattr(spool_module, "PATIENCE_S", 5.0)
        await spool.append([b"b"])
        assert [record.body for record in await spool.read(0, 10)] == [b"a", b"b"]
        assert spool.status().trouble is None


async def bodies_within_reach(spool: SqliteSpool) -> list[tuple[int, bytes]]:
    """Read from memory alone, for the disk hangs."""
    return [(record.seq, record.body) for record in spool._tail]


# ----------------------------------------------------------------------------------------- what is no spool


def test_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpoolUnusable, match=r"^SPOOL_PATH: .*there is no folder .*nowhere; expected a file"):
        open_spool(tmp_path / "nowhere" / "spool.db")


def test_folder_that_may_not_be_written_is_refused() -> None:
    with pytest.raises(SpoolUnusable, match=r"^SPOOL_PATH: /proc/spool\.db cannot be (opened|used)"):
        open_spool(Path("/proc/spool.db"))


def test_folder_as_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpoolUnusable, match="is not a file"):
        open_spool(tmp_path)


def test_database_of_another_program_is_left_alone(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE customers (name TEXT)")
    other.commit()
    other.close()
    before = path.read_bytes()
    with pytest.raises(SpoolUnusable, match="is a database of another program"):
        open_spool(path)
    assert path.read_bytes() == before


def test_damaged_database_of_another_program_is_left_alone(path: Path) -> None:
    other = sqlite3.connect(path)
    other.executescript("CREATE TABLE customers (name TEXT); CREATE TABLE orders (id INTEGER)")
    other.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + b"\xff" * 3000 + whole[3100:])
    assert_left_alone(path, "is a database of another program")


def test_empty_database_with_an_id_of_another_program_is_left_alone(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute(f"PRAGMA application_id = {APPLICATION_ID + 1}")
    other.close()
    assert_left_alone(path, "is a database of another program")


@pytest.mark.parametrize(
    "name", ["README.md", "der_headend/assets_test.yaml", "edge_agent/spool/file.py", "LICENSE"]
)
def test_text_is_no_damaged_spool(path: Path, name: str) -> None:
    path.write_bytes((REPOSITORY / name).read_bytes())
    assert_left_alone(path, "is not a spool: name another file")


@pytest.mark.parametrize("text", ["x", "SQLite format 4", "ü" * 5000, "x" + "ü" * 5000])
def test_any_text_is_no_damaged_spool(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    assert_left_alone(path, "is not a spool: name another file")


def assert_left_alone(path: Path, said: str) -> None:
    before = path.read_bytes()
    with pytest.raises(SpoolUnusable, match=f"^SPOOL_PATH: .*{said}") as caught:
        open_spool(path)
    assert len(caught.value.lines) == 1
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    assert path.read_bytes() == before


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that anybody may look into, while the test runs as somebody without privileges."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "spool.db").touch()
        (folder / "spool.db").chmod(0o444)
        uids = os.getresuid()
        if os.geteuid() == 0:
            os.setresuid(65534, 65534, 0)
        else:
            folder.chmod(0o555)
        yield folder
        os.setresuid(*uids)
        folder.chmod(0o755)


def test_folder_without_permission_to_write_is_said_to_be_read_only(shared_folder: Path) -> None:
    for name in ("spool.db", "new.db"):
        with pytest.raises(SpoolUnusable, match=r"its folder .* is read-only for this agent"):
            open_spool(shared_folder / name)


def test_file_without_permission_to_write_is_said_to_be_read_only(
    shared_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = shared_folder / "spool.db"
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path == shared_folder or access(path, mode))
    with pytest.raises(SpoolUnusable, match="cannot be used: it is read-only for this agent"):
        open_spool(file)


async def test_spool_of_another_agent_is_refused(path: Path) -> None:
    async with spool_at(path) as spool:
        await spool.append([b"a"])
    with pytest.raises(SpoolUnusable, match=r"belongs to agent 6ba7b810.*, this is agent somebody-else"):
        open_spool(path, owner="somebody-else")


async def test_two_agents_cannot_have_one_spool(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_agent.spool.file._IN_USE_AFTER_S", 0.05)
    async with spool_at(path) as spool:
        with pytest.raises(SpoolUnusable, match="is in use by another process"):
            open_spool(path)
        await spool.append([b"a"])
        with pytest.raises(SpoolUnusable, match="is in use by another process"):
            open_spool(path)


# ------------------------------------------------------------------------------------------------- damage


def content(path: Path) -> bytes:
    return path.read_bytes()


def garbage(path: Path) -> None:
    path.write_bytes(random.Random(1).randbytes(50_000))


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:9000])


def page_overwritten(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[3 * 4096 : 4 * 4096] = b"\xff" * 4096
    path.write_bytes(content)


def newer(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    db.close()


def cut_in_its_first_line(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:10])


def zeroed(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def emptied(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("DELETE FROM spool")
    db.commit()
    db.close()


def without_records(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("DROP TABLE records")
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.close()


@pytest.mark.parametrize(
    "damage",
    [
        *(garbage, truncated, cut_in_its_first_line, zeroed),
        *(page_overwritten, newer, emptied, without_records),
    ],
)
async def test_damaged_file_is_set_aside_and_a_new_spool_begun(
    path: Path, damage: Callable[[Path], None]
) -> None:
    async with spool_at(path) as spool:
        first_id = spool.spool_id
        await spool.append([b"x" * 3000] * 50)
    damage(path)
    damaged = content(path)
    async with spool_at(path) as spool:
        assert spool.was_damaged is not None
        assert spool.spool_id != first_id
        assert await spool.append([b"a"]) == 1
    aside = path.with_name("spool.db.corrupt-20260101T000000Z")
    assert str(aside) in spool.was_damaged
    assert content(aside)[4096:] == damaged[4096:]
    async with spool_at(path) as spool:
        assert spool.was_damaged is None
        assert await bodies(spool) == [(1, b"a")]


async def test_wal_goes_with_the_damaged_file(path: Path) -> None:
    garbage(path)
    path.with_name("spool.db-wal").write_bytes(b"x" * 5000)
    async with spool_at(path) as spool:
        assert spool.was_damaged is not None
        assert await bodies(spool) == []
    aside = spool.was_damaged.rpartition(" ")[2]
    assert aside.endswith("spool.db.corrupt-20260101T000000Z")


async def test_only_the_newest_damaged_files_are_kept(path: Path) -> None:
    for n in range(KEPT + 3):
        path.with_name(f"spool.db.corrupt-2025010{n}T000000Z").write_bytes(b"x")
        path.with_name(f"spool.db.corrupt-2025010{n}T000000Z-wal").write_bytes(b"x")
    garbage(path)
    async with spool_at(path):
        pass
    assert sorted(
        each.name for each in path.parent.glob("*.corrupt-*") if not each.name.endswith("-wal")
    ) == [
        "spool.db.corrupt-20250104T000000Z",
        "spool.db.corrupt-20250105T000000Z",
        "spool.db.corrupt-20260101T000000Z",
    ]


def test_what_lies_beside_a_damaged_file_goes_with_it(path: Path) -> None:
    for name in ("spool.db", "spool.db-wal"):
        path.with_name(name).write_text(name)
    aside = set_aside(path, NOW)
    assert aside.read_text() == "spool.db"
    assert aside.with_name(f"{aside.name}-wal").read_text() == "spool.db-wal"
