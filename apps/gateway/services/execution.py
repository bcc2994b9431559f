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

from apps.core import clock
from apps.core.actor import Actor
from apps.core.errors import ConnectorError, MeshError
from apps.gateway.clients import call_connector, timeout_seconds
from apps.gateway.deciding import Granted
from apps.gateway.models import CallState, ToolCall
from apps.gateway.telling import add_call_span, tell_end
from apps.runs.models import SpanKind, SpanStatus
from apps.vault import services as vault

log = structlog.get_logger(__name__)

# Beyond the connector's own time-out: what a loaded machine may need to write the outcome down.
DEADLINE_MARGIN = dt.timedelta(seconds=3)
MAX_ATTEMPTS = 10
FIRST_BACKOFF_SECONDS = 0.5

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
        tell_end(call, actor=execution.actor, data={"attempt_count": call.attempt_count})
    return True


def _add_attempt_span(
    execution: Execution, status: SpanStatus, started_at: dt.datetime, *, kind: SpanKind = SpanKind.TOOL, note: str = ""
) -> None:
    call = execution.call
    add_call_span(
        call,
        kind,
        status,
        started_at=started_at,
        note=note,
        # money has moved only where the effect is certain
        with_money=status == SpanStatus.OK,
        attributes={
            "attempt": call.attempt_count,
            "idempotency_key": call.idempotency_key,
            "effect": execution.granted.tool.effect,
        },
    )
