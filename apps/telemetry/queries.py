"""What was reported in the traces that a run's calls, or its opening, named: which traces, and what its models used.

Nothing ties run and spans in advance. The calls of a run name the traces they were made in; so spans that came before
their run, or long after, are found like any other.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from apps.core.once import once
from apps.gateway.models import ToolCall
from apps.runs.models import Run
from apps.telemetry.matching import moment_of
from apps.telemetry.models import ReportedKind, ReportedSpan, Trace
from apps.telemetry.prices import Cost, Used, price_list, total


@dataclass(frozen=True, slots=True)
class Usage:
    """What a run's model calls used, as far as it was told. `is_partly_unknown`: some of it has no price, or nobody
    said how much it was, so the costs are less than all; `are_tokens_whole`: each call said how many tokens it used.
    """

    input_tokens: int
    output_tokens: int
    model_calls: int
    costs: list[Cost]
    is_partly_unknown: bool
    are_tokens_whole: bool
    models: list[str]
    agent_ids: list[UUID]
    first_at: dt.datetime | None


def traces_of(run: Run) -> list[UUID]:
    """The keys of the traces in which the run was opened or one of its calls was asked for."""
    return once(("traces_of_run", run.id), lambda: _read_traces(run))


def _read_traces(run: Run) -> list[UUID]:
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
        *("trace", "span_id", "parent_span_id", "agent_id", "provider", "model", "started_ns"),
        *("input_tokens", "output_tokens", "cached_tokens"),
    )
    calls = list(spans) if traces else []
    around = {(trace, parent) for trace, _, parent, *_ in calls}
    innermost = [call for call in calls if (call[0], call[1]) not in around]
    prices = price_list()
    used = [
        Used(provider, model, moment_of(started), given, made, cached)
        for _, _, _, _, provider, model, started, given, made, cached in innermost
    ]
    costs, is_partly_unknown = total(prices.cost_of(one) for one in used)
    return Usage(
        input_tokens=sum(one.input_tokens or 0 for one in used),
        output_tokens=sum(one.output_tokens or 0 for one in used),
        model_calls=len(used),
        costs=costs,
        is_partly_unknown=is_partly_unknown,
        are_tokens_whole=all(one.input_tokens is not None and one.output_tokens is not None for one in used),
        models=sorted({one.model for one in used if one.model}),
        agent_ids=sorted({call[3] for call in innermost}),
        first_at=min((one.at for one in used), default=None),
    )
