"""Where a headend is: as it is asked, and as it may be shown. Pure."""

import re
from ipaddress import ip_address

import httpx

_HIGHEST_PORT = 65_535

_LOGIN = re.compile(r"^(?P<scheme>[a-z]+://)?.*@", re.IGNORECASE | re.DOTALL)
"""Up to the last `@`: what is no URL, for a password was not percent-encoded, may hold anything."""


def parse(base_url: str) -> httpx.URL:
    """The URL of a headend; without a scheme it is http.

    Raises:
        ValueError: it is not an http or https URL, or its port is none.
    """
    text = base_url.strip()
    try:
        url = httpx.URL(text if "://" in text else f"http://{text}")
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host or " " in text:
        raise ValueError(
            f"{without_login(base_url)!r} is not the URL of a headend, such as http://127.0.0.1:3001"
        )
    if url.port is not None and not 1 <= url.port <= _HIGHEST_PORT:
        raise ValueError(
            f"{without_login(base_url)!r} has port {url.port}; expected one from 1 to {_HIGHEST_PORT}"
        )
    return url


def without_login(url: str) -> str:
    """A URL as it may be shown and written down: without user and password.

    >>> without_login("http://operator:s3cret@headend:3001")
    'http://headend:3001'
    """
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        parsed = httpx.URL("")
    if not parsed.host:
        return _LOGIN.sub(lambda found: found["scheme"] or "", url)
    if not parsed.userinfo:
        return url
    return str(parsed.copy_with(username=None, password=None))


def is_loopback(host: str) -> bool:
    """Whether it is this machine, where no proxy of the environment leads to."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
