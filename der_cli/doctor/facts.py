"""What the doctor looks at, gathered once: the shell, this machine's processes, and what the headend answers."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from der_cli.doctor.files import Reading, read_all
from der_cli.masking import Mask, secrets_of
from der_cli.names import canonical
from der_cli.ports import in_the_way
from der_cli.processes import DEFAULT_GRPC, DEFAULT_HTTP, Process, host_port
from der_cli.world import World
from der_client import HeadendClient, HeadendError, without_login
from der_client.models import Agent, Asset, Dispatch, Event, Readiness
from der_runtime.addresses import HostPort, is_loopback

T = TypeVar("T")

DISPATCHES = 200
"""So many of the newest dispatches are looked at."""
ALARMS = 200
"""So many of the newest alarms that are raised are looked at."""

_PROBE_S = 0.5
_DATABASE_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a headend that answers says; ``None``: this part of it failed.

    ``ahead_s`` is how far its clock is ahead of this machine's, to a second.
    """

    version: str
    readiness: Readiness | None = None
    assets: Sequence[Asset] | None = None
    agents: Sequence[Agent] | None = None
    dispatches: Sequence[Dispatch] | None = None
    alarms: Sequence[Event] | None = None
    ahead_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseStatus:
    """What ``der_headend.database status`` says of the database at ``url``; ``answer`` is ``None`` if it failed."""

    url: str
    answer: Mapping[str, Any] | None
    complaint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything that is known; ``headend`` is ``None`` when nothing answers, and ``why_not`` says why.

    ``listens`` tells whether somebody listens at an address, ``in_the_way`` why a headend could not, if it could not.
    """

    url: str
    now: datetime
    environ: Mapping[str, str]
    cwd: Path
    processes: Sequence[Process] | None
    headend: Answers | None = None
    why_not: str = ""
    databases: Sequence[DatabaseStatus] = ()
    readings: Sequence[Reading] = ()
    listens: Callable[[HostPort], bool] = field(default=lambda _address: False)
    in_the_way: Callable[[HostPort], str | None] = field(default=lambda _address: None)

    @property
    def _rest_port(self) -> int:
        asked = urlsplit(self.url)
        return asked.port or (443 if asked.scheme == "https" else 80)

    @property
    def ours(self) -> list[Process]:
        """The processes of the headend that is asked about: itself, and what calls it or seems meant to.

        That is what calls no other headend of this machine, was started where this shell or the headend was, and has
        a site or an asset that the headend knows; or what was started elsewhere, calls nobody and is missed.
        """
        headend = self.headend_process
        folders = {self.cwd} | ({headend.cwd} if headend and headend.cwd else set())
        others = {
            address.port
            for process in self.of("der_headend")
            if process is not headend
            for address in process.listens_on
        }

        def is_ours(process: Process) -> bool:
            if process.program == "der_headend":
                return process is headend
            if process.program == "der_console":
                return _port(process.setting("HEADEND") or str(DEFAULT_HTTP)) == self._rest_port
            meant = process.cwd in folders and self.knows(process.setting)
            meant = meant or (process.program == "edge_agent" and self._lost(process))
            return self.calls_headend(process) or (meant and _port_called(process) not in others)

        return [process for process in self.processes or () if is_ours(process)]

    def of(self, program: str) -> list[Process]:
        """The running processes of a program; none where they cannot be seen."""
        return [process for process in self.processes or () if process.program == program]

    @property
    def headend_process(self) -> Process | None:
        """The process of the headend that is asked about, if it runs here.

        If nothing answers it is one that is told to serve there, or that listens where this shell calls.
        """
        running = self.of("der_headend")
        port = self._rest_port
        listening = (each for each in running if any(at.port == port for at in each.listens_on))
        if (found := next(listening, None)) or self.headend is not None:
            return found
        called = {_port(self.environ.get(name)) for name in ("HEADEND_GRPC", "HEADEND_GRPC_ADDR")} - {None}
        return next(
            (
                each
                for each in running
                if _told(each, "HEADEND_HTTP_ADDR", DEFAULT_HTTP) == port
                or _told(each, "HEADEND_GRPC_ADDR", DEFAULT_GRPC) in called
            ),
            None,
        )

    @property
    def grpc(self) -> "Listens | None":
        """Where the headend listens for agents, by what knows it best."""
        checks = (self.headend.readiness or {"checks": []})["checks"] if self.headend else []
        for each in checks:
            if each["name"] == "grpc" and (address := host_port(each["detail"])):
                return Listens(address, "the headend")
        if process := self.headend_process:
            return Listens(host_port(process.setting("HEADEND_GRPC_ADDR")) or DEFAULT_GRPC, str(process))
        if address := host_port(self.environ.get("HEADEND_GRPC_ADDR")):
            return Listens(address, "HEADEND_GRPC_ADDR of this shell")
        return None

    def calls_headend(self, process: Process) -> bool:
        """Whether an agent is told to call the headend's port or, if that is not known, the one this shell calls."""
        port = self.grpc.address.port if self.grpc else _port(self.environ.get("HEADEND_GRPC"))
        return port is not None and _port_called(process) == port

    def knows(self, setting: Callable[[str], str | None]) -> bool:
        """Whether the headend has the site or the asset of these settings; also where either is not told."""
        assets, told = self.headend.assets if self.headend else None, _places(setting)
        if assets is None or not told:
            return True
        return any(told & {asset["id"], asset["site_id"]} for asset in assets)

    def _lost(self, agent: Process) -> bool:
        """Whether nothing listens where it calls on this machine, and the headend lacks an asset that it serves."""
        called = host_port(agent.setting("HEADEND_GRPC"))
        if called is None or not is_loopback(called.host) or self.headend is None or self.listens(called):
            return False
        connected = (each for each in self.agents or () if each["connected"])
        served = {asset["id"] for each in connected for asset in each["assets"]}
        told = _places(agent.setting)
        return any(
            told & {asset["id"], asset["site_id"]}
            for asset in self.headend.assets or ()
            if asset["id"] not in served
        )

    @property
    def agent_processes(self) -> list[Process]:
        """The agents of the headend that run here."""
        return [process for process in self.ours if process.program == "edge_agent"]

    @property
    def strangers(self) -> int:
        """So many of this machine's processes are another headend's, or nobody's."""
        return len(self.processes or ()) - len(self.ours)

    @property
    def agents(self) -> Sequence[Agent] | None:
        """The agents as the headend knows them."""
        return None if self.headend is None else self.headend.agents


