"""A run as rows on a time axis: pure values, so that page, export and test read the same thing."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from django.urls import reverse
from django.utils import timezone

from apps.runs.models import Run, Span, SpanKind, SpanOrigin, SpanStatus

VOTE_WORDS = {"approve": "Approved", "reject": "Rejected", "request_changes": "Changes asked for"}
OUTCOME_WORDS = {"allow": "allowed", "deny": "denied", "require_approval": "needs approval"}
# A point still has to be seen and hit.
THINNEST_PERCENT = 0.4
TICK_COUNT = 5


@dataclass(frozen=True, slots=True)
class Bar:
    """A span's place on the time axis, in percent of the whole."""

    kind: str
    start: float
    share: float
    label: str
    bad: bool = False
    reported: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One span: what its line says, and its bar."""

    id: UUID
    kind: str
    name: str
    note: str
    enforced: bool
    bad: bool
    policy_set: str
    policy_version: str
    duration: dt.timedelta | None
    minor: int | None
    currency: str
    bars: tuple[Bar, ...]
    tokens: int | None = None
    url: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """A moment on the axis: `at` percent, labelled in the reader's zone."""

    at: float
    moment: dt.datetime

    @property
    def label(self) -> str:
        return f"{timezone.localtime(self.moment):%H:%M:%S}"


@dataclass(frozen=True, slots=True)
class Timeline:
    """Everything the page shows of one run."""

    lines: list[Line]
    ticks: list[Tick]
    duration: dt.timedelta


def timeline_of(run: Run, spans: Sequence[Span], *, now: dt.datetime) -> Timeline:
    """Lay the spans out between the run's start and its end, or now while it is open."""
    end = now if run.is_open else _end(run, spans)
    whole = max(end - run.started_at, dt.timedelta(milliseconds=1))
    return Timeline(
        lines=[_line(span, run.started_at, whole, now=end) for span in spans],
        ticks=[
            Tick(100 * step / TICK_COUNT, run.started_at + whole * step / TICK_COUNT) for step in range(TICK_COUNT + 1)
        ],
        duration=whole,
    )


def _end(run: Run, spans: Sequence[Span]) -> dt.datetime:
    return max([run.ended_at or run.started_at, *(span.ended_at for span in spans if span.ended_at)])


def _line(span: Span, start: dt.datetime, whole: dt.timedelta, *, now: dt.datetime) -> Line:
    name, note = _words(span)
    bad = span.status in (SpanStatus.ERROR, SpanStatus.UNKNOWN, SpanStatus.REFUSED)
    spent = (span.ended_at or now) - span.started_at
    left = min(max((span.started_at - start) / whole * 100, 0), 100 - THINNEST_PERCENT)
    share = min(max(spent / whole * 100, THINNEST_PERCENT), 100 - left)
    policy: dict[str, str] = next(iter(span.attributes.get("policies", [])), {})
    enforced = span.origin == SpanOrigin.ENFORCED
    return Line(
        id=span.id,
        kind=span.kind,
        name=name,
        note=note,
        enforced=enforced,
        bad=bad,
        policy_set=policy.get("id", ""),
        policy_version=str(policy.get("version", "")),
        duration=spent if span.kind != SpanKind.VOTE else None,
        minor=span.money_minor,
        currency=span.currency,
        url=_url(span),
        bars=(Bar(span.kind, round(left, 2), round(share, 2), name, bad=bad, reported=not enforced),),
    )


def _url(span: Span) -> str:
    """Where the step leads: the approval it waits for, or the run on the other side."""
    if approval := span.attributes.get("approval_id"):
        return reverse("approval", args=[approval])
    if other := span.attributes.get("other_run_id"):
        return reverse("run", args=[other])
    return ""


def _words(span: Span) -> tuple[str, str]:
    """(what a colleague would say, the fine print)."""
    if span.kind == SpanKind.DECISION:
        return f"Decision: {OUTCOME_WORDS.get(span.attributes.get('outcome', ''), '')} · {span.name}", span.note
    if span.kind == SpanKind.VOTE:
        return f"{VOTE_WORDS[span.attributes.get('verdict', 'approve')]} by {span.actor_name}", ""
    if span.kind == SpanKind.HALT:
        return f"Turned away · {span.name}", span.note
    if span.kind == SpanKind.LOOKUP:
        return f"Looked up what became of it · {span.name}", span.note
    if span.kind in (SpanKind.RESOLUTION, SpanKind.COMPENSATION):
        return span.name, span.note
    attempt = span.attributes.get("attempt", 1)
    return span.name, span.note or (f"attempt {attempt}" if attempt > 1 else "")
