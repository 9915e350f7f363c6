"""The real system of a chaos run: headend, gateways, PostgreSQL, and a wire to cut between any two of them.

Programs run as ``Unit``: whoever kills one starts it again; one that ends by itself is started again at once, as an
init system would, and that is written down. A watch takes the headend's memory and looks for sessions that are open
twice.
"""

import contextlib
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import psutil

from chaos.fleet import inventory_file, inventory_of
from chaos.plan import Fault, Kind
from kit.postgres import PostgresServer
from kit.processes import REPOSITORY, Program, free_port, wait_until
from kit.tcp_proxy import TcpProxy

TICK_S = 0.2
HEARTBEAT_S = 0.5
FAILSAFE_AFTER_S = 4.0
SMALL_SPOOL_BYTES = 64 * 1024

_LOOK_S = 0.2
_PYTHONPATH = f"{REPOSITORY}:{REPOSITORY / 'tests'}"
_EASY_ON_THE_DISK = {"max_wal_size": "256MB", "shared_buffers": "64MB"}

Json = Any


class Unit:
    """A program that is to run, but while it is killed. Its output goes to ``log`` when it has ended."""

    def __init__(self, name: str, *, start: Callable[[], Program], log: Path) -> None:
        self.name = name
        self.ended_by_itself: list[str] = []
        self._start = start
        self._log = log
        self._program: Program | None = None
        self._lock = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        program = self._program
        return None if program is None else program.pid

    def start(self) -> None:
        """Start it."""
        with self._lock:
            self._program = self._program or self._start()

    def kill(self) -> None:
        """SIGKILL."""
        with self._lock:
            if self._program is not None:
                self._program.kill()
                self._end(self._program)

    def look(self) -> None:
        """Start it again if it has ended by itself."""
        with self._lock:
            program = self._program
            if program is None or program.exit_code is None:
                return
            code = program.wait()
            last = next((line for line in reversed(program.stderr) if line.strip()), "")
            self.ended_by_itself.append(f"{self.name} ended with {code}: {last}")
            self._end(program)
            self._program = self._start()

    def _end(self, program: Program) -> None:
        with self._log.open("a") as log:
            log.write(f"{program}\n=== ended with {program.exit_code}\n")
        self._program = None


