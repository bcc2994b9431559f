"""Reading what the mesh enforced and what agents reported as one: the rows of a run, in the order they began.

Nothing ties the two in advance. The calls of a run name the traces they were made in; so spans that came before their
run, or long after, are found like any other. Payload is not among what is read here.
"""

import datetime as dt
import heapq
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import BooleanField, ExpressionWrapper, Q

from apps.core.errors import Invalid
from apps.core.tracing import hex_of_span, number_of_span
from apps.gateway.models import ToolCall
from apps.runs.models import Run, Span, SpanOrigin
from apps.telemetry.matching import moment_of
from apps.telemetry.models import (
    GovernedExecution,
    ReportedKind,
    ReportedSpan,
    Trace,
    UngovernedExecution,
)
from apps.telemetry.prices import Cost, PriceList, Used, price_list, total

PAGE_SIZE, MOST_ROWS = 200, 50_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_CURSOR = re.compile(
    r"(-1|[0-9]{1,19})\.((?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?)"
    r"\.(-1|[0-9]{1,18}|[0-8][0-9]{18})\.((?:r[0-9a-f]{48})?)"
)


@dataclass(frozen=True, slots=True)
class SpanRow:
    """One line of a run, enforced or reported. `parent` is the id of another row, which may be on another page or, when
    its span was never told, nowhere. A call of the mesh hangs below the reported span that made it; `call_id` of a
    reported execution is the enforced call behind it.
    """

    id: str
    parent: str | None
    origin: str
    kind: str
    status: str
    name: str
    started_ns: int
    ended_ns: int | None
    note: str = ""
    who: str = ""
    tool: str = ""
    model: str = ""
    provider: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: Cost | None = None
    money_minor: int | None = None
    currency: str = ""
    call_id: UUID | None = None
    marks: int = 0
    has_payload: bool = False
    is_ungoverned: bool = False

    @property
    def started_at(self) -> dt.datetime:
        return moment_of(self.started_ns)


