"""What agents reported as rows of a run's timeline, beside what the mesh enforced. Payload is not among what is read.

A row's id is made of its span and of what tells its trace from the few others of a run, and is a UUID of version 7 like
every other: the time of the trace's key, ten bits of its random end, and all 64 of the span.
"""

import datetime as dt
from collections.abc import Collection, Iterator
from typing import Any
from uuid import UUID

from django.db import connection
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.core.actor import Actor
from apps.core.tracing import number_of_span
from apps.gateway.models import ToolCall
from apps.registry.models import Agent
from apps.runs.models import Run, SpanOrigin, SpanStatus
from apps.runs.steps import Place, Row
from apps.telemetry.matching import Key, moment_of
from apps.telemetry.models import ReportedKind, ReportedSpan, ReportedStatus, Trace, UngovernedExecution
from apps.telemetry.queries import traces_of

UNGOVERNED = "ungoverned"
# As the timeline names them; its own words where it has one for the same thing.
KINDS = {
    ReportedKind.TURN: "agent",
    ReportedKind.MODEL: "model",
    ReportedKind.TOOL: "tool",
    ReportedKind.HANDOFF: "handoff",
    ReportedKind.RETRIEVAL: "retrieval",
    ReportedKind.OTHER: "other",
}
LOW_TEN, LOW_62, VERSION, VARIANT = (1 << 10) - 1, (1 << 62) - 1, 7 << 76, 2 << 62
COLUMNS = (
    *("trace", "span_id", "parent_span_id", "agent_id", "kind", "status", "name", "started_ns", "ended_ns"),
    *("error_type", "agent_name", "tool_name", "model", "input_tokens", "output_tokens"),
)
# As `row_id` makes it: 48 bits, then 16, then 64. To PostgreSQL these operators are of one rank, hence the brackets.
ROW_ID = f"""
    substring(uuid_send(trace) for 6)
    || int2send((({7 << 12} | (((span_id >> 62) & 3) << 10))
                 | (((get_byte(uuid_send(trace), 14) & 3) << 8) | get_byte(uuid_send(trace), 15)))::int2)
    || int8send((span_id & {LOW_62}) | '{-(1 << 63)}'::bigint)
"""
# In the order of the timeline: by microsecond, then by id.
ROWS = f"""
    SELECT {", ".join(COLUMNS)} FROM telemetry_reportedspan
    WHERE trace = ANY(%s) AND (started_ns / 1000, {ROW_ID}) > (%s, %s)
    ORDER BY started_ns / 1000, {ROW_ID}
    LIMIT %s
"""  # noqa: S608 - made of constants
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def row_id(key: Key) -> UUID:
    """The id under which a span is a row of its run."""
    trace, span = key[0].int, key[1] & 0xFFFF_FFFF_FFFF_FFFF
    high = trace >> 80 << 80 | VERSION | span >> 62 << 74 | (trace & LOW_TEN) << 64
    return UUID(int=high | VARIANT | span & LOW_62)


def keys_of(run: Run, step_id: UUID) -> list[Key]:
    """The spans that may be this row of the run, nearly always one; none where none of its traces can be meant."""
    span = step_id.int & LOW_62 | (step_id.int >> 74 & 3) << 62
    number = number_of_span(span.to_bytes(8, "big"))
    return [(trace, number) for trace in traces_of(run) if row_id((trace, number)) == step_id]


def kinds() -> list[tuple[str, str]]:
    """What this floor adds to the kinds of steps."""
    return [
        ("agent", _("Agent turn")),
        ("model", _("Model call")),
        ("handoff", _("Hand-off")),
        ("retrieval", _("Retrieval")),
        (UNGOVERNED, _("Ungoverned action")),
        ("other", _("Other")),
    ]


