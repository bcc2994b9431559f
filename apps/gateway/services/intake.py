"""Intake: a call is asked for, decided and committed in one transaction without any network in it (I2)."""

from dataclasses import dataclass
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.approvals import services as approvals
from apps.approvals.models import Approval
from apps.breakers.services import Admission
from apps.budgets.models import Budget
from apps.budgets.refusals import BudgetRefusal
from apps.core import clock, locks
from apps.core.actor import Actor
from apps.core.errors import Conflict, Halted, MeshError
from apps.core.generations import Moment, moment_of, read_moment, with_moment
from apps.core.rows import Question, ask, insert, key_question, new, together
from apps.gateway import arguments as args
from apps.gateway import spending
from apps.gateway.consent import consent_request
from apps.gateway.deciding import Granted, call_digest, explain_denial, granted_tool, record_decision, verdict_on
from apps.gateway.keys import check_key
from apps.gateway.models import CallState, Decision, DecisionMoment, Outcome, ToolCall
from apps.gateway.observed import INTAKE
from apps.gateway.reach import reach_of_request
from apps.gateway.requests import CallRequest
from apps.gateway.services.asked import Asked, checked, person_behind, renewed
from apps.gateway.services.execution import Execution, deadline_after, run_execution
from apps.gateway.services.sending import admit, must_wait, queue_is_full, seconds_until_probe
from apps.gateway.stored import request_body
from apps.gateway.telling import (
    add_call_span,
    add_decision_span,
    start_human_wait,
    tell_decision,
    tell_end,
    tell_end_of_run,
)
from apps.halts.models import Halt, Mode
from apps.halts.queries import halts_over
from apps.policies.verdicts import Verdict
from apps.registry.models import Agent, AgentCredential
from apps.runs import services as runs
from apps.runs.models import Run, SpanKind, SpanStatus
from apps.vault import services as vault
from apps.vault.models import Payload

ONE_CALL_PER_KEY = "one_call_per_key"
STATE_FOR = {
    Outcome.ALLOW: CallState.EXECUTING,
    Outcome.DENY: CallState.DENIED,
    Outcome.REQUIRE_APPROVAL: CallState.AWAITING_APPROVAL,
}


@dataclass(frozen=True, slots=True)
class Intake:
    """What was committed. `execution` is set when the call may go to its connector now; `halt` or `refusal` when a halt
    or a budget turned it away; `retry_after_seconds` when its system does not answer and it cannot wait.
    """

    call: ToolCall
    decision: Decision | None = None
    approval: Approval | None = None
    execution: Execution | None = None
    halt: Halt | None = None
    refusal: BudgetRefusal | None = None
    replayed: bool = False
    retry_after_seconds: int | None = None


@INTAKE
def request_tool_call(
    *,
    agent: Agent,
    credential: AgentCredential | None,
    actor: Actor,
    request: CallRequest,
    moment: Moment | None = None,
) -> Intake:
    """Decide the call and, when it is allowed, execute it. The same key with the same arguments is the same call again
    (I3). `moment` may be an earlier one: what is allowed under it is looked at again under the lock, what is refused
    at once.
    """
    asked = _checked(agent, credential, actor, request, moment or read_moment())
    spending.check_rate(agent=agent, tool=asked.granted.tool)
    try:
        intake = _take(asked)
    except BudgetRefusal as refusal:
        return _record_refusal(asked, refusal)
    except IntegrityError as error:
        if ONE_CALL_PER_KEY not in str(error):
            raise
        # the same key at the same instant: another request won, and its call is the answer to this one too
        intake = _take(asked)
    if intake.execution is not None:
        run_execution(intake.execution)
    return intake


def _checked(
    agent: Agent, credential: AgentCredential | None, actor: Actor, request: CallRequest, moment: Moment
) -> Asked:
    try:
        return checked(agent, credential, actor, request, moment=moment)
    except MeshError:
        return checked(agent, credential, actor, request, moment=read_moment())


def _take(asked: Asked) -> Intake:
    """Under the shared halts lock: what is decided here is committed before any halt that is being placed answers
    (I6).
    """
    with transaction.atomic(), together():
        *now, key_holder = ask(locks.shared(locks.HALTS), with_moment(_key_question(asked))) or ()
        asked = renewed(asked, moment_of(now))
        return _known_call(asked, key_holder) if key_holder else _decide_and_write(asked)


