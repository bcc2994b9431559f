"""What was reported in the traces that a run's calls, or its opening, named: which traces, and what its models used.

Nothing ties run and spans in advance. The calls of a run name the traces they were made in; so spans that came before
their run, or long after, are found like any other.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from django.db import connection
from django.db.models import Q

from apps.core.once import once
from apps.gateway.models import ToolCall
from apps.runs.models import Run
from apps.telemetry.matching import moment_of
from apps.telemetry.models import ReportedKind, Trace
from apps.telemetry.prices import Cost, Used, price_list, total

# Between two changes of prices a sum costs what its parts do, so the database sums.
USED = """
    WITH asked AS MATERIALIZED (
        SELECT trace, span_id, parent_span_id, agent_id, provider, model, started_ns,
               input_tokens, output_tokens, cached_tokens,
               input_tokens IS NOT NULL AND output_tokens IS NOT NULL AS is_known
        FROM telemetry_reportedspan WHERE trace = ANY(%s) AND kind = %s
    )
    SELECT agent_id, provider, model, is_known, count(*), sum(input_tokens)::bigint, sum(output_tokens)::bigint,
           sum(least(coalesce(cached_tokens, 0), input_tokens))::bigint, min(started_ns)
    FROM asked
    WHERE NOT EXISTS (
        SELECT FROM asked AS inner_one WHERE inner_one.trace = asked.trace AND inner_one.parent_span_id = asked.span_id
    )
    GROUP BY agent_id, provider, model, is_known, width_bucket(started_ns, %s::bigint[])
"""


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
    first_at: dt.datetime


class _Group(NamedTuple):
    """Calls of one agent and one model, between two changes of prices."""

    agent_id: UUID
    provider: str
    model: str
    is_known: bool
    call_count: int
    given: int | None
    made: int | None
    cached: int | None
    first_ns: int

    @property
    def used(self) -> Used:
        at = moment_of(self.first_ns)
        if not self.is_known:
            return Used(self.provider, self.model, at, None, None, None)
        return Used(self.provider, self.model, at, self.given, self.made, self.cached)


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


def usage_of_run(run: Run) -> Usage | None:
    """What the model calls of a run used; None where none was told. A call that is told by two spans, one within the
    other, counts once. One query beside those for traces and prices, whatever the number of calls.
    """
    traces = traces_of(run)
    return once(("usage_of_run", run.id), lambda: _read_usage(traces)) if traces else None


def _read_usage(traces: list[UUID]) -> Usage | None:
    prices = price_list()
    with connection.cursor() as cursor:
        cursor.execute(USED, [traces, ReportedKind.MODEL.value, prices.changes_ns()])
        groups = [_Group(*row) for row in cursor.fetchall()]
    if not groups:
        return None
    costs, is_partly_unknown = total(prices.cost_of(group.used) for group in groups)
    return Usage(
        input_tokens=sum(group.given or 0 for group in groups),
        output_tokens=sum(group.made or 0 for group in groups),
        model_calls=sum(group.call_count for group in groups),
        costs=costs,
        is_partly_unknown=is_partly_unknown,
        are_tokens_whole=all(group.is_known for group in groups),
        models=sorted({group.model for group in groups if group.model}),
        agent_ids=sorted({group.agent_id for group in groups}),
        first_at=moment_of(min(group.first_ns for group in groups)),
    )
