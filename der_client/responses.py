"""From an HTTP response to the value it carries or the error it means. Pure: no I/O."""

import json
from typing import Any

import httpx

from der_client.errors import HeadendProblem, HeadendUnreachable

_PROBLEM = "application/problem+json"
_CURSOR = "X-Next-Cursor"


def body_of(response: httpx.Response) -> Any:
    """The JSON of a successful response.

    Raises:
        HeadendProblem: the headend refused or failed.
        HeadendUnreachable: what answered does not speak the headend's API.
    """
    content_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type not in {"application/json", _PROBLEM}:
        raise _not_a_headend(response, content_type or "no content type")
    try:
        body = response.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise _not_a_headend(response, "broken JSON") from None
    if response.is_success:
        return body
    if content_type != _PROBLEM or not isinstance(body, dict):
        raise _not_a_headend(response, "an error that is no problem document")
    raise _problem(response, body)


def next_cursor(response: httpx.Response) -> str | None:
    """Where the next page of a list begins; ``None`` at its end."""
    cursor: str | None = response.headers.get(_CURSOR)
    return cursor or None


def _problem(response: httpx.Response, body: dict[str, Any]) -> HeadendProblem:
    field = body.get("field")
    return HeadendProblem(
        code=str(body.get("code") or "unknown"),
        status=response.status_code,
        title=str(body.get("title") or response.reason_phrase),
        detail=str(body.get("detail") or ""),
        field=None if field is None else str(field),
    )


def _not_a_headend(response: httpx.Response, what: str) -> HeadendUnreachable:
    url = response.request.url
    return HeadendUnreachable(
        f"{url.scheme}://{url.netloc.decode('ascii')}",
        f"something else is listening there ({response.status_code}, {what})",
    )
