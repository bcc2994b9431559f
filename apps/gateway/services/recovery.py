"""Recovery: what became of an executing call whose deadline has passed? Never a blind retry of a write.

A call that is known to have had no effect, or whose tool is idempotent, is sent again under the same key. Otherwise the
tool's lookup is asked. Neither: the outcome is unknown and a person resolves it. A halt keeps calls from being sent
again; it does not keep us from asking what happened. Every path ends: attempts and lookups are counted.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F, Q

from apps.approvals.models import ApprovalState
from apps.breakers.services import Admission
from apps.core import clock, locks
from apps.core.actor import system_actor
from apps.core.errors import MeshError, NotFound
from apps.core.generations import read_moment
from apps.core.pointers import resolve
from apps.gateway.arguments import check_arguments
from apps.gateway.covered import calls_held
from apps.gateway.deciding import Granted, endpoint_of, granted_tool
from apps.gateway.models import CallState, ToolCall
from apps.gateway.observed import of_call
from apps.gateway.reach import reach_of
from apps.gateway.services.execution import (
    MAX_ATTEMPTS,
    Execution,
    deadline_after,
    downstream_key,
    postpone,
    run_execution,
    settle,
)
from apps.gateway.services.release import PARKED, RESOLVED
from apps.gateway.services.sending import admit, send
from apps.gateway.stored import stored_request
from apps.halts.models import Halt, Mode
from apps.halts.queries import halts_over
from apps.registry.models import Tool
from apps.runs.models import SpanKind

log = structlog.get_logger(__name__)

RECOVERY = system_actor("recovery")
BATCH_SIZE = 200
# The news of a resolution normally takes milliseconds; after this long it is taken for lost.
LOST_AFTER = dt.timedelta(seconds=2)
# An answer "not there" counts only when it was given twice: the first request may still have been on its way.
ABSENCES_NEEDED = 2
# Sending and looking up together; then a person has to find out.
GIVE_UP_AFTER = 2 * MAX_ATTEMPTS
HALTED_PAUSE = dt.timedelta(seconds=30)
SYSTEM_PAUSE = dt.timedelta(seconds=2)
ABSENT: tuple[Any, ...] = (None, False, "", [], {})

UNKNOWN = MeshError("outcome_unknown", "Nobody can say whether this took effect. A person has to find out.")
NO_EFFECT = MeshError("connector.no_effect", "The system confirms that nothing happened.")


def overdue_calls() -> list[UUID]:
    """Executing calls past their deadline, most overdue first."""
    due = ToolCall.objects.filter(state=CallState.EXECUTING, deadline_at__lte=clock.now())
    return list(due.order_by("deadline_at").values_list("id", flat=True)[:BATCH_SIZE])


def resolved_but_parked_calls() -> list[UUID]:
    """Calls whose approval is resolved and whose release was lost on the way, or waited for a halt that no longer
    covers them. The approval of the current version alone counts.
    """
    parked = ToolCall.objects.filter(
        # a rejection or an expiry is carried out under a halt too
        ~calls_held(Halt.objects.in_force()) | ~Q(approval__state=ApprovalState.APPROVED),
        state__in=PARKED,
        # who waits for a system is let go in turn
        queued_at=None,
        approval__resolved_at__lte=clock.now() - LOST_AFTER,
        approval__state__in=RESOLVED,
    )
    return list(parked.order_by("id").values_list("id", flat=True)[:BATCH_SIZE])


@of_call("tool_call.recover")
def recover_tool_call(call_id: UUID) -> None:
    """Find out about one overdue call. Only the process whose conditional update claims it goes on."""
    claim = _claim(call_id)
    if claim is None:
        return
    try:
        _go_on(claim)
    except Exception:  # a bug of ours must not keep a call open for ever
        log.exception("tool_call.recovery_failed", tool_call_id=str(call_id))
        if claim.execution.call.attempt_count >= GIVE_UP_AFTER:
            settle(claim.execution, CallState.OUTCOME_UNKNOWN, started_at=clock.now(), error=UNKNOWN)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A call taken over, and what may be done with it."""

    execution: Execution
    will_send: bool
    is_halted: bool


@dataclass(frozen=True, slots=True)
class _Prospect:
    """What could be done about an overdue call now."""

    granted: Granted
    is_halted: bool
    will_send: bool
    admission: Admission


def _claim(call_id: UUID) -> _Claim | None:
    """Take the call by moving its deadline. Under the shared halts lock: what is sent again was not halted (I6)."""
    with transaction.atomic():
        locks.take_shared(locks.HALTS)
        call = (
            ToolCall.objects.select_related("tool__connector", "agent", "process", "run", "request", "result")
            .filter(id=call_id, state=CallState.EXECUTING)
            .first()
        )
        if call is None:
            return None
        prospect = _prospect_of(call)
        had_doubt = call.may_have_effect
        now = clock.now()
        claimed = ToolCall.objects.filter(
            id=call_id, state=CallState.EXECUTING, deadline_at__lte=now, attempt_count=call.attempt_count
        )
        if prospect.admission == Admission.WAIT:
            claimed.update(**_put_off(prospect, had_doubt=had_doubt, now=now))
            return None
        taken = claimed.update(
            deadline_at=now + HALTED_PAUSE if prospect.is_halted else deadline_after(prospect.granted, now),
            attempt_count=F("attempt_count") + (0 if prospect.is_halted else 1),
            may_have_effect=had_doubt or prospect.will_send,
        )
    if not taken:
        return None
    call.attempt_count += 0 if prospect.is_halted else 1
    call.may_have_effect = had_doubt or prospect.will_send
    arguments = _stored_arguments(call)
    execution = Execution(
        call,
        prospect.granted,
        arguments or {},
        RECOVERY,
        is_parked=True,
        had_doubt=had_doubt,
        is_probe=prospect.admission == Admission.PROBE,
    )
    return _Claim(execution, prospect.will_send and arguments is not None, prospect.is_halted)