def preview_tool_call(*, agent: Agent, request: CallRequest) -> Verdict:
    """The decision this call would get now, with no row written and no effect. Raises Halted under a halt: another
    gateway may act on the answer.
    """
    granted = granted_tool(agent, request.tool)
    args.check_arguments(granted.tool, request.arguments)
    money = args.money_in(granted.tool, request.arguments)
    halts = halts_over(
        reach_of_request(agent, granted.tool, request, on_behalf_of=person_behind(request.on_behalf_of), run=None)
    )
    if halts:
        raise Halted("halted", halts[0].sentence, halt={"id": str(halts[0].id), "mode": halts[0].mode})
    spending.check_room(agent=agent, tool=granted.tool, money=money)
    return verdict_on(agent=agent, tool=granted.tool, request=request, money=money, run=None)


def _key_question(asked: Asked) -> Question:
    """Which call holds this key. Nearly every key is new: the call is read only where there is one."""
    return key_question(
        ToolCall,
        agent_id=asked.agent.id,
        tool_id=asked.granted.tool.id,
        idempotency_key=asked.request.idempotency_key,
        holds_key=True,
    )


def _known_call(asked: Asked, call_id: UUID) -> Intake:
    """The call that already holds this key. Raises Conflict when it was made with other arguments, or too long ago."""
    call = ToolCall.objects.select_related("tool", "approval", "request", "result").get(id=call_id)
    check_key(call)
    if not _was_asked_for_with(call, asked.arguments_digest):
        raise Conflict(
            "idempotency_conflict",
            "This idempotency key was used before with other arguments. A new intent needs a new key.",
            tool_call_id=str(call.id),
        )
    decision = call.decisions.exclude(moment=DecisionMoment.RELEASE).last()
    return Intake(call=call, decision=decision, approval=call.approval, replayed=True)


def _was_asked_for_with(call: ToolCall, arguments_digest: str) -> bool:
    """Whether these are its arguments now, or were those of one of its versions: an agent that was not told of an edit
    repeats what it asked for.
    """
    if call.arguments_digest == arguments_digest:
        return True
    return call.version > 1 and call.versions.filter(arguments_digest=arguments_digest).exists()


def _decide_and_write(asked: Asked) -> Intake:
    run = _run_for(asked)
    halt = _halt_over(asked, run)
    if halt is not None:
        return _turn_away(asked, run, halt)
    budgets = spending.budgets_of(
        agent=asked.agent,
        tool=asked.granted.tool,
        arguments_digest=asked.arguments_digest,
        run=run,
        moment=asked.moment,
    )
    started_at = clock.now()
    verdict = verdict_on(
        agent=asked.agent,
        tool=asked.granted.tool,
        request=asked.request,
        money=asked.money,
        run=run,
        moment=asked.moment,
    )
    outcome = Outcome(verdict.outcome)
    admission = _admission_of(asked) if outcome is Outcome.ALLOW else None
    state = _state_for(outcome, asked.granted, admission)
    call, decision = _write(asked, run, verdict, state, budgets)
    tell_decision(call, decision, actor=asked.actor, code="tool_call.decided")
    add_decision_span(call, decision, started_at=started_at)
    if outcome is Outcome.DENY:
        tell_end_of_run(call)
        return Intake(call=call, decision=decision)
    if state == CallState.FAILED:
        return _turn_down(asked, call, decision)
    approval = _ask_people(asked, call, verdict) if outcome is Outcome.REQUIRE_APPROVAL else None
    spending.reserve(call, budgets)  # last: the counters are locked from here to the commit
    if state != CallState.EXECUTING:
        return Intake(call=call, decision=decision, approval=approval)
    is_probe = admission == Admission.PROBE
    execution = Execution(call, asked.granted, asked.request.arguments, asked.actor, is_probe=is_probe)
    return Intake(call=call, decision=decision, execution=execution)


def _admission_of(asked: Asked) -> Admission:
    """A call that can wait does not try whether its system is back: others may wait before it."""
    return admit(asked.granted, may_probe=not asked.granted.tool.can_wait, moment=asked.moment)


def _state_for(outcome: Outcome, granted: Granted, admission: Admission | None) -> CallState:
    """An allowed call whose system does not answer waits for it, if it can and there is room; else it fails."""
    if admission is None or not must_wait(granted, admission):
        return STATE_FOR[outcome]
    return CallState.QUEUED if granted.tool.can_wait and not queue_is_full(granted) else CallState.FAILED


def _turn_down(asked: Asked, call: ToolCall, decision: Decision) -> Intake:
    """Allowed, and its system does not answer. Nothing was sent, and its key is free."""
    tell_end(call, actor=asked.actor)
    return Intake(call=call, decision=decision, retry_after_seconds=seconds_until_probe(asked.granted))


