"""The steps of a run as rows, whoever wrote them: what the mesh enforced, and what floors above add that agents
reported. One row type, in one order, read in pages.
"""

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext as _

from apps.core.actor import Actor
from apps.core.errors import Invalid
from apps.runs.models import Run, Span, SpanKind, SpanStatus
from apps.runs.sentences import Sentence

BAD = frozenset({SpanStatus.ERROR.value, SpanStatus.UNKNOWN.value, SpanStatus.REFUSED.value})
COLUMNS = (
    "id",
    "tool_call_id",
    "kind",
    "origin",
    "status",
    "name",
    "actor_name",
    "note",
    "money_minor",
    "currency",
    "started_at",
    "ended_at",
    "attributes",
)


class Row(NamedTuple):
    """One step. `text` is what a colleague would say, `note` the fine print; `parent` is the id of the step it is part
    of, `call` that of the call. `ended_at` is None while it is under way; what is not known is None.
    """

    started_at: dt.datetime
    id: UUID
    kind: str
    origin: str
    status: str
    text: str
    note: str
    actor: str
    ended_at: dt.datetime | None
    parent: UUID | None = None
    call: UUID | None = None
    minor: int | None = None
    currency: str = ""
    policy: str = ""
    url: str = ""
    tokens: int | None = None

    @property
    def is_bad(self) -> bool:
        return self.status in BAD


class Place(NamedTuple):
    """After which row a page begins."""

    started_at: dt.datetime
    id: UUID

    def __str__(self) -> str:
        return f"{self.started_at.astimezone(dt.UTC):%Y%m%dT%H%M%S.%f}~{self.id.hex}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """Raises Invalid for what was not made here."""
        moment, _tilde, row_id = text.partition("~")
        try:
            at = dt.datetime.strptime(moment, "%Y%m%dT%H%M%S.%f").replace(tzinfo=dt.UTC)
            return cls(at, UUID(row_id))
        except ValueError:
            raise Invalid("page.bad_cursor", "That cursor was not made here.") from None


# An agent's trace begins before its run does. One that says it began earlier than this has another clock.
LONGEST_LEAD = dt.timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Opened:
    """A step that a floor above knows, for whoever opens it. `facts` are what it is about and `attributes` what else
    stands in the open, as (label, value); `remarks` are sentences about it, `links` are (label, url). `has_payload`:
    there is more that nobody is shown by default, `masked` says what; `reveal_url` leads to it for those who may ask
    for it. `data` is the same for programs.
    """

    row: Row
    facts: list[tuple[str, str]]
    attributes: list[tuple[str, str]]
    remarks: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    has_payload: bool = False
    masked: list[str] = field(default_factory=list)
    reveal_url: str = ""
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ReportedUsage:
    """What agents say their models used, in words: tokens, and what it cost in each currency or that nobody knows."""

    tokens: str
    cost: str


@dataclass(frozen=True, slots=True)
class Source:
    """A floor above that knows steps of runs. `rows`: those after a place, in order, at most so many. `parents`: below
    which of them the steps of each of these calls stand. `count` is another one whenever there are more. `opened`: one
    of them by its id, None where it is not one. `sentences`: what of it belongs into the story; `usage`: what models
    used, None where nobody said. `kinds` are offered as filters.
    """

    rows: Callable[[Actor, Run, Place | None, int], Iterable[Row]]
    parents: Callable[[Run, Collection[UUID]], dict[UUID, UUID]]
    count: Callable[[Run], int]
    opened: Callable[[Actor, Run, UUID], Opened | None]
    sentences: Callable[[Actor, Run], list[Sentence]]
    usage: Callable[[Run], ReportedUsage | None]
    kinds: Callable[[], list[tuple[str, str]]]


_sources: list[Source] = []


def register_source(source: Source) -> None:
    """Called from `AppConfig.ready`."""
    _sources.append(source)


def sources() -> list[Source]:
    return _sources


def kinds() -> list[tuple[str, str]]:
    """Every kind of step with its label, for filters."""
    return list(dict([*SpanKind.choices, *(kind for source in _sources for kind in source.kinds())]).items())


def rows_of(actor: Actor, run: Run, *, after: Place | None = None, most: int) -> list[Row]:
    """The next rows of the run, by when they began; ties by id."""
    told = [source.rows(actor, run, after, most) for source in _sources]
    rows = list(islice(merge(enforced(actor, run, after, most), *told), most))
    calls = {row.call for row in rows if row.call is not None}
    parents = {call: row for source in _sources for call, row in source.parents(run, calls).items()}
    if not parents:
        return rows
    return [row._replace(parent=parents[row.call]) if row.call in parents else row for row in rows]


def opened_step(actor: Actor, run: Run, step_id: UUID) -> Opened | None:
    """A step that a floor above knows; None where it is one of the mesh's own, or none."""
    return next((found for source in _sources if (found := source.opened(actor, run, step_id))), None)