@dataclass(frozen=True, slots=True)
class Rows:
    """A page of a run, and where the next begins; None at the end."""

    items: list[SpanRow]
    next: str | None


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run's model calls used, as far as it was told. `is_partly_unknown`: some of it has no price, or nobody
    said how much it was, so the costs are less than all.
    """

    input_tokens: int
    output_tokens: int
    model_calls: int
    costs: list[Cost]
    is_partly_unknown: bool


def spans_of_run(run: Run, *, after: str | None = None, limit: int = PAGE_SIZE) -> Rows:
    """The rows of a run that the caller may see, in the order they began. Raises Invalid on a cursor of elsewhere."""
    place = _read_place(after)
    limit = min(max(limit, 1), MOST_ROWS)
    merged = heapq.merge(
        _enforced(run, place.enforced, limit + 1),
        _reported(traces_of(run), place.reported, limit + 1),
        # what the mesh did comes first among what began at the same moment
        key=lambda row: (row.started_ns, row.origin != SpanOrigin.ENFORCED),
    )
    items = list(islice(merged, limit + 1))
    if len(items) <= limit:
        return Rows(items, None)
    return Rows(items[:limit], str(_place_after(items[:limit], place)))


def traces_of(run: Run) -> list[UUID]:
    """The keys of the traces in which the run was opened or one of its calls was asked for."""
    named = ToolCall.objects.filter(run_id=run.id, trace_id__isnull=False).order_by().distinct()
    trace_ids = {trace_id for trace_id in [run.trace_id, *named.values_list("trace_id", flat=True)] if trace_id}
    if not trace_ids:
        return []
    traces = Trace.objects.filter(trace_id__in=trace_ids, process_id=run.process_id, environment=run.environment)
    return sorted(traces.values_list("id", flat=True))


def runs_of_traces(process_id: UUID, environment: str, trace_ids: Collection[UUID]) -> dict[UUID, list[Run]]:
    """The runs of the process that each of these traces (by its W3C id) belongs to, newest first."""
    calls = ToolCall.objects.filter(trace_id__in=trace_ids, process_id=process_id, environment=environment).order_by()
    pairs = set(calls.values_list("trace_id", "run_id").distinct())
    runs = Run.objects.filter(process_id=process_id, environment=environment)
    runs = runs.filter(Q(id__in={run for _, run in pairs}) | Q(trace_id__in=trace_ids)).order_by("-id")
    found: dict[UUID, list[Run]] = {trace_id: [] for trace_id in trace_ids}
    for run in runs:
        for trace_id in trace_ids:
            if run.trace_id == trace_id or (trace_id, run.id) in pairs:
                found[trace_id].append(run)
    return found


def usage_of_run(run: Run) -> Usage:
    """What the model calls of a run used. A call that is told by two spans, one within the other, counts once."""
    traces = traces_of(run)
    spans = ReportedSpan.objects.filter(trace__in=traces, kind=ReportedKind.MODEL).values_list(
        *("trace", "span_id", "parent_span_id", "provider", "model", "started_ns"),
        *("input_tokens", "output_tokens", "cached_tokens"),
    )
    calls = list(spans) if traces else []
    around = {(trace, parent) for trace, _, parent, *_ in calls}
    prices = price_list()
    used = [
        Used(provider, model, moment_of(started), given, made, cached)
        for trace, span, _, provider, model, started, given, made, cached in calls
        if (trace, span) not in around
    ]
    costs, is_partly_unknown = total(prices.cost_of(one) for one in used)
    return Usage(
        input_tokens=sum(one.input_tokens or 0 for one in used),
        output_tokens=sum(one.output_tokens or 0 for one in used),
        model_calls=len(used),
        costs=costs,
        is_partly_unknown=is_partly_unknown,
    )


def without_cycles(rows: Sequence[SpanRow]) -> list[SpanRow]:
    """The same rows, in which following parents always ends. Agents can tell spans that are each other's parents; the
    one of a circle that comes first here is its root.
    """
    parents = {row.id: row.parent for row in rows}
    roots: set[str] = set()
    settled: set[str] = set()
    for row in rows:
        way: list[str] = []
        at: str | None = row.id
        while at is not None and at in parents and at not in settled:
            if at in roots:
                break
            if at in way:
                roots.add(at)
                break
            way.append(at)
            at = parents[at]
        settled.update(way)
    return [replace(row, parent=None) if row.id in roots else row for row in rows]


# --- rows


class _Place(NamedTuple):
    """How far each of the two was read: when the last row of it began, and which one that was."""

    enforced: tuple[int, str] = (-1, "")
    reported: tuple[int, str] = (-1, "")

    def __str__(self) -> str:
        return ".".join(f"{started}.{row_id}" for started, row_id in self)


def _place_after(items: Sequence[SpanRow], before: _Place) -> _Place:
    last = {row.origin: (row.started_ns, row.id) for row in items}
    return _Place(last.get(SpanOrigin.ENFORCED, before.enforced), last.get(SpanOrigin.REPORTED, before.reported))


def _read_place(cursor: str | None) -> _Place:
    if not cursor:
        return _Place()
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        raise Invalid("page.bad_cursor", "That cursor was not made here.")
    return _Place((int(found[1]), found[2]), (int(found[3]), found[4]))


def _reported_id(trace: UUID, span_id: int) -> str:
    return f"r{trace.hex}{hex_of_span(span_id)}"


def _reported_key(row_id: str) -> tuple[UUID, int]:
    return UUID(row_id[1:33]), number_of_span(bytes.fromhex(row_id[33:]))


def _enforced(run: Run, place: tuple[int, str], limit: int) -> list[SpanRow]:
    spans = Span.objects.filter(run_id=run.id)
    started, row_id = place
    if row_id:
        at = moment_of(started)
        spans = spans.filter(started_at__gte=at).filter(Q(started_at__gt=at) | Q(id__gt=UUID(row_id)))
    rows = [_enforced_row(span) for span in spans.order_by("started_at", "id")[:limit]]
    return _below_their_callers(rows, run)


def _enforced_row(span: Span) -> SpanRow:
    return SpanRow(
        id=str(span.id),
        parent=None,
        origin=SpanOrigin.ENFORCED,
        kind=span.kind,
        status=span.status,
        name=span.name,
        started_ns=_ns_of(span.started_at),
        ended_ns=_ns_of(span.ended_at) if span.ended_at else None,
        note=span.note,
        who=span.actor_name,
        money_minor=span.money_minor,
        currency=span.currency,
        call_id=span.tool_call_id,
    )


def _ns_of(moment: dt.datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND * 1000


def _below_their_callers(rows: list[SpanRow], run: Run) -> list[SpanRow]:
    calls = ToolCall.objects.filter(id__in={row.call_id for row in rows if row.call_id}, trace_id__isnull=False)
    told = calls.values_list("id", "trace_id", "trace_span_id")
    named = {call: (trace, span) for call, trace, span in told if trace is not None and span is not None}
    if not named:
        return rows
    traces = Trace.objects.filter(
        trace_id__in={trace for trace, _ in named.values()}, process_id=run.process_id, environment=run.environment
    )
    keys = dict(traces.values_list("trace_id", "id"))
    parents = {call: _reported_id(keys[trace], span) for call, (trace, span) in named.items() if trace in keys}
    return [replace(row, parent=parents[row.call_id]) if row.call_id in parents else row for row in rows]


_COLUMNS = (
    *("trace", "span_id", "parent_span_id", "kind", "status", "name", "started_ns", "ended_ns", "error_type"),
    *("agent_name", "tool_name", "model", "provider", "input_tokens", "output_tokens", "cached_tokens"),
    *("reasoning_tokens", "marks", "has_payload"),
)


def _reported(traces: list[UUID], place: tuple[int, str], limit: int) -> list[SpanRow]:
    if not traces:
        return []
    spans = ReportedSpan.objects.filter(trace__in=traces)
    started, row_id = place
    if row_id:
        trace, span = _reported_key(row_id)
        behind = Q(started_ns__gt=started) | Q(trace__gt=trace) | Q(trace=trace, span_id__gt=span)
        spans = spans.filter(started_ns__gte=started).filter(behind)
    spans = spans.annotate(has_payload=ExpressionWrapper(~Q(payload=""), output_field=BooleanField()))
    ordered = spans.order_by("started_ns", "trace", "span_id").values_list(*_COLUMNS)[:limit]
    prices = price_list()
    return _with_calls([_reported_row(columns, prices) for columns in ordered])


def _reported_row(columns: tuple[Any, ...], prices: PriceList) -> SpanRow:
    told = dict(zip(_COLUMNS, columns, strict=True))
    trace, parent = told["trace"], told["parent_span_id"]
    started_at = moment_of(told["started_ns"])
    counts = (told["input_tokens"], told["output_tokens"], told["cached_tokens"])
    used = Used(told["provider"], told["model"], started_at, *counts)
    return SpanRow(
        id=_reported_id(trace, told["span_id"]),
        parent=_reported_id(trace, parent) if parent is not None else None,
        origin=SpanOrigin.REPORTED,
        kind=told["kind"],
        status=told["status"],
        name=told["name"],
        started_ns=told["started_ns"],
        ended_ns=told["ended_ns"],
        note=told["error_type"],
        who=told["agent_name"],
        tool=told["tool_name"],
        model=told["model"],
        provider=told["provider"],
        input_tokens=counts[0],
        output_tokens=counts[1],
        cached_tokens=counts[2],
        reasoning_tokens=told["reasoning_tokens"],
        cost=prices.cost_of(used) if told["kind"] == ReportedKind.MODEL else None,
        marks=told["marks"],
        has_payload=told["has_payload"],
    )


def _with_calls(rows: list[SpanRow]) -> list[SpanRow]:
    """Executions with the enforced call behind them, or that there is none."""
    tools = {_reported_key(row.id): row.id for row in rows if row.kind == ReportedKind.TOOL}
    if not tools:
        return rows
    traces, spans = {trace for trace, _ in tools}, {span for _, span in tools}
    governed = GovernedExecution.objects.filter(trace__in=traces, span_id__in=spans)
    behind = governed.values_list("trace", "span_id", "tool_call_id")
    calls = {_reported_id(trace, span): call for trace, span, call in behind}
    without = UngovernedExecution.objects.filter(trace__in=traces, span_id__in=spans)
    ungoverned = {_reported_id(trace, span) for trace, span in without.values_list("trace", "span_id")}
    return [
        replace(row, call_id=calls.get(row.id), is_ungoverned=row.id in ungoverned) if row.tool else row for row in rows
    ]
