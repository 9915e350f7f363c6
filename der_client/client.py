"""The synchronous client: one connection pool, one method per question to the headend.

A request is sent again only if it never reached the headend (the connection could not be made). A dispatch always
carries an id, so whoever is left in doubt may send it again by that id without it being applied twice.
"""

import random
import time
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import quote
from uuid import uuid4

import httpx

from der_client.errors import HeadendUnreachable
from der_client.models import Agent, Asset, Dispatch, Preview, Sample, Site
from der_client.responses import body_of, next_cursor

_ATTEMPTS = 3
_FIRST_PAUSE_S = 0.1
_CONNECT_TIMEOUT_S = 3.0


class HeadendClient:
    """A headend at ``base_url``, e.g. ``http://127.0.0.1:3001``. A context manager; not for several threads at once.

    ``timeout_s`` is for each answer; ``transport`` stands in for the network in tests. Every method that asks the
    headend raises ``HeadendProblem`` if it says no and ``HeadendUnreachable`` if nothing answers.

    Raises:
        ValueError: ``base_url`` is not an http or https URL.
    """

    def __init__(
        self, base_url: str, *, timeout_s: float = 10.0, transport: httpx.BaseTransport | None = None
    ) -> None:
        url = _parse(base_url)
        self.base_url = str(url).rstrip("/")
        self._http = httpx.Client(
            base_url=url,
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, _CONNECT_TIMEOUT_S)),
            transport=transport,
            # A proxy of the environment is for the internet; it does not lead to this machine.
            trust_env=not _is_loopback(url.host),
            headers={"accept": "application/json, application/problem+json"},
        )

    def ready(self) -> bool:
        """Whether the headend can do its work (database, gRPC)."""
        return self._send("GET", "/readyz").is_success

    def assets(self) -> Iterator[Asset]:
        """The inventory with live values."""
        return self._list("/assets")

    def sites(self) -> Iterator[Site]:
        """The sites with their assets and sums."""
        return self._list("/sites")

    def agents(self) -> Iterator[Agent]:
        """Every agent that has connected, connected now or not."""
        return self._list("/agents")

    def telemetry(self, asset_id: str) -> Sample:
        """The latest sample of an asset; a ``HeadendProblem`` with status 404 until the asset was heard from."""
        return cast("Sample", body_of(self._send("GET", f"/telemetry/{quote(asset_id, safe='')}")))

    def dispatch(
        self,
        *,
        mw: float,
        asset_id: str | None = None,
        site_id: str | None = None,
        duration_s: float | None = None,
        ttl_s: float | None = None,
        id: str | None = None,
    ) -> Dispatch:
        """Send a command and return its record, as it stands at once.

        ``mw``: positive = discharge / export, negative = charge / import. ``duration_s``: how long from when it is
        active (``None``: until further notice); ``ttl_s``: how long it may wait for its agent. ``id``: a UUID of
        your own; sent again with the same one it returns the same record.
        """
        body = _target(mw, asset_id, site_id) | _given(
            duration_s=duration_s, ttl_s=ttl_s, id=id or str(uuid4())
        )
        return cast("Dispatch", body_of(self._send("POST", "/dispatch", json=body)))

    def get_dispatch(self, dispatch_id: str) -> Dispatch:
        """The record of a dispatch, as it stands now."""
        return cast("Dispatch", body_of(self._send("GET", f"/dispatch/{quote(dispatch_id, safe='')}")))

    def cancel(self, dispatch_id: str) -> Dispatch:
        """Take a dispatch back; cancelling one that has ended changes nothing."""
        return cast("Dispatch", body_of(self._send("DELETE", f"/dispatch/{quote(dispatch_id, safe='')}")))

    def preview(self, *, mw: float, asset_id: str | None = None, site_id: str | None = None) -> Preview:
        """The split that a dispatch would have now; nothing is sent."""
        body = _target(mw, asset_id, site_id)
        return cast("Preview", body_of(self._send("POST", "/dispatch/preview", json=body)))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _list(self, path: str) -> Iterator[Any]:
        cursor: str | None = None
        while True:
            response = self._send("GET", path, params=_given(cursor=cursor))
            yield from body_of(response)
            cursor = next_cursor(response)
            if cursor is None:
                return

    def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
    ) -> httpx.Response:
        pause_s = _FIRST_PAUSE_S
        for attempts_left in range(_ATTEMPTS - 1, -1, -1):
            try:
                return self._http.request(method, path, params=params, json=json)
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                if not attempts_left:
                    raise HeadendUnreachable(self.base_url, _why(error)) from error
            except httpx.HTTPError as error:
                raise HeadendUnreachable(self.base_url, _why(error), maybe_done=method != "GET") from error
            time.sleep(random.uniform(pause_s / 2, pause_s))
            pause_s *= 2
        raise AssertionError("the last attempt returns or raises")


def _parse(base_url: str) -> httpx.URL:
    text = base_url.strip()
    try:
        url = httpx.URL(text if "://" in text else f"http://{text}")
    except httpx.InvalidURL:
        url = httpx.URL("")
    if url.scheme not in {"http", "https"} or not url.host or " " in text:
        raise ValueError(f"{base_url!r} is not the URL of a headend, such as http://127.0.0.1:3001")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _target(mw: float, asset_id: str | None, site_id: str | None) -> dict[str, Any]:
    return {"mw": mw} | _given(asset_id=asset_id, site_id=site_id)


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def _why(error: httpx.HTTPError) -> str:
    match error:
        case httpx.ConnectTimeout():
            return "no connection within the time limit"
        case httpx.TimeoutException():
            return "no answer within the time limit"
        case httpx.ConnectError():
            return "connection refused" if "refused" in str(error) else str(error) or "no connection"
        case _:
            return str(error) or type(error).__name__
