from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Mode(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    MODE_UNSPECIFIED: _ClassVar[Mode]
    MODE_SINGLE_ASSET: _ClassVar[Mode]
    MODE_GATEWAY: _ClassVar[Mode]
MODE_UNSPECIFIED: Mode
MODE_SINGLE_ASSET: Mode
MODE_GATEWAY: Mode

class Uplink(_message.Message):
    __slots__ = ("register", "record", "heartbeat", "records", "more", "beat")
    REGISTER_FIELD_NUMBER: _ClassVar[int]
    RECORD_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_FIELD_NUMBER: _ClassVar[int]
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    MORE_FIELD_NUMBER: _ClassVar[int]
    BEAT_FIELD_NUMBER: _ClassVar[int]
    register: Register
    record: Record
    heartbeat: Heartbeat
    records: Records
    more: bool
    beat: Heartbeat
    def __init__(self, register: _Optional[_Union[Register, _Mapping]] = ..., record: _Optional[_Union[Record, _Mapping]] = ..., heartbeat: _Optional[_Union[Heartbeat, _Mapping]] = ..., records: _Optional[_Union[Records, _Mapping]] = ..., more: _Optional[bool] = ..., beat: _Optional[_Union[Heartbeat, _Mapping]] = ...) -> None: ...

class Register(_message.Message):
    __slots__ = ("protocol", "agent_id", "mode", "site_id", "site_name", "software", "assets", "signals", "heartbeat_s", "spool_id", "first_seq", "in_force")
    PROTOCOL_FIELD_NUMBER: _ClassVar[int]
    AGENT_ID_FIELD_NUMBER: _ClassVar[int]
    MODE_FIELD_NUMBER: _ClassVar[int]
    SITE_ID_FIELD_NUMBER: _ClassVar[int]
    SITE_NAME_FIELD_NUMBER: _ClassVar[int]
    SOFTWARE_FIELD_NUMBER: _ClassVar[int]
    ASSETS_FIELD_NUMBER: _ClassVar[int]
    SIGNALS_FIELD_NUMBER: _ClassVar[int]
    HEARTBEAT_S_FIELD_NUMBER: _ClassVar[int]
    SPOOL_ID_FIELD_NUMBER: _ClassVar[int]
    FIRST_SEQ_FIELD_NUMBER: _ClassVar[int]
    IN_FORCE_FIELD_NUMBER: _ClassVar[int]
    protocol: int
    agent_id: str
    mode: Mode
    site_id: str
    site_name: str
    software: str
    assets: _containers.RepeatedCompositeFieldContainer[Asset]
    signals: _containers.RepeatedCompositeFieldContainer[Signal]
    heartbeat_s: float
    spool_id: str
    first_seq: int
    in_force: _containers.RepeatedCompositeFieldContainer[InForce]
    def __init__(self, protocol: _Optional[int] = ..., agent_id: _Optional[str] = ..., mode: _Optional[_Union[Mode, str]] = ..., site_id: _Optional[str] = ..., site_name: _Optional[str] = ..., software: _Optional[str] = ..., assets: _Optional[_Iterable[_Union[Asset, _Mapping]]] = ..., signals: _Optional[_Iterable[_Union[Signal, _Mapping]]] = ..., heartbeat_s: _Optional[float] = ..., spool_id: _Optional[str] = ..., first_seq: _Optional[int] = ..., in_force: _Optional[_Iterable[_Union[InForce, _Mapping]]] = ...) -> None: ...

class Asset(_message.Message):
    __slots__ = ("id", "name", "capacity_mwhr", "max_mw", "min_mw")
    ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    CAPACITY_MWHR_FIELD_NUMBER: _ClassVar[int]
    MAX_MW_FIELD_NUMBER: _ClassVar[int]
    MIN_MW_FIELD_NUMBER: _ClassVar[int]
    id: str
    name: str
    capacity_mwhr: float
    max_mw: float
    min_mw: float
    def __init__(self, id: _Optional[str] = ..., name: _Optional[str] = ..., capacity_mwhr: _Optional[float] = ..., max_mw: _Optional[float] = ..., min_mw: _Optional[float] = ...) -> None: ...

class Signal(_message.Message):
    __slots__ = ("name", "unit", "states")
    NAME_FIELD_NUMBER: _ClassVar[int]
    UNIT_FIELD_NUMBER: _ClassVar[int]
    STATES_FIELD_NUMBER: _ClassVar[int]
    name: str
    unit: str
    states: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, name: _Optional[str] = ..., unit: _Optional[str] = ..., states: _Optional[_Iterable[str]] = ...) -> None: ...

