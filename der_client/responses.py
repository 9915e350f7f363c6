"""From an HTTP response to the value it carries or the error it means. Pure: no I/O."""

import json
from collections.abc import Callable
from typing import Any

import httpx

from der_client.errors import (
    Conflict,
    HeadendError,
    HeadendProblem,
    HeadendUnreachable,
    Invalid,
    NotFound,
    ServerFault,
    Unavailable,
)
from der_client.models import Readiness

_JSON = "application/json"
_PROBLEM = "application/problem+json"
_CURSOR = "X-Next-Cursor"
_NOT_READY = 503


def body_of(response: httpx.Response) -> Any:
    """The JSON of a successful response.

    Raises:
        HeadendProblem: the headend refused or failed.
        HeadendUnreachable: what answered does not speak the headend's API.
    """
    content_type = _content_type(response)
    if content_type not in {_JSON, _PROBLEM}:
        raise _not_a_headend(response, content_type or "no content type")
    body = _parsed(response)
    if response.is_success:
        return body
    if content_type != _PROBLEM or not isinstance(body, dict):
        raise _not_a_headend(response, "an error that is no problem document")
    raise _problem(response, body)


def problem_of(response: httpx.Response) -> HeadendError:
    """What ``body_of`` raises of a response that is no success."""
    try:
        body_of(response)
    except HeadendError as problem:
        return problem
    raise AssertionError("a response that is no success is a problem")


def entry_with(key: str) -> Callable[[httpx.Response], Any]:
    """How to read an entry, of which every one has ``key``; what it reads raises as ``body_of`` does."""

    def read(response: httpx.Response) -> Any:
        return _checked(response, body_of(response), key)

    return read


def entries_with(key: str) -> Callable[[httpx.Response], list[Any]]:
    """How to read a page of entries, each of which has ``key``; what it reads raises as ``body_of`` does."""

    def read(response: httpx.Response) -> list[Any]:
        entries = body_of(response)
        if not isinstance(entries, list):
            raise _not_a_headend(response, "JSON that is no list")
        return [_checked(response, entry, key) for entry in entries]

    return read


def text_of(response: httpx.Response) -> str:
    """The text of a successful response; raises as ``body_of`` does."""
    if not response.is_success or _content_type(response) != "text/plain":
        body_of(response)
        raise _not_a_headend(response, "JSON where text was asked for")
    return response.text


def readiness_of(response: httpx.Response) -> Readiness:
    """What ``/readyz`` says, be it ready (200) or not (503); raises as ``body_of`` does."""
    not_ready = response.status_code == _NOT_READY and _content_type(response) == _JSON
    body: Readiness = _checked(response, _parsed(response) if not_ready else body_of(response), "ready")
    return body


def is_ready(response: httpx.Response) -> bool:
    """Whether ``/readyz`` says so; raises as ``body_of`` does."""
    return readiness_of(response)["ready"]


def next_cursor(response: httpx.Response) -> str | None:
    """Where the next page of a list begins; ``None`` at its end."""
    cursor: str | None = response.headers.get(_CURSOR)
    return cursor or None


def check_stream(response: httpx.Response) -> None:
    """Nothing, if events follow; raises as ``body_of`` does if not."""
    if not response.is_success:
        body_of(response)
    if _content_type(response) != "text/event-stream":
        raise _not_a_headend(response, _content_type(response) or "no content type")


def retry_after_s(response: httpx.Response) -> float | None:
    """In how many seconds a part that is away may be asked again; ``None`` if it does not say."""
    said = response.headers.get("Retry-After", "")
    return float(said) if response.status_code == _NOT_READY and said.isdecimal() else None


def _content_type(response: httpx.Response) -> str:
    header: str = response.headers.get("content-type", "")
    return header.partition(";")[0].strip().lower()


def _parsed(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise _not_a_headend(response, "broken JSON") from None


def _checked(response: httpx.Response, entry: Any, key: str) -> Any:
    """An entry, if it is one: a program that answers everything with some JSON is no headend."""
    if not (isinstance(entry, dict) and key in entry):
        raise _not_a_headend(response, f"JSON without {key}")
    return entry


def _problem(response: httpx.Response, body: dict[str, Any]) -> HeadendProblem:
    field = body.get("field")
    status = response.status_code
    said: dict[str, Any] = {
        "code": str(body.get("code") or "unknown"),
        "status": status,
        "title": str(body.get("title") or response.reason_phrase),
        "detail": str(body.get("detail") or ""),
        "field": None if field is None else str(field),
    }
    match status:
        case 404:
            return NotFound(**said)
        case 409:
            return Conflict(**said)
        case 400 | 413 | 422:
            return Invalid(**said)
        case 503:
            return Unavailable(**said, retry_after_s=retry_after_s(response))
        case _ if response.is_server_error:
            return ServerFault(**said)
    return HeadendProblem(**said)


def _not_a_headend(response: httpx.Response, what: str) -> HeadendUnreachable:
    url = response.request.url
    return HeadendUnreachable(
        f"{url.scheme}://{url.netloc.decode('ascii')}",
        f"something else is listening there ({response.status_code}, {what})",
    )
