"""Agents that say what they should not, and garbage on the port: each is answered clearly and the headend runs on."""

import math
import socket
import time
from collections.abc import Iterator
from datetime import datetime

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from der_wire._gen import agent_link_pb2 as pb
from kit.raw_agent import RawAgent, registration
from kit.system import ASSET_A, ASSET_B, SITE_ID, System


@pytest.fixture(scope="module")
def system() -> Iterator[System]:
    with System() as running:
        yield running
        assert running.headend.exit_code is None
        assert not any("Traceback" in line for line in running.headend.stderr), running.headend


def now_us(ahead_s: float = 0.0) -> int:
    return int((time.time() + ahead_s) * 1e6)


def good() -> pb.Register:
    return registration(SITE_ID, [ASSET_A, ASSET_B])


def altered(**fields: object) -> pb.Register:
    changed = good()
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed


def reordered() -> pb.Register:
    changed = good()
    changed.assets.reverse()
    return changed


@pytest.mark.parametrize(
    ("introduction", "code", "names"),
    [
        (altered(protocol=99), "protocol_version", "protocol"),
        (altered(agent_id=""), "invalid", "agent_id"),
        (altered(agent_id="x" * 1000), "invalid", "agent_id"),
        (altered(site_id="not-a-uuid"), "invalid", "site_id"),
        (altered(site_id="00000000-0000-0000-0000-000000000001"), "unknown_site", "inventory"),
        (altered(heartbeat_s=math.nan), "invalid", "heartbeat_s"),
        (altered(heartbeat_s=1e9), "invalid", "heartbeat_s"),
        (altered(spool_id="x"), "invalid", "spool_id"),
        (altered(mode=0), "invalid", "mode"),
        (reordered(), "invalid", "assets"),
        (registration(SITE_ID, []), "invalid", "assets"),
        (registration(SITE_ID, ["00000000-0000-0000-0000-000000000001"]), "unknown_asset", "ASSETS_PATH"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_bad_introduction_is_refused_by_name(
    system: System, introduction: pb.Register, code: str, names: str
) -> None:
    with RawAgent(system.grpc_address) as agent:
        answer = agent.register(introduction)
        assert (answer.WhichOneof("message"), answer.refused.code) == ("refused", code)
        assert names in answer.refused.reason
        with pytest.raises(StopIteration):
            agent.receive()
    assert all(not a["connected"] for a in system.get("/agents"))


def test_a_stream_that_does_not_begin_with_a_registration_is_refused(system: System) -> None:
    with RawAgent(system.grpc_address) as agent:
        agent.send(pb.Uplink(heartbeat=pb.Heartbeat(at_us=now_us())))
        assert agent.receive().refused.code == "invalid"


def frame(**changes: object) -> pb.Frame:
    fields: dict[str, object] = {
        "timestamp_us": now_us(),
        "columns": [pb.Column(signal=0, values=[1.0, 2.0])],
    }
    return pb.Frame(**(fields | changes))  # type: ignore[arg-type] # the stub types each field by itself


def test_bad_records_are_set_aside_by_reason_and_the_good_one_behind_them_is_stored(system: System) -> None:
    bad = {
        "asset_index_out_of_range": pb.Record(frame=frame(assets=[0, 7])),
        "asset_index_repeated": pb.Record(frame=frame(assets=[1, 1])),
        "column_length_mismatch": pb.Record(frame=frame(columns=[pb.Column(signal=0, values=[1.0])])),
        "signal_index_out_of_range": pb.Record(frame=frame(columns=[pb.Column(signal=9, values=[1, 2])])),
        "timestamp_in_future": pb.Record(frame=frame(timestamp_us=now_us(3600))),
        "timestamp_missing": pb.Record(frame=frame(timestamp_us=0)),
        "value_out_of_range": pb.Record(frame=frame(columns=[pb.Column(signal=0, values=[1.7e308, 1])])),
        "column_type_mismatch": pb.Record(frame=frame(columns=[pb.Column(signal=1, values=[1, 2])])),
        "record_of_unknown_kind": pb.Record(),
        "invalid": pb.Record(event=pb.Event(id="x")),
    }
    with RawAgent(system.grpc_address) as agent:
        assert agent.register(good()).registered.window > 0
        records = [*bad.values(), pb.Record(frame=frame())]
        for seq, record in enumerate(records, start=1):
            record.seq = seq
        for record in records[:4]:
            agent.send(pb.Uplink(record=record))
        agent.send(pb.Uplink(records=pb.Records(records=records[4:])))
        agent.acknowledged(len(bad) + 1)
        shown = system.get(f"/telemetry/{ASSET_B}")
        assert shown["current_mw"] == 2.0
        metrics = system.http.get("/metrics").text
        for reason in bad:
            assert f'der_ingest_set_aside_total{{reason="{reason}"}} 1.0' in metrics
        told = [e["message"] for e in system.get("/events") if e["code"] == "record_set_aside"]
        assert len(told) == len(bad)
        history = system.get(f"/telemetry/{ASSET_B}/history")
        assert [sample["current_mw"] for sample in history] == [2.0]


def test_a_heartbeat_comes_with_records_and_is_answered_when_these_are_stored(system: System) -> None:
    began_us = now_us()
    with RawAgent(system.grpc_address) as agent:
        through_seq = agent.register(good()).registered.acknowledged_seq
        for seq in (through_seq + 1, through_seq + 2):
            beat = pb.Heartbeat(at_us=now_us(), spooled_records=seq)
            agent.send(pb.Uplink(record=pb.Record(seq=seq, frame=frame()), beat=beat))
            assert agent.receive().acknowledgement.through_seq == seq
        beats = system.get(f"/heartbeat/{ASSET_A}/history", limit=2)
    assert [each["spooled_records"] for each in beats] == [through_seq + 2, through_seq + 1]
    assert all(datetime.fromisoformat(each["at"]).timestamp() * 1e6 >= began_us for each in beats)


def test_more_records_in_one_message_than_the_headend_takes_end_the_session(system: System) -> None:
    with RawAgent(system.grpc_address) as agent:
        most = agent.register(good()).registered.bundle
        together = [pb.Record(seq=seq, frame=frame()) for seq in range(1, most + 2)]
        agent.send(pb.Uplink(records=pb.Records(records=together)))
        with pytest.raises(StopIteration):
            agent.receive()
    (session, *_) = system.get("/agents")[0]["sessions"]
    assert session["reason"] == f"more than {most} records in one message"


def test_a_report_about_a_dispatch_that_nobody_made_changes_nothing(system: System) -> None:
    with RawAgent(system.grpc_address) as agent:
        agent.register(good())
        report = pb.DispatchReport(
            dispatch_id="00000000-0000-0000-0000-000000000009",
            at_us=now_us(),
            allocations=[
                pb.DispatchReport.Allocation(asset_id=ASSET_A, state=pb.DispatchReport.STATE_ACTIVE, mw=5)
            ],
        )
        agent.send(pb.Uplink(record=pb.Record(seq=100, report=report)))
        agent.acknowledged(100)
        assert system.http.get(f"/dispatch/{report.dispatch_id}").status_code == 404


def test_garbage_bytes_and_another_protocol_on_the_grpc_port_do_no_harm(system: System) -> None:
    for garbage in (b"\x00" * 4096, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", bytes(range(256)) * 64):
        with socket.create_connection(("127.0.0.1", system.grpc_port), timeout=5.0) as connection:
            connection.sendall(garbage)
            connection.settimeout(5.0)
            try:
                while connection.recv(4096):
                    pass
            except OSError:
                pass
    with RawAgent(system.grpc_address) as agent:
        assert agent.register(good()).WhichOneof("message") == "registered"


def test_reflection_and_health_are_served(system: System) -> None:
    with grpc.insecure_channel(system.grpc_address) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert "der.agent.v1.AgentLink" in database.get_services()
        service = DescriptorPool(database).FindServiceByName("der.agent.v1.AgentLink")
        assert [m.name for m in service.methods] == ["Connect"]
        check = channel.unary_unary(
            f"/{health.SERVICE_NAME}/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        answer = check(health_pb2.HealthCheckRequest(service="der.agent.v1.AgentLink"), timeout=5.0)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