class InForce(_message.Message):
    __slots__ = ("dispatch_id", "asset", "mw", "active_since_us", "remaining_s", "requested_mw", "site_wide", "duration_s")
    DISPATCH_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    MW_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_SINCE_US_FIELD_NUMBER: _ClassVar[int]
    REMAINING_S_FIELD_NUMBER: _ClassVar[int]
    REQUESTED_MW_FIELD_NUMBER: _ClassVar[int]
    SITE_WIDE_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    dispatch_id: str
    asset: int
    mw: float
    active_since_us: int
    remaining_s: float
    requested_mw: float
    site_wide: bool
    duration_s: float
    def __init__(self, dispatch_id: _Optional[str] = ..., asset: _Optional[int] = ..., mw: _Optional[float] = ..., active_since_us: _Optional[int] = ..., remaining_s: _Optional[float] = ..., requested_mw: _Optional[float] = ..., site_wide: _Optional[bool] = ..., duration_s: _Optional[float] = ...) -> None: ...

class Record(_message.Message):
    __slots__ = ("seq", "frame", "event", "report")
    SEQ_FIELD_NUMBER: _ClassVar[int]
    FRAME_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    REPORT_FIELD_NUMBER: _ClassVar[int]
    seq: int
    frame: Frame
    event: Event
    report: DispatchReport
    def __init__(self, seq: _Optional[int] = ..., frame: _Optional[_Union[Frame, _Mapping]] = ..., event: _Optional[_Union[Event, _Mapping]] = ..., report: _Optional[_Union[DispatchReport, _Mapping]] = ...) -> None: ...

class Records(_message.Message):
    __slots__ = ("records",)
    RECORDS_FIELD_NUMBER: _ClassVar[int]
    records: _containers.RepeatedCompositeFieldContainer[Record]
    def __init__(self, records: _Optional[_Iterable[_Union[Record, _Mapping]]] = ...) -> None: ...

class Frame(_message.Message):
    __slots__ = ("timestamp_us", "assets", "columns")
    TIMESTAMP_US_FIELD_NUMBER: _ClassVar[int]
    ASSETS_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    timestamp_us: int
    assets: _containers.RepeatedScalarFieldContainer[int]
    columns: _containers.RepeatedCompositeFieldContainer[Column]
    def __init__(self, timestamp_us: _Optional[int] = ..., assets: _Optional[_Iterable[int]] = ..., columns: _Optional[_Iterable[_Union[Column, _Mapping]]] = ...) -> None: ...

class Column(_message.Message):
    __slots__ = ("signal", "values", "codes")
    SIGNAL_FIELD_NUMBER: _ClassVar[int]
    VALUES_FIELD_NUMBER: _ClassVar[int]
    CODES_FIELD_NUMBER: _ClassVar[int]
    signal: int
    values: _containers.RepeatedScalarFieldContainer[float]
    codes: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, signal: _Optional[int] = ..., values: _Optional[_Iterable[float]] = ..., codes: _Optional[_Iterable[int]] = ...) -> None: ...

