"""Where a program listens and whom it calls: host and port, in the spellings that operators use."""

import errno
import os
import re
import socket
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any, Self

from pydantic_core import core_schema

from der_runtime.display import shown
from der_runtime.failure import StartFailed

_HIGHEST_PORT = 65_535
_EXAMPLE_PORT = 20080
"""Below those that Linux gives to outgoing connections."""
_BACKLOG = 1024
_ADDRESS = re.compile(
    r"(?:(?P<scheme>https?)://)?(?:\[(?P<v6>[^\[\]\s]+)\]|(?P<host>[^\s:/@\[\]?#]+)):(?P<port>[0-9]{1,5})/?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host and a port; ``tls`` is what the URL form asked for, ``None`` where there was no scheme.

    A setting declared as ``HostPort`` is parsed from its text.
    """

    host: str
    port: int
    tls: bool | None = None

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``host:port``, ``http://host:port``, ``https://host:port``; an IPv6 address stands in brackets.

        Raises:
            ValueError: it is none of these, or the port is above 65535.
        """
        match = _ADDRESS.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"{shown(text)} is not host:port")
        port = int(match["port"])
        if port > _HIGHEST_PORT:
            raise ValueError(f"port {port} is above {_HIGHEST_PORT}")
        if match["v6"] is not None and not _is_ipv6(match["v6"]):
            raise ValueError(f"{shown(match['v6'])} is not an IPv6 address")
        tls = match["scheme"].lower() == "https" if match["scheme"] else None
        return cls(match["v6"] or match["host"], port, tls)

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: object) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(cls._validated)

    @classmethod
    def _validated(cls, value: Any) -> Self:
        return value if isinstance(value, cls) else cls.parse(str(value))


def listen(address: HostPort, variable: str) -> socket.socket:
    """A listening socket on an address that the setting ``variable`` names.

    Raises:
        StartFailed: it can't be listened on; the message says what to do.
    """
    try:
        family = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((address.host, address.port), family=family, backlog=_BACKLOG)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        who = f"stop the program that has it (ss -tanp 'sport = :{address.port}' shows it) or choose another port"
        advice = who if taken else "choose another address"
        raise StartFailed(
            f"{variable}: can't listen on {address}: {system_words(error)}; {advice}, "
            f"e.g. {variable}=127.0.0.1:{_EXAMPLE_PORT}"
        ) from error


def system_words(error: OSError) -> str:
    """What the operating system says of an error, without what Python adds."""
    code = error.errno or 0  # negative, if a name could not be looked up
    return os.strerror(code) if code > 0 else error.strerror or str(error)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on ``host``: localhost, 127.0.0.0/8, ::1."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_ipv6(text: str) -> bool:
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return True
