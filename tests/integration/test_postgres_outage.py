"""The database is killed, stopped, stalled, or cut off in the middle of a commit: nothing is lost, nothing doubled."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime
from functools import partial

import asyncpg
import numpy as np
import pytest

from der_core.errors import Defect, Unavailable
from der_headend.ports import Batch, EventQuery, HistoryQuery, Rows
from der_headend.store.postgres import PostgresStore, connection
from der_headend.store.postgres import store as store_module
from der_runtime.clock import ManualClock
from kit import records
from kit.postgres import TEMPLATE, PostgresServer, migrate
from kit.postgres_store import new_store
from kit.records import rows
from kit.stores import ASSETS
from kit.tcp_proxy import TcpProxy

START_US = 1_767_225_600_000_000
ALL = HistoryQuery(slot=0, start_us=START_US, end_us=START_US + 10**12, limit=100_000)
SPOOL = records.SITE


GATE = 4711
SLOW_COMMIT = f"""
create function wait_at_gate() returns trigger language plpgsql as
    'begin perform pg_advisory_xact_lock_shared({GATE}); return null; end';
create constraint trigger gate after insert or update on spools
    deferrable initially deferred for each row execute function wait_at_gate()
"""
"""Makes every COMMIT of a batch with a mark wait until nobody holds the gate."""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with PostgresServer(options={"max_wal_size": "1GB"}) as started:
        started.create_database(name=TEMPLATE)
        migrate(started.url(TEMPLATE))
        yield started


@pytest.fixture
def name(server: PostgresServer) -> Iterator[str]:
    made = server.create_database(template=TEMPLATE)
    yield made
    server.drop_database(made)


@pytest.fixture
async def store(
    server: PostgresServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PostgresStore]:
    monkeypatch.setattr(store_module, "READ_S", 1.0)
    made = new_store(server.url(name))
    await made.open()
    yield made
    await made.close()


def batch(number: int) -> Batch:
    """Samples of one moment, an event, and the mark that goes with them."""
    return Batch(
        rows=[rows(START_US + number * 1_000_000, range(ASSETS), {"current_mw": [float(number)] * ASSETS})],
        events=[records.event(number)],
        marks={SPOOL: number},
    )


async def persist(store: PostgresStore, what: Batch, *, within_s: float = 30.0) -> int:
    """Commit as ingest does, until it works; how often it did not."""
    failures = 0
    deadline_s = time.monotonic() + within_s
    while True:
        try:
            await store.commit(what)
        except Unavailable:
            failures += 1
            assert time.monotonic() < deadline_s
            await asyncio.sleep(0.05)
        else:
            return failures


async def until(condition: Callable[[], Awaitable[bool]], *, within_s: float = 15.0) -> None:
    deadline_s = time.monotonic() + within_s
    while not await condition():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.02)


async def counts(url: str) -> tuple[int, int, int]:
    """Rows of samples, events, and the mark."""
    direct = await asyncpg.connect(url)
    try:
        return (
            await direct.fetchval("select count(*) from telemetry"),
            await direct.fetchval("select count(*) from events"),
            await direct.fetchval("select coalesce(max(mark), 0) from spools"),
        )
    finally:
        await direct.close()


async def test_killed_server_loses_nothing_and_the_store_comes_back_by_itself(
    server: PostgresServer, name: str, store: PostgresStore
) -> None:
    await store.commit(batch(1))
    server.kill()
    with pytest.raises(Unavailable):
        await store.commit(batch(2))
    with pytest.raises(Unavailable):
        await store.telemetry.history(ALL)
    assert not store.health()[0]
    waiting = asyncio.create_task(persist(store, batch(2), within_s=60.0))
    await asyncio.to_thread(server.start)
    await waiting
    assert await counts(server.url(name)) == (2 * ASSETS, 2, 2)
    assert (await store.telemetry.history(ALL)).timestamps_us.shape == (2,)
    assert store.health()[0]


async def test_restart_between_commits(server: PostgresServer, name: str, store: PostgresStore) -> None:
    await store.commit(batch(1))
    await asyncio.to_thread(server.restart)
    await persist(store, batch(2))
    assert await counts(server.url(name)) == (2 * ASSETS, 2, 2)


async def test_stalled_server_is_noticed_and_does_not_hold_up_readers(
    server: PostgresServer, store: PostgresStore
) -> None:
    await store.commit(batch(1))
    looking = asyncio.create_task(store.run())

    async def unhealthy() -> bool:
        return not store.health()[0]

    async def healthy() -> bool:
        return store.health()[0]

    server.pause()
    try:
        began_s = time.monotonic()
        answers = await asyncio.gather(
            *(store.telemetry.history(ALL) for _ in range(20)), return_exceptions=True
        )
        assert all(isinstance(answer, Unavailable) for answer in answers)
        assert time.monotonic() - began_s < 3.0
        await until(unhealthy)
    finally:
        server.resume()
    await until(healthy)
    assert (await store.telemetry.history(ALL)).timestamps_us.shape == (1,)
    looking.cancel()
    await asyncio.gather(looking, return_exceptions=True)


class Cut:
    """A store behind a wire, one of whose batches is cut off while the server works on its COMMIT."""

    def __init__(
        self, proxy: TcpProxy, store: PostgresStore, gate: "asyncpg.Connection[asyncpg.Record]"
    ) -> None:
        self.proxy = proxy
        self.store = store
        self.gate = gate
        self.doubtful = batch(2)

    async def commits_under_way(self) -> list[int]:
        waiting = "select pid from pg_locks where locktype = 'advisory' and objid = $1 and not granted"
        return [record["pid"] for record in await self.gate.fetch(waiting, GATE)]

    async def happen(self) -> None:
        async def under_way() -> bool:
            return bool(await self.commits_under_way())

        await self.gate.execute("select pg_advisory_lock($1)", GATE)
        committing = asyncio.create_task(self.store.commit(self.doubtful))
        await until(under_way)
        self.proxy.cut()
        with pytest.raises(Unavailable):
            await committing
        self.proxy.heal()

    async def open_gate(self) -> None:
        await self.gate.execute("select pg_advisory_unlock($1)", GATE)


@pytest.fixture
async def cut(server: PostgresServer, name: str) -> AsyncIterator[Cut]:
    gate = await asyncpg.connect(server.url(name))
    await gate.execute(SLOW_COMMIT)
    with TcpProxy(server.port) as proxy:
        store = new_store(server.url(name, port=proxy.port))
        await store.open()
        await store.commit(batch(1))
        cut = Cut(proxy, store, gate)
        await cut.happen()
        yield cut
        await store.close()
    await gate.close()


async def waits_for_telemetry(direct: "asyncpg.Connection[asyncpg.Record]") -> bool:
    """Whether somebody waits for a lock on the table."""
    waiting = "select count(*) from pg_locks where not granted and relation = 'telemetry'::regclass"
    return bool(await direct.fetchval(waiting))


async def test_server_that_stalls_in_the_middle_of_an_answer_is_left_in_time(
    server: PostgresServer, name: str, store: PostgresStore
) -> None:
    direct = await asyncpg.connect(server.url(name))
    await direct.execute("begin; lock table telemetry")
    reading = asyncio.create_task(store.telemetry.history(ALL))

    await until(partial(waits_for_telemetry, direct))
    server.pause()
    try:
        began_s = time.monotonic()
        with pytest.raises(Unavailable, match="no answer in time"):
            await reading
        assert time.monotonic() - began_s < 3.0
    finally:
        server.resume()
    await direct.close()
    assert (await store.telemetry.history(ALL)).timestamps_us.shape == (0,)


async def test_commit_went_through_but_its_answer_was_lost(
    server: PostgresServer, name: str, cut: Cut, capsys: pytest.CaptureFixture[str]
) -> None:
    async def stored() -> bool:
        return await counts(server.url(name)) == (2 * ASSETS, 2, 2)

    await cut.open_gate()
    await until(stored)
    await persist(cut.store, cut.doubtful)
    await cut.store.commit(batch(3))
    assert await counts(server.url(name)) == (3 * ASSETS, 3, 3)
    assert "batch had been stored" in capsys.readouterr().out


async def test_commit_did_not_go_through(server: PostgresServer, name: str, cut: Cut) -> None:
    for pid in await cut.commits_under_way():
        await cut.gate.execute("select pg_terminate_backend($1)", pid)
    await cut.open_gate()
    await persist(cut.store, cut.doubtful)
    assert await counts(server.url(name)) == (2 * ASSETS, 2, 2)


async def test_commit_is_still_under_way_when_it_is_tried_again(
    server: PostgresServer, name: str, cut: Cut
) -> None:
    again = asyncio.create_task(persist(cut.store, cut.doubtful))

    async def waits_for_the_first() -> bool:
        waiting = "select count(*) from pg_locks where locktype = 'transactionid' and not granted"
        return bool(await cut.gate.fetchval(waiting))

    await until(waits_for_the_first)
    assert not again.done()
    await cut.open_gate()
    await again
    assert await counts(server.url(name)) == (2 * ASSETS, 2, 2)


async def test_batches_that_come_between_do_not_hide_a_doubtful_one(
    server: PostgresServer, name: str, cut: Cut
) -> None:
    await cut.open_gate()
    await persist(cut.store, batch(3))
    await persist(cut.store, batch(4))
    await persist(cut.store, cut.doubtful)
    assert await counts(server.url(name)) == (4 * ASSETS, 4, 4)


async def test_many_cuts_at_any_moment(server: PostgresServer, name: str) -> None:
    rng = random.Random(7)
    failures = 0
    with TcpProxy(server.port) as proxy:
        store = new_store(server.url(name, port=proxy.port))
        await store.open()
        for number in range(1, 41):
            writing = asyncio.create_task(persist(store, batch(number)))
            await asyncio.sleep(rng.uniform(0.0, 0.02))
            proxy.cut()
            proxy.heal()
            failures += await writing
        await store.close()
    assert failures > 5
    assert await counts(server.url(name)) == (40 * ASSETS, 40, 40)


async def test_black_hole_in_a_commit_is_left_in_time(
    server: PostgresServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "COMMIT_BULK_S", 1.0)
    monkeypatch.setitem(connection.SESSION_SETTINGS, "idle_in_transaction_session_timeout", "2s")
    with TcpProxy(server.port) as proxy:
        store = new_store(server.url(name, port=proxy.port))
        await store.open()
        await store.commit(batch(1))
        direct = await asyncpg.connect(server.url(name))
        async with direct.transaction():
            await direct.execute("lock table telemetry in exclusive mode")
            writing = asyncio.create_task(persist(store, batch(2)))
            await until(partial(waits_for_telemetry, direct))
            proxy.blackhole()
        await direct.close()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asyncio.shield(writing), 2.5)
        proxy.heal()
        await writing
        await store.close()
    assert await counts(server.url(name)) == (2 * ASSETS, 2, 2)


async def refuse(url: str, sqlstate: str) -> None:
    """Let the database refuse every sample with this SQLSTATE; none: let it take them again."""
    direct = await asyncpg.connect(url)
    await direct.execute("drop trigger if exists refuse on telemetry")
    if sqlstate:
        await direct.execute(
            "create or replace function refuse() returns trigger language plpgsql as "
            f"$$begin raise 'not like this' using errcode = '{sqlstate}'; end$$"
        )
        await direct.execute("create trigger refuse before insert on telemetry execute function refuse()")
    await direct.close()


@pytest.mark.parametrize("sqlstate", ["XX001", "XX002", "54000", "42501", "42P01", "58P01", "0A000"])
async def test_what_is_not_about_the_data_is_waited_out(
    server: PostgresServer,
    name: str,
    store: PostgresStore,
    sqlstate: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    await refuse(server.url(name), sqlstate)
    for _ in range(3):
        with pytest.raises(Unavailable, match="not like this"):
            await store.commit(batch(1))
    ready, reason = store.health()
    assert not ready
    assert "not like this" in reason
    told = capsys.readouterr().out.count("the database refuses what it is to store")
    assert told == (sqlstate != "58P01"), "a server in trouble is no mistake of ours"
    await refuse(server.url(name), "")
    await persist(store, batch(1))
    assert store.health()[0]
    assert await counts(server.url(name)) == (ASSETS, 1, 1)


async def test_marks_that_the_database_refuses_to_read_are_unavailable(
    server: PostgresServer, name: str, store: PostgresStore
) -> None:
    direct = await asyncpg.connect(server.url(name))
    await direct.execute("alter table spools rename to elsewhere")
    with pytest.raises(Unavailable, match="spools"):
        await store.mark(SPOOL)
    await direct.close()


@pytest.mark.parametrize("sqlstate", ["22003", "23502"])
async def test_what_is_about_the_data_is_a_defect(
    server: PostgresServer, name: str, store: PostgresStore, sqlstate: str
) -> None:
    await refuse(server.url(name), sqlstate)
    with pytest.raises(Defect, match="not like this"):
        await store.commit(batch(1))
    assert store.health()[0]


async def test_much_to_store_at_once_has_more_time(
    server: PostgresServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "COMMIT_BULK_S", 0.5)
    monkeypatch.setattr("der_headend.store.postgres.samples.ROWS_AT_ONCE", 1)
    direct = await asyncpg.connect(server.url(name))
    await direct.execute(
        "create function dawdle() returns trigger language plpgsql as "
        "'begin perform pg_sleep(0.8); return null; end';"
        "create trigger dawdle before insert on telemetry execute function dawdle()"
    )
    await direct.close()
    store = new_store(server.url(name))
    await store.open()
    await store.commit(batch(1))
    await store.close()
    assert await counts(server.url(name)) == (ASSETS, 1, 1)


async def test_server_that_takes_no_more_of_much_is_left_in_time(
    server: PostgresServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "COMMIT_BULK_S", 1.0)
    monkeypatch.setattr("der_headend.store.postgres.samples.ROWS_AT_ONCE", 10_000)
    store = new_store(server.url(name))
    await store.open()
    await store.commit(batch(1))
    much = np.arange(400_000)
    filler = Batch(
        rows=[
            Rows(
                timestamps_us=START_US + much // ASSETS,
                slots=much % ASSETS,
                columns={"current_mw": much.astype(float)},
            )
        ]
    )
    direct = await asyncpg.connect(server.url(name))
    async with direct.transaction():
        await direct.execute("lock table telemetry in exclusive mode")
        began_s = time.monotonic()
        with pytest.raises(Unavailable, match="no answer in time"):
            await store.commit(filler)
        assert time.monotonic() - began_s < 10.0
    await direct.close()
    await store.close()


async def test_upkeep_on_a_connection_that_is_dead_holds_up_no_commit_for_long(
    server: PostgresServer, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("der_headend.store.postgres.rollups._WRITE_S", 1.0)
    clock = ManualClock(datetime.now(UTC))
    with TcpProxy(server.port) as proxy:
        store = new_store(server.url(name, port=proxy.port), clock=clock)
        await store.open()
        await store.keep_up()
        clock.advance(600.0)
        # A partition that is due by then is not what this is about.
        await store._partitions.make_ahead(store._upkeep, clock.now())
        proxy.blackhole()
        with pytest.raises(Unavailable):
            await asyncio.wait_for(store.keep_up(), 10.0)
        proxy.heal()
        await persist(store, batch(1))
        await store.close()


async def test_upkeep_with_nothing_to_do_does_not_wait_for_commits(store: PostgresStore) -> None:
    await store.keep_up()
    async with store._rollups._no_commit:
        await asyncio.wait_for(store.keep_up(), 5.0)


async def test_partition_that_somebody_dropped_is_made_again(
    server: PostgresServer, name: str, store: PostgresStore
) -> None:
    await store.commit(batch(1))
    direct = await asyncpg.connect(server.url(name))
    await direct.execute("drop table telemetry_2026010100")
    await direct.close()
    assert await persist(store, batch(2)) == 1
    assert (await counts(server.url(name)))[0] == ASSETS


async def test_partition_of_heartbeats_that_somebody_dropped_is_made_again(
    server: PostgresServer, name: str, store: PostgresStore
) -> None:
    await store.commit(Batch(heartbeats=[records.heartbeat(0)]))
    direct = await asyncpg.connect(server.url(name))
    (gone,) = await direct.fetch("select distinct tableoid::regclass::text as partition from heartbeats")
    await direct.execute(f"drop table {gone['partition']}")
    assert await persist(store, Batch(heartbeats=[records.heartbeat(1)])) == 1
    assert await direct.fetchval("select count(*) from heartbeats") == 1
    await direct.close()


async def test_a_dispatch_that_is_stored_does_not_hide_that_samples_are_refused(
    server: PostgresServer, name: str, store: PostgresStore
) -> None:
    await refuse(server.url(name), "XX001")
    with pytest.raises(Unavailable):
        await store.commit(batch(1))
    dispatch = records.dispatch(0)
    await store.commit(Batch(dispatches={dispatch.id: dispatch}))
    assert not store.health()[0]
    await refuse(server.url(name), "")
    await store.commit(batch(1))
    assert store.health()[0]


async def test_events_can_be_read_while_the_writer_waits(
    server: PostgresServer, name: str, store: PostgresStore
) -> None:
    direct = await asyncpg.connect(server.url(name))
    async with direct.transaction():
        await direct.execute("lock table telemetry in exclusive mode")
        writing = asyncio.create_task(persist(store, batch(1)))
        small = Batch(events=[records.event(0)])
        await store.commit(small)
        assert len((await store.events.page(EventQuery(limit=10))).items) == 1
        assert not writing.done()
    await writing
    await direct.close()
