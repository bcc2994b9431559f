"""Putting reported spans where they stay: COPY into the partition of their trace, each once, all of a request or none.

What is answered 200 is committed. A trace gets its key, and with it its partition, when its first span comes; so the
key of a span says nothing of when it claims to have been, and the same span sent again a week later is still the same.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction

from apps.core import clock, observing
from apps.core.ids import uuid7
from apps.core.tracing import number_of_span
from apps.registry.models import Agent
from apps.telemetry import copying, secrets
from apps.telemetry.attributes import Attributes
from apps.telemetry.models import ReportedSpan, ToolReport, Trace
from apps.telemetry.otlp import request_in
from apps.telemetry.partitions import make_partition
from apps.telemetry.rows import COLUMNS, Request, Row, Source, Unusable, row_of

log = structlog.get_logger(__name__)

# Each time somebody else has stored one of these spans between our look and our COPY.
MOST_TRIES = 5
_SPANS, _TOOLS = ReportedSpan._meta.db_table, ToolReport._meta.db_table
TOOL_COLUMNS = ("trace", "span_id", "received_at")
_KNOWN = f"""
    SELECT span.trace, span.span_id FROM unnest(%s::uuid[], %s::bigint[]) AS asked (trace, span_id)
    JOIN {ReportedSpan._meta.db_table} span ON span.trace = asked.trace AND span.span_id = asked.span_id
"""  # noqa: S608  our own names

_NEW_TRACES = f"""
    INSERT INTO {Trace._meta.db_table} (process_id, environment, first_agent_id, first_seen_at, id, trace_id)
    SELECT %s, %s, %s, %s, told.* FROM unnest(%s::uuid[], %s::uuid[]) AS told (id, trace_id)
    ON CONFLICT DO NOTHING RETURNING trace_id, id
"""  # noqa: S608  our own names

Key = tuple[UUID, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """How many spans are new; how many could not be kept, and why in words."""

    new_count: int
    rejected_count: int
    message: str


def store_spans(*, agent: Agent, body: bytes) -> Stored:
    """Keep what can be kept of a request in protobuf, in one transaction. Spans that are there already are left as they
    are. Raises BadRequest, and then nothing is kept.
    """
    received_at = clock.now()
    attributes = Attributes(may_hold_secrets=secrets.may_be_in(body))
    rows, rejected = _rows(request_in(body), Request.of(agent.id, received_at, attributes))
    _ensure_partition(received_at)
    stored = Stored(_store(agent, rows, received_at), len(rejected), _words(rejected))
    observing.count("telemetry.spans", by=stored.new_count, attributes={"mesh.environment": agent.environment})
    return stored


def _rows(told: Any, request: Request) -> tuple[list[Row], list[str]]:
    """The rows of all spans, and for each span that is none of them, why."""
    rows: dict[tuple[bytes, bytes], Row] = {}
    rejected = []
    for of_resource in told.resource_spans:
        for of_scope in of_resource.scope_spans:
            source = Source.of(of_resource.resource, of_scope.scope)
            spans = [(span, span.attributes[:]) for span in of_scope.spans]
            request.attributes.read(set().union(*(attributes for _, attributes in spans)))
            for span, attributes in spans:
                try:
                    row = row_of(span, attributes, source, request)
                except Unusable as error:
                    rejected.append(str(error))
                    continue
                before = rows.setdefault((row.trace_id, row.span_id), row)
                if before is not row and before != row:
                    rejected.append("a span was told twice, each time differently; the first counts")
    return list(rows.values()), rejected


def _words(rejected: Sequence[str]) -> str:
    return "; ".join(sorted(set(rejected)))


def _store(agent: Agent, rows: list[Row], received_at: dt.datetime) -> int:
    if not rows:
        return 0
    for tries_left in reversed(range(MOST_TRIES)):
        try:
            with transaction.atomic():
                return _copy(agent, rows, received_at)
        except (IntegrityError, OperationalError) as error:
            # somebody else has just stored one of these spans, or each of us waits for a trace of the other
            is_race = isinstance(error, IntegrityError) or "deadlock" in str(error)
            if not is_race or not tries_left:
                raise
    raise AssertionError


def _copy(agent: Agent, rows: list[Row], received_at: dt.datetime) -> int:
    traces = {row.trace_id: UUID(bytes=row.trace_id) for row in rows}
    keys, old = _keys_of(agent, sorted(traces.values()), received_at)
    key_of = {trace_id: keys[trace] for trace_id, trace in traces.items()}
    known = _known([_key(row, key_of) for row in rows if traces[row.trace_id] in old])
    fresh = [row for row in rows if _key(row, key_of) not in known] if known else rows
    cells = {trace_id: copying.uuid(key.bytes) for trace_id, key in key_of.items()}
    received = copying.moment(received_at)
    spans = [(cells[row.trace_id], row.cells) for row in fresh]
    tools = [(cells[row.trace_id], copying.bigint(row.span_id), received) for row in fresh if row.is_tool]
    with connection.cursor() as cursor:
        for table, columns, lines in ((_SPANS, COLUMNS, spans), (_TOOLS, TOOL_COLUMNS, tools)):
            if lines:
                with cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN (FORMAT BINARY)") as copy:
                    copy.write(copying.rows(lines, cell_count=len(columns)))
    return len(fresh)


def _key(row: Row, key_of: Mapping[bytes, UUID]) -> Key:
    return key_of[row.trace_id], number_of_span(row.span_id)


def _keys_of(agent: Agent, trace_ids: list[UUID], received_at: dt.datetime) -> tuple[dict[UUID, UUID], set[UUID]]:
    """(the key of each trace, those of them that may have spans already). In one order, so that two requests with the
    same traces do not wait for each other.
    """
    with connection.cursor() as cursor:
        keys = [uuid7() for _ in trace_ids]
        cursor.execute(_NEW_TRACES, [agent.process_id, agent.environment, agent.id, received_at, keys, trace_ids])
        new: dict[UUID, UUID] = dict(cursor.fetchall())
    old = [trace_id for trace_id in trace_ids if trace_id not in new]
    if not old:
        return new, set()
    # those that were there, or that another request has just made
    traces = Trace.objects.filter(trace_id__in=old, process_id=agent.process_id, environment=agent.environment)
    return new | dict(traces.values_list("trace_id", "id")), set(old)


def _known(keys: list[Key]) -> set[Key]:
    """Those of the spans that are there."""
    if not keys:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, [[trace for trace, _ in keys], [span for _, span in keys]])
        return set(cursor.fetchall())


_days_made: set[dt.date] = set()


def _ensure_partition(now: dt.datetime) -> None:
    """That of today, asked for once a day and process; without it the default one takes what comes."""
    day = now.astimezone(dt.UTC).date()
    if day in _days_made:
        return
    try:
        make_partition(day)
    except DatabaseError as error:
        log.warning("telemetry.partition_failed", day=str(day), error=str(error))
        return
    _days_made.clear()
    _days_made.add(day)
