"""What an agent knows again when it starts: the notes that its spool keeps beside the records.

Three kinds, each changed in the same commit as the records that tell of it: what has become of each dispatch (the
ledger), which alarms stand, and how assets and signals were numbered in the records from some number on (``layout``).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import UUID

from google.protobuf.message import DecodeError

from der_core.dispatch import DispatchReport
from der_runtime.logs import get_logger
from der_wire._gen import agent_link_pb2 as pb
from der_wire.codec import report_from_wire, report_to_wire
from der_wire.fields import WireInvalid
from edge_agent.layout import Layout

_DISPATCH, _ALARM, _LAYOUT = "dispatch", "alarm", "layout"
_AGENT = "agent"

_log = get_logger(__name__)

AlarmKey = tuple[UUID | None, str]
"""An asset (``None``: the agent itself) and the code of an alarm."""


@dataclass(frozen=True, slots=True)
class Recollection:
    """What was noted; empty for an agent that starts with a new spool.

    ``layouts`` by the number of the first record that has them.
    """

    dispatches: tuple[DispatchReport, ...] = ()
    alarms: tuple[AlarmKey, ...] = ()
    layouts: Mapping[int, Layout] = field(default_factory=dict)


def dispatch_note(dispatch_id: UUID, known: DispatchReport | None) -> tuple[str, bytes | None]:
    """The note of all that is known of a dispatch; ``None``: it is forgotten."""
    return f"{_DISPATCH}/{dispatch_id}", None if known is None else report_to_wire(known).SerializeToString()


def alarm_note(alarm: AlarmKey, *, stands: bool) -> tuple[str, bytes | None]:
    """The note of an alarm that begins, or ends."""
    asset_id, code = alarm
    return f"{_ALARM}/{_AGENT if asset_id is None else asset_id}/{code}", b"" if stands else None


def layout_note(first_seq: int, layout: Layout | None) -> tuple[str, bytes | None]:
    """The note of the layout that records have from ``first_seq`` on; ``None``: no such record is left."""
    return f"{_LAYOUT}/{first_seq}", None if layout is None else layout.encoded()


def recollect(notes: Mapping[str, bytes]) -> Recollection:
    """Read the notes, last changed last; one that makes no sense is passed over and logged."""
    dispatches: list[DispatchReport] = []
    alarms: list[AlarmKey] = []
    layouts: dict[int, Layout] = {}
    for key, value in notes.items():
        kind, _, name = key.partition("/")
        try:
            match kind:
                case "dispatch":
                    dispatches.append(report_from_wire(pb.DispatchReport.FromString(value)))
                case "alarm":
                    asset, _, code = name.partition("/")
                    alarms.append((None if asset == _AGENT else UUID(asset), code))
                case "layout":
                    layouts[int(name)] = Layout.decoded(value)
                case _:
                    _log.warning("note in the spool passed over", note=key, reason="of no known kind")
        except (DecodeError, WireInvalid, ValueError) as error:
            _log.warning("note in the spool passed over", note=key, reason=str(error))
    return Recollection(tuple(dispatches), tuple(alarms), dict(sorted(layouts.items())))
