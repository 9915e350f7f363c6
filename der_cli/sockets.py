"""The TCP sockets of this machine, as Linux lists them in ``/proc``; none on another system."""

import os
import re
import sys
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import NamedTuple

from der_runtime.addresses import HostPort

_PROC = Path("/proc")
_LISTENING = "0A"
_NOBODYS = "0"
"""In the place of its inode, where a connection that is over only keeps its port for a while."""
_SOCKET = re.compile(r"socket:\[(\d+)\]")
_IPV4_BYTES = 4


class TcpSocket(NamedTuple):
    """A socket that listens at ``near``, or connects it with ``far``."""

    near: HostPort
    far: HostPort
    listens: bool


def tcp_sockets() -> dict[str, TcpSocket]:
    """Every TCP socket, by its inode."""
    found = {}
    for name in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / name).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for fields in (line.split() for line in lines):
            if fields[9] != _NOBODYS:
                near, far = _address(fields[1]), _address(fields[2])
                found[fields[9]] = TcpSocket(near, far, fields[3] == _LISTENING)
    return found


def sockets_of(home: Path) -> Iterator[str]:
    """The inodes of the sockets that the process with this folder in ``/proc`` has open, as far as can be seen."""
    try:
        opened = list((home / "fd").iterdir())
    except OSError:
        return
    for entry in opened:
        try:
            match = _SOCKET.fullmatch(os.readlink(entry))  # noqa: PTH115 - the text of the link is meant
        except OSError:
            continue
        if match:
            yield match[1]


def _address(text: str) -> HostPort:
    """An address as the kernel prints it: words of four bytes in the machine's order, a colon, the port."""
    host, _, port = text.partition(":")
    data = b"".join(
        int(host[place : place + 8], 16).to_bytes(4, sys.byteorder) for place in range(0, len(host), 8)
    )
    plain = IPv4Address(data) if len(data) == _IPV4_BYTES else _plain(IPv6Address(data))
    return HostPort(str(plain), int(port, 16))


def _plain(address: IPv6Address) -> IPv4Address | IPv6Address:
    return address.ipv4_mapped or address
