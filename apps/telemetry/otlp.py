"""OTLP/HTTP bodies as plain values: protobuf and JSON, gzip, nothing larger than it may be. Knows nothing of what the
attributes mean.

Source: OTLP 1.x, https://opentelemetry.io/docs/specs/otlp/#otlphttp. In its JSON, ids are hexadecimal (the library's
own JSON reader takes them for base64) and 64-bit integers are texts.
"""

import json
import math
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from apps.core.errors import BadRequest, MeshError, TooLarge

PROTOBUF, JSON = "application/x-protobuf", "application/json"
# Nested deeper, a value is cut: what reads it afterwards may not be as patient as we are.
MAX_DEPTH = 16

Attributes = dict[str, Any]


class UnsupportedMedia(MeshError):
    """A body in a form that this endpoint does not read."""

    status = 415
    title = "Unsupported media type"


class Event(NamedTuple):
    name: str
    at_ns: int
    attributes: Attributes


class Link(NamedTuple):
    trace_id: str
    span_id: str


class Told(NamedTuple):
    """One span as it stands in the body. Ids are bytes of whatever length they were told in."""

    trace_id: bytes
    span_id: bytes
    parent_span_id: bytes
    name: str
    started_ns: int
    ended_ns: int
    status: int
    status_message: str
    attributes: Attributes
    events: list[Event]
    links: list[Link]
    dropped_count: int
    resource: Attributes
    scope: str


def inflated(body: bytes, encoding: str, *, most: int) -> bytes:
    """The body without its encoding. Stops inflating at `most` bytes, however far a few kilobytes would go."""
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise UnsupportedMedia("telemetry.encoding", "Send the body as it is, or with Content-Encoding: gzip.")
    inflater = zlib.decompressobj(wbits=31)
    try:
        plain = inflater.decompress(body, most)
    except zlib.error:
        raise BadRequest("telemetry.bad_gzip", "The body is not valid gzip.") from None
    if inflater.unconsumed_tail:
        raise too_large(most)
    if not inflater.eof:
        raise BadRequest("telemetry.bad_gzip", "The body is not valid gzip: its end is missing.")
    return plain


def too_large(most: int) -> TooLarge:
    return TooLarge("telemetry.too_large", f"The body holds more than {most >> 20} MiB. Send fewer spans at a time.")


def told_in(body: bytes, content_type: str) -> Iterator[Told]:
    """The spans of a body. Raises BadRequest, at the first span at the latest, when any part of it cannot be read."""
    return _protobuf(body) if content_type == PROTOBUF else iter(list(_json(body)))


# --- protobuf


def _protobuf(body: bytes) -> Iterator[Told]:
    try:
        request = ExportTraceServiceRequest.FromString(body)
    except DecodeError:
        sentence = "The body is no ExportTraceServiceRequest in protobuf, or a text in it is not UTF-8."
        raise BadRequest("telemetry.bad_protobuf", sentence) from None
    for of_resource in request.resource_spans:
        resource = _attributes(of_resource.resource.attributes)
        for of_scope in of_resource.scope_spans:
            scope = of_scope.scope.name
            for span in of_scope.spans:
                yield Told(
                    span.trace_id,
                    span.span_id,
                    span.parent_span_id,
                    span.name,
                    span.start_time_unix_nano,
                    span.end_time_unix_nano,
                    span.status.code,
                    span.status.message,
                    _attributes(span.attributes),
                    [Event(one.name, one.time_unix_nano, _attributes(one.attributes)) for one in span.events],
                    [Link(one.trace_id.hex(), one.span_id.hex()) for one in span.links],
                    span.dropped_attributes_count,
                    resource,
                    scope,
                )


def _attributes(pairs: Any) -> Attributes:
    found = {}
    for pair in pairs:
        value = pair.value
        # nearly all are texts, and only an empty one needs to be asked what it is
        found[pair.key] = value.string_value or _value(value, value.WhichOneof("value"), MAX_DEPTH)
    return found


def _value(value: Any, kind: str | None, depth: int) -> Any:
    if kind is None:
        return None
    if kind == "array_value":
        values = value.array_value.values if depth else ()
        return [_value(each, each.WhichOneof("value"), depth - 1) for each in values]
    if kind == "kvlist_value":
        pairs = value.kvlist_value.values if depth else ()
        return {pair.key: _value(pair.value, pair.value.WhichOneof("value"), depth - 1) for pair in pairs}
    if kind == "bytes_value":
        return value.bytes_value.hex()
    return _finite(getattr(value, kind))


def _finite(value: Any) -> Any:
    """JSON has no word for what is not a number."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


# --- JSON


def _json(body: bytes) -> Iterator[Told]:
    try:
        request = json.loads(body)
        for of_resource in request.get("resourceSpans") or ():
            resource = _json_attributes(of_resource.get("resource") or {})
            for of_scope in of_resource.get("scopeSpans") or ():
                scope = str((of_scope.get("scope") or {}).get("name") or "")
                for span in of_scope.get("spans") or ():
                    yield _json_span(span, resource, scope)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        sentence = "The body is no ExportTraceServiceRequest in OTLP's JSON: ids are hexadecimal, names lowerCamelCase."
        raise BadRequest("telemetry.bad_json", sentence) from None


def _json_span(span: dict[str, Any], resource: Attributes, scope: str) -> Told:
    status = span.get("status") or {}
    return Told(
        bytes.fromhex(span["traceId"]),
        bytes.fromhex(span["spanId"]),
        bytes.fromhex(span.get("parentSpanId") or ""),
        _text(span.get("name", "")),
        int(span.get("startTimeUnixNano") or 0),
        int(span.get("endTimeUnixNano") or 0),
        int(status.get("code") or 0),
        _text(status.get("message") or ""),
        _json_attributes(span),
        [
            Event(_text(one.get("name", "")), int(one.get("timeUnixNano") or 0), _json_attributes(one))
            for one in span.get("events") or ()
        ],
        [Link(str(one.get("traceId", "")), str(one.get("spanId", ""))) for one in span.get("links") or ()],
        int(span.get("droppedAttributesCount") or 0),
        resource,
        scope,
    )


def _json_attributes(holder: dict[str, Any]) -> Attributes:
    return {_text(pair["key"]): _json_value(pair.get("value") or {}) for pair in holder.get("attributes") or ()}


def _json_value(value: dict[str, Any], depth: int = MAX_DEPTH) -> Any:
    for kind, told in value.items():
        if kind == "intValue":
            return int(told)
        if kind == "doubleValue":
            return _finite(float(told))
        if kind == "arrayValue":
            return [_json_value(each, depth - 1) for each in (told.get("values") or () if depth else ())]
        if kind == "kvlistValue":
            pairs = told.get("values") or () if depth else ()
            return {_text(pair["key"]): _json_value(pair.get("value") or {}, depth - 1) for pair in pairs}
        if kind == "boolValue":
            return bool(told)
        return _text(told)
    return None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("no text")
    return value
