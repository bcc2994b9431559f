"""Which enforced call is behind a reported tool execution.

By trace context: the call's `traceparent` names the execution itself, or a span within it (an HTTP client's, say).
Where a call has none, by likeness: the same agent, the same tool, at the same time; such a call explains one execution.
Agents call their tools by other names than the mesh: `issue_credit_memo` is `erp.issue_credit_memo`.
"""

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from uuid import UUID

from django.db.models import Q, QuerySet

from apps.core.ids import first_id_at
from apps.gateway.models import ToolCall
from apps.telemetry.models import GovernedExecution, ReportedKind, ReportedSpan, Trace

# Clocks differ, and a call is asked for a moment after its execution began.
SLACK = dt.timedelta(seconds=5)
# From the span that made the call up to the execution it is in.
MOST_STEPS_UP = 8
_NOT_A_WORD = re.compile(r"[^a-z0-9]+")

Key = tuple[UUID, int]


@dataclass(frozen=True, slots=True)
class Execution:
    """One reported tool execution."""

    key: Key
    parent: Key | None
    agent_id: UUID
    tool_name: str
    started_at: dt.datetime
    ended_at: dt.datetime


@dataclass(slots=True)
class Matches:
    """`governed` are the executions with their calls. `undecided`: in their trace is a call that was made by a span
    which nobody has told of yet. `repeated` are told a second time by the span around them.
    """

    governed: list[GovernedExecution] = field(default_factory=list)
    undecided: set[Key] = field(default_factory=set)
    repeated: set[Key] = field(default_factory=set)

    @property
    def explained(self) -> set[Key]:
        return {(one.trace, one.span_id) for one in self.governed} | self.repeated


def moment_of(ns: int) -> dt.datetime:
    """Nanoseconds since 1970, to the microsecond."""
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=ns // 1000)


def executions_of(keys: Collection[Key]) -> list[Execution]:
    """The executions among these spans."""
    columns = ("trace", "span_id", "parent_span_id", "agent_id", "tool_name", "name", "started_ns", "ended_ns")
    return [
        Execution(
            (trace, span),
            (trace, parent) if parent is not None else None,
            agent,
            tool or name,
            moment_of(started),
            moment_of(ended),
        )
        for trace, span, parent, agent, tool, name, started, ended in _spans(keys)
        .filter(kind=ReportedKind.TOOL)
        .values_list(*columns)
    ]


def match(executions: list[Execution]) -> Matches:
    """Look for the call behind each; nothing is written."""
    found = Matches()
    by_context = _by_context({one.key for one in executions}, found)
    taken = _taken(executions) | set(by_context.values())
    names = _names_of_parents(executions)
    for one in sorted(executions, key=lambda each: each.started_at):
        call_id = by_context.get(one.key)
        alike = None if call_id is not None else _by_likeness(one, taken)
        if alike is not None:
            taken.add(alike)
        if behind := call_id or alike:
            trace, span = one.key
            made = GovernedExecution(trace=trace, span_id=span, tool_call_id=behind, by_likeness=alike is not None)
            found.governed.append(made)
        elif one.parent is not None and names.get(one.parent) == one.tool_name:
            found.repeated.add(one.key)
    found.undecided -= found.explained
    return found


def _by_context(keys: set[Key], found: Matches) -> dict[Key, UUID]:
    """The call that came from within each execution. Climbs from what made the calls, a query for each step."""
    traces = {trace.id: trace for trace in Trace.objects.filter(id__in={trace for trace, _ in keys})}
    climbing: dict[Key, set[UUID]] = defaultdict(set)
    for key, call_id in _calls_in(traces.values()):
        climbing[key].add(call_id)
    governed: dict[Key, UUID] = {}
    for _ in range(MOST_STEPS_UP):
        if not climbing:
            break
        for key, call_ids in climbing.items():
            if key in keys:
                governed.setdefault(key, min(call_ids))
        parents = {
            (trace, span): parent
            for trace, span, parent in _spans(climbing).values_list("trace", "span_id", "parent_span_id")
        }
        missing = {trace for trace, span in climbing if (trace, span) not in parents}
        found.undecided |= {key for key in keys if key[0] in missing}
        above: dict[Key, set[UUID]] = defaultdict(set)
        for (trace, span), call_ids in climbing.items():
            parent = parents.get((trace, span))
            if parent is not None:
                above[trace, parent] |= call_ids
        climbing = above
    return governed


def _calls_in(traces: Iterable[Trace]) -> Iterable[tuple[Key, UUID]]:
    """((trace, span that made it), call) of every call that names one of the traces."""
    known = {(trace.trace_id, trace.process_id, trace.environment): trace.id for trace in traces}
    calls = ToolCall.objects.filter(trace_id__in={trace_id for trace_id, _, _ in known}).order_by()
    for trace_id, process, environment, span, call_id in calls.values_list(
        "trace_id", "process_id", "environment", "trace_span_id", "id"
    ):
        trace = known.get((trace_id, process, environment)) if trace_id else None
        if trace is not None and span is not None:
            yield (trace, span), call_id


def _by_likeness(one: Execution, taken: set[UUID]) -> UUID | None:
    """The first call without a trace context that fits."""
    calls = _calls_between(one.started_at - SLACK, one.ended_at + SLACK)
    calls = calls.filter(agent_id=one.agent_id, trace_id=None).order_by("id")
    for call_id, tool in calls.values_list("id", "tool__name"):
        if call_id not in taken and is_same_tool(one.tool_name, tool):
            return call_id
    return None


def _calls_between(first: dt.datetime, last: dt.datetime) -> "QuerySet[ToolCall]":
    """By their ids, in which is the time: nothing else of it is indexed."""
    return ToolCall.objects.filter(id__gte=first_id_at(first), id__lt=first_id_at(last))


def is_same_tool(reported: str, enforced: str) -> bool:
    """Whether an agent's name for a tool may mean this one."""
    said, whole, last = _plain(reported), _plain(enforced), _plain(enforced.rpartition(".")[2])
    return said in (whole, last) or said.endswith(f"_{whole}")


def _plain(name: str) -> str:
    return _NOT_A_WORD.sub("_", name.lower()).strip("_")


def _taken(executions: list[Execution]) -> set[UUID]:
    """The calls around this time that explain some other execution."""
    if not executions:
        return set()
    first = min(one.started_at for one in executions) - SLACK
    last = max(one.ended_at for one in executions) + SLACK
    calls = _calls_between(first, last).filter(agent_id__in={one.agent_id for one in executions}).order_by()
    taken = GovernedExecution.objects.filter(tool_call_id__in=calls.values("id"))
    return set(taken.values_list("tool_call_id", flat=True))


def _names_of_parents(executions: list[Execution]) -> dict[Key, str]:
    """What tool the span around each execution runs, where it is one itself."""
    parents = {one.parent for one in executions if one.parent is not None}
    tools = _spans(parents).filter(kind=ReportedKind.TOOL)
    rows = tools.values_list("trace", "span_id", "tool_name", "name")
    return {(trace, span): tool or name for trace, span, tool, name in rows}


def _spans(keys: Collection[Key]) -> "QuerySet[ReportedSpan]":
    """These spans; each found by its key."""
    by_trace: dict[UUID, list[int]] = defaultdict(list)
    for trace, span in keys:
        by_trace[trace].append(span)
    condition = Q(trace__in=[])
    for trace, spans in by_trace.items():
        condition |= Q(trace=trace, span_id__in=spans)
    return ReportedSpan.objects.filter(condition)
