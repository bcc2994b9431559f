"""What the gateway does on news. Each handler is idempotent and short; the work is a task."""

from typing import Any
from uuid import UUID

from apps.approvals.events import ApprovalResolved, ApprovalVoted
from apps.approvals.models import Vote
from apps.core.outbox import DomainEvent, Handler
from apps.gateway import tasks
from apps.gateway.consent import SUBJECT_TYPE
from apps.gateway.models import ToolCall
from apps.halts.events import HaltPlaced
from apps.runs import services as runs
from apps.runs.models import SpanKind, SpanStatus


def release_resolved_call(event: dict[str, Any]) -> None:
    if event["subject_type"] == SUBJECT_TYPE:
        tasks.release_tool_call.delay(event["subject_id"])


def add_vote_to_timeline(event: dict[str, Any]) -> None:
    """The vote's id is the span's id, so that hearing of it twice writes one span."""
    if event["subject_type"] != SUBJECT_TYPE:
        return
    vote = Vote.objects.select_related("voter", "stage__team").get(id=UUID(event["vote_id"]))
    call = ToolCall.objects.only("id", "run_id").get(id=UUID(event["subject_id"]))
    runs.add_span(
        span_id=vote.id,
        run_id=call.run_id,
        tool_call_id=call.id,
        kind=SpanKind.VOTE,
        name=vote.get_verdict_display(),
        status=SpanStatus.OK if vote.verdict == "approve" else SpanStatus.REFUSED,
        started_at=vote.cast_at,
        ended_at=vote.cast_at,
        actor_name=str(vote.voter),
        note=vote.stage.team.name,
        attributes={"verdict": vote.verdict, "reason_code": vote.reason_code, "digest": vote.digest},
    )


def end_stopped_calls(event: dict[str, Any]) -> None:
    tasks.end_calls_under.delay(event["halt_id"])


HANDLERS: dict[type[DomainEvent], list[Handler]] = {
    ApprovalResolved: [release_resolved_call],
    ApprovalVoted: [add_vote_to_timeline],
    HaltPlaced: [end_stopped_calls],
}
