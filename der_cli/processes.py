"""The system's programs as they run on this machine: how they were started, and where they listen.

Read from ``/proc``, which Linux has. What cannot be seen (another user's process, another system) is ``None``, not
guessed.
"""

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from der_cli.sockets import TcpSocket, sockets_of, tcp_sockets
from der_runtime.addresses import HostPort

DEFAULT_GRPC = HostPort("127.0.0.1", 50051)
DEFAULT_HTTP = HostPort("127.0.0.1", 3001)
PROGRAMS = ("der_headend", "edge_agent", "der_fleet", "der_console")

_PROC = Path("/proc")
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - read, not listened on


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One running program; ``environ`` and ``cwd`` are ``None`` where they may not be read.

    ``logs`` are the files that its stdout and stderr go to.
    """

    pid: int
    program: str
    argv: tuple[str, ...]
    environ: Mapping[str, str] | None = None
    cwd: Path | None = None
    listens_on: tuple[HostPort, ...] = ()
    logs: tuple[Path, ...] = ()

    def setting(self, variable: str) -> str | None:
        """What a setting was given, as a flag or as a variable; ``None`` if neither, or not to be seen."""
        flag = f"--{variable.lower().replace('_', '-')}"
        for place, word in enumerate(self.argv):
            if word.startswith(f"{flag}="):
                return word.partition("=")[2]
            if word == flag and place + 1 < len(self.argv):
                return self.argv[place + 1]
        return ((self.environ or {}).get(variable) or "").strip() or None

    def __str__(self) -> str:
        return f"{self.program} (pid {self.pid})"


def running() -> tuple[Process, ...] | None:
    """The programs that run here, in order of their process id; ``None`` where the system does not tell."""
    if not sys.platform.startswith("linux"):
        return None
    sockets = tcp_sockets()
    found = (_process(int(entry.name), sockets) for entry in _PROC.iterdir() if entry.name.isdecimal())
    return tuple(sorted((each for each in found if each), key=lambda process: process.pid))


def program_of(argv: tuple[str, ...]) -> str | None:
    """Which of our programs a command line runs: as a command, as a script, or as ``python -m``."""
    for place, word in enumerate(argv[:-1]):
        if word == "-m":
            name = argv[place + 1].partition(".")[0]
            return name if name in PROGRAMS and "." not in argv[place + 1] else None
    names = (Path(word).name for word in argv[:2])
    return next((name for name in names if name in PROGRAMS), None)


def words_of(data: bytes) -> tuple[str, ...]:
    """The words of a command line, or the entries of an environment, as ``/proc`` has them."""
    return tuple(word.decode("utf-8", "replace") for word in data.rstrip(b"\0").split(b"\0"))


def host_port(text: str | None) -> HostPort | None:
    """The address that a setting names; ``None`` if it is unset or names none."""
    try:
        return HostPort.parse(text) if text else None
    except ValueError:
        return None


def reachable(address: HostPort) -> HostPort:
    """Where this machine reaches what listens at ``address``."""
    return HostPort(_LOOPBACK.get(address.host, address.host), address.port)


def _process(pid: int, sockets: Mapping[str, TcpSocket]) -> Process | None:
    home = _PROC / str(pid)
    try:
        argv = words_of((home / "cmdline").read_bytes())
    except OSError:
        return None
    program = program_of(argv)
    if program is None:
        return None
    return Process(
        pid=pid,
        program=program,
        argv=argv,
        environ=_environ(home),
        cwd=_cwd(home),
        listens_on=tuple(_listens_on(home, sockets)),
        logs=tuple(dict.fromkeys(_logs(home))),
    )


def _environ(home: Path) -> Mapping[str, str] | None:
    try:
        entries = words_of((home / "environ").read_bytes())
    except OSError:
        return None
    return {name: value for name, _, value in (entry.partition("=") for entry in entries) if name}


def _cwd(home: Path) -> Path | None:
    try:
        return Path(os.readlink(home / "cwd"))  # noqa: PTH115 - where it leads, not where that leads
    except OSError:
        return None


def _listens_on(home: Path, sockets: Mapping[str, TcpSocket]) -> Iterator[HostPort]:
    return (sockets[inode].near for inode in sockets_of(home) if inode in sockets and sockets[inode].listens)


def _logs(home: Path) -> Iterator[Path]:
    for descriptor in ("1", "2"):
        try:
            leads_to = Path(os.readlink(home / "fd" / descriptor))  # noqa: PTH115 - as above
        except OSError:
            continue
        if leads_to.is_absolute() and leads_to.is_file():
            yield leads_to
