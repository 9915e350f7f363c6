"""What DATABASE_URL says, checked before anybody connects. Pure.

A password with a special character that is not percent-encoded splits the URL in the wrong place, and what then looks
like a host, a port or a path is a piece of the password. So nothing of a URL that is no good is ever shown.
"""

import re
from collections.abc import Mapping
from urllib.parse import SplitResult, parse_qs, urlsplit

from der_runtime.addresses import is_loopback
from der_runtime.settings import SettingsInvalid

EXPECTED = "postgres://user:password@host:port/database"
EXAMPLE = "postgres://bess:besspassword@localhost:5432/bess"

_SCHEMES = ("postgres", "postgresql")
_ENCODE = "percent-encode special characters in the password (@ is %40, # is %23, / is %2F)"
_PORT_MAX = 65_535


def check_url(url: str) -> None:
    """Refuse what can't be the URL of a PostgreSQL database.

    Raises:
        SettingsInvalid: it can't; says why, and nothing of the password.
    """
    if problem := _problem(url):
        raise SettingsInvalid("DATABASE_URL", problem, EXPECTED, EXAMPLE)


def shown(url: str) -> str:
    """A database's URL without its password and other parameters; only the variable's name if it is no good."""
    if _problem(url):
        return "DATABASE_URL"
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    name = user.partition(":")[0]
    return f"{parts.scheme}://{name}{'@' if name else ''}{host}{parts.path}"


def is_local(url: str, environment: Mapping[str, str]) -> bool:
    """Whether every host that a good URL names, in its authority or as a parameter, is this machine.

    Where it names none, asyncpg takes that of a service, which stands in a file, or else of PGHOST.
    """
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    named = ",".join([parts.netloc.rpartition("@")[2], *query.get("host", [])]).strip(",")
    if not named:
        if "service" in query or environment.get("PGSERVICE"):
            return False
        named = environment.get("PGHOST", "")
    hosts = {re.sub(r":\d*$", "", host).strip("[]") for host in named.split(",") if host}
    # A path is the folder of a Unix socket.
    return all(host.startswith("/") or is_loopback(host) for host in hosts)


def _problem(url: str) -> str | None:
    scheme, divider, _ = url.partition("://")
    if not divider:
        return "does not begin with a scheme"
    if scheme not in _SCHEMES:
        return "has another scheme than postgres"
    try:
        parts = urlsplit(url)
    except ValueError:  # its text quotes what may be a password
        return f"can't be read: {_ENCODE}, and put an IPv6 address in brackets"
    if _split_in_the_wrong_place(url, parts):
        return f"can't be read: {_ENCODE}"
    try:
        query = parse_qs(parts.query, strict_parsing=bool(parts.query))
    except ValueError:
        return "has parameters after the ? that are not name=value"
    hosts = parts.netloc.rpartition("@")[2].split(",")
    ports = [_port(host) for host in hosts] + ",".join(query.get("port", [])).split(",")
    if not all(_is_port(port) for port in ports if port):
        return f"has a port that is not a number from 1 to {_PORT_MAX}"
    return None


def _split_in_the_wrong_place(url: str, parts: SplitResult) -> bool:
    """Whether the URL ends its authority within the password, or has a second ``@`` or a bare ``%`` there."""
    return (
        "#" in url
        or "@" in parts.path
        or ("@" in parts.query and not parts.path)
        or parts.netloc.count("@") > 1
        or re.search(r"%(?![0-9A-Fa-f]{2})", parts.netloc) is not None
    )


def _port(host: str) -> str:
    return host.rpartition("]")[2].partition(":")[2]


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= _PORT_MAX
