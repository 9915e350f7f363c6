"""Whether a program could listen on an address of this machine and, if not, what is in its way.

That nobody listens on a port does not make it free: Linux gives those from 32768 on to outgoing connections.
"""

import errno
import socket
from ipaddress import ip_address
from pathlib import Path

from der_cli.processes import program_of, words_of
from der_cli.sockets import TcpSocket, sockets_of, tcp_sockets
from der_runtime.addresses import HostPort, system_words


def refusal(address: HostPort) -> OSError | None:
    """Why it can't be listened on; ``None`` if it can."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        socket.create_server((address.host, address.port), family=family).close()
    except OSError as error:
        return error
    return None


def in_the_way(address: HostPort) -> str | None:
    """Why it can't be listened on, in words, and who has it; ``None`` if it can."""
    error = refusal(address)
    if error is None:
        return None
    if error.errno != errno.EADDRINUSE:
        return system_words(error).lower()
    return holder_of(address) or "it is taken"


def holder_of(address: HostPort) -> str | None:
    """Which program has an address, and what for; ``None`` where that can't be seen.

    Who listens there has it; the near ends of the connections that it has accepted are the same address.
    """
    met = {inode: each for inode, each in tcp_sockets().items() if _meet(each.near, address)}
    held = {inode: each for inode, each in met.items() if each.listens} or met
    if not held:
        return None
    for home in Path("/proc").iterdir():
        if home.name.isdecimal():
            for inode in held.keys() & set(sockets_of(home)):
                return f"{_name(home)} (pid {home.name}) {_use(held[inode])}"
    return f"a program of another user {_use(next(iter(held.values())))}"


def _meet(near: HostPort, wanted: HostPort) -> bool:
    """Whether two addresses can't both be had: one port, and one host or a wildcard."""
    if near.port != wanted.port:
        return False
    try:
        host = wanted.host if ":" in wanted.host else socket.gethostbyname(wanted.host)
    except OSError:
        return True
    hosts = {ip_address(near.host), ip_address(host)}
    return len(hosts) == 1 or any(host.is_unspecified for host in hosts)


def _use(held: TcpSocket) -> str:
    return "listens there" if held.listens else f"has it for its connection to {held.far}"


def _name(home: Path) -> str:
    """What it is called: of the interpreter's, which of our programs it runs."""
    try:
        argv = words_of((home / "cmdline").read_bytes())
        return program_of(argv) or (home / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "a program"
