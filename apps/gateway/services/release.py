"""Release: after people have answered, everything that can have changed is checked again, and decided again, before
anything runs.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from apps.approvals.models import Approval, ApprovalState
from apps.breakers.services import Admission
from apps.core import clock, locks
from apps.core.actor import Actor, system_actor
from apps.core.errors import NotFound
from apps.core.generations import Moment, read_moment
from apps.core.money import Money
from apps.gateway import spending
from apps.gateway.arguments import arguments_digest
from apps.gateway.deciding import Granted, call_digest, granted_tool, record_decision, verdict_on
from apps.gateway.models import CallState, Decision, DecisionMoment, ToolCall
from apps.gateway.observed import of_call
from apps.gateway.queries import DecidedAs, decided_as
from apps.gateway.reach import halts_on_release
from apps.gateway.services.execution import Execution, deadline_after, run_execution
from apps.gateway.services.sending import admit, must_wait, next_in_line, waited_too_long
from apps.gateway.stored import stored_request
from apps.gateway.telling import money_of, tell_decision, tell_end
from apps.halts.models import Halt, Mode
from apps.policies.evaluation import LoadedRelease
from apps.policies.exceptions import used_in
from apps.policies.queries import kept_releases
from apps.policies.verdicts import ReleaseRef, Verdict
from apps.runs import services as runs
from apps.runs.deadlines import RUN_TIME_OVER, is_over
from apps.runs.models import SpanKind, SpanStatus
from apps.vault import services as vault

log = structlog.get_logger(__name__)

RELEASE = system_actor("release")
# An approval given in the last minute still counts for as long as a release may take.
LEAST_VALIDITY = dt.timedelta(minutes=15)
PARKED = (CallState.AWAITING_APPROVAL, CallState.QUEUED)
# What a call may be released or ended by. An approval that was replaced by that of a later version never is.
RESOLVED = (ApprovalState.APPROVED, ApprovalState.REJECTED, ApprovalState.EXPIRED, ApprovalState.CANCELLED)
END_FOR = {
    ApprovalState.REJECTED: CallState.REJECTED,
    ApprovalState.EXPIRED: CallState.EXPIRED,
    ApprovalState.CANCELLED: CallState.CANCELLED,
}
SENTENCE_FOR = {
    CallState.REJECTED: "A person rejected this call.",
    CallState.EXPIRED: "Nobody decided in time. Nothing was done.",
    CallState.CANCELLED: "The call was cancelled.",
    CallState.HALTED: "A stop ended this call before it ran.",
}


@dataclass(frozen=True, slots=True)
class Changed:
    """Why a released call is not the call that was approved."""

    code: str
    sentence: str
    before: Any = None
    after: Any = None


@of_call("tool_call.release")
def release_tool_call(call_id: UUID) -> UUID | None:
    """Carry out a call whose approval is resolved or whose system is back, or end it. Safe to call any number of times
    and from several workers at once. Returns the call that waits behind it, if it has made way for one.
    """
    with transaction.atomic():
        execution = _claim(call_id)
    if execution is None:
        return None
    run_execution(execution)
    return next_in_line(execution.call) if execution.call.queued_at else None


def _claim(call_id: UUID) -> Execution | None:
    """Under the shared halts lock and the call's row lock: the one place where a parked call becomes executing."""
    locks.take_shared(locks.HALTS)
    call = _parked_call(call_id)
    if call is None or not _may_go(call):
        return None
    if call.approval is not None and call.approval.state != ApprovalState.APPROVED:
        end_parked(call, END_FOR[ApprovalState(call.approval.state)], actor=RELEASE)
        return None
    if waited_too_long(call):
        end_parked(call, CallState.EXPIRED, actor=RELEASE, sentence="Its system did not answer for too long.")
        return None
    if is_over(call.run):
        end_for_time(call, actor=RELEASE)
        return None
    moment = read_moment()
    halts = halts_on_release(call, moment=moment)
    if halts:
        _hold_or_end(call, halts[0])
        return None
    return _decide_again(call, call.approval, moment)


def _may_go(call: ToolCall) -> bool:
    """Its people have answered; or it needed none, and waited for its system."""
    if call.approval is None:
        return call.queued_at is not None
    return call.approval.state in RESOLVED


