"""From a request to the answer of a fake headend: the routes of the REST API, and errors as problems."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, Protocol, TypeVar
from uuid import UUID

import httpx

from der_client import models
from der_client.fake import history, reading
from der_client.fake.announcements import Watch
from der_client.fake.dispatches import Dispatches
from der_client.fake.plant import Plant
from der_client.fake.views import moment
from der_core import __version__
from der_core.errors import Conflict, DerError, NotFound, Rejected
from der_core.lifecycle import FINAL_STATES
from der_core.problems import MEDIA_TYPE
from der_core.problems import problem as document

T = TypeVar("T")
Params = Mapping[str, str]

_STATUS: Mapping[type[DerError], int] = {NotFound: 404, Rejected: 422, Conflict: 409}
_FEW, _MANY = 100, 1000


class Headend(Protocol):
    """What the routes need of the fake headend."""

    ready: bool
    plant: Plant
    dispatches: Dispatches
    events: list[models.Event]

    def now(self) -> datetime:
        """The present."""
        ...


def answer(headend: Headend, request: httpx.Request) -> httpx.Response | Watch:
    """The answer to a request, or what of the stream is wanted."""
    try:
        return _routed(headend, request)
    except DerError as error:
        status = 400 if error.code == "malformed_json" else _STATUS[type(error)]
        return problem(status, error.code, error.detail, error.field)


def problem(
    status: int, code: str, detail: str, field: str | None = None, *, retry_after_s: int | None = None
) -> httpx.Response:
    """An RFC 9457 answer."""
    headers = {"content-type": MEDIA_TYPE}
    if retry_after_s is not None:
        headers["Retry-After"] = str(retry_after_s)
    return httpx.Response(status, json=document(HTTPStatus(status), code, detail, field), headers=headers)


def _routed(headend: Headend, request: httpx.Request) -> httpx.Response | Watch:
    """One line per route; each resource has its own function below."""
    parts = request.url.path.strip("/").split("/")
    params: Params = dict(request.url.params)
    match request.method, parts:
        case "GET", ["stream"]:
            return _stream(headend, params)
        case "GET", ["assets" | "sites" | "agents", *_]:
            return _inventory(headend, parts, params)
        case "GET", ["telemetry" | "heartbeat", *_]:
            return _measured(headend, parts, params)
        case _, ["dispatch", *_]:
            return _dispatch(headend, request, parts[1:], params)
        case _, ["events", *_]:
            return _events(headend, request.method, parts[1:], params)
        case "GET", ["healthz"]:
            return httpx.Response(200, json={"status": "ok", "version": __version__})
        case "GET", ["readyz"]:
            checks = [{"name": "fake", "ok": headend.ready, "detail": "in memory"}]
            return httpx.Response(
                200 if headend.ready else 503, json={"ready": headend.ready, "checks": checks}
            )
        case "GET", ["metrics"]:
            return httpx.Response(200, text="# a fake headend counts nothing\n")
    return _nothing_there()


def _inventory(headend: Headend, parts: list[str], params: Params) -> httpx.Response:
    plant = headend.plant
    match parts:
        case ["assets"]:
            site_id = _id(params, "site_id")
            members = (
                tuple(plant.inventory.assets.values())
                if site_id is None
                else plant.inventory.assets_of(plant.known_site(site_id))
            )
            return _list(params, [plant.asset(asset) for asset in members], lambda a: a["id"], _MANY)
        case ["assets", asset_id]:
            asset = plant.asset_of(reading.identity("asset_id", asset_id))
            return httpx.Response(200, json=plant.asset(asset))
        case ["sites"]:
            with_assets = reading.flag(params, "with_assets") is not False
            sites = [_site(headend, id, with_assets=with_assets) for id in plant.inventory.sites]
            return _list(params, sites, lambda site: site["id"], _MANY)
        case ["sites", site_id]:
            return httpx.Response(200, json=_site(headend, reading.identity("site_id", site_id)))
        case ["sites", site_id, "history"]:
            return _site_history(headend, plant.known_site(reading.identity("site_id", site_id)), params)
        case ["agents"]:
            agents = sorted(plant.agents.values(), key=lambda agent: agent["agent_id"])
            return _list(params, agents, lambda agent: agent["agent_id"], _MANY)
    return _nothing_there()


def _site(headend: Headend, site_id: Any, *, with_assets: bool = True) -> models.Site:
    known = headend.plant.known_site(site_id)
    alarms = sum(event["site_id"] == str(known) for event in _raised(headend.events))
    return headend.plant.site(known, alarms=alarms, with_assets=with_assets)


def _measured(headend: Headend, parts: list[str], params: Params) -> httpx.Response:
    plant = headend.plant
    if len(parts) not in {2, 3} or parts[2:] not in ([], ["history"]):
        return _nothing_there()
    asset_id = str(plant.asset_of(reading.identity("asset_id", parts[1])).id)
    match parts[0], parts[2:]:
        case "telemetry", []:
            if asset_id not in plant.samples:
                detail = f"no telemetry has come of asset {asset_id}"
                raise NotFound("no_telemetry_yet", detail, field="asset_id")
            return httpx.Response(200, json=plant.samples[asset_id])
        case "telemetry", _:
            return _history(headend, asset_id, params)
        case _, []:
            if asset_id not in plant.heartbeats:
                detail = f"no agent that serves asset {asset_id} has sent a heartbeat yet"
                raise NotFound("no_heartbeat_yet", detail, field="asset_id")
            return httpx.Response(200, json=plant.heartbeats[asset_id][0])
    limit = int(reading.number(params, "limit", _FEW, low=1, high=reading.MAX_LIMIT))
    return httpx.Response(200, json=plant.heartbeats.get(asset_id, [])[:limit])


def _history(headend: Headend, asset_id: str, params: Params) -> httpx.Response:
    includes = _span(headend, params)
    samples = [sample for sample in headend.plant.past[asset_id] if includes(sample["timestamp"])]
    resolution = params.get("resolution", "raw")
    if resolution == "raw":
        return _list(params, samples[::-1], lambda sample: sample["timestamp"], _MANY)
    if resolution not in history.WIDTHS_S:
        raise Rejected("invalid_value", "resolution: must be raw, 1m, 5m or 1h", field="resolution")
    made = history.buckets(samples, history.WIDTHS_S[resolution])
    return _list(params, made, lambda bucket: bucket["timestamp"], _MANY)


def _site_history(headend: Headend, site_id: UUID, params: Params) -> httpx.Response:
    includes, resolution = _span(headend, params), params.get("resolution", "1m")
    if resolution not in history.WIDTHS_S:
        raise Rejected("invalid_value", "resolution: must be 1m, 5m or 1h", field="resolution")
    members = headend.plant.inventory.assets_of(site_id)
    by_asset = [
        history.buckets(
            [sample for sample in headend.plant.past[str(asset.id)] if includes(sample["timestamp"])],
            history.WIDTHS_S[resolution],
        )
        for asset in members
    ]
    capacity_mwhr = {str(asset.id): asset.capacity_mwhr for asset in members}
    made = history.site_buckets(str(site_id), by_asset, capacity_mwhr)
    return _list(params, made, lambda bucket: bucket["timestamp"], _MANY)


def _span(headend: Headend, params: Params) -> Callable[[str], bool]:
    """Whether a time, as text, is within what was asked for, or within the last hour."""
    now = headend.now()
    # A second more, for a clock that stands still: samples are never stamped alike, and so run ahead of it.
    return reading.within(params, default=(now - timedelta(hours=1), now + timedelta(seconds=1)))


def _dispatch(headend: Headend, request: httpx.Request, parts: list[str], params: Params) -> httpx.Response:
    dispatches = headend.dispatches
    match request.method, parts:
        case "POST", []:
            record = dispatches.submit(reading.order(request))
            if "wait" in params:
                dispatches.settle()
                record = dispatches.get(record.id)
            return httpx.Response(202, json=dispatches.shown(record))
        case "POST", ["preview"]:
            return httpx.Response(200, json=dispatches.preview(reading.order(request)))
        case "GET", ["history"]:
            return _list(params, _dispatches(headend, params), lambda record: record["id"], _FEW)
        case "GET", ["open"]:
            found = [d for d in _dispatches(headend, params) if d["state"] not in FINAL_STATES]
            return _list(params, found, lambda record: record["id"], _FEW)
        case "GET", [dispatch_id]:
            record = dispatches.get(reading.identity("dispatch_id", dispatch_id))
            return httpx.Response(200, json=dispatches.shown(record))
        case "DELETE", [dispatch_id]:
            record = dispatches.cancel(reading.identity("dispatch_id", dispatch_id))
            return httpx.Response(200 if record.state.final else 202, json=dispatches.shown(record))
    return _nothing_there()


def _dispatches(headend: Headend, params: Params) -> list[models.Dispatch]:
    asset_id, site_id = _id(params, "asset_id"), _id(params, "site_id")
    within = reading.within(params)
    shown = (headend.dispatches.shown(record) for record in reversed(headend.dispatches.records.values()))
    return [
        record
        for record in shown
        if site_id in {None, record["site_id"]}
        and (asset_id is None or asset_id in {part["asset_id"] for part in record["allocations"]})
        and params.get("state") in {None, record["state"]}
        and within(record["submitted_at"])
    ]


def _events(headend: Headend, method: str, parts: list[str], params: Params) -> httpx.Response:
    match method, parts:
        case "GET", []:
            return _list(params, _matching(headend, params), lambda event: event["id"], _FEW)
        case "GET", [asset_id, "history"]:
            asset = headend.plant.asset_of(reading.identity("asset_id", asset_id))
            of_asset = {**params, "asset_id": str(asset.id)}
            return _list(params, _matching(headend, of_asset), lambda event: event["id"], _FEW)
        case "POST", [event_id, "ack"]:
            id = str(reading.identity("event_id", event_id))
            event = next((event for event in headend.events if event["id"] == id), None)
            if event is None:
                raise NotFound("unknown_event", f"no event {id}; GET /events lists them", field="event_id")
            event["acknowledged_at"] = event["acknowledged_at"] or moment(headend.now())
            return httpx.Response(200, json=event)
    return _nothing_there()


def _matching(headend: Headend, params: Params) -> list[models.Event]:
    asset_id, site_id = _id(params, "asset_id"), _id(params, "site_id")
    acknowledged, within = reading.flag(params, "acknowledged"), reading.within(params)
    events = _raised(headend.events) if reading.flag(params, "active") else headend.events
    return [
        event
        for event in events
        if site_id in {None, event["site_id"]}
        and asset_id in {None, event["asset_id"]}
        and params.get("severity") in {None, event["severity"]}
        and acknowledged in {None, event["acknowledged_at"] is not None}
        and within(event["at"])
    ]


def _raised(events: Sequence[models.Event]) -> list[models.Event]:
    """The alarms that are raised now: of each asset and code what was said last, if that is not that it is over."""
    newest: dict[tuple[str | None, str], models.Event] = {}
    for event in events:
        if event["kind"] != "notice":
            newest.setdefault((event["asset_id"], event["code"]), event)
    return [event for event in newest.values() if event["kind"] == "raised"]


def _stream(headend: Headend, params: Params) -> Watch:
    reading.number(params, "telemetry_s", 1.0, low=0.2, high=60.0)
    asset_id, site_id = _id(params, "asset_id"), _id(params, "site_id")
    if asset_id is not None:
        headend.plant.asset_of(asset_id)
    if site_id is not None:
        headend.plant.known_site(site_id)
    return Watch(asset_id=asset_id, site_id=site_id)


def _list(params: Params, entries: Sequence[T], key: Callable[[T], str], limit: int) -> httpx.Response:
    shown, cursor = reading.page(params, entries, key, limit=limit)
    return httpx.Response(200, json=shown, headers={} if cursor is None else {"X-Next-Cursor": cursor})


def _id(params: Params, name: str) -> str | None:
    return str(reading.identity(name, params[name])) if name in params else None


def _nothing_there() -> httpx.Response:
    return problem(404, "unknown_route", "there is nothing at this path; /docs lists the routes")
