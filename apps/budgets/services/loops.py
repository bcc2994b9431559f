"""Runs that go in circles: the same tool with the same arguments, more often than a budget of repeats allows. Such a
run is held until a person lets it go on.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from uuid import UUID

from django.db import IntegrityError, transaction

from apps.audit import services as audit
from apps.budgets.events import RunHeld, RunReleased
from apps.budgets.models import Budget, Measure, RunHold
from apps.budgets.queries import holds_visible_to
from apps.budgets.refusals import loop_detected
from apps.core import clock, outbox
from apps.core.actor import Actor, system_actor
from apps.core.errors import Conflict, Invalid, NotFound
from apps.registry.models import Agent, Process
from apps.registry.permissions import HALT
from apps.registry.queries import require

DETECTOR = system_actor("loop-detector")
CountSince = Callable[[dt.datetime | None], int]


def check_loop(
    *, budgets: Sequence[Budget], run_id: UUID, agent: Agent, tool_name: str, count_since: CountSince
) -> None:
    """Raise `loop_detected` for a held run, and for a call that is one repeat too many. `count_since` says how often
    the run asked for just this since a moment; what a person let go on starts to count anew.
    """
    allowed = min((budget for budget in budgets if budget.measure == Measure.REPEATS), key=_cap, default=None)
    if allowed is None:
        return
    last = RunHold.objects.filter(run_id=run_id).order_by("-id").first()
    if last is not None and last.released_at is None:
        raise loop_detected(last)
    count = count_since(last.released_at if last else None)
    if count >= allowed.cap:
        raise loop_detected(
            RunHold(
                run_id=run_id,
                process_id=agent.process_id,
                budget=allowed,
                tool_name=tool_name,
                agent_name=agent.name,
                count=count + 1,
                held_at=clock.now(),
            )
        )


def hold_run(hold: RunHold, *, process: Process, environment: str) -> None:
    """Hold the run, in the transaction that records the refusal. A run that is held already stays as it is."""
    try:
        with transaction.atomic():
            hold.save(force_insert=True)
    except IntegrityError:
        return
    _record(DETECTOR, "run.held", hold, process, environment, reason=f"{hold.tool_name} × {hold.count}")
    outbox.add(RunHeld(str(hold.id), str(hold.run_id)))


def release_run(*, actor: Actor, hold_id: UUID, reason: str) -> RunHold:
    """Let a held run go on. Takes the permission to halt: whoever may stop may start again."""
    if not reason.strip():
        raise Invalid(
            "run_hold.reason_missing",
            "Say why the run may go on.",
            errors=[{"pointer": "/reason", "sentence": "Missing."}],
        )
    with transaction.atomic():
        hold = holds_visible_to(actor).select_for_update().select_related("budget").filter(id=hold_id).first()
        if hold is None:
            raise NotFound("run_hold.not_found", "There is no such held run.")
        process = Process.objects.get(id=hold.process_id)
        require(actor, HALT, process)
        if hold.released_at is not None:
            raise Conflict("run_hold.already_released", f"{hold.released_by_name} has let this run go on already.")
        hold.released_at = clock.now()
        hold.released_by, hold.released_by_name, hold.release_reason = actor.key, actor.name, reason
        hold.save(update_fields=["released_at", "released_by", "released_by_name", "release_reason"])
        _record(actor, "run.released", hold, process, hold.budget.environment, reason=reason)
        outbox.add(RunReleased(str(hold.id), str(hold.run_id)))
    return hold


def _cap(budget: Budget) -> int:
    return budget.cap


def _record(actor: Actor, code: str, hold: RunHold, process: Process, environment: str, *, reason: str) -> None:
    audit.record(
        actor,
        code,
        subject_type="run",
        subject_id=hold.run_id,
        process=process.slug,
        environment=environment,
        run_id=hold.run_id,
        reason=reason,
        data={"hold_id": str(hold.id), "tool": hold.tool_name, "count": hold.count, "budget_id": str(hold.budget_id)},
    )