def _parked_call(call_id: UUID) -> ToolCall | None:
    return (
        ToolCall.objects.select_for_update(of=("self",))
        .select_related(
            "tool__connector", "agent__process", "agent__owner_team", "process", "run", "approval", "request", "result"
        )
        .filter(id=call_id, state__in=PARKED)
        .first()
    )


def _hold_or_end(call: ToolCall, strictest: Halt) -> None:
    """Under a stop the call ends; under a hold it waits, approved, until the halt is lifted."""
    if strictest.effective_mode(clock.now()) == Mode.STOP:
        end_parked(call, CallState.HALTED, actor=RELEASE, halt_id=strictest.id)
    elif call.state != CallState.QUEUED:
        ToolCall.objects.filter(id=call.id).update(state=CallState.QUEUED)
        runs.end_span(tool_call_id=call.id, kind=SpanKind.HUMAN_WAIT, status=SpanStatus.OK, ended_at=clock.now())


def _decide_again(call: ToolCall, approval: Approval | None, moment: Moment) -> Execution | None:
    """The same outcome with the same obligations, on the same arguments: proceed. Anything else: invalidated, with its
    diff.
    """
    if approval is not None and _is_too_old(approval):
        _invalidate(call, Changed("approval_too_old", "The approval is older than policy lets it count."))
        return None
    try:
        granted = granted_tool(call.agent, call.tool.name, moment=moment)
        request = stored_request(call)
    except NotFound as error:
        is_erased = error.code == "call.erased"
        gone = Changed("grant_gone", "The agent no longer holds the grant for this tool.")
        _invalidate(call, Changed("erased", "The content of this call was erased.") if is_erased else gone)
        return None
    # one that has not waited yet does not try: others may wait before it
    admission = admit(granted, may_probe=call.queued_at is not None, moment=moment)
    # one that waits already was let go in its turn
    if admission == Admission.WAIT or (call.queued_at is None and must_wait(granted, admission)):
        _wait_for_system(call)
        return None
    decided = decided_as(call)
    money = money_of(call)
    verdict = verdict_on(
        agent=call.agent,
        tool=granted.tool,
        request=request,
        money=money,
        run=call.run,
        moment=moment,
        approved_by=_teams_of(approval),
        releases=_releases_for(call, decided, moment),
        # what was agreed to since then is for new calls: people were asked about this one as it was
        exceptions=used_in(decided.decision.policies),
    )
    decision = _record_release(call, verdict)
    changed = _change_of_digest(call, approval, granted, request.arguments, money, decided) or _change_of_verdict(
        decided.decision, decision
    )
    if changed is not None:
        _invalidate(call, changed)
        return None
    refusal = spending.refusal_to_release(call)
    if refusal is not None:
        _invalidate(call, Changed(refusal.code, refusal.sentence, after=refusal.facts))
        return None
    return _start(call, granted, request.arguments, is_probe=admission == Admission.PROBE)


def _is_too_old(approval: Approval) -> bool:
    return clock.now() > max(approval.expires_at, (approval.resolved_at or approval.expires_at) + LEAST_VALIDITY)


def _teams_of(approval: Approval | None) -> tuple[str, ...]:
    return tuple(stage.team.slug for stage in approval.stages.select_related("team")) if approval else ()


def _releases_for(call: ToolCall, decided: DecidedAs, moment: Moment) -> tuple[LoadedRelease, ...]:
    """Those of this moment, save for a set whose release lets what waited keep what it was approved under."""
    before = (ReleaseRef(**ref) for ref in decided.decision.releases)
    return kept_releases(before, process_id=call.agent.process_id, environment=call.agent.environment, moment=moment)


def _wait_for_system(call: ToolCall) -> None:
    """Its system does not answer. It stays, or becomes, queued; its time to wait counts from the first time."""
    if call.queued_at is None:
        ToolCall.objects.filter(id=call.id).update(state=CallState.QUEUED, queued_at=clock.now())
        runs.end_span(tool_call_id=call.id, kind=SpanKind.HUMAN_WAIT, status=SpanStatus.OK, ended_at=clock.now())


