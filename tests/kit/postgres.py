"""A real PostgreSQL server for tests, started from the system's binaries, and one database of its own per test.

    stop() / start()    as an administrator would
    kill()              SIGKILL to every process of it: a power cut, as far as PostgreSQL can tell
    pause() / resume()  SIGSTOP: connections stay open and nobody answers

A test's database is a copy of a template that was migrated once. Where the tests run as root the server runs as
another user, for PostgreSQL refuses to be root.
"""

import asyncio
import atexit
import contextlib
import functools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Coroutine, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self

import asyncpg
import psutil

from der_headend.store.postgres.migrations import upgrade

USER, PASSWORD = "der", "der-password"
TEMPLATE = "der_template"
OLDEST = 15

_START_S = 60.0
_PREFIX = "der-pg-"
_INSTALL = (
    f"the tests need the programs of PostgreSQL {OLDEST} or newer (initdb, postgres, pg_dump); "
    "install them, e.g. `apt-get install postgresql`, or set PG_BINDIR to the folder they are in"
)


class PostgresMissing(Exception):
    """This machine has no PostgreSQL to test with."""


def find_binaries() -> Path:
    """The folder with ``postgres`` and ``initdb``.

    Raises:
        PostgresMissing: with what to install.
    """
    candidates = [Path(os.environ["PG_BINDIR"])] if "PG_BINDIR" in os.environ else []
    if config := shutil.which("pg_config"):
        bindir = subprocess.run([config, "--bindir"], check=True, capture_output=True, text=True).stdout
        candidates.append(Path(bindir.strip()))
    for root in (Path("/usr/lib/postgresql"), Path("/usr/local/lib/postgresql"), Path("/opt/homebrew/opt")):
        candidates += sorted(root.glob("*/bin"), reverse=True)
    candidates += sorted(Path("/usr").glob("pgsql-*/bin"), reverse=True)
    if on_path := shutil.which("initdb"):
        candidates.append(Path(on_path).resolve().parent)
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists() and _major(folder) >= OLDEST:
            return folder
    raise PostgresMissing(_INSTALL)


