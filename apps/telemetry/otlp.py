"""OTLP/HTTP bodies as messages: protobuf and JSON, gzip, nothing larger than it may be. Knows nothing of what the
attributes mean.

Source: OTLP 1.x, https://opentelemetry.io/docs/specs/otlp/#otlphttp. In its JSON, ids are hexadecimal (the library's
own JSON reader takes them for base64) and 64-bit integers are texts.
"""

import json
import math
import zlib
from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import DESCRIPTOR as SERVICE
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import DESCRIPTOR as COMMON
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import DESCRIPTOR as RESOURCE
from opentelemetry.proto.trace.v1.trace_pb2 import DESCRIPTOR as TRACE

from apps.core.errors import BadRequest, MeshError, TooLarge

PROTOBUF, JSON = "application/x-protobuf", "application/json"
# Nested deeper, a value is cut: what reads it afterwards may not be as patient as we are.
MAX_DEPTH = 16


class UnsupportedMedia(MeshError):
    """A body in a form that this endpoint does not read."""

    status = 415
    title = "Unsupported media type"


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


def protobuf_of(body: bytes, content_type: str) -> bytes:
    """The body as protobuf. Raises BadRequest for JSON that cannot be read."""
    return body if content_type == PROTOBUF else _from_json(body)


# --- protobuf


def _lean_request() -> Any:
    """ExportTraceServiceRequest, in which the attributes of spans and events stay the bytes they came in, which is the
    same to protobuf. So each is read where it is needed, and once for all spans that have the same.
    """
    pool = descriptor_pool.DescriptorPool()
    for descriptor in (COMMON, RESOURCE, TRACE, SERVICE):
        file = FileDescriptorProto()
        descriptor.CopyToProto(file)
        if descriptor is TRACE:
            [span] = (message for message in file.message_type if message.name == "Span")
            for message in (span, *span.nested_type):
                for field in message.field:
                    if field.name == "attributes":
                        field.type = FieldDescriptorProto.TYPE_BYTES
                        field.ClearField("type_name")
        pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(ExportTraceServiceRequest.DESCRIPTOR.full_name))


_LeanRequest = _lean_request()


def request_in(body: bytes) -> Any:
    """The request that the body is. Raises BadRequest, as does `read_attributes` for what is left to it."""
    try:
        return _LeanRequest.FromString(body)
    except DecodeError:
        raise _bad_protobuf() from None


def read_attributes(told: Iterable[bytes]) -> Iterator[tuple[bytes, str, Any]]:
    """Each of them with the name and the plain value that it is."""
    read = KeyValue.FromString
    try:
        for one in told:
            pair = read(one)
            value = pair.value
            # nearly all are texts, and only an empty one needs to be asked what it is
            yield one, pair.key, value.string_value or value_of(value)
    except DecodeError:
        raise _bad_protobuf() from None


def value_of(value: Any, depth: int = MAX_DEPTH) -> Any:
    """An AnyValue as a plain value that JSON has a word for."""
    kind = value.WhichOneof("value")
    if kind == "int_value":
        return value.int_value
    if kind is None:
        return None
    if kind == "array_value":
        values = value.array_value.values if depth else ()
        return [value_of(each, depth - 1) for each in values]
    if kind == "kvlist_value":
        pairs = value.kvlist_value.values if depth else ()
        return {pair.key: value_of(pair.value, depth - 1) for pair in pairs}
    if kind == "bytes_value":
        return value.bytes_value.hex()
    return _finite(getattr(value, kind))


def _finite(value: Any) -> Any:
    """JSON has no word for what is not a number."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _bad_protobuf() -> BadRequest:
    sentence = "The body is no ExportTraceServiceRequest in protobuf, or a text in it is not UTF-8."
    return BadRequest("telemetry.bad_protobuf", sentence)


# --- JSON


def _from_json(body: bytes) -> bytes:
    request = ExportTraceServiceRequest()
    try:
        for told_by_resource in json.loads(body).get("resourceSpans") or ():
            of_resource = request.resource_spans.add()
            _add_attributes(of_resource.resource.attributes, told_by_resource.get("resource") or {})
            for told_in_scope in told_by_resource.get("scopeSpans") or ():
                of_scope = of_resource.scope_spans.add()
                of_scope.scope.name = _text((told_in_scope.get("scope") or {}).get("name") or "")
                for told in told_in_scope.get("spans") or ():
                    _fill_span(of_scope.spans.add(), told)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError):
        sentence = "The body is no ExportTraceServiceRequest in OTLP's JSON: ids are hexadecimal, names lowerCamelCase."
        raise BadRequest("telemetry.bad_json", sentence) from None
    return bytes(request.SerializeToString())


def _fill_span(span: Any, told: dict[str, Any]) -> None:
    status = told.get("status") or {}
    span.trace_id = bytes.fromhex(told["traceId"])
    span.span_id = bytes.fromhex(told["spanId"])
    span.parent_span_id = bytes.fromhex(told.get("parentSpanId") or "")
    span.name = _text(told.get("name", ""))
    span.start_time_unix_nano = int(told.get("startTimeUnixNano") or 0)
    span.end_time_unix_nano = int(told.get("endTimeUnixNano") or 0)
    span.status.code = int(status.get("code") or 0)
    span.status.message = _text(status.get("message") or "")
    span.dropped_attributes_count = int(told.get("droppedAttributesCount") or 0)
    _add_attributes(span.attributes, told)
    for one in told.get("events") or ():
        event = span.events.add(name=_text(one.get("name", "")), time_unix_nano=int(one.get("timeUnixNano") or 0))
        _add_attributes(event.attributes, one)
    for one in told.get("links") or ():
        span.links.add(trace_id=bytes.fromhex(one.get("traceId", "")), span_id=bytes.fromhex(one.get("spanId", "")))


def _add_attributes(pairs: Any, holder: dict[str, Any]) -> None:
    for pair in holder.get("attributes") or ():
        _fill(pairs.add(key=_text(pair["key"])).value, pair.get("value") or {})


def _fill(value: AnyValue, told: dict[str, Any], depth: int = MAX_DEPTH) -> None:
    for kind, given in told.items():
        if kind == "intValue":
            value.int_value = int(given)
        elif kind == "doubleValue":
            value.double_value = float(given)
        elif kind == "boolValue":
            value.bool_value = bool(given)
        elif kind == "arrayValue":
            value.array_value.SetInParent()
            for each in given.get("values") or () if depth else ():
                _fill(value.array_value.values.add(), each, depth - 1)
        elif kind == "kvlistValue":
            value.kvlist_value.SetInParent()
            for pair in given.get("values") or () if depth else ():
                _fill(value.kvlist_value.values.add(key=_text(pair["key"])).value, pair.get("value") or {}, depth - 1)
        else:
            value.string_value = _text(given)
        return


def _text(value: Any) -> str:
    """Half a character, which JSON can escape and UTF-8 has not, is a question mark."""
    if not isinstance(value, str):
        raise TypeError("no text")
    return value if value.isascii() else value.encode("utf-8", "replace").decode()
