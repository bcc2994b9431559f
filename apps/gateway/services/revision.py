"""The agent's answer when a person asked for changes: a new version of the same call, under the same key."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction

from apps.approvals import services as approvals
from apps.approvals.ballots import is_over
from apps.approvals.models import Approval, ApprovalState
from apps.core import clock, locks
from apps.core.actor import Actor
from apps.core.errors import Conflict
from apps.gateway import arguments as args
from apps.gateway.deciding import explain_denial
from apps.gateway.models import CallState, Decision, Outcome, ToolCall
from apps.gateway.queries import call_for, decided_as
from apps.gateway.services.changing import (
    Answer,
    Change,
    lock_call,
    prepare_change,
    write_change,
    write_denied_change,
)
from apps.gateway.services.release import end_parked


@dataclass(frozen=True, slots=True)
class Revision:
    """The call as the answer left it. `replayed`: this answer was given before."""

    call: ToolCall
    decision: Decision
    replayed: bool = False


def revise_tool_call(
    *,
    actor: Actor,
    call_id: UUID,
    arguments: dict[str, Any],
    rationale: str | None = None,
    evidence: tuple[dict[str, str], ...] | None = None,
    confidence: float | None = None,
) -> Revision:
    """Answer a request for changes with other arguments, or with better reasons for the same ones. What is not given
    stays as it was.

    People are asked again, also where policy would now allow it: a person asked, and gets the answer. Where policy
    denies it the call ends as denied. The same answer again is the same version. Raises Conflict when nobody asked for
    changes, or when the time to answer is over.
    """
    call_for(actor, call_id)
    with transaction.atomic():
        locks.take_shared(locks.HALTS)
        call = lock_call(call_id)
        approval = _asked_to_change(call)
        if call is None or approval is None:
            return _given_before(actor, call_id, arguments)
        if is_over(approval, clock.now()):
            raise Conflict("approval.expired", "The time to answer has run out. Nothing was done; you may ask again.")
        given = {"rationale": rationale, "evidence": evidence, "confidence": confidence}
        statement = {name: value for name, value in given.items() if value is not None}
        change = prepare_change(actor=actor, call=call, approval=approval, answer=Answer(arguments, statement))
        if Outcome(change.verdict.outcome) is Outcome.DENY:
            version = write_denied_change(change)
            _end_denied(change)
        else:
            version = write_change(change)
    return Revision(call_for(actor, call_id), version.decision)


def _asked_to_change(call: ToolCall | None) -> Approval | None:
    """The call's approval, locked, while it is the agent's turn."""
    if call is None or call.approval_id is None:
        return None
    waiting = Approval.objects.filter(id=call.approval_id, state=ApprovalState.CHANGES_REQUESTED)
    return waiting.select_for_update(of=("self",)).select_related("process").first()


def _given_before(actor: Actor, call_id: UUID, arguments: dict[str, Any]) -> Revision:
    """The agent's own version with these arguments when that is the current one, whatever became of it.

    Raises Conflict for any other: nobody asked for it.
    """
    call = call_for(actor, call_id)
    current = call.versions.filter(number=call.version, number__gt=1, made_by=actor.key).first()
    if current is None or current.arguments_digest != args.arguments_digest(arguments):
        raise Conflict(
            "tool_call.not_asked_to_change",
            "Nobody asked for changes to this call, so it stays as it is. To ask for something else, use a new key.",
            state=call.state,
        )
    return Revision(call, decided_as(call).decision, replayed=True)


def _end_denied(change: Change) -> None:
    call, verdict = change.call, change.verdict
    approvals.cancel_approval(approval_id=change.approval.id, actor=change.actor)
    call.error_code = verdict.code or CallState.DENIED
    says = [policy.says for policy in verdict.policies]
    call.error_sentence = explain_denial(errors=verdict.errors, says=says, code=verdict.code)[:500]
    end_parked(call, CallState.DENIED, actor=change.actor)
