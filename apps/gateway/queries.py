"""Reading tool calls."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from apps.approvals.models import Approval
from apps.core.actor import Actor
from apps.core.errors import Conflict, NotFound
from apps.gateway.consent import SUBJECT_TYPE
from apps.gateway.models import CallState, Decision, ExceptionUse, ToolCall
from apps.policies.models import PolicyException
from apps.registry.permissions import OPERATE
from apps.registry.queries import processes_visible_to, processes_where


def calls_visible_to(actor: Actor) -> QuerySet[ToolCall]:
    """An agent sees its own calls; a person those of the processes they see."""
    calls = ToolCall.objects.select_related("tool", "approval", "result", "agent", "process", "run")
    if actor.is_agent:
        return calls.filter(agent_id=actor.known_id)
    return calls.filter(process__in=processes_visible_to(actor))


def call_for(actor: Actor, call_id: UUID) -> ToolCall:
    """One call this actor may see. Raises NotFound."""
    call = calls_visible_to(actor).filter(id=call_id).first()
    if call is None:
        raise NotFound("tool_call.not_found", "There is no such tool call.")
    return call


def unknown_calls(actor: Actor) -> QuerySet[ToolCall]:
    """The calls this actor sees whose outcome nobody knows."""
    return calls_visible_to(actor).filter(state=CallState.OUTCOME_UNKNOWN)


def unknown_count(actor: Actor) -> int | None:
    """How many of them this person may settle; None where they may settle none anywhere. One query: it stands on every
    page.
    """
    of_process = ToolCall.objects.filter(process=OuterRef("pk"), state=CallState.OUTCOME_UNKNOWN).order_by()
    counted = of_process.values("process").annotate(count=Count("id")).values("count")
    counts = list(
        processes_where(actor, OPERATE).annotate(count=Coalesce(Subquery(counted), 0)).values_list("count", flat=True)
    )
    return sum(counts) if counts else None


def call_to_edit(approval: Approval) -> ToolCall:
    """The call that waits under this approval, with its tool. Raises Conflict for any other subject, and for a version
    that another has replaced.
    """
    calls = ToolCall.objects.select_related("tool").filter(id=approval.subject_id, approval=approval)
    call = calls.first() if approval.subject_type == SUBJECT_TYPE else None
    if call is None:
        raise Conflict("edit.not_editable", "This is nothing that can be changed here, or not any more.")
    return call


@dataclass(frozen=True, slots=True)
class DecidedAs:
    """The decision the current version of a call waits under, and the obligations in force for it."""

    decision: Decision
    obligations: dict[str, Any]


def decided_as(call: ToolCall) -> DecidedAs:
    """One query. A call that was never changed waits under its first decision, as that was."""
    if call.version == 1:
        first = call.decisions.earliest("id")
        return DecidedAs(first, first.obligations)
    version = call.versions.select_related("decision").get(number=call.version)
    return DecidedAs(version.decision, version.obligations)


def compensated_calls() -> "QuerySet[ToolCall, Any]":
    """The ids of what was carried out and had to be undone, for those who count it."""
    return ToolCall.objects.filter(state=CallState.COMPENSATED).values("id")


def uses_of(actor: Actor, exception: PolicyException) -> QuerySet[ExceptionUse]:
    """The decisions in which an exception took part, of calls this person may see; newest first."""
    uses = ExceptionUse.objects.filter(exception=exception, tool_call__in=calls_visible_to(actor))
    return uses.select_related("tool_call__tool", "tool_call__agent", "decision")