def _prospect_of(call: ToolCall) -> _Prospect:
    moment = read_moment()
    granted = Granted(call.tool, endpoint_of(call.tool, call.environment, moment=moment))
    is_halted = any(halt.mode != Mode.DRAIN for halt in halts_over(reach_of(call), moment=moment))
    will_send = not is_halted and _may_send(call)
    asks_system = will_send or (call.may_have_effect and bool(call.tool.lookup))
    admission = admit(granted, moment=moment) if asks_system else Admission.SEND
    return _Prospect(granted, is_halted, will_send, admission)


def _put_off(prospect: _Prospect, *, had_doubt: bool, now: dt.datetime) -> dict[str, Any]:
    """Its system does not answer. What is known to have done nothing waits in the queue; what may have done something
    stays where it is until the system can be asked. Neither is an attempt.
    """
    if had_doubt or not prospect.will_send:
        return {"deadline_at": now + SYSTEM_PAUSE}
    return {"state": CallState.QUEUED, "queued_at": now, "deadline_at": None}


def _may_send(call: ToolCall) -> bool:
    """Only what is safe to send again, only as it was decided, only while the grant stands, only so often."""
    is_safe = call.tool.is_read or call.tool.is_idempotent or not call.may_have_effect
    if not is_safe or call.attempt_count >= MAX_ATTEMPTS or call.tool.version != call.tool_version:
        return False
    try:
        granted_tool(call.agent, call.tool.name)
    except NotFound:
        return False
    return True


def _stored_arguments(call: ToolCall) -> dict[str, Any] | None:
    """None when they were erased: then there is nothing to send and nothing to ask by."""
    try:
        return stored_request(call).arguments
    except NotFound:
        return None


def _go_on(claim: _Claim) -> None:
    execution = claim.execution
    call, tool = execution.call, execution.granted.tool
    if claim.will_send:
        run_execution(execution)
    elif claim.is_halted and not (execution.had_doubt and tool.lookup):
        log.info("tool_call.waits_for_halt", tool_call_id=str(call.id))
    elif not execution.had_doubt:
        error = MeshError(call.error_code or "not_sent", call.error_sentence or "The call was never sent.")
        settle(execution, CallState.FAILED, started_at=clock.now(), error=error)
    elif tool.lookup and execution.arguments:
        _look_up(execution)
    else:
        settle(execution, CallState.OUTCOME_UNKNOWN, started_at=clock.now(), error=UNKNOWN)


def _look_up(execution: Execution) -> None:
    """Ask the system whether the effect is there."""
    started_at = clock.now()
    try:
        found = ask_system(execution)
    except (MeshError, Tool.DoesNotExist) as error:
        if execution.call.attempt_count >= GIVE_UP_AFTER or not isinstance(error, MeshError) or error.status == 422:
            settle(execution, CallState.OUTCOME_UNKNOWN, started_at=started_at, error=UNKNOWN, kind=SpanKind.LOOKUP)
        else:
            postpone(execution, error, started_at, kind=SpanKind.LOOKUP)
        return
    absences = execution.call.absence_count + 1
    if found not in ABSENT:
        settle(execution, CallState.SUCCEEDED, started_at=started_at, result=found, kind=SpanKind.LOOKUP)
    elif absences < ABSENCES_NEEDED:
        postpone(execution, NO_EFFECT, started_at, kind=SpanKind.LOOKUP, absence_count=absences)
    else:
        settle(execution, CallState.FAILED, started_at=started_at, error=NO_EFFECT, kind=SpanKind.LOOKUP)


def ask_system(execution: Execution) -> Any:
    """What the lookup tool finds. Its arguments are checked like any others: a lookup that lost its filter would find
    somebody else's record. Pointers lead into `/arguments`, or to `/idempotency_key`.
    """
    definition = execution.granted.tool.lookup or {}
    document = {"arguments": execution.arguments, "idempotency_key": downstream_key(execution.call)}
    tool = Tool.objects.select_related("connector").get(name=definition["tool"])
    arguments = {
        name: value
        for name, pointer in definition.get("arguments", {}).items()
        if (value := resolve(document, pointer)) is not None
    }
    check_arguments(tool, arguments)
    answer = send(
        Granted(tool, endpoint_of(tool, execution.call.environment)),
        arguments,
        idempotency_key=f"{document['idempotency_key']}/lookup",
        is_probe=execution.is_probe,
    )
    return resolve(answer, definition.get("found", ""))
