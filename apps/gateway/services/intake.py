"""Intake: a call is asked for, decided and committed in one transaction without any network in it (I2)."""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.accounts.models import User
from apps.approvals import services as approvals
from apps.approvals.models import Approval
from apps.audit import services as audit
from apps.core import clock, locks, outbox
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid
from apps.core.money import Money
from apps.gateway import arguments as args
from apps.gateway.consent import consent_request
from apps.gateway.deciding import (
    Granted,
    audit_data,
    call_digest,
    explain_denial,
    granted_tool,
    record_decision,
    verdict_on,
)
from apps.gateway.events import ToolCallDecided, ToolCallFinished
from apps.gateway.models import CallState, Decision, DecisionMoment, Outcome, ToolCall
from apps.gateway.requests import CallRequest
from apps.gateway.services.execution import Execution, deadline_after, run_execution
from apps.halts.models import Halt, Mode
from apps.halts.queries import Reach, halts_over
from apps.policies.verdicts import Verdict
from apps.registry.models import Agent, AgentCredential
from apps.runs import services as runs
from apps.runs.models import Run, RunState, SpanKind, SpanStatus
from apps.vault import services as vault

ONE_CALL_PER_KEY = "one_call_per_key"


@dataclass(frozen=True, slots=True)
class Intake:
    """What was committed. `execution` is set when the call may go to its connector now; `halt` when one turned it
    away.
    """

    call: ToolCall
    decision: Decision | None = None
    approval: Approval | None = None
    execution: Execution | None = None
    halt: Halt | None = None
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class _Asked:
    """A request whose form is right: everything that does not depend on the moment."""

    agent: Agent
    credential: AgentCredential
    actor: Actor
    request: CallRequest
    granted: Granted
    money: Money | None
    arguments_digest: str
    on_behalf_of: UUID | None


def request_tool_call(*, agent: Agent, credential: AgentCredential, actor: Actor, request: CallRequest) -> Intake:
    """Decide the call and, when it is allowed, execute it. The same key with the same arguments is the same call again
    (I3).
    """
    asked = _check(agent, credential, actor, request)
    if (known := _known_call(asked)) is not None:
        return known
    try:
        with transaction.atomic():
            intake = _decide_and_commit(asked)
    except IntegrityError as error:
        if ONE_CALL_PER_KEY not in str(error):
            raise
        # the same key at the same instant: another request won, and its call is the answer to this one too
        known = _known_call(asked)
        if known is None:
            raise
        return known
    if intake.execution is not None:
        run_execution(intake.execution)
    return intake


def preview_tool_call(*, agent: Agent, request: CallRequest) -> Verdict:
    """The decision this call would get now, with no row written and no effect."""
    granted = granted_tool(agent, request.tool)
    args.check_arguments(granted.tool, request.arguments)
    money = args.money_in(granted.tool, request.arguments)
    return verdict_on(agent=agent, tool=granted.tool, request=request, money=money, run=None)


def _check(agent: Agent, credential: AgentCredential, actor: Actor, request: CallRequest) -> _Asked:
    granted = granted_tool(agent, request.tool)
    args.check_arguments(granted.tool, request.arguments)
    return _Asked(
        agent=agent,
        credential=credential,
        actor=actor,
        request=request,
        granted=granted,
        money=args.money_in(granted.tool, request.arguments),
        arguments_digest=args.arguments_digest(request.arguments),
        on_behalf_of=_person_behind(request.on_behalf_of),
    )


def _person_behind(username: str) -> UUID | None:
    if not username:
        return None
    person_id = User.objects.filter(username=username, is_active=True).values_list("id", flat=True).first()
    if person_id is None:
        errors = [{"pointer": "/on_behalf_of", "sentence": "Nobody here has this user name."}]
        raise Invalid("on_behalf_of_unknown", f"There is no person called {username!r}.", errors=errors)
    return person_id


def _known_call(asked: _Asked) -> Intake | None:
    """The call that already holds this key. Raises Conflict when it was made with other arguments."""
    call = (
        ToolCall.objects.filter(
            agent=asked.agent, tool=asked.granted.tool, idempotency_key=asked.request.idempotency_key, holds_key=True
        )
        .select_related("tool", "approval", "request", "result")
        .first()
    )
    if call is None:
        return None
    if call.arguments_digest != asked.arguments_digest:
        raise Conflict(
            "idempotency_conflict",
            "This idempotency key was used before with other arguments. A new intent needs a new key.",
            tool_call_id=str(call.id),
        )
    return Intake(call=call, decision=call.decisions.first(), approval=call.approval, replayed=True)


