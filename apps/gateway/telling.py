"""What a step in a call's life leaves beside its row: audit entry, span and news, in the step's transaction."""

import datetime as dt
from typing import Any

from apps.approvals.models import Approval
from apps.audit import services as audit
from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.money import Money
from apps.gateway.deciding import audit_data
from apps.gateway.events import CompensationEnded, ToolCallDecided, ToolCallFinished, ToolCallLeftUnknown
from apps.gateway.models import CallState, Decision, Outcome, ToolCall
from apps.gateway.observed import count_end
from apps.runs import services as runs
from apps.runs.models import RunState, SpanKind, SpanStatus

RUN_STATE_FOR = {
    CallState.SUCCEEDED: RunState.SUCCEEDED,
    CallState.CANCELLED: RunState.CANCELLED,
    CallState.HALTED: RunState.HALTED,
}


def record_call(
    actor: Actor, code: str, call: ToolCall, *, outcome: str, reason: str = "", data: dict[str, Any] | None = None
) -> None:
    """One line of the audit log about the call."""
    audit.record(
        actor,
        code,
        subject_type="tool_call",
        subject_id=call.id,
        subject_name=call.tool.name,
        process=call.process.slug,
        environment=call.environment,
        run_id=call.run_id,
        outcome=outcome,
        reason=reason,
        data={"tool": call.tool.name, **(data or {})},
    )


def add_call_span(
    call: ToolCall,
    kind: SpanKind,
    status: SpanStatus,
    *,
    started_at: dt.datetime,
    is_over: bool = True,
    name: str = "",
    note: str = "",
    with_money: bool = True,
    actor_name: str = "",
    attributes: dict[str, Any] | None = None,
) -> None:
    """One step of the call on its run's timeline, named after the tool and taken by the agent unless said otherwise."""
    runs.add_span(
        run_id=call.run_id,
        tool_call_id=call.id,
        kind=kind,
        name=name or call.tool.name,
        status=status,
        started_at=started_at,
        ended_at=clock.now() if is_over else None,
        actor_name=actor_name or call.agent.name,
        note=note,
        money=money_of(call) if with_money else None,
        attributes=attributes,
    )


def money_of(call: ToolCall) -> Money | None:
    """The money the call moves."""
    return Money(call.money_minor, call.currency) if call.money_minor is not None else None


def start_human_wait(call: ToolCall, approval: Approval) -> None:
    """From now on people are waited for; the release ends it."""
    teams = (stage.team.name for stage in approval.stages.select_related("team"))
    add_call_span(
        call,
        SpanKind.HUMAN_WAIT,
        SpanStatus.OPEN,
        name="Waiting for " + ", then ".join(teams),
        started_at=approval.requested_at,
        is_over=False,
        attributes={"approval_id": str(approval.id)},
    )


def tell_decision(
    call: ToolCall, decision: Decision, *, actor: Actor, code: str, data: dict[str, Any] | None = None
) -> None:
    """A decision: at intake, when it was changed, at release."""
    record_call(actor, code, call, outcome=decision.outcome, data=audit_data(call, decision) | (data or {}))
    outbox.add(
        ToolCallDecided(tool_call_id=str(call.id), run_id=str(call.run_id), outcome=decision.outcome, state=call.state)
    )


def add_decision_span(call: ToolCall, decision: Decision, *, started_at: dt.datetime) -> None:
    is_denial = decision.outcome == Outcome.DENY
    add_call_span(
        call,
        SpanKind.DECISION,
        SpanStatus.REFUSED if is_denial else SpanStatus.OK,
        started_at=started_at,
        note=call.error_sentence if is_denial else "",
        attributes={"outcome": decision.outcome, "policies": decision.policies},
    )


def tell_end(call: ToolCall, *, actor: Actor, data: dict[str, Any] | None = None) -> None:
    """A call's end, whatever it is: audit entry, news, and the end of a run that was opened for this call alone."""
    data = {"result_digest": call.result.digest if call.result else None, **(data or {})}
    record_call(actor, f"tool_call.{call.state}", call, outcome=call.state, reason=call.error_sentence, data=data)
    tell_end_of_run(call)


def tell_end_of_run(call: ToolCall) -> None:
    """News of the end, and the end of a run that was opened for this call alone."""
    count_end(call)
    outbox.add(ToolCallFinished(tool_call_id=str(call.id), run_id=str(call.run_id), state=call.state))
    if call.state == CallState.OUTCOME_UNKNOWN:
        outbox.add(ToolCallLeftUnknown(tool_call_id=str(call.id), run_id=str(call.run_id)))
    if call.compensates_id is not None:
        outbox.add(CompensationEnded(tool_call_id=str(call.id), compensates_id=str(call.compensates_id)))
    runs.end_implicit_run(call.run_id, state=RUN_STATE_FOR.get(CallState(call.state), RunState.FAILED))
