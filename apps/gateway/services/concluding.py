"""The end of a call whose outcome nobody knew: found out by a person, or by asking the system once more."""

from typing import Any
from uuid import UUID

from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.errors import MeshError
from apps.gateway import spending
from apps.gateway.compensated import finish_compensation
from apps.gateway.events import ToolCallConcluded
from apps.gateway.models import CallState, Resolution, ToolCall
from apps.gateway.telling import RUN_STATE_FOR, tell_end
from apps.runs import services as runs
from apps.runs.models import RunState
from apps.vault import services as vault


def locked_unknown(call_id: UUID) -> ToolCall | None:
    """The call, its row locked; None when its outcome is not unknown, or not any more."""
    calls = ToolCall.objects.select_for_update(of=("self",)).select_related(
        "tool__connector", "agent", "process", "run", "approval", "credential", "request", "result"
    )
    return calls.filter(id=call_id, state=CallState.OUTCOME_UNKNOWN).first()


def conclude(
    call: ToolCall,
    state: CallState,
    *,
    actor: Actor,
    result: Any = None,
    error: MeshError | None = None,
    resolution: Resolution | None = None,
) -> None:
    """End the call, in the caller's transaction, which holds its row lock."""
    call.state = state
    call.finished_at = clock.now()
    call.deadline_at = None
    call.resolution = resolution
    call.result = vault.store(vault.Document(kind="call.result", body=result))[0] if result is not None else None
    call.error_code = error.code if error else ""
    call.error_sentence = error.sentence if error else ""
    call.save(
        update_fields=[
            "state",
            "finished_at",
            "deadline_at",
            "resolution",
            "result",
            "error_code",
            "error_sentence",
        ]
    )
    data = {"resolution_id": str(resolution.id)} if resolution else {"attempt_count": call.attempt_count}
    outbox.add(ToolCallConcluded(tool_call_id=str(call.id), run_id=str(call.run_id), state=state))
    tell_end(call, actor=actor, data=data)
    finish_compensation(call, actor=actor)
    # its run ended as failed when nobody knew
    runs.correct_implicit_run(call.run_id, state=RUN_STATE_FOR.get(state, RunState.FAILED))
    spending.close(call)
