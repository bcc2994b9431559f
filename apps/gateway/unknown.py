"""Calls whose outcome nobody knows, as a person needs them to find out: what was sent, when, what each attempt and
lookup said, and what to search for in the business system. A fixed number of queries for any number of calls.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from django.db.models import Count, Min, QuerySet, Sum
from django.utils.translation import gettext as _

from apps.core.actor import Actor
from apps.core.clock import rfc3339
from apps.core.errors import NotFound
from apps.core.money import Money
from apps.core.once import read_once
from apps.gateway.arguments import sentence_for
from apps.gateway.consent import makers_of
from apps.gateway.models import CallState, Finding, Resolution, ToolCall
from apps.gateway.precedents import reveal_url
from apps.gateway.queries import calls_visible_to
from apps.gateway.seen import arguments_for, hidden_from
from apps.gateway.services.execution import downstream_key
from apps.gateway.services.recovery import UNKNOWN
from apps.gateway.shown import resolution_resource
from apps.gateway.telling import money_of
from apps.gateway.wording import label_of, names_in_order, shown
from apps.registry.permissions import OPERATE
from apps.registry.queries import processes_where
from apps.runs.models import Span, SpanKind
from apps.vault import services as vault

RECENT = 20
STEPS = (SpanKind.TOOL, SpanKind.LOOKUP, SpanKind.RESOLUTION)


@dataclass(frozen=True, slots=True)
class Stakes:
    """What is at stake over all of them: how many, since when, and the money of each currency."""

    count: int
    oldest: dt.datetime | None
    sums: list[Money]


@dataclass(frozen=True, slots=True)
class UnknownCall:
    """One of them. `arguments` are what was sent, None when they were erased; `steps` are the attempts, lookups and
    findings so far, oldest first; `words` what people said, by the id of their finding.
    """

    call: ToolCall
    sentence: str
    arguments: dict[str, Any] | None
    downstream_key: str
    steps: list[Span]
    resolutions: list[Resolution]
    words: dict[UUID, str]
    may_resolve: bool
    is_maker: bool
    reveal_url: str = ""
    masked: list[str] = field(default_factory=list)

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What was sent as (label, value), in the order people read it."""
        arguments = self.arguments or {}
        names = [name for name in names_in_order(self.call.tool, arguments) if name in arguments]
        return [(label_of(name), shown(arguments[name])) for name in names]

    @property
    def story(self) -> list[tuple[Span, str]]:
        """Each step with the word for it."""
        return [(step, _word_for(step)) for step in self.steps]

    @property
    def attempt_count(self) -> int:
        return sum(step.kind == SpanKind.TOOL and not _is_giving_up(step) for step in self.steps)

    @property
    def lookup_count(self) -> int:
        return sum(step.kind == SpanKind.LOOKUP for step in self.steps)

    @property
    def is_unknown(self) -> bool:
        return self.call.state == CallState.OUTCOME_UNKNOWN

    @property
    def is_being_asked(self) -> bool:
        return self.is_unknown and self.call.deadline_at is not None

    @property
    def last_word(self) -> str:
        """What the latest attempt or lookup said."""
        said = (step.note for step in reversed(self.steps) if step.note and not _is_giving_up(step))
        return next(said, "")

    @property
    def findings(self) -> list[tuple[Resolution, str]]:
        return [(resolution, self.words.get(resolution.id, "")) for resolution in self.resolutions]


def _is_giving_up(step: Span) -> bool:
    """That nothing more can be tried stands on the timeline as a step, and is no attempt."""
    return step.note == UNKNOWN.sentence


def _word_for(step: Span) -> str:
    if step.kind == SpanKind.RESOLUTION:
        return step.actor_name
    if step.kind == SpanKind.LOOKUP:
        return _("Lookup")
    return _("Given up") if _is_giving_up(step) else _("Attempt")


def stakes_of(calls: "QuerySet[ToolCall]") -> Stakes:
    """Two queries."""
    plain = calls.order_by()
    totals = plain.aggregate(count=Count("id"), oldest=Min("requested_at"))
    sums = plain.exclude(currency="").order_by("currency").values_list("currency").annotate(total=Sum("money_minor"))
    return Stakes(totals["count"], totals["oldest"], [Money(total, currency) for currency, total in sums])


