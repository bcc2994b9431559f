"""Undoing what a run did, step by step, the last one first (a saga). Each step is a call of its own: decided, approved,
halted and carried out like any other. Nothing waits but rows.

Whoever takes the next step looks at the rows under the lock of the unwind and asks for the compensating call outside of
it; its key makes two who do so at once ask for the same call.
"""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import transaction

from apps.accounts.models import User
from apps.approvals.models import Approval
from apps.audit import services as audit
from apps.core import clock, outbox
from apps.core.actor import Actor, agent_actor, person_actor, system_actor
from apps.core.errors import Conflict, MeshError, NotAllowed
from apps.gateway.compensation import Plan, calls_to_undo, plans_for
from apps.gateway.events import UnwindEnded, UnwindStarted
from apps.gateway.models import (
    OPEN_STATES,
    CallState,
    ToolCall,
    Unwind,
    UnwindState,
    UnwindStep,
    UnwindStepState,
)
from apps.gateway.services.compensation import ask_for_compensation, live_compensation, whole
from apps.halts.models import Halt, Mode
from apps.registry.permissions import OPERATE
from apps.registry.queries import require
from apps.runs import services as runs
from apps.runs.models import Run, RunState
from apps.runs.queries import run_for

log = structlog.get_logger(__name__)

UNWINDING = system_actor("unwinding")
# A step whose news was lost is looked at after this long.
LOOK_AGAIN_AFTER = dt.timedelta(seconds=30)
BATCH_SIZE = 100


@dataclass(frozen=True, slots=True)
class Unwinding:
    """What was begun, or joined when it was under way already."""

    unwind: Unwind
    is_joined: bool


def unwind_run(*, actor: Actor, run_id: UUID) -> Unwinding:
    """Begin to undo what the run did, or join whoever began. An agent undoes its own runs, a person those of processes
    they operate; who asked for it approves none of its steps.
    """
    run = run_for(actor, run_id)
    _check_right(actor, run)
    with transaction.atomic():
        # of two who ask at once one begins and the other joins
        run = Run.objects.select_for_update(of=("self",)).select_related("process", "opened_by__process").get(id=run.id)
        under_way = Unwind.objects.select_for_update().filter(run=run, state=UnwindState.RUNNING).first()
        if under_way is not None:
            _join(under_way, run, actor)
            return Unwinding(under_way, is_joined=True)
        plans = plans_for(calls_to_undo(run))
        if not any(plan.can_be_undone for plan in plans):
            raise Conflict("unwind.nothing_to_undo", "Nothing of this run can be undone.")
        return Unwinding(_begin(run, actor, plans), is_joined=False)


def _check_right(actor: Actor, run: Run) -> None:
    if not actor.is_agent:
        require(actor, OPERATE, run.process)
    elif run.opened_by_id != actor.id:
        raise NotAllowed("unwind.not_your_run", "An agent undoes the runs that it opened itself.")


def _begin(run: Run, actor: Actor, plans: list[Plan]) -> Unwind:
    now = clock.now()
    person = actor.known_id if actor.is_person else None
    own_run = runs.open_run(
        agent=run.opened_by,
        actor=actor,
        title=f"Undo: {run.title}",
        business_key=run.business_key,
        # undoing takes the time it takes
        is_timed=False,
    )
    unwind = Unwind.objects.create(
        run=run,
        own_run=own_run,
        started_by=actor.key,
        started_by_name=actor.name[:160],
        person_id=person,
        people=[person] if person else [],
        started_at=now,
        looked_at=now,
    )
    UnwindStep.objects.bulk_create(
        UnwindStep(
            unwind=unwind,
            position=position,
            call=plan.call,
            state=_first_state(plan, actor),
            sentence=plan.why if plan.obstacle else _not_yours(plan, actor),
        )
        for position, plan in enumerate(plans, start=1)
    )
    _record(actor, "run.unwind_started", unwind, run)
    outbox.add(UnwindStarted(unwind_id=str(unwind.id), run_id=str(run.id)))
    return unwind