def reported_rows(actor: Actor, run: Run, *, most: int) -> list[Row]:
    """The first so many rows that are not the mesh's own."""
    return list(islice(merge(*(source.rows(actor, run, None, most) for source in _sources)), most))


def reported_usage(run: Run) -> ReportedUsage | None:
    """What the models of a run used, as its agents say."""
    return next((used for source in _sources if (used := source.usage(run))), None)


def every_row(actor: Actor, run: Run, *, at_once: int) -> Iterator[Row]:
    """All of them, read in pages."""
    after = None
    while rows := rows_of(actor, run, after=after, most=at_once):
        yield from rows
        after = Place(rows[-1].started_at, rows[-1].id)


def beginning_of(actor: Actor, run: Run, rows: list[Row], *, after: Place | None) -> dt.datetime:
    """Where the time axis of the run begins: with its first step, where that is earlier than the run itself. `rows` are
    those at hand, from `after` on.
    """
    first = rows[:1] if after is None else rows_of(actor, run, most=1)
    return max([run.started_at - LONGEST_LEAD, *(min(row.started_at, run.started_at) for row in first)])


def enforced(actor: Actor, run: Run, after: Place | None, most: int) -> Iterator[Row]:
    """What the mesh itself did and saw."""
    spans = Span.objects.filter(run=run)
    if after is not None:
        at, row_id = after
        # the first half lets the index find the place
        spans = spans.filter(Q(started_at__gte=at), Q(started_at__gt=at) | Q(started_at=at, id__gt=row_id))
    found = spans.order_by("started_at", "id").values_list(*COLUMNS)[:most]
    return (_row(*values) for values in found.iterator(chunk_size=2000))


def row_of(span: Span) -> Row:
    return _row(*(getattr(span, name) for name in COLUMNS))


def _row(
    row_id: UUID,
    call: UUID | None,
    kind: str,
    origin: str,
    status: str,
    name: str,
    actor: str,
    note: str,
    minor: int | None,
    currency: str,
    started_at: dt.datetime,
    ended_at: dt.datetime | None,
    attributes: dict[str, Any],
) -> Row:
    text, small = _words(kind, name, note, actor, attributes)
    policies = attributes.get("policies")
    policy = f"{policies[0]['id']}@{policies[0]['version']}" if policies else ""
    return Row(
        started_at, row_id, kind, origin, status, text, small, actor, ended_at, None, call, minor, currency, policy,
        _url(attributes, kind, call),
    )  # fmt: skip


def _url(attributes: dict[str, Any], kind: str, call: UUID | None) -> str:
    """Where the step leads: the approval it waits for, the run on the other side, or how policy decided."""
    if approval := attributes.get("approval_id"):
        return reverse("approval", args=[approval])
    if other := attributes.get("other_run_id"):
        return reverse("run", args=[other])
    if kind == SpanKind.DECISION and call:
        return reverse("call-decisions", args=[call])
    return ""


def _words(kind: str, name: str, note: str, actor: str, attributes: dict[str, Any]) -> tuple[str, str]:
    """(what a colleague would say, the fine print)."""
    if kind == SpanKind.TOOL:
        attempt = attributes.get("attempt", 1)
        return name, note or (_("attempt %(n)s") % {"n": attempt} if attempt > 1 else "")
    if kind == SpanKind.DECISION:
        outcomes = {"allow": _("allowed"), "deny": _("denied"), "require_approval": _("needs approval")}
        answer = outcomes.get(attributes.get("outcome", ""), "")
        return _("Decision: %(answer)s · %(name)s") % {"answer": answer, "name": name}, note
    if kind == SpanKind.VOTE:
        votes = {"approve": _("Approved"), "reject": _("Rejected"), "request_changes": _("Changes asked for")}
        verdict = votes[attributes.get("verdict", "approve")]
        return _("%(verdict)s by %(name)s") % {"verdict": verdict, "name": actor}, ""
    if kind == SpanKind.HALT:
        return _("Turned away · %(name)s") % {"name": name}, note
    if kind == SpanKind.LOOKUP:
        return _("Looked up what became of it · %(name)s") % {"name": name}, note
    return name, note
