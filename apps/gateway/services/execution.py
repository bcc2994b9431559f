"""Execution: the intent is committed before, the connector is called with no transaction open, the outcome is
committed after.

Between the two commits a process may die. Then the call stays `executing`, and once its deadline has passed the
recovery job takes it up.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import transaction

from apps.audit import services as audit
from apps.core import clock, outbox
from apps.core.actor import Actor
from apps.core.errors import ConnectorError, MeshError
from apps.core.money import Money
from apps.gateway.clients import call_connector, timeout_seconds
from apps.gateway.deciding import Granted
from apps.gateway.events import ToolCallFinished
from apps.gateway.models import CallState, ToolCall
from apps.runs import services as runs
from apps.runs.models import RunState, SpanKind, SpanStatus
from apps.vault import services as vault

log = structlog.get_logger(__name__)

# Beyond the connector's own time-out: what a loaded machine may need to write the outcome down.
DEADLINE_MARGIN = dt.timedelta(seconds=3)
MAX_ATTEMPTS = 10
FIRST_BACKOFF_SECONDS = 0.5

RUN_STATE_FOR = {
    CallState.SUCCEEDED: RunState.SUCCEEDED,
    CallState.CANCELLED: RunState.CANCELLED,
    CallState.HALTED: RunState.HALTED,
}
SPAN_STATUS_FOR = {CallState.SUCCEEDED: SpanStatus.OK, CallState.OUTCOME_UNKNOWN: SpanStatus.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Execution:
    """A claimed call with all that is needed to carry it out. `is_parked` means that no agent waits for the answer of
    this attempt.
    """

    call: ToolCall
    granted: Granted
    arguments: dict[str, Any]
    actor: Actor
    is_parked: bool = False


def downstream_key(call: ToolCall) -> str:
    """The key the business system sees: the agent's key under the agent's name, because two agents may choose the same
    (I3).
    """
    return f"{call.agent.slug}/{call.idempotency_key}"


def deadline_after(granted: Granted, start: dt.datetime) -> dt.datetime:
    """When an attempt that began at `start` is certainly over or its process dead."""
    return start + dt.timedelta(seconds=timeout_seconds(granted.tool, granted.endpoint)) + DEADLINE_MARGIN


def run_execution(execution: Execution) -> None:
    """Call the connector once for a claimed call and commit what came of it. `execution.call` then shows the new
    state.
    """
    started_at = clock.now()
    try:
        result = call_connector(
            tool=execution.granted.tool,
            endpoint=execution.granted.endpoint,
            arguments=execution.arguments,
            idempotency_key=downstream_key(execution.call),
        )
    except ConnectorError as error:
        _after_error(execution, error, started_at)
    except MeshError as error:  # a secret that cannot be read: nothing was sent
        _after_error(execution, ConnectorError(error.code, error.sentence, effect="none"), started_at)
    else:
        settle(execution, CallState.SUCCEEDED, started_at=started_at, result=result)


def _after_error(execution: Execution, error: ConnectorError, started_at: dt.datetime) -> None:
    """End the call where the truth is known; otherwise leave it executing and let the recovery job find out."""
    no_effect = error.effect == "none" or execution.granted.tool.is_read
    if no_effect and (
        error.permanent or execution.granted.tool.is_read or not execution.is_parked or _is_spent(execution)
    ):
        settle(execution, CallState.FAILED, started_at=started_at, error=error)
    elif not no_effect and _is_spent(execution) and not execution.granted.tool.lookup:
        settle(execution, CallState.OUTCOME_UNKNOWN, started_at=started_at, error=error)
    else:
        postpone(execution, error, started_at)


def _is_spent(execution: Execution) -> bool:
    return execution.call.attempt_count >= MAX_ATTEMPTS


def postpone(execution: Execution, error: MeshError, started_at: dt.datetime) -> None:
    """Keep the call executing; the recovery job looks at it after a back-off."""
    call = execution.call
    wait = dt.timedelta(seconds=FIRST_BACKOFF_SECONDS * 2 ** min(call.attempt_count - 1, 5))
    now = clock.now()
    with transaction.atomic():
        kept = ToolCall.objects.filter(id=call.id, state=CallState.EXECUTING).update(
            deadline_at=now + wait, error_code=error.code, error_sentence=error.sentence
        )
        if kept:
            _add_attempt_span(execution, SpanStatus.ERROR, started_at, note=f"{error.sentence} Trying to find out.")
    call.deadline_at = now + wait
    log.info("tool_call.postponed", tool_call_id=str(call.id), code=error.code, attempt=call.attempt_count)


def settle(
    execution: Execution,
    state: CallState,
    *,
    started_at: dt.datetime,
    result: Any = None,
    error: MeshError | None = None,
    kind: SpanKind = SpanKind.TOOL,
) -> bool:
    """Commit the end of an executing call: state, result, audit entry, span and news together. False when someone else
    was first.
    """
    call = execution.call
    words = error.details.get("words", "") if error else ""
    body = {"words": words} if words else result
    with transaction.atomic():
        stored = vault.store(vault.Document(kind="call.result", body=body))[0] if body is not None else None
        ended = {
            "state": state,
            "finished_at": clock.now(),
            "deadline_at": None,
            "result": stored,
            "error_code": error.code if error else "",
            "error_sentence": error.sentence if error else "",
        }
        if not ToolCall.objects.filter(id=call.id, state=CallState.EXECUTING).update(**ended):
            transaction.set_rollback(True)
            return False
        for name, value in ended.items():
            setattr(call, name, value)
        _add_attempt_span(
            execution, SPAN_STATUS_FOR.get(state, SpanStatus.ERROR), started_at, kind=kind, note=call.error_sentence
        )
        announce_end(call, actor=execution.actor, data={"attempt_count": call.attempt_count})
    return True


def announce_end(call: ToolCall, *, actor: Actor, data: dict[str, Any] | None = None, reason: str = "") -> None:
    """Audit entry and news of a call's end, and the end of a run that was opened for it. In the caller's
    transaction.
    """
    audit.record(
        actor,
        f"tool_call.{call.state}",
        subject_type="tool_call",
        subject_id=call.id,
        subject_name=call.tool.name,
        process=call.process.slug,
        environment=call.environment,
        run_id=call.run_id,
        outcome=call.state,
        reason=reason or call.error_sentence,
        data={"tool": call.tool.name, "result_digest": call.result.digest if call.result else None, **(data or {})},
    )
    outbox.add(ToolCallFinished(tool_call_id=str(call.id), run_id=str(call.run_id), state=call.state))
    if call.run.is_implicit:
        runs.end_run(run=call.run, state=RUN_STATE_FOR.get(CallState(call.state), RunState.FAILED), actor=actor)


def _add_attempt_span(
    execution: Execution, status: SpanStatus, started_at: dt.datetime, *, kind: SpanKind = SpanKind.TOOL, note: str = ""
) -> None:
    call = execution.call
    runs.add_span(
        run_id=call.run_id,
        tool_call_id=call.id,
        kind=kind,
        name=call.tool.name,
        status=status,
        started_at=started_at,
        ended_at=clock.now(),
        actor_name=call.agent.name,
        note=note,
        money=Money(call.money_minor, call.currency)
        if call.money_minor is not None and status == SpanStatus.OK
        else None,
        attributes={
            "attempt": call.attempt_count,
            "idempotency_key": call.idempotency_key,
            "effect": execution.granted.tool.effect,
        },
    )
