"""What an exporter sends: spans as plain values, as protobuf and as OTLP's JSON."""

import gzip
import json
import os
from typing import Any

from django.test import Client
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue

from apps.core import clock
from apps.telemetry.models import ReportedSpan, Trace
from tests.conftest import Robot

PROTOBUF, JSON = "application/x-protobuf", "application/json"
Span = dict[str, Any]


def now_ns() -> int:
    return int(clock.now().timestamp() * 10**9)


def span(name: str = "step", *, trace: str = "", span_id: str = "", parent: str = "", **more: Any) -> Span:
    """A span of a second that has just ended. `attributes` are plain values."""
    ended = more.pop("ended_ns", now_ns())
    return {
        "trace": trace or os.urandom(16).hex(),
        "span": span_id or os.urandom(8).hex(),
        "parent": parent,
        "name": name,
        "started_ns": more.pop("started_ns", ended - 10**9),
        "ended_ns": ended,
        "status": more.pop("status", 0),
        "attributes": more.pop("attributes", {}),
        "events": more.pop("events", []),
    }


def tool_span(tool: str = "erp.issue_credit_memo", **more: Any) -> Span:
    attributes = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool, **more.pop("attributes", {})}
    return span(f"execute_tool {tool}", attributes=attributes, **more)


def protobuf(*spans: Span, resource: dict[str, Any] | None = None) -> bytes:
    request = ExportTraceServiceRequest()
    of_resource = request.resource_spans.add()
    for key, value in (resource or {"service.name": "writer"}).items():
        of_resource.resource.attributes.add(key=key, value=_any(value))
    of_scope = of_resource.scope_spans.add()
    of_scope.scope.name = "tests"
    for one in spans:
        made = of_scope.spans.add(
            trace_id=bytes.fromhex(one["trace"]),
            span_id=bytes.fromhex(one["span"]),
            parent_span_id=bytes.fromhex(one["parent"]),
            name=one["name"],
            start_time_unix_nano=one["started_ns"],
            end_time_unix_nano=one["ended_ns"],
        )
        made.status.code = one["status"]
        for key, value in one["attributes"].items():
            made.attributes.add(key=key, value=_any(value))
        for event in one["events"]:
            told = made.events.add(name=event["name"])
            for key, value in event["attributes"].items():
                told.attributes.add(key=key, value=_any(value))
    return bytes(request.SerializeToString())


def _any(value: Any) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, list):
        found = AnyValue()
        found.array_value.values.extend(_any(each) for each in value)
        return found
    if isinstance(value, dict):
        found = AnyValue()
        for key, each in value.items():
            found.kvlist_value.values.add(key=key, value=_any(each))
        return found
    return AnyValue(string_value=value)


def as_json(*spans: Span) -> bytes:
    told = [
        {
            "traceId": one["trace"],
            "spanId": one["span"],
            "parentSpanId": one["parent"],
            "name": one["name"],
            "startTimeUnixNano": str(one["started_ns"]),
            "endTimeUnixNano": str(one["ended_ns"]),
            "status": {"code": one["status"]},
            "attributes": [{"key": key, "value": _json_any(value)} for key, value in one["attributes"].items()],
        }
        for one in spans
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": told}]}]}).encode()


def _json_any(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"doubleValue": value} if isinstance(value, float) else {"stringValue": value}


def send(robot: Robot, body: bytes, *, content_type: str = PROTOBUF, zipped: bool = False, encoding: str = "") -> Any:
    """POST /v1/traces with the robot's token."""
    if zipped:
        body, encoding = gzip.compress(body), "gzip"
    headers = {"Authorization": f"Bearer {robot.token}", "Content-Encoding": encoding}
    client = Client(raise_request_exception=False)
    return client.post("/v1/traces", body, content_type=content_type, headers=headers)


def tell(robot: Robot, *spans: Span) -> None:
    """Spans that have to be taken, all of them."""
    answer = send(robot, protobuf(*spans))
    assert (answer.status_code, answer.content) == (200, b""), answer.content


def stored(trace: str) -> list[ReportedSpan]:
    """The spans of a trace, in the order they began."""
    keys = Trace.objects.filter(trace_id=trace).values_list("id", flat=True)
    return list(ReportedSpan.objects.filter(trace__in=list(keys)).order_by("started_ns", "span_id"))