@read_once()
def told(actor: Actor, calls: Sequence[ToolCall]) -> list[UnknownCall]:
    """These calls, each with all that is known of it."""
    bodies = vault.read_many([call.request_id for call in calls])
    steps = _steps_of(calls)
    resolutions = list(Resolution.objects.filter(tool_call__in=calls).select_related("words").order_by("id"))
    allowed = set(processes_where(actor, OPERATE).values_list("id", flat=True))
    return [
        _told(
            call,
            arguments_for(actor, call, (bodies.get(call.request_id) or {}).get("arguments")),
            steps[call.id],
            [one for one in resolutions if one.tool_call_id == call.id],
            may_operate=call.process_id in allowed,
            is_maker=actor.id in makers_of(call),
        )
        for call in calls
    ]


def _told(
    call: ToolCall,
    arguments: dict[str, Any] | None,
    steps: list[Span],
    resolutions: list[Resolution],
    *,
    may_operate: bool,
    is_maker: bool,
) -> UnknownCall:
    return UnknownCall(
        call=call,
        sentence=call.tool.title if arguments is None else sentence_for(call.tool, arguments, money_of(call)),
        arguments=arguments,
        downstream_key=downstream_key(call),
        steps=steps,
        resolutions=resolutions,
        words={one.id: vault.body_of(one.words) or "" for one in resolutions},
        may_resolve=may_operate and not is_maker,
        is_maker=is_maker,
    )


def _steps_of(calls: Sequence[ToolCall]) -> dict[UUID, list[Span]]:
    """By the run, which the spans are indexed by."""
    ids = {call.id for call in calls}
    found: dict[UUID, list[Span]] = defaultdict(list)
    spans = Span.objects.filter(run__in={call.run_id for call in calls}, tool_call_id__in=ids, kind__in=STEPS)
    for span in spans.order_by("started_at", "id"):
        if span.tool_call_id is not None:
            found[span.tool_call_id].append(span)
    return found


def with_makers(calls: "QuerySet[ToolCall]") -> "QuerySet[ToolCall]":
    """What tells who asked for each call."""
    return calls.select_related("tool__connector", "approval", "agent", "process", "run", "credential", "resolution")


def unknown_for(actor: Actor, call_id: UUID) -> UnknownCall:
    """One call whose outcome is unknown or was, until a person or a lookup said. Raises NotFound for any other."""
    call = with_makers(calls_visible_to(actor)).filter(id=call_id).first()
    if call is not None:
        [found] = told(actor, [call])
        found = replace(found, reveal_url=reveal_url(actor, call), masked=sorted(hidden_from(actor, call)))
        if found.is_unknown or found.resolutions:
            return found
    raise NotFound("tool_call.not_found", "There is no such call, or its outcome was never unknown.")


def recently_resolved(actor: Actor) -> list[Resolution]:
    """The last findings that ended a call, newest first."""
    ended = Resolution.objects.filter(tool_call__in=calls_visible_to(actor).order_by().values("id"))
    ended = ended.exclude(finding=Finding.STILL_UNKNOWN).select_related("tool_call__tool", "tool_call__agent")
    return list(ended.order_by("-id")[:RECENT])


def unknown_resource(found: UnknownCall) -> dict[str, Any]:
    """The same for programs."""
    call = found.call
    return {
        "id": str(call.id),
        "state": call.state,
        "tool": call.tool.name,
        "system": call.tool.connector.name,
        "agent": call.agent.slug,
        "process": call.process.slug,
        "environment": call.environment,
        "run_id": str(call.run_id),
        "sentence": found.sentence,
        "arguments": found.arguments,
        "downstream_key": found.downstream_key,
        "money": {"minor": call.money_minor, "currency": call.currency} if call.currency else None,
        "requested_at": rfc3339(call.requested_at),
        "sent_at": rfc3339(call.executing_at),
        "error": {"code": call.error_code, "sentence": call.error_sentence} if call.error_code else None,
        "steps": [_step(step) for step in found.steps],
        "resolutions": [
            {**(resolution_resource(one) or {}), "words": found.words.get(one.id, "")} for one in found.resolutions
        ],
        "can_ask_again": bool(call.tool.lookup),
        "is_being_asked": found.is_being_asked,
        "may_resolve": found.may_resolve,
    }


def _step(step: Span) -> dict[str, Any]:
    return {
        "kind": step.kind,
        "status": step.status,
        "says": step.note,
        "started_at": rfc3339(step.started_at),
        "ended_at": rfc3339(step.ended_at),
    }
