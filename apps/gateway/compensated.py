"""What undoing leaves on the call that was undone, in the transaction in which the compensating call succeeds."""

from uuid import UUID, uuid5

from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.gateway.events import ToolCallCompensated
from apps.gateway.models import CallState, ToolCall
from apps.gateway.telling import record_call
from apps.runs import services as runs
from apps.runs.models import SpanKind, SpanStatus

TOLD = ("tool", "process", "run", "agent")


def finish_compensation(call: ToolCall, *, actor: Actor) -> None:
    """When the call has undone another, that one is `compensated` from now on."""
    if call.compensates_id is None or call.state != CallState.SUCCEEDED:
        return
    undone = ToolCall.objects.filter(id=call.compensates_id, state=CallState.SUCCEEDED)
    if not undone.update(state=CallState.COMPENSATED):
        return
    original = ToolCall.objects.select_related(*TOLD).get(id=call.compensates_id)
    now = clock.now()
    runs.add_span(
        run_id=original.run_id,
        tool_call_id=original.id,
        kind=SpanKind.COMPENSATION,
        name=f"Undone · {original.tool.name}",
        status=SpanStatus.OK,
        started_at=call.requested_at,
        ended_at=now,
        actor_name=actor.name,
        note=f"by {call.tool.name}",
        attributes={"compensation_id": str(call.id), "other_run_id": str(call.run_id)},
    )
    record_call(
        actor,
        "tool_call.compensated",
        original,
        outcome=CallState.COMPENSATED,
        data={"compensation_id": str(call.id), "by_tool": call.tool.name},
    )
    outbox.add(
        ToolCallCompensated(tool_call_id=str(original.id), run_id=str(original.run_id), compensation_id=str(call.id))
    )


def tell_attempt(original: ToolCall, call: ToolCall, *, by: str) -> None:
    """That undoing was asked for, on both timelines; telling it twice writes it once."""
    _add_span(original.run_id, original.id, call, f"To be undone · {original.tool.name}", call.run_id, by)
    _add_span(call.run_id, call.id, call, f"Undoes · {original.tool.name}", original.run_id, by)


def _add_span(run_id: UUID, call_id: UUID, call: ToolCall, name: str, other_run_id: UUID, by: str) -> None:
    runs.add_span(
        span_id=uuid5(call.id, f"undo:{call_id}"),
        run_id=run_id,
        tool_call_id=call_id,
        kind=SpanKind.COMPENSATION,
        name=name,
        status=SpanStatus.OK,
        started_at=call.requested_at,
        ended_at=call.requested_at,
        actor_name=by,
        note=f"asked for by {by}",
        attributes={"compensation_id": str(call.id), "other_run_id": str(other_run_id)},
    )