@dataclass(frozen=True, slots=True)
class Listens:
    """Where the headend listens for agents, and who says so."""

    address: HostPort
    source: str


def _places(setting: Callable[[str], str | None]) -> set[str]:
    """The ids of the site and the asset that some settings name."""
    names = ("SITE_ID", "GATEWAY_SITE_ID", "ASSET_ID")
    return {canonical(text) for name in names if (text := setting(name))}


def _port(text: str | None) -> int | None:
    address = host_port(text)
    return address.port if address else None


def _port_called(process: Process) -> int | None:
    return _port(process.setting("HEADEND_GRPC"))


def _told(process: Process, variable: str, default: HostPort) -> int | None:
    """The port that a headend is told to listen on; ``None`` if that can't be seen."""
    unset = default.port if process.environ is not None else None
    return _port(text) if (text := process.setting(variable)) else unset


Step = Callable[[str], None]
"""Told what is being done, for whoever waits."""


def gather(world: World, url: str, *, step: Step) -> Facts:
    """Look at everything once; takes a few seconds where something does not answer."""
    step("this machine's processes")
    processes = world.processes()
    environ = {name: value for name, value in os.environ.items() if value.strip()}
    step("the headend")
    answers, why_not = _ask(world, url)
    facts = Facts(
        url=without_login(url),
        now=world.now(),
        environ=environ,
        cwd=Path.cwd(),
        processes=processes,
        headend=answers,
        why_not=why_not,
        listens=is_listening,
        in_the_way=in_the_way,
    )
    headend = facts.headend_process
    readers = [*([headend] if headend else []), *facts.agent_processes]
    to_start = answers is None and headend is None
    readings = read_all(readers, environ, facts.cwd, to_start=to_start, step=step)
    step("the database")
    urls = (environ.get("DATABASE_URL"), headend.setting("DATABASE_URL") if headend else None)
    databases = [database_status(each) for each in dict.fromkeys(urls) if each]
    return replace(facts, readings=readings, databases=databases)


def is_listening(address: HostPort) -> bool:
    """Whether a connection can be made."""
    try:
        socket.create_connection((address.host, address.port), timeout=_PROBE_S).close()
    except OSError:
        return False
    return True


def database_status(url: str) -> DatabaseStatus:
    """Ask the headend's own program, as ``der db status`` does."""
    command = [sys.executable, "-m", "der_headend.database", "status"]
    mask = Mask(secrets_of({"DATABASE_URL": url}))
    try:
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=_DATABASE_S,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "DATABASE_URL": url},
        )
    except subprocess.TimeoutExpired:
        return DatabaseStatus(
            url=mask.text(url), answer=None, complaint=f"no answer within {_DATABASE_S:g} s"
        )
    if done.returncode:
        complaint = done.stderr.strip().splitlines()[-1:] or ["it failed"]
        return DatabaseStatus(
            url=mask.text(url), answer=None, complaint=mask.text(complaint[0].removeprefix("Error: "))
        )
    return DatabaseStatus(url=mask.text(url), answer=json.loads(done.stdout))


def _ask(world: World, url: str) -> tuple[Answers | None, str]:
    with world.headend(url, quiet=True) as client:
        try:
            version = client.health()["version"]
        except HeadendError as error:
            return None, getattr(error, "why", str(error))
        return _answers(world, client, version), ""


def _answers(world: World, client: HeadendClient, version: str) -> Answers:
    return Answers(
        version=version,
        readiness=_if_told(client.readiness),
        assets=_if_told(lambda: list(client.assets())),
        agents=_if_told(lambda: list(client.agents())),
        dispatches=_if_told(lambda: list(islice(client.dispatches(limit=DISPATCHES), DISPATCHES))),
        alarms=_if_told(lambda: list(client.events(active=True, limit=ALARMS))),
        ahead_s=world.clock_ahead_s(client.base_url),
    )


def _if_told(question: Callable[[], T]) -> T | None:
    try:
        return question()
    except HeadendError:
        return None
