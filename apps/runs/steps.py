"""The steps of a run as rows, whoever wrote them: what the mesh enforced, and what floors above add that agents
reported. One row type, in one order, read in pages.
"""

import datetime as dt
from collections.abc import Callable, Iterable, Iterator
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


# The rows of a run after a place, in order, at most so many.
Source = Callable[[Actor, Run, Place | None, int], Iterable[Row]]
_sources: list[Source] = []


def register_source(source: Source) -> None:
    """Called from `AppConfig.ready` by a floor above that knows steps of runs."""
    _sources.append(source)


def rows_of(actor: Actor, run: Run, *, after: Place | None = None, most: int) -> list[Row]:
    """The next rows of the run, by when they began; ties by id."""
    sources = (source(actor, run, after, most) for source in (enforced, *_sources))
    return list(islice(merge(*sources), most)) if _sources else list(enforced(actor, run, after, most))


def every_row(actor: Actor, run: Run, *, at_once: int) -> Iterator[Row]:
    """All of them, read in pages."""
    after = None
    while rows := rows_of(actor, run, after=after, most=at_once):
        yield from rows
        after = Place(rows[-1].started_at, rows[-1].id)


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
