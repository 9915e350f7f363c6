"""The JSON of the REST API exactly as served, one type per schema of its OpenAPI document and by the same names.

Power in MW: **positive = discharge / export, negative = charge / import**. Energy in MWh (``..._mwhr``), state of
charge in percent of the capacity, times as RFC 3339 text in UTC, ids as UUID text. ``None`` means unknown, never 0.
"""

from typing import TypedDict


class Asset(TypedDict):
    """One controllable or measured DER: the inventory's entry, then the live values.

    ``max_mw`` is the strongest discharge, ``min_mw`` the strongest charge. ``online`` and ``updated_at`` tell how far
    the live values can be trusted.
    """

    id: str
    name: str
    site_id: str
    site_name: str
    location: str
    asset_type: str
    capacity_mwhr: float
    max_mw: float
    min_mw: float
    min_soc_pct: float
    max_soc_pct: float
    efficiency: float
    ramp_rate_mw_per_min: float
    failsafe_mw: float
    current_mw: float | None
    setpoint_mw: float | None
    soc_mwhr: float | None
    soc_pct: float | None
    status: str | None
    online: bool
    updated_at: str | None


class Site(TypedDict):
    """A place with assets, and the sums of those that are heard: online, with a sample not older than 15 s.

    ``headroom_up_mw`` is how much further towards export they could go now, ``headroom_down_mw`` how much further
    towards import; both are positive. ``soc_pct`` is in percent of the capacity of those that tell their ``soc_mwhr``,
    ``capacity_mwhr`` is of all. ``unheard_since`` is when the last of the others whose power was known was heard.
    ``alarms`` counts those that are raised. ``der_client.heard`` puts what is left out into words.
    """

    id: str
    name: str
    location: str
    current_mw: float | None
    soc_mwhr: float | None
    soc_pct: float | None
    capacity_mwhr: float
    headroom_up_mw: float | None
    headroom_down_mw: float | None
    assets_online: int
    assets_heard: int
    assets_total: int
    unheard_since: str | None
    alarms: int
    assets: list[Asset]


class Session(TypedDict):
    """One connection of an agent; open while ``disconnected_at`` is ``None``."""

    session_id: str
    peer: str
    connected_at: str
    disconnected_at: str | None
    reason: str | None


class AgentAsset(TypedDict):
    """An asset that an agent serves, or served when it was last connected."""

    id: str
    name: str


class Agent(TypedDict):
    """An agent that has connected at least once; ``sessions`` newest first, at most one of them open."""

    agent_id: str
    mode: str
    peer: str
    connected: bool
    site_id: str
    site_name: str
    connected_at: str
    last_seen_at: str
    software: str | None
    heartbeat_s: float | None
    heartbeats_missed: int | None
    last_heartbeat_at: str | None
    spooled_records: int | None
    spooled_bytes: int | None
    dropped_records: int | None
    clock_skew_s: float | None
    assets: list[AgentAsset]
    sessions: list[Session]


class Sample(TypedDict):
    """The latest sample of an asset; ``signals`` has what else it measures, by name and in the catalogue's units."""

    asset_id: str
    site_id: str
    asset_type: str
    timestamp: str
    current_mw: float | None
    setpoint_mw: float | None
    soc_mwhr: float | None
    soc_pct: float | None
    capacity_mwhr: float
    max_mw: float
    min_mw: float
    status: str | None
    online: bool
    signals: dict[str, float | str]


class Statistics(TypedDict):
    """A number over one bucket, in the signal's unit."""

    mean: float | None
    min: float | None
    max: float | None
    last: float | None


class LastState(TypedDict):
    """A state over one bucket."""

    last: str | None


class Bucket(TypedDict):
    """What was measured of an asset over a minute, five minutes or an hour; ``timestamp`` is when it begins."""

    asset_id: str
    site_id: str
    asset_type: str
    timestamp: str
    current_mw: Statistics
    setpoint_mw: Statistics
    soc_mwhr: Statistics
    soc_pct: Statistics
    status: LastState
    signals: dict[str, Statistics | LastState]


class MeanPower(TypedDict):
    """Power over one bucket in MW, positive = discharge / export."""

    mean: float | None


class SiteBucket(TypedDict):
    """What the assets of a site did together over a minute, five minutes or an hour; ``timestamp`` is when it begins.

    ``current_mw`` is the sum of the means of those ``assets`` that have one, ``setpoint_mw`` and ``soc_mwhr`` of what
    each knew last, ``soc_pct`` weighted by capacity. Positive MW = discharge / export.
    """

    site_id: str
    timestamp: str
    assets: int
    current_mw: MeanPower
    setpoint_mw: float | None
    soc_mwhr: float | None
    soc_pct: float | None


class Transition(TypedDict):
    """One step in the life of a dispatch."""

    state: str
    at: str
    reason: str | None
    by: str


class Allocation(TypedDict):
    """One asset's part of a dispatch, in MW.

    ``raw_mw`` is its share by ``weight`` (0 to 1), ``clamped_mw`` that within its limits, ``mw`` what it was given,
    ``applied_mw`` what its driver accepted, ``measured_mw`` what telemetry showed while it was in force
    (``None`` while the asset is not heard).
    """

    asset_id: str
    asset_name: str | None
    capacity_mwhr: float | None
    weight: float | None
    raw_mw: float | None
    clamped_mw: float | None
    mw: float | None
    applied_mw: float | None
    measured_mw: float | None
    state: str
    reason: str | None


class Dispatch(TypedDict):
    """A command and what became of it; ``unserved_mw`` is what of ``requested_mw`` nobody could take."""

    id: str
    target: str
    asset_id: str | None
    site_id: str
    requested_mw: float
    mw: float | None
    clamped: bool
    duration_s: float | None
    state: str
    submitted_at: str
    expires_at: str
    active_at: str | None
    ended_at: str | None
    allocations: list[Allocation]
    unserved_mw: float | None
    transitions: list[Transition]
    warnings: list[str]


class PreviewShare(TypedDict):
    """What one asset would be given, in MW."""

    asset_id: str
    asset_name: str | None
    capacity_mwhr: float | None
    weight: float | None
    raw_mw: float | None
    clamped_mw: float | None
    mw: float | None
    reason: str | None


class Skipped(TypedDict):
    """An asset that would get no share, and why."""

    asset_id: str
    asset_name: str | None
    reason: str


class Preview(TypedDict):
    """The split that would be made now; nothing was sent. ``mw`` is what of ``requested_mw`` would be served."""

    target: str
    asset_id: str | None
    site_id: str
    requested_mw: float
    mw: float
    clamped: bool
    allocations: list[PreviewShare]
    unserved_mw: float
    skipped: list[Skipped]
    warnings: list[str]


class Event(TypedDict):
    """Something that a person may want to know; ``kind`` tells a notice from an alarm that was raised or cleared."""

    id: str
    at: str
    site_id: str
    asset_id: str | None
    severity: str
    kind: str
    code: str
    message: str
    acknowledged_at: str | None


class Heartbeat(TypedDict):
    """A sign of life of the agent that serves an asset, with how full its spool was."""

    asset_id: str
    agent_id: str
    session_id: str
    at: str
    received_at: str
    spooled_records: int
    spooled_bytes: int
    dropped_records: int


class Health(TypedDict):
    """The headend is alive; ``version`` is the program's."""

    status: str
    version: str


class CheckResult(TypedDict):
    """One thing that must work for the headend to be ready."""

    name: str
    ok: bool
    detail: str


class Readiness(TypedDict):
    """Whether the headend can do its work, and if not, what is in its way."""

    ready: bool
    checks: list[CheckResult]
