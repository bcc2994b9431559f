"""Ending parked calls: because the agent takes its request back, or because a person stopped what it belongs to."""

import datetime as dt
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import QuerySet

from apps.approvals import services as approvals
from apps.core import clock
from apps.core.actor import Actor, system_actor
from apps.core.errors import Conflict
from apps.gateway.covered import calls_covered, runs_covered
from apps.gateway.models import CallState, ToolCall
from apps.gateway.queries import call_for
from apps.gateway.services.release import PARKED, end_for_time, end_parked
from apps.halts.models import Halt, Mode
from apps.runs import services as runs
from apps.runs.models import Run, RunState

log = structlog.get_logger(__name__)

HALTS = system_actor("halts")
RUN_TIME = system_actor("run-time")
# Older stops were carried out long ago; what waits under one that is still in force is ended at its release.
STOPS_SWEPT_FOR = dt.timedelta(days=1)


def cancel_tool_call(*, actor: Actor, call_id: UUID) -> ToolCall:
    """Take back a call that has not run. Raises Conflict when it runs or has ended."""
    call = call_for(actor, call_id)
    with transaction.atomic():
        parked = _lock(call.id)
        if parked is None:
            call.refresh_from_db(fields=["state"])
            raise Conflict(
                "tool_call.not_cancellable", f"This call is {call.get_state_display().lower()}: too late to cancel."
            )
        _end(parked, CallState.CANCELLED, actor)
    return call_for(actor, call_id)


def stops_to_carry_out() -> list[UUID]:
    """Stops that still cover a waiting call or an open run from before them: their news was lost, or came too late."""
    since = clock.now() - STOPS_SWEPT_FOR
    stops = Halt.objects.filter(mode=Mode.STOP, placed_at__gte=since)
    return [halt.id for halt in stops if _calls_under(halt).exists() or _runs_under(halt).exists()]


def end_calls_under(halt_id: UUID) -> int:
    """Carry out a stop: end every waiting call and every open run in its scope that is older than it, also when it was
    lifted since: whoever stopped them meant them to end. Repeatable; returns how many calls were ended.
    """
    halt = Halt.objects.filter(id=halt_id, mode=Mode.STOP).first()
    if halt is None:
        return 0
    ended = sum(_end_one(call_id, halt) for call_id in list(_calls_under(halt).values_list("id", flat=True)))
    runs.halt_runs(_runs_under(halt))
    return ended


def end_calls_of_run(run_id: UUID) -> int:
    """The run's time is over: end what waits in it, for people or for a system. Repeatable; returns how many. Nothing
    happens where somebody gave it more time meanwhile.
    """
    waiting = ToolCall.objects.filter(run_id=run_id, run__state=RunState.TIMED_OUT, state__in=PARKED)
    ended = 0
    for call_id in list(waiting.values_list("id", flat=True)):
        with transaction.atomic():
            call = _lock(call_id)
            if call is not None and call.run.state == RunState.TIMED_OUT:
                if call.approval_id is not None:
                    approvals.cancel_approval(approval_id=call.approval_id, actor=RUN_TIME)
                end_for_time(call, actor=RUN_TIME)
                ended += 1
    return ended


def _end_one(call_id: UUID, halt: Halt) -> bool:
    """One call in a transaction of its own: what is wrong with one keeps no other from ending."""
    try:
        with transaction.atomic():
            call = _lock(call_id)
            if call is not None:
                _end(call, CallState.HALTED, HALTS, halt_id=halt.id)
    except Exception:  # whatever it is, the next sweep tries again
        log.exception("tool_call.stop_failed", tool_call_id=str(call_id))
        return False
    return call is not None


def _calls_under(halt: Halt) -> QuerySet[ToolCall]:
    return ToolCall.objects.filter(
        calls_covered(halt), state__in=PARKED, environment=halt.environment, requested_at__lt=halt.placed_at
    )


def _runs_under(halt: Halt) -> QuerySet[Run]:
    return Run.objects.filter(
        runs_covered(halt),
        state=RunState.OPEN,
        environment=halt.environment,
        started_at__lt=halt.placed_at,
        is_implicit=False,
    )


def _lock(call_id: UUID) -> ToolCall | None:
    calls = ToolCall.objects.select_for_update(of=("self",)).select_related(
        "tool", "process", "run", "result", "approval"
    )
    return calls.filter(id=call_id, state__in=PARKED).first()


def _end(call: ToolCall, state: CallState, actor: Actor, *, halt_id: UUID | None = None) -> None:
    if call.approval_id is not None:
        approvals.cancel_approval(approval_id=call.approval_id, actor=actor)
    end_parked(call, state, actor=actor, halt_id=halt_id)