class Rig:
    """All of it, in ``folder``, with an inventory that follows from ``seed``. Ends with the block.

    ``headend`` and ``agent`` are the modules to run, with their arguments. With ``small_spool`` the last gateway has
    a spool that soon overflows.
    """

    def __init__(
        self,
        folder: Path,
        *,
        seed: int,
        gateways: int,
        small_spool: bool = False,
        headend: tuple[str, ...] = ("der_headend",),
        agent: tuple[str, ...] = ("chaos.agent",),
    ) -> None:
        self.folder = folder
        self.most_memory_bytes = 0
        self.doubled_sessions: set[str] = set()
        self._seed = seed
        self._small_spool = small_spool
        self._headend_module = headend
        self._agent_module = agent
        self._inventory_path = folder / "assets.yaml"
        self._inventory_path.write_text(inventory_file(seed=seed, gateways=gateways))
        self.inventory = inventory_of(self._inventory_path.read_text())
        self.sites = [str(site) for site in self.inventory.sites]
        self._stack = ExitStack()
        self._stopping = threading.Event()

    def __enter__(self) -> Self:
        with self._stack:
            self.server = self._stack.enter_context(PostgresServer(fsync=True, options=_EASY_ON_THE_DISK))
            self.database_url = self.server.url(self.server.create_database(name="chaos"))
            self.database_link = self._stack.enter_context(TcpProxy(self.server.port))
            http_port, self._grpc_port = free_port(), free_port()
            self._http_address = f"127.0.0.1:{http_port}"
            self.http = self._stack.enter_context(
                httpx.Client(base_url=f"http://{self._http_address}", timeout=10.0)
            )
            self.links = [self._stack.enter_context(TcpProxy(self._grpc_port)) for _ in self.sites]
            self.headend = self._unit("headend", self._new_headend)
            self.agents = [self._unit(f"agent-{n}", self._agent_starter(n)) for n in range(len(self.sites))]
            for unit in (self.headend, *self.agents):
                unit.start()
            self._watch = threading.Thread(target=self._keep_watch, name="watch", daemon=True)
            self._watch.start()
            self._stack.callback(self._stop_watch)
            self._stack = self._stack.pop_all()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._stack.close()

    @property
    def logbooks(self) -> list[Path]:
        """Where the agents write what they do."""
        return [self.folder / f"agent-{n}" for n in range(len(self.sites))]

    @property
    def ended_by_themselves(self) -> list[str]:
        """Programs that ended though nobody had killed them."""
        return [line for unit in (self.headend, *self.agents) for line in unit.ended_by_itself]

    def begin(self, fault: Fault) -> Callable[[], None]:
        """Begin a fault; returns what ends it."""
        link, agent = self.links[fault.gateway], self.agents[fault.gateway]
        begin, end = {
            Kind.KILL_HEADEND: (self.headend.kill, self.headend.start),
            Kind.KILL_AGENT: (agent.kill, agent.start),
            Kind.KILL_POSTGRES: (self.server.kill, self.server.start),
            Kind.STALL_POSTGRES: (self.server.pause, self.server.resume),
            Kind.CUT_POSTGRES: (self.database_link.cut, self.database_link.heal),
            Kind.BLACKHOLE_POSTGRES: (self.database_link.blackhole, self.database_link.heal),
            Kind.CUT_LINK: (link.cut, link.heal),
            Kind.BLACKHOLE_LINK: (link.blackhole, link.heal),
            Kind.MUTE_LINK: (link.mute, link.heal),
            Kind.FULL_SPOOL: (link.cut, link.heal),
        }[fault.kind]
        begin()
        return end

    def get(self, path: str, **params: Any) -> Json:
        """The JSON of a GET; ``None`` while the headend does not answer, or not with 200."""
        with contextlib.suppress(httpx.TransportError):
            response = self.http.get(path, params=params)
            if response.status_code == httpx.codes.OK:
                return response.json()
        return None

    def connected(self) -> int:
        """How many agents are connected."""
        return sum(agent["connected"] for agent in self.get("/agents") or ())

    def wait_until_connected(self, *, deadline_s: float = 60.0) -> None:
        """Until the headend is ready and has every agent."""
        everyone = len(self.sites)
        try:
            wait_until(
                lambda: self.get("/readyz") is not None and self.connected() == everyone,
                deadline_s=deadline_s,
                what=f"a ready headend with {everyone} agents",
            )
        except TimeoutError as error:
            raise TimeoutError(f"{error}; {self.ended_by_themselves[-3:]}, logs in {self.folder}") from None

    # ------------------------------------------------------------------------------------------ its programs

    def _unit(self, name: str, start: Callable[[], Program]) -> Unit:
        unit = Unit(name, start=start, log=self.folder / f"{name}.log")
        self._stack.callback(unit.kill)
        return unit

    def _new_headend(self) -> Program:
        return self._program(
            self._headend_module,
            {
                "HEADEND_HTTP_ADDR": self._http_address,
                "HEADEND_GRPC_ADDR": f"127.0.0.1:{self._grpc_port}",
                "DATABASE_URL": self.server.url("chaos", port=self.database_link.port),
            },
        )

    def _agent_starter(self, number: int) -> Callable[[], Program]:
        logbook = self.logbooks[number]
        logbook.mkdir()
        small = self._small_spool and number == len(self.sites) - 1
        env = {
            "HEADEND_GRPC": self.links[number].address,
            "SITE_ID": self.sites[number],
            "TICK_S": str(TICK_S),
            "HEARTBEAT_S": str(HEARTBEAT_S),
            "FAILSAFE_AFTER_S": str(FAILSAFE_AFTER_S),
            "SIM_SEED": str(self._seed),
            "SIM_FAULTS_PER_HOUR": "20",
            "SPOOL_PATH": str(logbook / "spool.db"),
            "CHAOS_LOGBOOK": str(logbook),
            **({"SPOOL_MAX_BYTES": str(SMALL_SPOOL_BYTES)} if small else {}),
        }
        return lambda: self._program(self._agent_module, env)

    def _program(self, module: tuple[str, ...], env: Mapping[str, str]) -> Program:
        return Program.module(
            *module, env={"PYTHONPATH": _PYTHONPATH, "ASSETS_PATH": str(self._inventory_path), **env}
        )

    # ----------------------------------------------------------------------------------------------- the watch

    def _keep_watch(self) -> None:
        while not self._stopping.wait(_LOOK_S):
            for unit in (self.headend, *self.agents):
                unit.look()
            with contextlib.suppress(psutil.NoSuchProcess):
                if (pid := self.headend.pid) is not None:
                    memory_bytes = psutil.Process(pid).memory_info().rss
                    self.most_memory_bytes = max(self.most_memory_bytes, memory_bytes)
            for agent in self.get("/agents") or ():
                if sum(session["disconnected_at"] is None for session in agent["sessions"]) > 1:
                    self.doubled_sessions.add(agent["agent_id"])

    def _stop_watch(self) -> None:
        self._stopping.set()
        self._watch.join()
