"""What the gateway does on news. Each handler is idempotent and short; the work is a task."""

from typing import Any
from uuid import UUID, uuid5

from apps.accounts.models import Team
from apps.approvals.events import (
    ApprovalDelegated,
    ApprovalEscalated,
    ApprovalResolved,
    ApprovalVoted,
    VoteWithdrawn,
)
from apps.approvals.models import ApprovalState, Delegation, Escalation, Verdict, Vote, VoteWithdrawal
from apps.budgets.events import BudgetThresholdReached
from apps.core.outbox import DomainEvent, Handler
from apps.gateway import tasks
from apps.gateway.consent import SUBJECT_TYPE
from apps.gateway.events import CompensationEnded, ToolCallQuestioned, UnwindStarted
from apps.gateway.exhausted import USED_UP
from apps.gateway.models import ToolCall
from apps.gateway.shown import name_of_voter
from apps.halts import tasks as halts
from apps.halts.events import HaltLifted, HaltPlaced
from apps.runs import services as runs
from apps.runs.events import RunTimedOut
from apps.runs.models import SpanKind, SpanStatus

WORDS = {Verdict.APPROVE: "Approve", Verdict.REJECT: "Reject", Verdict.REQUEST_CHANGES: "Ask for changes"}


def release_resolved_call(event: dict[str, Any]) -> None:
    """An approval that was replaced is no end: the call waits under its successor."""
    if event["subject_type"] == SUBJECT_TYPE and event["state"] != ApprovalState.SUPERSEDED:
        tasks.release_tool_call.delay(event["subject_id"])


def add_vote_to_timeline(event: dict[str, Any]) -> None:
    """The vote's id is the span's id, so that hearing of it twice writes one span."""
    call = _call_of(event)
    if call is None:
        return
    vote = Vote.objects.select_related("voter", "on_behalf_of", "stage__team").get(id=UUID(event["vote_id"]))
    runs.add_span(
        span_id=vote.id,
        run_id=call.run_id,
        tool_call_id=call.id,
        kind=SpanKind.VOTE,
        name=WORDS[Verdict(vote.verdict)],
        status=SpanStatus.OK if vote.verdict == Verdict.APPROVE else SpanStatus.REFUSED,
        started_at=vote.cast_at,
        ended_at=vote.cast_at,
        actor_name=name_of_voter(vote),
        note=vote.stage.team.name,
        attributes={
            "verdict": vote.verdict,
            "reason_code": vote.reason_code,
            "digest": vote.digest,
            "approval_id": event["approval_id"],
        },
    )
    if vote.verdict == Verdict.REQUEST_CHANGES and call.approval_id == vote.approval_id:
        # from here on the agent is waited for, not people
        runs.end_span(tool_call_id=call.id, kind=SpanKind.HUMAN_WAIT, status=SpanStatus.OK, ended_at=vote.cast_at)


def add_withdrawal_to_timeline(event: dict[str, Any]) -> None:
    call = _call_of(event)
    if call is None:
        return
    withdrawal = VoteWithdrawal.objects.select_related("vote__voter", "vote__on_behalf_of").get(vote=event["vote_id"])
    name = name_of_voter(withdrawal.vote)
    _add_moment(call, withdrawal.id, f"{name} took the vote back", withdrawal.withdrawn_at, name, event)


def add_delegation_to_timeline(event: dict[str, Any]) -> None:
    call = _call_of(event)
    if call is None:
        return
    delegation = Delegation.objects.select_related("giver", "receiver").get(id=UUID(event["delegation_id"]))
    giver, receiver = str(delegation.giver), str(delegation.receiver)
    _add_moment(call, delegation.id, f"{giver} handed it to {receiver}", delegation.made_at, giver, event)


def add_escalation_to_timeline(event: dict[str, Any]) -> None:
    """An escalation has no id that is unique across tables; one team is brought in once per approval."""
    call = _call_of(event)
    if call is None:
        return
    team = Team.objects.get(slug=event["team"])
    escalation = Escalation.objects.get(approval=event["approval_id"], team=team)
    span_id = uuid5(UUID(event["approval_id"]), f"escalated:{team.slug}")
    by = escalation.escalated_by_name
    _add_moment(call, span_id, f"Brought before {team.name} by {by}", escalation.escalated_at, by, event)


def _call_of(event: dict[str, Any]) -> ToolCall | None:
    """The call the news is about; None where it is about something else."""
    if event["subject_type"] != SUBJECT_TYPE:
        return None
    return ToolCall.objects.only("id", "run_id", "approval_id").get(id=UUID(event["subject_id"]))


def _add_moment(call: ToolCall, span_id: UUID, name: str, at: Any, actor_name: str, event: dict[str, Any]) -> None:
    """Something people did while the call waited for them, on its timeline."""
    runs.add_span(
        span_id=span_id,
        run_id=call.run_id,
        tool_call_id=call.id,
        kind=SpanKind.HUMAN_WAIT,
        name=name,
        status=SpanStatus.OK,
        started_at=at,
        ended_at=at,
        actor_name=actor_name,
        attributes={"approval_id": event["approval_id"]},
    )


def put_question(event: dict[str, Any]) -> None:
    tasks.ask_again.delay(event["tool_call_id"])


def go_on_unwinding(event: dict[str, Any]) -> None:
    tasks.advance_unwinds.delay(event["compensates_id"])


def begin_unwinding(event: dict[str, Any]) -> None:
    tasks.advance_unwind.delay(event["unwind_id"])


def end_stopped_calls(event: dict[str, Any]) -> None:
    tasks.end_calls_under.delay(event["halt_id"])


def keep_clocks(event: dict[str, Any]) -> None:
    tasks.keep_clocks.delay()


def end_calls_of_run(event: dict[str, Any]) -> None:
    tasks.end_calls_of_run.delay(event["run_id"])


def watch_rules(event: dict[str, Any]) -> None:
    """A rule that watches this budget looks at once; if the news is lost, within ten seconds."""
    if event["percent"] >= USED_UP:
        halts.watch_rules.delay()


HANDLERS: dict[type[DomainEvent], list[Handler]] = {
    ApprovalResolved: [release_resolved_call],
    ApprovalVoted: [add_vote_to_timeline],
    VoteWithdrawn: [add_withdrawal_to_timeline],
    ApprovalDelegated: [add_delegation_to_timeline],
    ApprovalEscalated: [add_escalation_to_timeline],
    ToolCallQuestioned: [put_question],
    CompensationEnded: [go_on_unwinding],
    UnwindStarted: [begin_unwinding],
    HaltPlaced: [end_stopped_calls, keep_clocks],
    HaltLifted: [keep_clocks],
    BudgetThresholdReached: [watch_rules],
    RunTimedOut: [end_calls_of_run],
}