def _run_for(asked: Asked) -> Run:
    if asked.request.run_id is not None:
        return runs.join_run(run_id=asked.request.run_id, agent=asked.agent)
    _, entity_id = args.entity_in(asked.granted.tool, asked.request.arguments)
    title = f"{asked.granted.tool.title} · {entity_id}" if entity_id else asked.granted.tool.title
    return runs.open_implicit_run(agent=asked.agent, title=title, business_key=entity_id, started_at=asked.moment.now)


def _halt_over(asked: Asked, run: Run) -> Halt | None:
    """The strictest halt that covers the call. A drain lets runs that were open before it finish."""
    reach = reach_of_request(asked.agent, asked.granted.tool, asked.request, on_behalf_of=asked.on_behalf_of, run=run)
    for halt in halts_over(reach, moment=asked.moment):
        if halt.mode != Mode.DRAIN or run.is_implicit or run.started_at >= halt.placed_at:
            return halt
    return None


def _write(
    asked: Asked, run: Run, verdict: Verdict, state: CallState, budgets: list[Budget]
) -> tuple[ToolCall, Decision]:
    """The call and its decision."""
    stored_request, stored_input = vault.store(
        vault.Document(kind="call.request", body=request_body(asked.request)),
        vault.Document(kind="decision.input", body=verdict.input),
    )
    outcome = Outcome(verdict.outcome)
    call = _new_call(asked, run, stored_request, state=state)
    call.holds_budget = call.is_open and spending.holds_any(budgets)
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
    if state == CallState.EXECUTING:
        call.executing_at = clock.now()
        call.deadline_at = deadline_after(asked.granted, call.executing_at)
        call.attempt_count = 1
        call.may_have_effect = True
    elif state == CallState.QUEUED:
        call.queued_at = clock.now()
    elif state == CallState.FAILED:
        call.holds_key = False
        call.finished_at = clock.now()
        call.error_code = "connector.breaker_open"
        call.error_sentence = f"{asked.granted.tool.connector.name} does not answer at present. Nothing was sent."
    elif outcome is Outcome.DENY:
        call.finished_at = clock.now()
        call.error_code = verdict.code or "denied"
        said = [policy.says for policy in verdict.policies]
        call.error_sentence = explain_denial(errors=verdict.errors, says=said, code=verdict.code)[:500]
    insert(call)
    return call, record_decision(call, verdict, moment=DecisionMoment.INTAKE, stored_input=stored_input)


def _new_call(asked: Asked, run: Run, stored_request: Payload, *, state: CallState) -> ToolCall:
    entity_type, entity_id = args.entity_in(asked.granted.tool, asked.request.arguments)
    return new(
        ToolCall,
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
        compensates_id=asked.request.compensates,
        trace_id=asked.request.trace.trace_id if asked.request.trace else None,
        trace_span_id=asked.request.trace.span_id if asked.request.trace else None,
        requested_at=clock.now(),
    )


def _ask_people(asked: Asked, call: ToolCall, verdict: Verdict) -> Approval:
    """Park the call: no worker waits, the approval does."""
    approval = approvals.request_consent(
        consent_request(call=call, agent=asked.agent, granted=asked.granted, request=asked.request, verdict=verdict),
        actor=asked.actor,
    )
    ToolCall.objects.filter(id=call.id).update(approval=approval)
    call.approval = approval
    start_human_wait(call, approval)
    return approval


def _record_refusal(asked: Asked, refusal: BudgetRefusal) -> Intake:
    """The attempt that a budget turned away, in a transaction of its own: the one that tried is rolled back."""
    with transaction.atomic():
        asked = renewed(asked, read_moment())
        run = _run_for(asked)
        [payload] = vault.store(vault.Document(kind="call.request", body=request_body(asked.request)))
        call = _new_call(asked, run, payload, state=CallState.DENIED)
        spending.record_refusal(call, refusal, actor=asked.actor)
    return Intake(call=call, refusal=refusal)


def _turn_away(asked: Asked, run: Run, halt: Halt) -> Intake:
    """Record the attempt and leave its key free: after the halt the agent may ask again under the same key."""
    [payload] = vault.store(vault.Document(kind="call.request", body=request_body(asked.request)))
    call = _new_call(asked, run, payload, state=CallState.HALTED)
    call.holds_key = False
    call.halt_id = halt.id
    call.finished_at = clock.now()
    call.error_code = "halted"
    call.error_sentence = halt.sentence
    insert(call)
    add_call_span(
        call,
        SpanKind.HALT,
        SpanStatus.REFUSED,
        started_at=call.requested_at,
        note=call.error_sentence,
        attributes={"halt_id": str(halt.id)},
    )
    tell_end(call, actor=asked.actor, data={"halt_id": str(halt.id)})
    return Intake(call=call, halt=halt)
