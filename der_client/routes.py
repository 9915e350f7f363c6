"""The routes of the headend, each defined once for both clients."""

from datetime import datetime
from typing import Any, Literal
from uuid import uuid4

from der_client.binding import Call, Pages, Stream
from der_client.models import (
    Agent,
    Asset,
    Bucket,
    Dispatch,
    Event,
    Health,
    Heartbeat,
    Preview,
    Readiness,
    Sample,
    Site,
    SiteBucket,
)
from der_client.questions import Listing, Question, Subscription, given, path
from der_client.responses import entry_with, is_ready, readiness_of, text_of

Time = datetime | str
"""A moment: aware, or RFC 3339 text with its time zone."""

Width = Literal["1m", "5m", "1h"]
"""Of a bucket."""

Resolution = Literal["raw", "1m", "5m", "1h"]


class Routes:
    """What can be asked. Power in MW: **positive = discharge / export, negative = charge / import**.

    Every method raises ``HeadendProblem`` if the headend says no and ``HeadendUnreachable`` if nothing answers.
    """

    @Call
    def health(self) -> Question[Health]:
        """Whether the headend is alive, and its version."""
        return Question(method="GET", path="/healthz", read=entry_with("version"))

    @Call
    def ready(self) -> Question[bool]:
        """Whether the headend can do its work (database, gRPC)."""
        return Question(method="GET", path="/readyz", read=is_ready)

    @Call
    def readiness(self) -> Question[Readiness]:
        """Whether the headend can do its work, check by check; no error if it cannot."""
        return Question(method="GET", path="/readyz", read=readiness_of)

    @Call
    def metrics(self) -> Question[str]:
        """The metrics in the Prometheus text format."""
        return Question(method="GET", path="/metrics", read=text_of)

    @Pages
    def assets(self, *, site_id: str | None = None) -> Listing[Asset]:
        """The inventory, or the assets of one site, with live values, in order of id."""
        return Listing(path="/assets", params=given(site_id=site_id))

    @Call
    def asset(self, asset_id: str) -> Question[Asset]:
        """One asset with its live values."""
        return Question(method="GET", path=path("assets", asset_id))

    @Pages
    def sites(self, *, with_assets: bool = True) -> Listing[Site]:
        """The sites with their sums and, unless ``with_assets`` is false, their assets."""
        return Listing(path="/sites", params={} if with_assets else {"with_assets": False})

    @Call
    def site(self, site_id: str) -> Question[Site]:
        """One site with its assets and sums."""
        return Question(method="GET", path=path("sites", site_id))

    @Pages
    def site_history(
        self,
        site_id: str,
        *,
        start: Time | None = None,
        end: Time | None = None,
        resolution: Width | None = None,
        limit: int | None = None,
    ) -> Listing[SiteBucket]:
        """What the assets of a site did together from ``start`` to before ``end``, newest first, in whole buckets.

        Unless given, of the last hour by the minute. ``limit``: how many in all. ``Invalid`` (``site_too_large``) for
        a site of more than 10,000 assets.
        """
        params = given(start=start, end=end, resolution=resolution)
        return Listing(path=path("sites", site_id, "history"), params=params, limit=limit, key="site_id")

    @Pages
    def agents(self) -> Listing[Agent]:
        """Every agent that has connected, connected now or not."""
        return Listing(path="/agents", key="agent_id")

    @Call
    def telemetry(self, asset_id: str) -> Question[Sample]:
        """The latest sample of an asset; ``NotFound`` (``no_telemetry_yet``) until the asset was heard from."""
        return Question(method="GET", path=path("telemetry", asset_id), read=entry_with("asset_id"))

    @Pages
    def history(
        self,
        asset_id: str,
        *,
        start: Time | None = None,
        end: Time | None = None,
        resolution: Resolution | None = None,
        limit: int | None = None,
    ) -> Listing[Sample | Bucket]:
        """What was measured of an asset from ``start`` to before ``end``, newest first; unless given, of the last hour.

        ``resolution``: ``raw`` (the default) gives samples, ``1m``, ``5m`` and ``1h`` give buckets. ``limit``: how many
        in all.
        """
        params = given(start=start, end=end, resolution=resolution)
        return Listing(
            path=path("telemetry", asset_id, "history"), params=params, limit=limit, key="asset_id"
        )

    @Call
    def dispatch(
        self,
        *,
        mw: float,
        asset_id: str | None = None,
        site_id: str | None = None,
        duration_s: float | None = None,
        ttl_s: float | None = None,
        id: str | None = None,
        wait: str | None = None,
        timeout_s: float | None = None,
    ) -> Question[Dispatch]:
        """Send a command and return its record, as it stands at once or, with ``wait``, in that state or a final one.

        ``mw``: positive = discharge / export, negative = charge / import. ``duration_s``: how long from when it is
        active (``None``: until further notice); ``ttl_s``: how long it may wait for its agent. ``id``: a UUID of
        your own; sent again with the same one it returns the same record. ``timeout_s``: how long to wait for the
        state, at most 30 s.
        """
        body = {"mw": mw} | given(
            asset_id=asset_id, site_id=site_id, duration_s=duration_s, ttl_s=ttl_s, id=id or str(uuid4())
        )
        return Question(
            method="POST",
            path="/dispatch",
            params=given(wait=wait, timeout_s=timeout_s),
            json=body,
            patience_s=timeout_s or 0.0,
            writes=True,
        )

    @Call
    def get_dispatch(self, dispatch_id: str) -> Question[Dispatch]:
        """The record of a dispatch with every transition, as it stands now."""
        return Question(method="GET", path=path("dispatch", dispatch_id))

    @Call
    def cancel(self, dispatch_id: str, *, timeout_s: float | None = None) -> Question[Dispatch]:
        """Take a dispatch back; cancelling one that has ended changes nothing.

        The record is final unless the agent has not confirmed within ``timeout_s`` (at most 30 s).
        """
        return Question(
            method="DELETE",
            path=path("dispatch", dispatch_id),
            params=given(timeout_s=timeout_s),
            patience_s=timeout_s or 0.0,
            writes=True,
        )

    @Call
    def preview(
        self, *, mw: float, asset_id: str | None = None, site_id: str | None = None
    ) -> Question[Preview]:
        """The split that a dispatch would have now; nothing is sent."""
        body: dict[str, Any] = {"mw": mw} | given(asset_id=asset_id, site_id=site_id)
        return Question(method="POST", path="/dispatch/preview", json=body, read=entry_with("allocations"))

    @Pages
    def dispatches(
        self,
        *,
        asset_id: str | None = None,
        site_id: str | None = None,
        state: str | None = None,
        start: Time | None = None,
        end: Time | None = None,
        limit: int | None = None,
    ) -> Listing[Dispatch]:
        """Dispatches, newest first. ``start`` and ``end``: when they were submitted; ``limit``: how many in all."""
        params = given(asset_id=asset_id, site_id=site_id, state=state, start=start, end=end)
        return Listing(path="/dispatch/history", params=params, limit=limit)

    @Pages
    def open_dispatches(
        self, *, asset_id: str | None = None, site_id: str | None = None, limit: int | None = None
    ) -> Listing[Dispatch]:
        """Dispatches that have not ended, newest first, also while the database is away; ``limit``: how many in all."""
        params = given(asset_id=asset_id, site_id=site_id)
        return Listing(path="/dispatch/open", params=params, limit=limit)

    @Pages
    def events(
        self,
        *,
        asset_id: str | None = None,
        site_id: str | None = None,
        severity: str | None = None,
        active: bool = False,
        acknowledged: bool | None = None,
        start: Time | None = None,
        end: Time | None = None,
        limit: int | None = None,
    ) -> Listing[Event]:
        """Events and alarms, newest first. ``active``: only alarms that are raised now; ``limit``: how many in all."""
        params = given(
            asset_id=asset_id,
            site_id=site_id,
            severity=severity,
            active=active or None,
            acknowledged=acknowledged,
            start=start,
            end=end,
        )
        return Listing(path="/events", params=params, limit=limit)

    @Call
    def acknowledge(self, event_id: str) -> Question[Event]:
        """Note that an operator has seen an event; a second time changes nothing."""
        return Question(method="POST", path=path("events", event_id, "ack"), writes=True)

    @Call
    def heartbeat(self, asset_id: str) -> Question[Heartbeat]:
        """The last heartbeat of the agent that serves an asset, or served it last."""
        return Question(method="GET", path=path("heartbeat", asset_id), read=entry_with("asset_id"))

    @Pages
    def heartbeats(self, asset_id: str, *, limit: int | None = None) -> Listing[Heartbeat]:
        """Heartbeats of the agent that serves an asset, or served it last, newest first. ``limit``: how many in all."""
        return Listing(path=path("heartbeat", asset_id, "history"), limit=limit, key="asset_id")

    @Stream
    def stream(
        self,
        *,
        asset_id: str | None = None,
        site_id: str | None = None,
        telemetry_s: float | None = None,
    ) -> Subscription:
        """What happens, as it happens, for ever; a lost connection is made again and goes on where it was.

        ``telemetry_s``: seconds between two ``Telemetry``, 0.2 to 60. Ends only with an error that trying again would
        not mend (``NotFound``, ``Invalid``), or when it is closed.
        """
        return Subscription(params=given(asset_id=asset_id, site_id=site_id, telemetry_s=telemetry_s))