def _record_release(call: ToolCall, verdict: Verdict) -> Decision:
    [stored_input] = vault.store(vault.Document(kind="decision.input", body=verdict.input))
    return record_decision(call, verdict, moment=DecisionMoment.RELEASE, stored_input=stored_input)


def _change_of_digest(
    call: ToolCall,
    approval: Approval | None,
    granted: Granted,
    arguments: dict[str, Any],
    money: Money | None,
    decided: DecidedAs,
) -> Changed | None:
    """I4: what runs is what every vote named. The digest is computed anew from what is stored, not read back; from the
    second version on it names the version, so no vote on an earlier one fits.
    """
    if granted.tool.version != call.tool_version:
        return Changed(
            "tool_changed", "The tool's definition changed after the approval.", call.tool_version, granted.tool.version
        )
    digest = call_digest(
        agent=call.agent,
        tool=granted.tool,
        tool_version=call.tool_version,
        arguments=arguments,
        money=money,
        decision={"policies": decided.decision.policies, "obligations": decided.obligations},
        version=call.version,
    )
    named = {digest, call.digest}
    if approval is not None:
        named |= {approval.digest, *approval.votes.values_list("digest", flat=True)}
    if len(named) > 1 or arguments_digest(arguments) != call.arguments_digest:
        return Changed("digest_differs", "The stored call is not the call that was decided.", call.digest, digest)
    return None


def _change_of_verdict(first: Decision, now: Decision) -> Changed | None:
    if (first.outcome, first.obligations) == (now.outcome, now.obligations):
        return None
    return Changed(
        "decision_changed",
        "Policy now decides this call differently than when it was approved.",
        {"outcome": first.outcome, "policies": first.policies, "obligations": first.obligations},
        {"outcome": now.outcome, "policies": now.policies, "obligations": now.obligations},
    )


def _start(call: ToolCall, granted: Granted, arguments: dict[str, Any], *, is_probe: bool) -> Execution:
    """Write-ahead: the call is executing, with a deadline, before anything is sent."""
    now = clock.now()
    call.state = CallState.EXECUTING
    call.executing_at = now
    call.deadline_at = deadline_after(granted, now)
    # never a number that an earlier attempt had: that one must not pass for this
    call.attempt_count += 1
    call.may_have_effect = True
    call.save(update_fields=["state", "executing_at", "deadline_at", "attempt_count", "may_have_effect"])
    runs.end_span(tool_call_id=call.id, kind=SpanKind.HUMAN_WAIT, status=SpanStatus.OK, ended_at=now)
    tell_decision(call, call.decisions.latest("id"), actor=RELEASE, code="tool_call.released")
    return Execution(call, granted, arguments, RELEASE, is_parked=True, is_probe=is_probe)


def _invalidate(call: ToolCall, changed: Changed) -> None:
    call.error_code = changed.code
    call.error_sentence = changed.sentence
    end_parked(
        call,
        CallState.INVALIDATED,
        actor=RELEASE,
        data={"code": changed.code, "before": changed.before, "after": changed.after},
    )


def end_for_time(call: ToolCall, *, actor: Actor) -> None:
    """The time of its run was over before it was sent. The caller holds its row lock."""
    call.error_code = RUN_TIME_OVER
    end_parked(call, CallState.EXPIRED, actor=actor, sentence="The time of its run is over. Nothing was done.")


def end_parked(
    call: ToolCall,
    state: CallState,
    *,
    actor: Actor,
    data: dict[str, Any] | None = None,
    halt_id: UUID | None = None,
    sentence: str = "",
) -> None:
    """End a call that never ran. The caller holds its row lock."""
    call.state = state
    call.finished_at = clock.now()
    call.error_code = call.error_code or state
    call.error_sentence = call.error_sentence or sentence or SENTENCE_FOR.get(state, "")
    call.halt_id = halt_id or call.halt_id
    call.save(update_fields=["state", "finished_at", "error_code", "error_sentence", "halt_id"])
    status = SpanStatus.ERROR if state == CallState.INVALIDATED else SpanStatus.REFUSED
    runs.end_span(
        tool_call_id=call.id,
        kind=SpanKind.HUMAN_WAIT,
        status=status,
        ended_at=call.finished_at,
        note=call.error_sentence,
    )
    tell_end(call, actor=actor, data=data)
    spending.close(call)