class Event(_message.Message):
    __slots__ = ("id", "at_us", "asset", "severity", "kind", "code", "message")
    class Severity(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        SEVERITY_UNSPECIFIED: _ClassVar[Event.Severity]
        SEVERITY_INFO: _ClassVar[Event.Severity]
        SEVERITY_WARNING: _ClassVar[Event.Severity]
        SEVERITY_CRITICAL: _ClassVar[Event.Severity]
    SEVERITY_UNSPECIFIED: Event.Severity
    SEVERITY_INFO: Event.Severity
    SEVERITY_WARNING: Event.Severity
    SEVERITY_CRITICAL: Event.Severity
    class Kind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        KIND_UNSPECIFIED: _ClassVar[Event.Kind]
        KIND_NOTICE: _ClassVar[Event.Kind]
        KIND_RAISED: _ClassVar[Event.Kind]
        KIND_CLEARED: _ClassVar[Event.Kind]
    KIND_UNSPECIFIED: Event.Kind
    KIND_NOTICE: Event.Kind
    KIND_RAISED: Event.Kind
    KIND_CLEARED: Event.Kind
    ID_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    ASSET_FIELD_NUMBER: _ClassVar[int]
    SEVERITY_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    id: str
    at_us: int
    asset: int
    severity: Event.Severity
    kind: Event.Kind
    code: str
    message: str
    def __init__(self, id: _Optional[str] = ..., at_us: _Optional[int] = ..., asset: _Optional[int] = ..., severity: _Optional[_Union[Event.Severity, str]] = ..., kind: _Optional[_Union[Event.Kind, str]] = ..., code: _Optional[str] = ..., message: _Optional[str] = ...) -> None: ...

class DispatchReport(_message.Message):
    __slots__ = ("dispatch_id", "at_us", "allocations", "unserved_mw", "acknowledged_at_us")
    class State(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        STATE_UNSPECIFIED: _ClassVar[DispatchReport.State]
        STATE_ACKNOWLEDGED: _ClassVar[DispatchReport.State]
        STATE_ACTIVE: _ClassVar[DispatchReport.State]
        STATE_COMPLETED: _ClassVar[DispatchReport.State]
        STATE_REJECTED: _ClassVar[DispatchReport.State]
        STATE_SUPERSEDED: _ClassVar[DispatchReport.State]
        STATE_CANCELLED: _ClassVar[DispatchReport.State]
        STATE_FAILED: _ClassVar[DispatchReport.State]
    STATE_UNSPECIFIED: DispatchReport.State
    STATE_ACKNOWLEDGED: DispatchReport.State
    STATE_ACTIVE: DispatchReport.State
    STATE_COMPLETED: DispatchReport.State
    STATE_REJECTED: DispatchReport.State
    STATE_SUPERSEDED: DispatchReport.State
    STATE_CANCELLED: DispatchReport.State
    STATE_FAILED: DispatchReport.State
    class Allocation(_message.Message):
        __slots__ = ("asset_id", "state", "reason", "weight", "raw_mw", "clamped_mw", "mw", "applied_mw", "note")
        ASSET_ID_FIELD_NUMBER: _ClassVar[int]
        STATE_FIELD_NUMBER: _ClassVar[int]
        REASON_FIELD_NUMBER: _ClassVar[int]
        WEIGHT_FIELD_NUMBER: _ClassVar[int]
        RAW_MW_FIELD_NUMBER: _ClassVar[int]
        CLAMPED_MW_FIELD_NUMBER: _ClassVar[int]
        MW_FIELD_NUMBER: _ClassVar[int]
        APPLIED_MW_FIELD_NUMBER: _ClassVar[int]
        NOTE_FIELD_NUMBER: _ClassVar[int]
        asset_id: str
        state: DispatchReport.State
        reason: str
        weight: float
        raw_mw: float
        clamped_mw: float
        mw: float
        applied_mw: float
        note: str
        def __init__(self, asset_id: _Optional[str] = ..., state: _Optional[_Union[DispatchReport.State, str]] = ..., reason: _Optional[str] = ..., weight: _Optional[float] = ..., raw_mw: _Optional[float] = ..., clamped_mw: _Optional[float] = ..., mw: _Optional[float] = ..., applied_mw: _Optional[float] = ..., note: _Optional[str] = ...) -> None: ...
    DISPATCH_ID_FIELD_NUMBER: _ClassVar[int]
    AT_US_FIELD_NUMBER: _ClassVar[int]
    ALLOCATIONS_FIELD_NUMBER: _ClassVar[int]
    UNSERVED_MW_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_AT_US_FIELD_NUMBER: _ClassVar[int]
    dispatch_id: str
    at_us: int
    allocations: _containers.RepeatedCompositeFieldContainer[DispatchReport.Allocation]
    unserved_mw: float
    acknowledged_at_us: int
    def __init__(self, dispatch_id: _Optional[str] = ..., at_us: _Optional[int] = ..., allocations: _Optional[_Iterable[_Union[DispatchReport.Allocation, _Mapping]]] = ..., unserved_mw: _Optional[float] = ..., acknowledged_at_us: _Optional[int] = ...) -> None: ...

class Heartbeat(_message.Message):
    __slots__ = ("at_us", "spooled_records", "spooled_bytes", "dropped_records")
    AT_US_FIELD_NUMBER: _ClassVar[int]
    SPOOLED_RECORDS_FIELD_NUMBER: _ClassVar[int]
    SPOOLED_BYTES_FIELD_NUMBER: _ClassVar[int]
    DROPPED_RECORDS_FIELD_NUMBER: _ClassVar[int]
    at_us: int
    spooled_records: int
    spooled_bytes: int
    dropped_records: int
    def __init__(self, at_us: _Optional[int] = ..., spooled_records: _Optional[int] = ..., spooled_bytes: _Optional[int] = ..., dropped_records: _Optional[int] = ...) -> None: ...

class Downlink(_message.Message):
    __slots__ = ("registered", "refused", "setpoint", "cancel", "acknowledgement", "drain")
    REGISTERED_FIELD_NUMBER: _ClassVar[int]
    REFUSED_FIELD_NUMBER: _ClassVar[int]
    SETPOINT_FIELD_NUMBER: _ClassVar[int]
    CANCEL_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGEMENT_FIELD_NUMBER: _ClassVar[int]
    DRAIN_FIELD_NUMBER: _ClassVar[int]
    registered: Registered
    refused: Refused
    setpoint: Setpoint
    cancel: Cancel
    acknowledgement: Acknowledgement
    drain: Drain
    def __init__(self, registered: _Optional[_Union[Registered, _Mapping]] = ..., refused: _Optional[_Union[Refused, _Mapping]] = ..., setpoint: _Optional[_Union[Setpoint, _Mapping]] = ..., cancel: _Optional[_Union[Cancel, _Mapping]] = ..., acknowledgement: _Optional[_Union[Acknowledgement, _Mapping]] = ..., drain: _Optional[_Union[Drain, _Mapping]] = ...) -> None: ...

class Registered(_message.Message):
    __slots__ = ("session_id", "acknowledged_seq", "window", "headend", "clock_s", "bundle", "beats")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_SEQ_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    HEADEND_FIELD_NUMBER: _ClassVar[int]
    CLOCK_S_FIELD_NUMBER: _ClassVar[int]
    BUNDLE_FIELD_NUMBER: _ClassVar[int]
    BEATS_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    acknowledged_seq: int
    window: int
    headend: str
    clock_s: float
    bundle: int
    beats: bool
    def __init__(self, session_id: _Optional[str] = ..., acknowledged_seq: _Optional[int] = ..., window: _Optional[int] = ..., headend: _Optional[str] = ..., clock_s: _Optional[float] = ..., bundle: _Optional[int] = ..., beats: _Optional[bool] = ...) -> None: ...

class Refused(_message.Message):
    __slots__ = ("code", "reason")
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    code: str
    reason: str
    def __init__(self, code: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...

class Setpoint(_message.Message):
    __slots__ = ("dispatch_id", "mw", "site_wide", "asset_ids", "weighting", "duration_s", "expires_at_s")
    DISPATCH_ID_FIELD_NUMBER: _ClassVar[int]
    MW_FIELD_NUMBER: _ClassVar[int]
    SITE_WIDE_FIELD_NUMBER: _ClassVar[int]
    ASSET_IDS_FIELD_NUMBER: _ClassVar[int]
    WEIGHTING_FIELD_NUMBER: _ClassVar[int]
    DURATION_S_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_S_FIELD_NUMBER: _ClassVar[int]
    dispatch_id: str
    mw: float
    site_wide: bool
    asset_ids: _containers.RepeatedScalarFieldContainer[str]
    weighting: str
    duration_s: float
    expires_at_s: float
    def __init__(self, dispatch_id: _Optional[str] = ..., mw: _Optional[float] = ..., site_wide: _Optional[bool] = ..., asset_ids: _Optional[_Iterable[str]] = ..., weighting: _Optional[str] = ..., duration_s: _Optional[float] = ..., expires_at_s: _Optional[float] = ...) -> None: ...

class Cancel(_message.Message):
    __slots__ = ("dispatch_id", "asset_ids")
    DISPATCH_ID_FIELD_NUMBER: _ClassVar[int]
    ASSET_IDS_FIELD_NUMBER: _ClassVar[int]
    dispatch_id: str
    asset_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, dispatch_id: _Optional[str] = ..., asset_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class Acknowledgement(_message.Message):
    __slots__ = ("through_seq", "window")
    THROUGH_SEQ_FIELD_NUMBER: _ClassVar[int]
    WINDOW_FIELD_NUMBER: _ClassVar[int]
    through_seq: int
    window: int
    def __init__(self, through_seq: _Optional[int] = ..., window: _Optional[int] = ...) -> None: ...

class Drain(_message.Message):
    __slots__ = ("reason", "reconnect_after_s")
    REASON_FIELD_NUMBER: _ClassVar[int]
    RECONNECT_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    reason: str
    reconnect_after_s: float
    def __init__(self, reason: _Optional[str] = ..., reconnect_after_s: _Optional[float] = ...) -> None: ...
