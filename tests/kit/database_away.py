"""A fake headend whose database can go away: what is answered from memory goes on, what is stored answers 503."""

import re

import httpx

from der_client.fake import FakeHeadend

_STORED = re.compile(r"/dispatch/history|/events|/(events|telemetry)/[^/]+/history")


class DatabaseAway(httpx.AsyncBaseTransport):
    """The fake's transport; while ``away`` is set, the routes that read the database answer as a headend's do."""

    def __init__(self, headend: FakeHeadend) -> None:
        self._inner = headend.async_transport
        self.away = True

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """See ``httpx``."""
        raised_now = request.url.params.get("active") == "true"
        if not self.away or raised_now or not _STORED.fullmatch(request.url.path):
            return await self._inner.handle_async_request(request)
        content = {
            "type": "about:blank",
            "title": "Service Unavailable",
            "status": 503,
            "detail": "the database does not answer",
            "code": "database_unavailable",
            "field": None,
        }
        return httpx.Response(503, json=content, headers={"content-type": "application/problem+json"})
