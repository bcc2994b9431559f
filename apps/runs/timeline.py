"""A run as rows on a time axis: pure values, so that page, export and test read the same thing."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from apps.runs.models import Run, Span, SpanKind, SpanStatus

OUTCOME_WORDS = {"allow": "allowed", "deny": "denied", "require_approval": "needs approval"}
# A point still has to be seen and hit.
THINNEST_PERCENT = 0.4
TICK_COUNT = 5


@dataclass(frozen=True, slots=True)
class TimelineRow:
    """One span: where its bar starts and how wide it is, in percent of the whole, and what its line says."""

    span: Span
    label: str
    detail: str
    shape: str
    start_percent: float
    width_percent: float
    duration: dt.timedelta | None


@dataclass(frozen=True, slots=True)
class Share:
    """One part of where the time went. `kind` is human, system or compute."""

    kind: str
    label: str
    duration: dt.timedelta
    percent: float


@dataclass(frozen=True, slots=True)
class Tick:
    at: dt.datetime
    percent: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything the page shows of one run."""

    run: Run
    rows: list[TimelineRow]
    shares: list[Share]
    ticks: list[Tick]
    duration: dt.timedelta
    is_live: bool


def timeline_of(run: Run, spans: Sequence[Span], *, now: dt.datetime) -> Timeline:
    """Lay the spans out between the run's start and its end, or now while it is open."""
    end = now if run.is_open else _end(run, spans)
    whole = max(end - run.started_at, dt.timedelta(milliseconds=1))
    rows = [_row(span, run.started_at, whole, now=end) for span in spans]
    return Timeline(
        run=run,
        rows=rows,
        shares=_shares(rows, whole),
        ticks=[Tick(run.started_at + whole * step / TICK_COUNT, 100 * step / TICK_COUNT) for step in range(TICK_COUNT)],
        duration=whole,
        is_live=run.is_open,
    )


def _end(run: Run, spans: Sequence[Span]) -> dt.datetime:
    return max([run.ended_at or run.started_at, *(span.ended_at for span in spans if span.ended_at)])


def _row(span: Span, start: dt.datetime, whole: dt.timedelta, *, now: dt.datetime) -> TimelineRow:
    label, detail = _words(span)
    left = min(max((span.started_at - start) / whole * 100, 0), 100 - THINNEST_PERCENT)
    width = ((span.ended_at or now) - span.started_at) / whole * 100
    return TimelineRow(
        span=span,
        label=label,
        detail=detail,
        shape=_shape(span),
        start_percent=round(left, 2),
        width_percent=round(min(max(width, THINNEST_PERCENT), 100 - left), 2),
        duration=(span.ended_at or now) - span.started_at if span.kind != SpanKind.VOTE else None,
    )


def _words(span: Span) -> tuple[str, str]:
    """(what a colleague would say, the fine print)."""
    if span.kind == SpanKind.DECISION:
        refs = ", ".join(f"{policy['id']}@{policy['version']}" for policy in span.attributes.get("policies", []))
        return f"Decision: {span.name} {OUTCOME_WORDS.get(span.attributes.get('outcome', ''), '')}", refs or span.note
    if span.kind == SpanKind.VOTE:
        done = "Approved" if span.status == SpanStatus.OK else "Rejected"
        return f"{done} by {span.actor_name}", span.note
    if span.kind == SpanKind.HALT:
        return f"Turned away: {span.name}", span.note
    if span.kind == SpanKind.LOOKUP:
        return f"Looked up what became of {span.name}", span.note
    if span.kind == SpanKind.TOOL:
        attempt = span.attributes.get("attempt", 1)
        return span.name, span.note or (f"attempt {attempt}" if attempt > 1 else "")
    return span.name, span.note


def _shape(span: Span) -> str:
    """Which of the few bar shapes draws it; colour never carries the meaning alone."""
    if span.kind in (SpanKind.DECISION, SpanKind.VOTE):
        return "policy"
    if span.kind == SpanKind.HUMAN_WAIT:
        return "human"
    if span.kind == SpanKind.HALT:
        return "halt"
    if span.status in (SpanStatus.ERROR, SpanStatus.UNKNOWN):
        return "bad"
    return "effect" if span.attributes.get("effect") == "write" else "read"


def _shares(rows: Sequence[TimelineRow], whole: dt.timedelta) -> list[Share]:
    """Where the time went. What no enforced span covers is the agents' own."""
    zero = dt.timedelta(0)
    human = sum((row.duration or zero for row in rows if row.span.kind == SpanKind.HUMAN_WAIT), zero)
    system = sum((row.duration or zero for row in rows if row.span.kind in (SpanKind.TOOL, SpanKind.LOOKUP)), zero)
    agents = max(whole - human - system, zero)
    total = human + system + agents
    parts = (
        ("compute", "Agents at work", agents),
        ("human", "Waiting for a person", human),
        ("system", "Waiting for systems", system),
    )
    return [Share(kind, label, spent, round(spent / total * 100, 2)) for kind, label, spent in parts if spent > zero]