def _decide_and_commit(asked: _Asked) -> Intake:
    """Under the shared halts lock: what is decided here is committed before any halt that is being placed answers
    (I6).
    """
    locks.take_shared(locks.HALTS)
    run = _run_for(asked)
    halt = _halt_over(asked, run)
    if halt is not None:
        return _turn_away(asked, run, halt)
    started_at = clock.now()
    verdict = verdict_on(agent=asked.agent, tool=asked.granted.tool, request=asked.request, money=asked.money, run=run)
    outcome = Outcome(verdict.outcome)
    call, decision = _write(asked, run, verdict)
    _tell(asked, call, decision, started_at)
    if outcome is Outcome.DENY:
        _end_at_the_door(asked, call)
        return Intake(call=call, decision=decision)
    if outcome is Outcome.REQUIRE_APPROVAL:
        return Intake(call=call, decision=decision, approval=_ask_people(asked, call, decision, verdict))
    return Intake(
        call=call, decision=decision, execution=Execution(call, asked.granted, asked.request.arguments, asked.actor)
    )


def _run_for(asked: _Asked) -> Run:
    if asked.request.run_id is not None:
        return runs.join_run(run_id=asked.request.run_id, agent=asked.agent)
    _, entity_id = args.entity_in(asked.granted.tool, asked.request.arguments)
    title = f"{asked.granted.tool.title} · {entity_id}" if entity_id else asked.granted.tool.title
    return runs.open_run(agent=asked.agent, actor=asked.actor, title=title, business_key=entity_id, is_implicit=True)


def _halt_over(asked: _Asked, run: Run) -> Halt | None:
    """The strictest halt that covers the call. A drain lets runs that were open before it finish."""
    reach = Reach(
        environment=asked.agent.environment,
        process_id=asked.agent.process_id,
        agent_id=asked.agent.id,
        tool_id=asked.granted.tool.id,
    )
    for halt in halts_over(reach):
        if halt.mode != Mode.DRAIN or run.is_implicit or run.started_at >= halt.placed_at:
            return halt
    return None


def _write(asked: _Asked, run: Run, verdict: Verdict) -> tuple[ToolCall, Decision]:
    """The call and its decision."""
    stored_request, stored_input = vault.store(
        vault.Document(kind="call.request", body=_request_body(asked.request)),
        vault.Document(kind="decision.input", body=verdict.input),
    )
    outcome = Outcome(verdict.outcome)
    call = _new_call(asked, run, stored_request, state=STATE_FOR[outcome])
    call.digest = call_digest(
        agent=asked.agent,
        tool=asked.granted.tool,
        tool_version=call.tool_version,
        arguments=asked.request.arguments,
        money=asked.money,
        decision={
            "policies": [policy.as_json() for policy in verdict.policies],
            "obligations": verdict.obligations.as_json(),
        },
    )
    if outcome is Outcome.ALLOW:
        call.executing_at = clock.now()
        call.deadline_at = deadline_after(asked.granted, call.executing_at)
        call.attempt_count = 1
    elif outcome is Outcome.DENY:
        call.finished_at = clock.now()
        call.error_code = "denied"
    call.save(force_insert=True)
    return call, record_decision(call, verdict, moment=DecisionMoment.INTAKE, stored_input=stored_input)


STATE_FOR = {
    Outcome.ALLOW: CallState.EXECUTING,
    Outcome.DENY: CallState.DENIED,
    Outcome.REQUIRE_APPROVAL: CallState.AWAITING_APPROVAL,
}


def _new_call(asked: _Asked, run: Run, stored_request: Any, *, state: CallState) -> ToolCall:
    entity_type, entity_id = args.entity_in(asked.granted.tool, asked.request.arguments)
    return ToolCall(
        agent=asked.agent,
        credential=asked.credential,
        tool=asked.granted.tool,
        tool_version=asked.granted.tool.version,
        process=asked.agent.process,
        environment=asked.agent.environment,
        run=run,
        idempotency_key=asked.request.idempotency_key,
        state=state,
        request=stored_request,
        arguments_digest=asked.arguments_digest,
        money_minor=asked.money.minor if asked.money else None,
        currency=asked.money.currency if asked.money else "",
        entity_type=entity_type,
        entity_id=entity_id,
        on_behalf_of=asked.on_behalf_of,
        requested_at=clock.now(),
    )