class PostgresServer:
    """A server in a temporary folder, listening on a free port of the loopback address and on a socket."""

    def __init__(self, *, fsync: bool = True, options: Mapping[str, str] | None = None) -> None:
        self._bin = find_binaries()
        self._account = _account()
        _sweep()
        self._root = Path(tempfile.mkdtemp(prefix=_PREFIX))
        (self._root / "owner").write_text(_stamp(psutil.Process()))
        self._data = self._root / "data"
        self._log = self._root / "log"
        if self._account is not None:
            shutil.chown(self._root, self._account)
        self._options = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self._root),
            "max_connections": "60",
            "fsync": "on" if fsync else "off",
            "shared_buffers": "128MB",
            "max_wal_size": "2GB",
            **(options or {}),
        }
        self._names = count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()
        self._init()

    @property
    def binaries(self) -> Path:
        """Where ``pg_dump`` and its like are."""
        return self._bin

    def url(self, database: str = "postgres", *, port: int | None = None, password: str = PASSWORD) -> str:
        """How to reach a database of it over TCP; ``port`` is that of a proxy in between."""
        return f"postgres://{USER}:{password}@127.0.0.1:{port or self.port}/{database}"

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        arguments = [f"-c{name}={value}" for name, value in self._options.items()]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", self._data, f"-p{self.port}", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._root,
                user=self._account,
                start_new_session=True,
            )
        deadline_s = time.monotonic() + _START_S
        while not self._ready():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                raise RuntimeError(f"PostgreSQL did not start:\n{self.log()}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Shut it down; clients are told."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(_START_S)
            self._process = None

    def kill(self) -> None:
        """End every process of it at once."""
        if self._process is not None:
            for process in self._processes():
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            self._process.wait(_START_S)
            self._process = None

    def restart(self) -> None:
        """Stop and start."""
        self.stop()
        self.start()

    def pause(self) -> None:
        """Let every process of it stand still."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """Let them go on."""
        for process in self._processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()

    def close(self) -> None:
        """End it and remove all of it."""
        self.kill()
        shutil.rmtree(self._root, ignore_errors=True)

    def log(self) -> str:
        """What it has logged."""
        return self._log.read_text() if self._log.exists() else ""

    def create_database(self, *, template: str | None = None, name: str | None = None) -> str:
        """Make a database, a copy of ``template`` if one is given; its name."""
        name = name or f"test_{next(self._names)}"
        copy = f" template {template}" if template else ""
        _finish(self._execute(f"create database {name}{copy}"))
        return name

    def drop_database(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        _finish(self._execute(f"drop database if exists {name} with (force)"))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _init(self) -> None:
        secret = self._root / "password"
        secret.write_text(PASSWORD)
        if self._account is not None:
            shutil.chown(secret, self._account)
        made = subprocess.run(
            [
                *(self._bin / "initdb", "-D", self._data, "-U", USER, f"--pwfile={secret}"),
                *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"),
            ],
            capture_output=True,
            text=True,
            cwd=self._root,
            user=self._account,
            check=False,
        )
        if made.returncode != 0:
            raise RuntimeError(f"initdb failed:\n{made.stdout}{made.stderr}")

    def _ready(self) -> bool:
        try:
            _finish(self._execute("select 1"))
        except (OSError, TimeoutError, asyncpg.PostgresError):
            return False
        return True

    async def _execute(self, sql: str) -> None:
        connection = await asyncpg.connect(self.url(), timeout=5.0)
        try:
            await connection.execute(sql)
        finally:
            await connection.close()

    def _processes(self) -> Iterator[psutil.Process]:
        if self._process is not None:
            main = psutil.Process(self._process.pid)
            yield main
            yield from main.children(recursive=True)


@functools.cache
def shared_server() -> PostgresServer:
    """The server that the tests of a session share, with the migrated ``TEMPLATE``; ends with the interpreter.

    Whoever stops or kills a server starts one of his own.
    """
    server = PostgresServer()
    atexit.register(server.close)
    server.start()
    server.create_database(name=TEMPLATE)
    migrate(server.url(TEMPLATE))
    return server


def migrate(url: str) -> None:
    """Bring a database to the newest schema."""

    async def run() -> None:
        connection = await asyncpg.connect(url)
        try:
            await upgrade(connection)
        finally:
            await connection.close()

    _finish(run())


def _finish(work: Coroutine[object, object, None]) -> None:
    """Run it to its end, also for a caller that is itself inside an event loop (which waits meanwhile)."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()


def _sweep() -> None:
    """End and remove what test runs left behind that were themselves killed."""
    for owner in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/owner"):
        if not _gone(owner):
            continue
        data = owner.parent / "data"
        with contextlib.suppress(OSError, psutil.Error):
            main = psutil.Process(int((data / "postmaster.pid").read_text().partition("\n")[0]))
            if str(data) in main.cmdline():
                main.send_signal(signal.SIGQUIT)
                main.wait(_START_S)
        shutil.rmtree(owner.parent, ignore_errors=True)


def _stamp(process: psutil.Process) -> str:
    """What tells this process from a later one with its number."""
    return f"{process.pid} {process.create_time()}"


def _gone(owner: Path) -> bool:
    """Whether the process that made a server's folder is no more; one that has not signed yet is there."""
    try:
        stamp = owner.read_text()
        return bool(stamp) and _stamp(psutil.Process(int(stamp.partition(" ")[0]))) != stamp
    except psutil.NoSuchProcess:
        return True
    except FileNotFoundError:
        return False


def _account() -> str | None:
    """As whom the server runs; ``None``: as ourselves."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody", "daemon") if name in known)


def _major(folder: Path) -> int:
    answer = subprocess.run([folder / "postgres", "--version"], check=True, capture_output=True, text=True)
    return int(answer.stdout.split()[-1 if "(" not in answer.stdout else 2].split(".")[0])


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
