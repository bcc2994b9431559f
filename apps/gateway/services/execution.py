"""Execution: the intent is committed before, the connector is called with no transaction open, the outcome is committed
after.

Between the two commits a process may die. Then the call stays `executing`, and once its deadline has passed the
recovery job takes it up. `may_have_effect` is raised with the intent and taken back only by an attempt that is known
to have done nothing, so a later definite no never hides an earlier unknown.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any

import structlog
from django.db import transaction

from apps.core import clock
from apps.core.actor import Actor
from apps.core.backoff import wait_seconds
from apps.core.errors import ConnectorError, MeshError
from apps.core.rows import NotClaimed, change, claim, insert, together
from apps.gateway import spending
from apps.gateway.clients import timeout_seconds
from apps.gateway.compensated import finish_compensation
from apps.gateway.deciding import Granted
from apps.gateway.limits import result_document, told_of
from apps.gateway.models import CallState, ToolCall
from apps.gateway.services.sending import send
from apps.gateway.telling import add_call_span, tell_end
from apps.registry.models import WhenDown
from apps.runs.deadlines import RUN_TIME_OVER, seconds_left
from apps.runs.models import SpanKind, SpanStatus
from apps.vault import services as vault

log = structlog.get_logger(__name__)

# Beyond the connector's own time-out: what a loaded machine may need to write the outcome down.
DEADLINE_MARGIN = dt.timedelta(seconds=3)
MAX_ATTEMPTS = 10
FIRST_BACKOFF_SECONDS = 0.5
LONGEST_BACKOFF_SECONDS = 32
# Of the plain back-off: a lookup that finds nothing says little about a request that may still be on its way.
LOOKUP_WAITS_AT_LEAST = 0.5
# A read changes nothing, so it is simply asked again while the agent waits.
READ_ATTEMPTS = 3

SPAN_STATUS_FOR = {CallState.SUCCEEDED: SpanStatus.OK, CallState.OUTCOME_UNKNOWN: SpanStatus.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Execution:
    """A claimed call with all that is needed to carry it out.

    `is_parked`: no agent waits for the answer of this attempt. `had_doubt`: an earlier attempt may have taken effect.
    `is_probe`: it finds out for all whether the system is back.
    """

    call: ToolCall
    granted: Granted
    arguments: dict[str, Any]
    actor: Actor
    is_parked: bool = False
    had_doubt: bool = False
    is_probe: bool = False


def downstream_key(call: ToolCall) -> str:
    """The key the business system sees: unique for (agent, tool, key), as I3 counts, because two agents may choose the
    same key and one agent may use it with two tools.
    """
    return f"{call.agent.slug}/{call.tool.name}/{call.idempotency_key}"


def deadline_after(granted: Granted, start: dt.datetime) -> dt.datetime:
    """When an attempt that began at `start` is certainly over or its process dead."""
    return start + dt.timedelta(seconds=timeout_seconds(granted.tool, granted.endpoint)) + DEADLINE_MARGIN


def run_execution(execution: Execution) -> None:
    """Call the connector for a claimed call and commit what came of it; `execution.call` then shows the new state."""
    started_at = clock.now()
    try:
        result = _call(execution)
    except ConnectorError as error:
        _after_error(execution, error, started_at)
    except MeshError as error:  # a secret that cannot be read: nothing was sent
        _after_error(execution, ConnectorError(error.code, error.sentence, effect="none"), started_at)
    else:
        settle(execution, CallState.SUCCEEDED, started_at=started_at, result=result)


def _call(execution: Execution) -> Any:
    at_most = seconds_left(execution.call.run)
    if at_most is not None and at_most <= 0:
        raise ConnectorError(RUN_TIME_OVER, "The time of its run is over.", effect="none", permanent=True)
    attempts = READ_ATTEMPTS if execution.granted.tool.is_read else 1
    for attempt in range(1, attempts + 1):
        try:
            return send(
                execution.granted,
                execution.arguments,
                idempotency_key=downstream_key(execution.call),
                is_probe=execution.is_probe,
                at_most=at_most,
            )
        except ConnectorError as error:
            # a time-out has used up the time that the agent would wait
            if attempt == attempts or error.permanent or error.code == "connector.timeout" or execution.is_probe:
                raise
    raise AssertionError("the last attempt returns or raises")


def _after_error(execution: Execution, error: ConnectorError, started_at: dt.datetime) -> None:
    """End the call where the truth is known; otherwise leave it executing and let the recovery job find out."""
    tool = execution.granted.tool
    is_certain = tool.is_read or (error.effect == "none" and not execution.had_doubt)
    is_spent = execution.call.attempt_count >= MAX_ATTEMPTS
    # a tool that says it waits for its system is tried again, also where an agent waits for the answer
    gives_up = is_spent or not (execution.is_parked or tool.when_down == WhenDown.QUEUE)
    if is_certain and (tool.is_read or error.permanent or gives_up):
        settle(execution, CallState.FAILED, started_at=started_at, error=error)
    elif not is_certain and (is_spent or error.permanent) and not tool.lookup:
        settle(execution, CallState.OUTCOME_UNKNOWN, started_at=started_at, error=error)
    else:
        # after a definite no, asking again is no use: the attempts are used up and only the lookup is left
        postpone(execution, error, started_at, is_certain=is_certain, is_last=error.permanent)


def postpone(
    execution: Execution,
    error: MeshError,
    started_at: dt.datetime,
    *,
    is_certain: bool = False,
    is_last: bool = False,
    kind: SpanKind = SpanKind.TOOL,
    absence_count: int | None = None,
) -> None:
    """Keep the call executing; the recovery job looks at it after a back-off. Nothing happens when a later attempt has
    taken the call over.
    """
    call = execution.call
    wait = wait_seconds(
        call.attempt_count - 1,
        first=FIRST_BACKOFF_SECONDS,
        longest=LONGEST_BACKOFF_SECONDS,
        at_least_share=LOOKUP_WAITS_AT_LEAST if kind is SpanKind.LOOKUP else 0,
    )
    changes: dict[str, Any] = {
        "deadline_at": clock.now() + dt.timedelta(seconds=wait),
        "error_code": error.code,
        "error_sentence": error.sentence,
        "may_have_effect": not is_certain,
        "attempt_count": max(call.attempt_count, MAX_ATTEMPTS) if is_last else call.attempt_count,
    }
    if absence_count is not None:
        changes["absence_count"] = absence_count
    with transaction.atomic():
        # only while this is still its latest attempt
        if change(ToolCall, changes, id=call.id, state=CallState.EXECUTING, attempt_count=call.attempt_count):
            _take_over(call, changes)
            note = f"{error.sentence} Trying to find out."
            _add_attempt_span(execution, SpanStatus.ERROR, started_at, kind=kind, note=note)
    log.info("tool_call.postponed", tool_call_id=str(call.id), code=error.code, attempt=call.attempt_count)


def settle(
    execution: Execution,
    state: CallState,
    *,
    started_at: dt.datetime,
    result: Any = None,
    error: MeshError | None = None,
    kind: SpanKind = SpanKind.TOOL,
) -> None:
    """Commit the end of an executing call: state, result, audit entry, span and news together.

    A success stands whichever attempt saw it. Any other end counts only while no later attempt has taken the call over.
    """
    call = execution.call
    words = error.details.get("words", "") if error else ""
    body = {"words": words} if words else result
    result_row = vault.sealed(result_document(body)) if body is not None else None
    ended = {
        "state": state,
        "finished_at": clock.now(),
        "deadline_at": None,
        "result": result_row,
        "error_code": error.code if error else "",
        "error_sentence": error.sentence if error else "",
    }
    fence = {} if state == CallState.SUCCEEDED else {"attempt_count": call.attempt_count}
    try:
        with transaction.atomic(), together():
            # the row that is claimed first refers to one that is written after it: foreign keys are checked at the
            # commit
            claim(ToolCall, ended, id=call.id, state=CallState.EXECUTING, **fence)
            _take_over(call, ended)
            if result_row is not None:
                insert(result_row)
            status = SPAN_STATUS_FOR.get(state, SpanStatus.ERROR)
            _add_attempt_span(execution, status, started_at, kind=kind, note=call.error_sentence)
            tell_end(call, actor=execution.actor, data={"attempt_count": call.attempt_count} | told_of(body))
            finish_compensation(call, actor=execution.actor)
            spending.close(call)
    except NotClaimed:
        call.refresh_from_db(fields=[*ended])


def _take_over(call: ToolCall, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        setattr(call, name, value)


def _add_attempt_span(
    execution: Execution, status: SpanStatus, started_at: dt.datetime, *, kind: SpanKind, note: str
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
