"""What agents reported as rows of a run's timeline, beside what the mesh enforced. Payload is not among what is read.

A row's id is the end of its trace's key and its span: within a run, both are found again from it.
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
TRACE_PART = 8
COLUMNS = (
    *("trace", "span_id", "parent_span_id", "agent_id", "kind", "status", "name", "started_ns", "ended_ns"),
    *("error_type", "agent_name", "tool_name", "model", "input_tokens", "output_tokens"),
)
ROW_ID = "substring(uuid_send(trace) from 9) || int8send(span_id)"
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
    trace, span = key
    return UUID(bytes=trace.bytes[TRACE_PART:] + span.to_bytes(8, "big", signed=True))


def key_of(run: Run, step_id: UUID) -> Key | None:
    """The span that is this row of the run; None where none of its traces can be meant."""
    traces = [trace for trace in traces_of(run) if trace.bytes[TRACE_PART:] == step_id.bytes[:TRACE_PART]]
    return (traces[0], number_of_span(step_id.bytes[TRACE_PART:])) if traces else None


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
