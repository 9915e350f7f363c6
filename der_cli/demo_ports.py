"""Whether the demo can have the ports it wants; asked before anything is started, so that one line can say it."""

import errno
import socket
from dataclasses import dataclass

from der_runtime.addresses import HostPort

_LAST_PORT = 65_535
_TRIES = 50


@dataclass(frozen=True, slots=True)
class Wanted:
    """An address to listen on: what for, and the option that chooses another."""

    purpose: str
    option: str
    address: HostPort


def obstacles(*wanted: Wanted) -> list[str]:
    """A sentence for each address that can't be listened on: what is in the way, and how to get round it."""
    passed_over = {each.address.port for each in wanted}
    told = []
    for each in wanted:
        error = _try(each.address)
        if error is None:
            continue
        if error.errno != errno.EADDRINUSE:
            told.append(
                f"can't listen on {each.address} for {each.purpose}: {error.strerror}. {each.option} chooses"
            )
            continue
        free = _next_free(each.address, passed_over)
        choice = f"{each.option} HOST:PORT" if free is None else f"{each.option} {free}"
        passed_over |= set() if free is None else {free.port}
        told.append(
            f"port {each.address.port} on {each.address.host}, which {each.purpose} needs, is taken; most likely "
            f"another headend or `der demo` is running. Stop it, or choose another port: der demo {choice}"
        )
    return told


def _next_free(taken: HostPort, passed_over: set[int]) -> HostPort | None:
    for port in range(taken.port + 1, min(taken.port + _TRIES, _LAST_PORT) + 1):
        candidate = HostPort(taken.host, port)
        if port not in passed_over and _try(candidate) is None:
            return candidate
    return None


def _try(address: HostPort) -> OSError | None:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        socket.create_server((address.host, address.port), family=family).close()
    except OSError as error:
        return error
    return None
