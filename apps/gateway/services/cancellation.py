"""Ending parked calls: because the agent takes its request back, or because a person stopped what it belongs to."""

from uuid import UUID

from django.db import transaction
from django.db.models import Q

from apps.approvals import services as approvals
from apps.core.actor import Actor, system_actor
from apps.core.errors import Conflict
from apps.gateway.models import CallState, ToolCall
from apps.gateway.queries import call_for
from apps.gateway.services.release import PARKED, end_parked
from apps.halts.models import Halt, Mode, Scope

HALTS = system_actor("halts")


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


def end_calls_under(halt_id: UUID) -> int:
    """After a stop: end every parked call in its scope. Repeatable; returns how many were ended."""
    halt = Halt.objects.filter(id=halt_id, lifted_at=None, mode=Mode.STOP).first()
    if halt is None:
        return 0
    parked = ToolCall.objects.filter(_covered_by(halt), state__in=PARKED, environment=halt.environment)
    ended = 0
    for call_id in list(parked.values_list("id", flat=True)):
        with transaction.atomic():
            call = _lock(call_id)
            if call is not None:
                _end(call, CallState.HALTED, HALTS, halt_id=halt.id)
                ended += 1
    return ended


def _covered_by(halt: Halt) -> Q:
    fields = {Scope.PROCESS: "process_id", Scope.AGENT: "agent_id", Scope.TOOL: "tool_id"}
    return Q() if halt.scope_type == Scope.MESH else Q(**{fields[Scope(halt.scope_type)]: halt.scope_id})


def _lock(call_id: UUID) -> ToolCall | None:
    calls = ToolCall.objects.select_for_update(of=("self",)).select_related(
        "tool", "process", "run", "result", "approval"
    )
    return calls.filter(id=call_id, state__in=PARKED).first()


def _end(call: ToolCall, state: CallState, actor: Actor, *, halt_id: UUID | None = None) -> None:
    if call.approval_id is not None:
        approvals.cancel_approval(approval_id=call.approval_id, actor=actor)
    end_parked(call, state, actor=actor, halt_id=halt_id)
