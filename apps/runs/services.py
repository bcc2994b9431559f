"""Opening, ending and writing into runs."""

import datetime as dt
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet

from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import Conflict, Invalid, NotFound
from apps.core.ids import uuid7
from apps.core.money import Money
from apps.core.rows import change_unseen, insert, insert_values, new
from apps.registry.models import Agent
from apps.runs.deadlines import deadline_for, is_over, run_time_over
from apps.runs.models import Run, RunState, Span, SpanKind, SpanStatus
from apps.runs.telling import record

ENDS_BY_AGENT = (RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED)


def open_run(
    *,
    agent: Agent,
    actor: Actor,
    title: str,
    business_key: str = "",
    idempotency_key: str = "",
    time_budget_seconds: int | None = None,
    is_timed: bool = True,
    trace_id: UUID | None = None,
) -> Run:
    """Begin a piece of work. Under a key the agent has used before it is the run that was begun then.

    It may take as long as its process says, or the less that is asked for; one that is not timed any time.
    """
    deadline = deadline_for(agent.process, asked_seconds=time_budget_seconds) if is_timed else None
    run = _new_run(
        agent,
        title,
        business_key=business_key,
        idempotency_key=idempotency_key,
        deadline_at=deadline,
        trace_id=trace_id,
    )
    try:
        with transaction.atomic():
            run.save(force_insert=True)
            record(actor, "run.opened", run)
    except IntegrityError:
        # the agent asks again because it does not know whether it was heard
        return Run.objects.select_related("process").get(opened_by=agent, idempotency_key=idempotency_key)
    return run


def open_implicit_run(*, agent: Agent, title: str, business_key: str, started_at: dt.datetime) -> Run:
    """The run of a single call, which ends with that call. `started_at` is by the database's clock."""
    run = _new_run(
        agent,
        title,
        business_key=business_key,
        is_implicit=True,
        call_count=1,
        started_at=started_at,
        deadline_at=deadline_for(agent.process),
    )
    insert(run)
    return run


def _new_run(agent: Agent, title: str, *, business_key: str, **columns: Any) -> Run:
    return new(
        Run,
        process=agent.process,
        environment=agent.environment,
        opened_by=agent,
        title=title[:200],
        business_key=business_key[:120],
        **columns,
    )


def join_run(*, run_id: UUID, agent: Agent) -> Run:
    """Count one more call into an open run of the agent's own process. Raises NotFound or Conflict, and Exhausted when
    its time is over.

    A run with two calls is no longer the affair of one: it ends when an agent says so.
    """
    mine = Run.objects.filter(id=run_id, process_id=agent.process_id, environment=agent.environment)
    joined = mine.filter(state=RunState.OPEN).update(call_count=F("call_count") + 1, is_implicit=False)
    run = mine.first()
    if run is None:
        raise NotFound("run.not_found", "There is no such run in this agent's process.")
    if is_over(run):
        raise run_time_over()
    if not joined:
        raise Conflict("run.ended", f"This run has ended: {run.get_state_display().lower()}.")
    return run


def end_run(*, run: Run, state: str, actor: Actor) -> Run:
    """End an open run because an agent says so. The same end twice is no error; another end is."""
    if state not in ENDS_BY_AGENT:
        raise Invalid("run.bad_state", f"A run ends as one of {', '.join(ENDS_BY_AGENT)}.")
    with transaction.atomic():
        # only what agents opened: a run that a single call opened ends with it
        changed = Run.objects.filter(id=run.id, state=RunState.OPEN, is_implicit=False).update(
            state=state, ended_at=clock.now()
        )
        run.refresh_from_db(fields=["state", "ended_at", "is_implicit"])
        if changed:
            record(actor, "run.ended", run, outcome=state)
        elif run.is_open:
            raise Conflict("run.of_one_call", "This run belongs to a single call and ends with it.")
        elif run.state != state:
            raise Conflict("run.ended", f"This run has ended already: {run.get_state_display().lower()}.")
    return run


def end_implicit_run(run_id: UUID, *, state: RunState) -> None:
    """End the run of a single call with that call. Whatever became of the run meanwhile, the call's end goes on."""
    change_unseen(Run, {"state": state, "ended_at": clock.now()}, id=run_id, state=RunState.OPEN, is_implicit=True)


def correct_implicit_run(run_id: UUID, *, state: RunState) -> None:
    """What became of a run of a single call, known only after it had ended."""
    Run.objects.filter(id=run_id, is_implicit=True).update(state=state)


def halt_runs(runs: QuerySet[Run]) -> int:
    """A stop ends what is open; returns how many runs that were."""
    return runs.filter(state=RunState.OPEN).update(state=RunState.HALTED, ended_at=clock.now())


def add_span(
    *,
    run_id: UUID,
    kind: SpanKind,
    name: str,
    status: SpanStatus,
    started_at: dt.datetime,
    ended_at: dt.datetime | None = None,
    span_id: UUID | None = None,
    tool_call_id: UUID | None = None,
    actor_name: str = "",
    note: str = "",
    money: Money | None = None,
    attributes: dict[str, Any] | None = None,
) -> None:
    """Write one enforced span. With a `span_id` that is there already nothing happens, so that a handler may run
    twice.
    """
    values = {
        "id": span_id or uuid7(),
        "run_id": run_id,
        "tool_call_id": tool_call_id,
        "kind": kind,
        "status": status,
        "name": name[:200],
        "actor_name": actor_name[:200],
        "note": note[:300],
        "money_minor": money.minor if money else None,
        "currency": money.currency if money else "",
        "started_at": started_at,
        "ended_at": ended_at,
        "attributes": attributes or {},
    }
    if span_id is None:
        insert_values(Span, **values)
    else:
        Span.objects.bulk_create([Span(**values)], ignore_conflicts=True)


def end_span(*, tool_call_id: UUID, kind: SpanKind, status: SpanStatus, ended_at: dt.datetime, note: str = "") -> None:
    """End the call's open span of this kind, if there is one."""
    changes: dict[str, Any] = {"status": status, "ended_at": ended_at} | ({"note": note[:300]} if note else {})
    Span.objects.filter(tool_call_id=tool_call_id, kind=kind, ended_at=None).update(**changes)
