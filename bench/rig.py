"""The system under measurement: PostgreSQL, a headend and real agents, each a process of its own on a free port."""

import asyncio
import http.client
import json
import re
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from bench.run import BenchFailed, Run
from kit.postgres import PostgresMissing, PostgresServer
from kit.processes import REPOSITORY, Program, free_port

POSTGRES = {
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "min_wal_size": "8GB",
    "checkpoint_timeout": "15min",
    "maintenance_work_mem": "1GB",
}
"""What the server is told: room for minutes of load, and no less durable for it."""

T = TypeVar("T")

_WAL_FILES = 300
_START_S = 300.0
_STOP_S = 60.0
_POLL_S = 0.1
_HTTP_S = 30.0


class Database:
    """A fresh database on a PostgreSQL server of its own, with fsync on."""

    def __init__(self, run: Run) -> None:
        try:
            server = run.stack.enter_context(PostgresServer(options=POSTGRES))
        except PostgresMissing as error:
            raise BenchFailed(str(error)) from error
        self.url = server.url(server.create_database(name="bench"))
        folder = Path(str(self.value("show data_directory")))
        self.pid = int((folder / "postmaster.pid").read_text().split()[0])
        run.say(f"PostgreSQL on port {server.port}, fsync {self.value('show fsync')}, {POSTGRES}")

    def in_use_for_long(self) -> None:
        """Have it as one that has been written to for days: the files of its log are there, to be used again.

        A new one makes them as it needs them, 16 MiB of zeros each, and whoever commits waits for that.
        """

        async def fill(connection: asyncpg.Connection) -> None:
            for _ in range(_WAL_FILES):
                await connection.execute("select pg_logical_emit_message(false, 'bench', '')")
                await connection.execute("select pg_switch_wal()")
            await connection.execute("checkpoint")

        self.use(fill)

    def value(self, sql: str, *arguments: Any) -> Any:
        """The first value of a query's first row."""

        async def ask(connection: asyncpg.Connection) -> Any:
            return await connection.fetchval(sql, *arguments)

        return self.use(ask)

    def use(self, work: Callable[[asyncpg.Connection], Coroutine[Any, Any, T]]) -> T:
        """What ``work`` makes of a connection."""

        async def connected() -> T:
            connection = await asyncpg.connect(self.url)
            try:
                await connection.execute("set work_mem = '512MB'; set enable_partitionwise_aggregate = on")
                return await work(connection)
            finally:
                await connection.close()

        return asyncio.run(connected())

    def rows(self) -> int:
        """Samples in the database."""
        return int(self.value("select count(*) from telemetry"))

    def distinct(self) -> int:
        """Samples in the database, counting those of one asset and moment once."""
        return int(self.value("select count(*) from (select distinct asset, at from telemetry) as once"))


class Headend:
    """A headend that serves an inventory; with a database it stores there, otherwise in memory."""

    def __init__(self, run: Run, *, inventory: Path, database: Database | None) -> None:
        self._run = run
        self._http_port, self._grpc_port = free_port(), free_port()
        self.grpc_address = f"127.0.0.1:{self._grpc_port}"
        self.url = f"http://127.0.0.1:{self._http_port}"
        self._env = {
            "ASSETS_PATH": str(inventory),
            "HEADEND_HTTP_ADDR": f"127.0.0.1:{self._http_port}",
            "HEADEND_GRPC_ADDR": self.grpc_address,
            "LOG_LEVEL": "warning",
        }
        if database is not None:
            self._env["DATABASE_URL"] = database.url
        self.program = self._start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.program.pid

    def kill(self) -> None:
        """End it as a power cut would."""
        self.program.send(signal.SIGKILL)
        self.program.wait(deadline_s=_STOP_S)

    def start_again(self) -> None:
        """Start it at the same addresses."""
        self.program = self._start()

    def stop(self) -> None:
        """End it in order: what it has taken is stored."""
        code = self.program.stop(deadline_s=_STOP_S)
        if code:
            raise BenchFailed(f"the headend ended with exit code {code}\n{self.program}")

    def connect(self) -> http.client.HTTPConnection:
        """A connection to its REST API, kept open from request to request."""
        return http.client.HTTPConnection("127.0.0.1", self._http_port, timeout=_HTTP_S)

    def get(self, path: str) -> Any:
        """The JSON of a GET that succeeds."""
        return json.loads(self.body(path))

    def body(self, path: str) -> bytes:
        """The body of a GET that succeeds."""
        connection = self.connect()
        try:
            return fetch(connection, "GET", path)
        finally:
            connection.close()

    def metric(self, name: str) -> float:
        """A metric without labels."""
        text = self.body("/metrics").decode()
        found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
        if found is None:
            raise BenchFailed(f"the headend has no metric {name}\n{text}")
        return float(found[1])

    def rows_stored(self) -> float:
        """Samples it has stored since it started."""
        return self.metric("der_ingest_rows_total")

    def sessions(self) -> int:
        """Agents connected to it."""
        return int(self.metric("der_sessions"))

    def await_sessions(self, count: int, *, deadline_s: float) -> float:
        """Wait until so many agents are connected; the seconds it took."""
        began_s = time.monotonic()
        await_that(lambda: self.sessions() >= count, f"{count} agents connected", deadline_s=deadline_s)
        return time.monotonic() - began_s

    def _start(self) -> Program:
        program = self._run.stack.enter_context(Program.module("der_headend", env=self._env))
        began_s = time.monotonic()
        program.wait_for(r"^der_headend .*REST on", deadline_s=_START_S)
        self._run.say(f"headend serves after {time.monotonic() - began_s:.1f} s")
        return program


def fetch(connection: http.client.HTTPConnection, method: str, path: str, body: Any = None) -> bytes:
    """The body of an answer that is a success.

    Raises:
        BenchFailed: it is not.
    """
    sent = None if body is None else json.dumps(body).encode()
    connection.request(method, path, body=sent, headers={"Content-Type": "application/json"} if sent else {})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= http.client.BAD_REQUEST:
        raise BenchFailed(f"{method} {path} answered {answer.status}: {text.decode(errors='replace')[:500]}")
    return text


def await_that(condition: Callable[[], bool], what: str, *, deadline_s: float) -> None:
    """Wait until a condition holds.

    Raises:
        BenchFailed: it does not within ``deadline_s`` seconds.
    """
    end_s = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end_s:
            raise BenchFailed(f"{what}: not within {deadline_s:g} s")
        time.sleep(_POLL_S)


def agent(
    run: Run, headend: Headend, env: Mapping[str, str], *, python: Path = Path(sys.executable)
) -> Program:
    """A real edge agent, once it is connected; ``python`` is the interpreter of its environment."""
    before = headend.sessions()
    target = {
        "HEADEND_GRPC": headend.grpc_address,
        "SIM_FAULTS_PER_HOUR": "0",
        "LOG_LEVEL": "warning",
        "PYTHONPATH": str(REPOSITORY),
    }
    command = (str(python), "-m", "edge_agent")
    program = run.stack.enter_context(Program(*command, env={**target, **env}, name="edge_agent"))
    headend.await_sessions(before + 1, deadline_s=30.0)
    return program
