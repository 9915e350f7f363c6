"""Keeps other people's web pages from using a server that trusts whoever reaches it.

A page from elsewhere that is open in the browser of an operator can send requests to all that the operator reaches.
They carry its ``Origin``; where the page's own name was made to lead here (DNS rebinding), they carry that as ``Host``
too. Programs that are no browsers send no ``Origin``.
"""

from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from der_core.problems import MEDIA_TYPE, problem

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_READS = {"GET", "HEAD", "OPTIONS"}
"""Harmless from elsewhere: without CORS headers the browser keeps the answer from the page."""


class SameOrigin:
    """Answers only its own pages and what is no browser; its pages are in nobody's frame.

    ``host``: what the server is bound to; if that is ``loopback``, its names are known, and no other is answered.
    """

    def __init__(self, app: ASGIApp, *, host: str, loopback: bool) -> None:
        self._app = app
        self._names = {*_LOOPBACK, host.lower()} if loopback else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request, or one websocket."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif (refusal := self._refusal(scope)) is not None:
            await refusal(scope, receive, send)
        elif scope["type"] == "http":
            await self._app(scope, receive, partial(_unframed, send))
        else:
            await self._app(scope, receive, send)

    def _refusal(self, scope: Scope) -> JSONResponse | None:
        headers = Headers(scope=scope)
        host, origin = headers.get("host", ""), headers.get("origin")
        browser = bool(host) or origin is not None  # a simple probe may name no Host
        if self._names is not None and browser and _name(host) not in self._names:
            return _problem(
                HTTPStatus.MISDIRECTED_REQUEST,
                "wrong_host",
                "this server listens on loopback and answers to no other Host than localhost, 127.0.0.1, [::1] and "
                "the host that it is bound to",
                "Host",
            )
        if origin is None or (self._names is None and scope.get("method") in _READS):
            return None
        if _authority(origin) != host.lower():
            return _problem(
                HTTPStatus.FORBIDDEN,
                "cross_origin",
                "the request comes from a web page of another origin; a proxy in between has to pass on the Host that "
                "the browser asked for"
                if self._names is None
                else "the request comes from a web page of another origin than this server's",
                "Origin",
            )
        return None


def _name(host: str) -> str | None:
    """A ``Host`` without its port."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


def _authority(origin: str) -> str | None:
    """What an ``Origin`` has for ``Host``; of ``null`` it is empty."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return None


async def _unframed(send: Send, message: Message) -> None:
    if message["type"] == "http.response.start":
        MutableHeaders(scope=message)["X-Frame-Options"] = "DENY"
    await send(message)


def _problem(status: HTTPStatus, code: str, detail: str, field: str) -> JSONResponse:
    return JSONResponse(problem(status, code, detail, field), status, media_type=MEDIA_TYPE)
