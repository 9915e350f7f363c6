"""What of the REST API's errors is alike wherever they are made: problem details as of RFC 9457."""

from collections.abc import Mapping
from http import HTTPStatus

MEDIA_TYPE = "application/problem+json"


def problem(status: HTTPStatus, code: str, detail: str, field: str | None = None) -> Mapping[str, object]:
    """The document of one. ``code`` is what tells them apart, ``field`` the offending input where there is one."""
    return {
        "type": "about:blank",
        "title": status.phrase,
        "status": status.value,
        "detail": detail,
        "code": code,
        "field": field,
    }
