"""A run's steps in the form of OTLP's JSON, for whatever reads traces. The run is one trace, whose id is the run's."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from apps.core.actor import Actor
from apps.runs.models import Run
from apps.runs.steps import Row, every_row

CONTENT_TYPE = "application/json"
ROWS_AT_ONCE = 5_000
INTERNAL = 1
# https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding: enums are numbers, ids hexadecimal, 64 bits are text
OK, ERROR = 1, 2
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def otlp_of(actor: Actor, run: Run) -> Iterator[bytes]:
    """`{"resourceSpans": […]}` in pieces, in the order the steps began."""
    resource = {
        "service.name": run.process.slug,
        "deployment.environment.name": run.environment,
        "mesh.run.id": str(run.id),
        "mesh.run.title": run.title,
        "mesh.run.state": run.state,
        "mesh.run.business_key": run.business_key,
    }
    head = {"attributes": _attributes(resource)}
    yield f'{{"resourceSpans":[{{"resource":{_text(head)},"scopeSpans":[{{"scope":{{"name":"mesh"}},"spans":['.encode()
    between = ""
    for row in every_row(actor, run, at_once=ROWS_AT_ONCE):
        yield (between + _text(_span(run, row))).encode()
        between = ","
    yield b"]}]}]}\n"


def _text(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _span(run: Run, row: Row) -> dict[str, Any]:
    about = {
        "mesh.origin": row.origin,
        "mesh.kind": row.kind,
        "mesh.status": row.status,
        "mesh.actor": row.actor,
        "mesh.note": row.note,
        "mesh.policy": row.policy,
        "mesh.tool_call.id": str(row.call) if row.call else "",
        "mesh.money.minor": row.minor,
        "mesh.money.currency": row.currency,
        "mesh.tokens": row.tokens,
    }
    told = {
        "traceId": run.id.hex,
        "spanId": _span_id(row.id),
        "name": row.text,
        "kind": INTERNAL,
        "startTimeUnixNano": _ns(row.started_at),
        # what is under way has no end yet, and OTLP no way to say so but its status
        "endTimeUnixNano": _ns(row.ended_at or row.started_at),
        "attributes": _attributes(about),
        "status": {"code": ERROR if row.is_bad else OK} if row.ended_at else {},
    }
    return told | ({"parentSpanId": _span_id(row.parent)} if row.parent else {})


def _span_id(row_id: UUID) -> str:
    """The random half of it."""
    return row_id.bytes[8:].hex()


def _ns(moment: dt.datetime) -> str:
    return str((moment - _EPOCH) // _MICROSECOND * 1000)


def _attributes(about: Mapping[str, str | int | None]) -> list[dict[str, Any]]:
    """What there is to say; what is not known is left out."""
    return [
        {"key": name, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for name, value in about.items()
        if value not in (None, "")
    ]