def _request_body(request: CallRequest) -> dict[str, Any]:
    body: dict[str, Any] = {"arguments": request.arguments}
    for name in ("rationale", "confidence", "region", "customer_tier"):
        if getattr(request, name) not in ("", None):
            body[name] = getattr(request, name)
    if request.evidence:
        body["evidence"] = list(request.evidence)
    return body


def _tell(asked: _Asked, call: ToolCall, decision: Decision, started_at: dt.datetime) -> None:
    """Audit entry, span and outbox row of a decision, in its transaction."""
    audit.record(
        asked.actor,
        "tool_call.decided",
        subject_type="tool_call",
        subject_id=call.id,
        subject_name=call.tool.name,
        process=asked.agent.process.slug,
        environment=call.environment,
        run_id=call.run_id,
        outcome=decision.outcome,
        data=audit_data(call, decision),
    )
    runs.add_span(
        run_id=call.run_id,
        tool_call_id=call.id,
        kind=SpanKind.DECISION,
        name=call.tool.name,
        status=SpanStatus.REFUSED if decision.outcome == Outcome.DENY else SpanStatus.OK,
        started_at=started_at,
        ended_at=clock.now(),
        actor_name=asked.agent.name,
        money=asked.money,
        note=explain_denial(decision) if decision.outcome == Outcome.DENY else "",
        attributes={"outcome": decision.outcome, "policies": decision.policies},
    )
    outbox.add(
        ToolCallDecided(tool_call_id=str(call.id), run_id=str(call.run_id), outcome=decision.outcome, state=call.state)
    )


def _ask_people(asked: _Asked, call: ToolCall, decision: Decision, verdict: Verdict) -> Approval:
    """Park the call: no worker waits, the approval does."""
    approval = approvals.request_consent(
        consent_request(call=call, agent=asked.agent, granted=asked.granted, request=asked.request, verdict=verdict),
        actor=asked.actor,
    )
    ToolCall.objects.filter(id=call.id).update(approval=approval)
    call.approval = approval
    runs.add_span(
        run_id=call.run_id,
        tool_call_id=call.id,
        kind=SpanKind.HUMAN_WAIT,
        name="Waiting for " + ", then ".join(stage.team.name for stage in approval.stages.select_related("team")),
        status=SpanStatus.OPEN,
        started_at=approval.requested_at,
        money=asked.money,
        attributes={"approval_id": str(approval.id)},
    )
    return approval


def _turn_away(asked: _Asked, run: Run, halt: Halt) -> Intake:
    """Record the attempt and leave its key free: after the halt the agent may ask again under the same key."""
    [stored_request] = vault.store(vault.Document(kind="call.request", body=_request_body(asked.request)))
    call = _new_call(asked, run, stored_request, state=CallState.HALTED)
    call.holds_key = False
    call.halt_id = halt.id
    call.finished_at = clock.now()
    call.error_code = "halted"
    call.error_sentence = f"Halted: {halt.get_reason_code_display().lower()}."
    call.save(force_insert=True)
    audit.record(
        asked.actor,
        "tool_call.halted",
        subject_type="tool_call",
        subject_id=call.id,
        subject_name=call.tool.name,
        process=asked.agent.process.slug,
        environment=call.environment,
        run_id=run.id,
        outcome=CallState.HALTED,
        data={"halt_id": str(halt.id), "tool": call.tool.name},
    )
    runs.add_span(
        run_id=run.id,
        tool_call_id=call.id,
        kind=SpanKind.HALT,
        name=call.tool.name,
        status=SpanStatus.REFUSED,
        started_at=call.requested_at,
        ended_at=call.finished_at,
        actor_name=asked.agent.name,
        note=call.error_sentence,
        attributes={"halt_id": str(halt.id)},
    )
    _end_at_the_door(asked, call)
    return Intake(call=call, halt=halt)


def _end_at_the_door(asked: _Asked, call: ToolCall) -> None:
    """A call that ended where it began; a run that was opened for it ends too."""
    outbox.add(ToolCallFinished(tool_call_id=str(call.id), run_id=str(call.run_id), state=call.state))
    if call.run.is_implicit:
        state = RunState.HALTED if call.state == CallState.HALTED else RunState.FAILED
        runs.end_run(run=call.run, state=state, actor=asked.actor)