def _first_state(plan: Plan, actor: Actor) -> UnwindStepState:
    if plan.obstacle == "already_undone":
        return UnwindStepState.UNDONE
    if plan.obstacle == "under_way":
        return UnwindStepState.PENDING
    return UnwindStepState.LEFT if plan.obstacle or _not_yours(plan, actor) else UnwindStepState.PENDING


def _not_yours(plan: Plan, actor: Actor) -> str:
    """An agent that undoes its run leaves alone what its colleagues did in it."""
    return "Another agent did this." if actor.is_agent and plan.call.agent_id != actor.id else ""


def _join(unwind: Unwind, run: Run, actor: Actor) -> None:
    """From now on this person asked for it as well, so they approve none of its steps."""
    if actor.is_person and actor.known_id not in unwind.people:
        unwind.people = [*unwind.people, actor.known_id]
        unwind.save(update_fields=["people"])
        waiting = ToolCall.objects.filter(state=CallState.AWAITING_APPROVAL, id__in=unwind.steps.values("compensation"))
        for approval in Approval.objects.select_for_update().filter(id__in=waiting.values("approval")):
            approval.barred_people = sorted({*approval.barred_people, actor.known_id})
            approval.save(update_fields=["barred_people"])
    _record(actor, "run.unwind_joined", unwind, run)


def waiting_unwinds() -> list[UUID]:
    """Unwinds that nobody has looked at for a while: the news that would have moved them on was lost."""
    due = Unwind.objects.filter(state=UnwindState.RUNNING, looked_at__lte=clock.now() - LOOK_AGAIN_AFTER)
    return list(due.order_by("looked_at").values_list("id", flat=True)[:BATCH_SIZE])


def advance_unwinds(call_id: UUID) -> None:
    """What undoes this call has ended: whatever waits for it goes on."""
    running = Unwind.objects.filter(state=UnwindState.RUNNING, steps__call=call_id)
    for unwind_id in running.values_list("id", flat=True).distinct():
        advance_unwind(unwind_id)


def advance_unwind(unwind_id: UUID) -> None:
    """Take steps until one has to wait, fails, or none is left. Any number of workers may do so at once."""
    while (step := _next_step(unwind_id)) is not None:
        try:
            intake = ask_for_compensation(
                whole(step.call_id),
                actor=_starter(step.unwind),
                on_behalf_of=step.unwind.person.username if step.unwind.person else "",
                run_id=step.unwind.own_run_id,
            )
        except MeshError as refusal:
            _refused(unwind_id, step, refusal)
            return
        UnwindStep.objects.filter(id=step.id, state=UnwindStepState.PENDING).update(
            state=UnwindStepState.UNDER_WAY, compensation=intake.call, sentence=""
        )


def _refused(unwind_id: UUID, step: UnwindStep, refusal: MeshError) -> None:
    """It stops here, unless another worker has taken this step meanwhile and goes on."""
    with transaction.atomic():
        unwind = _locked(unwind_id)
        if unwind is not None and live_compensation(step.call) is None:
            _stop(unwind, step, refusal.sentence)


def _next_step(unwind_id: UUID) -> UnwindStep | None:
    """Write down what became of the steps so far; the step to ask for now, if there is one."""
    with transaction.atomic():
        unwind = _locked(unwind_id)
        if unwind is None:
            return None
        Unwind.objects.filter(id=unwind_id).update(looked_at=clock.now())
        for step in unwind.steps.select_related("call__tool", "compensation").order_by("position"):
            if step.state in (UnwindStepState.UNDONE, UnwindStepState.LEFT):
                continue
            if step.call.state == CallState.COMPENSATED:
                _mark(step, UnwindStepState.UNDONE, live_compensation(step.call))
                continue
            compensation = step.compensation or live_compensation(step.call)
            if compensation is not None and compensation.state == CallState.SUCCEEDED:
                # read after its step: it has succeeded in between, and undone the call with that
                _mark(step, UnwindStepState.UNDONE, compensation)
                continue
            holding = _hold_over(compensation) if compensation is not None else None
            if compensation is None or (holding is not None and not _holds_still(holding, unwind)):
                step.unwind = unwind
                return step
            if holding is not None:
                _mark(step, UnwindStepState.PENDING, compensation, f"Paused by a halt. {compensation.error_sentence}")
                return None
            _mark(step, UnwindStepState.UNDER_WAY, compensation)
            if compensation.state not in OPEN_STATES:
                _stop(unwind, step, _why(compensation))
            return None
        _end(unwind, UnwindState.DONE, "")
    return None


