"""What the card of a tool call shows beside what is voted on: how the last ones like it ended, and what waits on it.
Read at the moment, in at most three queries.
"""

from collections import Counter
from statistics import median
from typing import Any

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse

from apps.approvals.models import Approval, ApprovalState
from apps.core.actor import Actor
from apps.core.money import Money
from apps.gateway.models import CallState, ToolCall
from apps.gateway.seen import may_be_revealed
from apps.registry.permissions import REVEAL
from apps.registry.queries import holds
from apps.runs.models import Span, SpanKind

MOST = 5
# In the order in which a sentence tells them.
OUTCOMES = {
    ApprovalState.APPROVED: "approved",
    ApprovalState.REJECTED: "rejected",
    ApprovalState.EXPIRED: "expired",
    ApprovalState.CANCELLED: "taken back",
}


def context_of(actor: Actor, approval: Approval) -> dict[str, Any]:
    """{"precedents": {"sentence", "rows": [{"state", "minor", "currency", "at", "url"}]} or None, "waits": sentence or
    "", "reveal_url", "span_url"}. The actor sees the approval, and with it all of its process.
    """
    in_run = ToolCall.objects.filter(run=OuterRef("run"), state=CallState.AWAITING_APPROVAL).order_by()
    waiting = in_run.values("run").annotate(count=Count("id")).values("count")
    steps = Span.objects.filter(run=OuterRef("run"), tool_call_id=OuterRef("id"), kind=SpanKind.HUMAN_WAIT)
    call = (
        ToolCall.objects.filter(id=approval.subject_id)
        .select_related("run", "tool", "agent", "process")
        .annotate(
            waiting_count=Coalesce(Subquery(waiting), 0), step_id=Subquery(steps.order_by("-id").values("id")[:1])
        )
        .first()
    )
    if call is None:
        return {}
    return {
        "precedents": _precedents(call),
        "waits": _waits(call, call.waiting_count),
        "reveal_url": reveal_url(actor, call),
        "span_url": f"{reverse('run', args=[call.run_id])}?view=timeline#step-{call.step_id}",
    }


def reveal_url(actor: Actor, call: ToolCall) -> str:
    """Where this person can see what is masked for them; "" where there is nothing or they may not."""
    if not may_be_revealed(actor, call) or not holds(actor, REVEAL, call.process):
        return ""
    return reverse("call-reveal", args=[call.id])


def _waits(call: ToolCall, waiting_count: int) -> str:
    """A run that a single call opened has nothing else to do."""
    if call.run.is_implicit or not call.run.is_open:
        return ""
    others = waiting_count - (call.state == CallState.AWAITING_APPROVAL)
    if others <= 0:
        return f"The run “{call.run.title}” waits for this."
    more = "1 more call waits" if others == 1 else f"{others} more calls wait"
    return f"The run “{call.run.title}” waits for this; {more} in it."


def _precedents(call: ToolCall) -> dict[str, Any] | None:
    """The last ones about the same business record; where there are none, the agent's last ones of this kind."""
    ended = ToolCall.objects.filter(
        process=call.process_id, tool=call.tool_id, approval__isnull=False, finished_at__isnull=False
    )
    found = _last(ended.filter(entity_type=call.entity_type, entity_id=call.entity_id)) if call.entity_id else []
    if found:
        return _told(f"for {call.entity_type.replace('_', ' ')} {call.entity_id}", found)
    found = _last(ended.filter(agent=call.agent_id))
    return _told(f"of this kind by {call.agent.name}", found) if found else None


def _last(calls: "QuerySet[ToolCall]") -> list[ToolCall]:
    return list(calls.select_related("approval").order_by("-id")[:MOST])


def _told(what: str, calls: list[ToolCall]) -> dict[str, Any]:
    counts = Counter(call.approval.state for call in calls if call.approval)
    told = [f"{counts[state]} {word}" for state, word in OUTCOMES.items() if counts[state]]
    last = "The last one" if len(calls) == 1 else f"Last {len(calls)}"
    return {
        "sentence": f"{last} {what}: {', '.join([*told, *_medians(calls)])}",
        "rows": [_row(call) for call in calls],
    }


def _medians(calls: list[ToolCall]) -> list[str]:
    """One for each currency: amounts of two are never put together."""
    by_currency: dict[str, list[int]] = {}
    for call in calls:
        if call.money_minor is not None:
            by_currency.setdefault(call.currency, []).append(call.money_minor)
    found = [str(Money(round(median(minors)), currency)) for currency, minors in sorted(by_currency.items())]
    return [f"median {' and '.join(found)}"] if found else []


def _row(call: ToolCall) -> dict[str, Any]:
    return {
        "state": call.approval.state if call.approval else "",
        "minor": call.money_minor,
        "currency": call.currency,
        "at": call.finished_at,
        "url": reverse("approval", args=[call.approval_id]),
    }
