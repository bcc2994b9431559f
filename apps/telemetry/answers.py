"""What OTLP's clients are answered, in the encoding they asked in: ExportTraceServiceResponse, or google.rpc.Status.

Status is three fields of which two are used, so it is written here by hand and needs no library.
"""

import json

from django.http import HttpResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from apps.core.errors import MeshError
from apps.telemetry.otlp import JSON, PROTOBUF

# google.rpc.Code by HTTP status.
_RPC_CODES = {400: 3, 401: 16, 403: 7, 405: 12, 411: 3, 413: 3, 415: 3, 429: 8, 503: 14}
_INTERNAL = 13


def accepted(content_type: str, *, rejected_count: int, message: str) -> HttpResponse:
    """200: all that can be kept is kept. Rejected spans are told as partial success, which nobody sends again."""
    if content_type == JSON:
        partial = {"rejectedSpans": str(rejected_count), "errorMessage": message}
        body = json.dumps({"partialSuccess": partial} if rejected_count or message else {}).encode()
    else:
        answer = ExportTraceServiceResponse()
        if rejected_count or message:
            answer.partial_success.rejected_spans = rejected_count
            answer.partial_success.error_message = message
        body = answer.SerializeToString()
    return HttpResponse(body, content_type=content_type)


def refused(content_type: str, error: MeshError) -> HttpResponse:
    """The refusal as google.rpc.Status; its message begins with our stable code."""
    code, message = _RPC_CODES.get(error.status, _INTERNAL), f"{error.code}: {error.sentence}"
    body = json.dumps({"code": code, "message": message}).encode() if content_type == JSON else _status(code, message)
    response = HttpResponse(body, status=error.status, content_type=content_type if content_type == JSON else PROTOBUF)
    if error.status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="mesh-console"'
    if error.retry_after_seconds is not None:
        response["Retry-After"] = str(error.retry_after_seconds)
    return response


def _status(code: int, message: str) -> bytes:
    """`int32 code = 1; string message = 2;`"""
    text = message.encode()
    return b"\x08" + _varint(code) + b"\x12" + _varint(len(text)) + text


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])