def rows(actor: Actor, run: Run, after: Place | None, most: int) -> Iterator[Row]:
    """The reported rows after a place, in order. Whoever sees the run sees them. At most five queries."""
    traces = traces_of(run)
    if not traces:
        return iter(())
    place: tuple[int, bytes] = (-1, b"")
    if after is not None:
        place = ((after.started_at - _EPOCH) // _MICROSECOND, after.id.bytes)
    with connection.cursor() as cursor:
        cursor.execute(ROWS, [traces, *place, most])
        spans = [dict(zip(COLUMNS, told, strict=True)) for told in cursor.fetchall()]
    return _as_rows(spans, traces)


def _as_rows(spans: list[dict[str, Any]], traces: Collection[UUID]) -> Iterator[Row]:
    unnamed = {span["agent_id"] for span in spans if not span["agent_name"]}
    agents = dict(Agent.objects.filter(id__in=unnamed).values_list("id", "name")) if unnamed else {}
    has_tools = any(span["kind"] == ReportedKind.TOOL for span in spans)
    actions = ungoverned_in(traces) if has_tools else {}
    for span in spans:
        yield _row(span, span["agent_name"] or agents.get(span["agent_id"], ""), actions)


def ungoverned_in(traces: Collection[UUID]) -> dict[Key, UUID]:
    """The executions without a call in these traces, each with the ungoverned action that counts it."""
    executions = UngovernedExecution.objects.filter(trace__in=traces)
    return {(trace, span): action for trace, span, action in executions.values_list("trace", "span_id", "action_id")}


def row_of(span: ReportedSpan, agent: str, actions: dict[Key, UUID]) -> Row:
    """One span as the timeline shows it."""
    return _row({name: getattr(span, name) for name in COLUMNS}, agent, actions)


def _row(span: dict[str, Any], agent: str, actions: dict[Key, UUID]) -> Row:
    key = (span["trace"], span["span_id"])
    action = actions.get(key)
    counts = [count for count in (span["input_tokens"], span["output_tokens"]) if count is not None]
    is_tool = span["kind"] == ReportedKind.TOOL
    parent = span["parent_span_id"]
    return Row(
        started_at=moment_of(span["started_ns"]),
        id=row_id(key),
        kind=UNGOVERNED if action else KINDS[ReportedKind(span["kind"])],
        origin=SpanOrigin.REPORTED.value,
        status=(SpanStatus.ERROR if span["status"] == ReportedStatus.ERROR else SpanStatus.OK).value,
        text=(is_tool and span["tool_name"]) or span["name"],
        note=_note(span, is_ungoverned=action is not None),
        actor=agent,
        ended_at=moment_of(max(span["started_ns"], span["ended_ns"])),
        parent=row_id((span["trace"], parent)) if parent is not None else None,
        tokens=sum(counts) if counts and span["kind"] == ReportedKind.MODEL else None,
        url=reverse("ungoverned-action", args=[action]) if action else "",
    )


def _note(span: dict[str, Any], *, is_ungoverned: bool) -> str:
    if is_ungoverned:
        return _("ungoverned")
    if span["status"] == ReportedStatus.ERROR:
        return str(span["error_type"]) or _("failed")
    return str(span["model"]) if span["kind"] == ReportedKind.MODEL and span["model"] not in span["name"] else ""


def parents(run: Run, calls: Collection[UUID]) -> dict[UUID, UUID]:
    """The reported row that made each call, where it was told. Three queries."""
    if not calls or not (traces := traces_of(run)):
        return {}
    named = ToolCall.objects.filter(run_id=run.id, trace_id__isnull=False, trace_span_id__isnull=False).order_by()
    keys = dict(Trace.objects.filter(id__in=traces).values_list("trace_id", "id"))
    made = {
        call: (keys[trace], span)
        for call, trace, span in named.values_list("id", "trace_id", "trace_span_id")
        if call in calls and trace in keys and span is not None
    }
    spans = ReportedSpan.objects.filter(trace__in=traces, span_id__in={span for _trace, span in made.values()})
    told = set(spans.values_list("trace", "span_id"))
    return {call: row_id(key) for call, key in made.items() if key in told}


def count(run: Run) -> int:
    """How many spans were reported of the run so far."""
    traces = traces_of(run)
    return ReportedSpan.objects.filter(trace__in=traces).count() if traces else 0
