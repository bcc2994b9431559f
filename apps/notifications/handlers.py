"""What is news, noted down in one statement or two. Who hears of it, and by which channel, is worked out by the
sweeper: the gateway's handlers run beside these on the same event, and a fault in telling must never hold a release
back.
"""

from typing import Any
from uuid import UUID

from apps.approvals.events import (
    ApprovalChangesRequested,
    ApprovalDelegated,
    ApprovalEscalated,
    ApprovalOpened,
    ApprovalReminded,
    ApprovalResolved,
)
from apps.approvals.models import Approval, Escalation
from apps.core.outbox import DomainEvent, Handler
from apps.gateway.events import ToolCallConcluded, ToolCallLeftUnknown
from apps.notifications import handlers_operations, services
from apps.notifications.models import NewsKind

REMINDERS = {50: NewsKind.HALF, 90: NewsKind.SOON, 100: NewsKind.OVERDUE}


def note_opened(event: dict[str, Any]) -> None:
    key = f"opened:{event['approval_id']}:{event['position']}"
    _note(NewsKind.OPENED, key, event, team=event["team"])


def note_reminded(event: dict[str, Any]) -> None:
    """Time that was extended is reminded of anew: the end of the time to decide is part of the key."""
    kind = REMINDERS[event["percent"]]
    approval = Approval.objects.only("milestones").get(id=UUID(event["approval_id"]))
    ends = f"{approval.due_at.timestamp():.0f}" if approval.milestones else ""
    _note(kind, f"{kind}:{approval.id}:{ends}", event)


def note_escalated(event: dict[str, Any]) -> None:
    """A team that was only told may be let vote later, which is news again."""
    steps = Escalation.objects.filter(approval=UUID(event["approval_id"]), team__slug=event["team"])
    may_vote = steps.filter(may_vote=True).exists()
    key = f"escalated:{event['approval_id']}:{event['team']}:{'vote' if may_vote else 'look'}"
    _note(NewsKind.ESCALATED, key, event, team=event["team"])


def note_delegated(event: dict[str, Any]) -> None:
    delegation = event["delegation_id"]
    _note(NewsKind.DELEGATED, f"delegated:{delegation}", event, delegation=delegation)


def note_changes_requested(event: dict[str, Any]) -> None:
    _note(NewsKind.CHANGES, f"changes:{event['vote_id']}", event, vote=event["vote_id"])


def note_resolved(event: dict[str, Any]) -> None:
    _note(NewsKind.RESOLVED, f"resolved:{event['approval_id']}", event, state=event["state"])


def note_unknown(event: dict[str, Any]) -> None:
    call_id = event["tool_call_id"]
    services.note(kind=NewsKind.UNKNOWN, key=f"unknown:{call_id}", tool_call_id=UUID(call_id))


def close_unknown(event: dict[str, Any]) -> None:
    services.close_news_of_call(UUID(event["tool_call_id"]))


def _note(kind: NewsKind, key: str, event: dict[str, Any], **data: str) -> None:
    services.note(kind=kind, key=key, approval_id=UUID(event["approval_id"]), data=data)


HANDLERS: dict[type[DomainEvent], list[Handler]] = {
    ApprovalOpened: [note_opened],
    ApprovalReminded: [note_reminded],
    ApprovalEscalated: [note_escalated],
    ApprovalDelegated: [note_delegated],
    ApprovalChangesRequested: [note_changes_requested],
    ApprovalResolved: [note_resolved],
    ToolCallLeftUnknown: [note_unknown],
    ToolCallConcluded: [close_unknown],
    **handlers_operations.HANDLERS,
}
