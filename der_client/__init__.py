"""The headend's REST API, typed, for programs that are not part of the headend.

    with HeadendClient("http://127.0.0.1:3001") as headend:
        record = headend.dispatch(site_id="6ba7b810-9dad-11d1-80b4-00c04fd430c8", mw=12, wait="active")

    async with AsyncHeadendClient("http://127.0.0.1:3001") as headend:
        async for event in headend.stream():
            ...

``models`` has the JSON exactly as served, ``errors`` what can go wrong. Sign convention: **positive MW = discharge /
export, negative MW = charge / import**. Unknown is ``None``, never 0.
"""

from der_client.addresses import without_login
from der_client.client import AsyncHeadendClient, HeadendClient
from der_client.errors import (
    MAY_PASS,
    Conflict,
    HeadendError,
    HeadendProblem,
    HeadendUnreachable,
    Invalid,
    NotFound,
    ServerFault,
    Unavailable,
)
from der_client.exchange import OnRetry
from der_client.stream_events import (
    Connected,
    DispatchChanged,
    EventRaised,
    Interrupted,
    Link,
    LinkChanged,
    Missed,
    StreamEvent,
    Telemetry,
)

__all__ = [
    "MAY_PASS",
    "AsyncHeadendClient",
    "Conflict",
    "Connected",
    "DispatchChanged",
    "EventRaised",
    "HeadendClient",
    "HeadendError",
    "HeadendProblem",
    "HeadendUnreachable",
    "Interrupted",
    "Invalid",
    "Link",
    "LinkChanged",
    "Missed",
    "NotFound",
    "OnRetry",
    "ServerFault",
    "StreamEvent",
    "Telemetry",
    "Unavailable",
    "without_login",
]
