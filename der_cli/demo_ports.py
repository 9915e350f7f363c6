"""Whether the demo can have the ports it wants; asked before anything is started, so that one line can say it."""

import errno
from dataclasses import dataclass

from der_cli.ports import holder_of, refusal
from der_runtime.addresses import HostPort, system_words

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
        error = refusal(each.address)
        if error is None:
            continue
        if error.errno != errno.EADDRINUSE:
            told.append(
                f"can't listen on {each.address} for {each.purpose}: {system_words(error)}. {each.option} chooses"
            )
            continue
        free = _next_free(each.address, passed_over)
        choice = f"{each.option} HOST:PORT" if free is None else f"{each.option} {free}"
        passed_over |= set() if free is None else {free.port}
        holder = holder_of(each.address) or "most likely another headend or `der demo` is running"
        told.append(
            f"port {each.address.port} on {each.address.host}, which {each.purpose} needs, is taken: {holder}. "
            f"Stop it, or choose another port: der demo {choice}"
        )
    return told


def _next_free(taken: HostPort, passed_over: set[int]) -> HostPort | None:
    for port in range(taken.port + 1, min(taken.port + _TRIES, _LAST_PORT) + 1):
        candidate = HostPort(taken.host, port)
        if port not in passed_over and refusal(candidate) is None:
            return candidate
    return None