def _hold_over(compensation: ToolCall) -> Halt | None:
    """The halt that turned this away at the door, to be waited for. A stop is no pause: whoever placed it meant an
    end.
    """
    if compensation.state != CallState.HALTED or compensation.halt_id is None:
        return None
    return Halt.objects.exclude(mode=Mode.STOP).filter(id=compensation.halt_id).first()


def _holds_still(halt: Halt, unwind: Unwind) -> bool:
    """Whether asking again would be turned away again, which would leave one more call for each time we look."""
    in_force = Halt.objects.in_force().filter(id=halt.id).first()
    return in_force is not None and not in_force.lets_through(unwind.own_run_id, in_force.seen_at)


def _locked(unwind_id: UUID) -> Unwind | None:
    rows = Unwind.objects.select_for_update(of=("self",)).select_related("run__process", "own_run", "person")
    return rows.filter(id=unwind_id, state=UnwindState.RUNNING).first()


def _mark(step: UnwindStep, state: UnwindStepState, compensation: ToolCall | None = None, sentence: str = "") -> None:
    step.state = state
    step.compensation = compensation or step.compensation
    step.sentence = sentence[:500]
    step.save(update_fields=["state", "compensation", "sentence"])


def _why(compensation: ToolCall) -> str:
    said = f" {compensation.error_sentence}" if compensation.error_sentence else ""
    return f"{compensation.get_state_display()}.{said}"


def _stop(unwind: Unwind, step: UnwindStep, sentence: str) -> None:
    _mark(step, UnwindStepState.FAILED, sentence=sentence)
    _end(unwind, UnwindState.STOPPED, f"Stopped at step {step.position}: {sentence}"[:500])


def _end(unwind: Unwind, state: UnwindState, sentence: str) -> None:
    """The steps after the one that failed stay as they are: who asks again goes on with them."""
    unwind.state = state
    unwind.sentence = sentence
    unwind.ended_at = clock.now()
    unwind.save(update_fields=["state", "sentence", "ended_at"])
    is_done = state == UnwindState.DONE
    if unwind.own_run.is_open:
        runs.end_run(run=unwind.own_run, state=RunState.SUCCEEDED if is_done else RunState.FAILED, actor=UNWINDING)
    code = "run.unwound" if is_done else "run.unwind_stopped"
    _record(UNWINDING, code, unwind, unwind.run, reason=sentence)
    outbox.add(UnwindEnded(unwind_id=str(unwind.id), run_id=str(unwind.run_id), state=state))


def _starter(unwind: Unwind) -> Actor:
    """Whoever began it, as the log names them; the steps are taken later, by a worker."""
    person: User | None = unwind.person
    if person is not None:
        return person_actor(user_id=person.id, name=unwind.started_by_name, via="unwinding")
    agent = unwind.run.opened_by
    return agent_actor(agent_id=agent.id, slug=agent.slug, name=agent.name)


def _record(actor: Actor, code: str, unwind: Unwind, run: Run, *, reason: str = "") -> None:
    audit.record(
        actor,
        code,
        subject_type="run",
        subject_id=run.id,
        subject_name=run.title,
        process=run.process.slug,
        environment=run.environment,
        run_id=run.id,
        outcome=unwind.state,
        reason=reason,
        data={"unwind_id": str(unwind.id), "own_run_id": str(unwind.own_run_id)},
    )
