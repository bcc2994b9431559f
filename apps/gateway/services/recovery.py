"""Recovery: what became of an executing call whose deadline has passed? Never a blind retry of a write.

An idempotent tool is asked again with the same key. A tool with a lookup is looked up. Neither: the outcome is unknown
and a person resolves it. A halt keeps calls from being sent again; it does not keep us from asking what happened.
"""

import datetime as dt
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q

from apps.core import clock, locks
from apps.core.actor import system_actor
from apps.core.errors import ConnectorError, MeshError
from apps.core.pointers import resolve
from apps.gateway.clients import call_connector
from apps.gateway.deciding import Granted
from apps.gateway.models import CallState, ToolCall
from apps.gateway.services.execution import (
    MAX_ATTEMPTS,
    Execution,
    deadline_after,
    downstream_key,
    postpone,
    run_execution,
    settle,
)
from apps.gateway.services.release import PARKED
from apps.gateway.stored import stored_request
from apps.halts.models import Halt, Mode, Scope
from apps.halts.queries import Reach, halts_over
from apps.registry.models import ConnectorEndpoint, Tool
from apps.runs.models import SpanKind

RECOVERY = system_actor("recovery")
BATCH_SIZE = 200
# The news of a resolution normally takes milliseconds; after this long it is taken for lost.
LOST_AFTER = dt.timedelta(seconds=2)
# An answer "not there" counts only when it was given twice: the first request may still have been on its way.
ABSENCES_NEEDED = 2


def overdue_calls() -> list[UUID]:
    """Executing calls past their deadline, most overdue first."""
    due = ToolCall.objects.filter(state=CallState.EXECUTING, deadline_at__lte=clock.now())
    return list(due.order_by("deadline_at").values_list("id", flat=True)[:BATCH_SIZE])


def resolved_but_parked_calls() -> list[UUID]:
    """Calls whose approval is resolved and whose release was lost on the way, or waited for a halt that no longer
    covers them.
    """
    covering = Halt.objects.in_force().filter(
        Q(scope_type=Scope.MESH) | Q(scope_id__in=[OuterRef("process_id"), OuterRef("agent_id"), OuterRef("tool_id")]),
        environment=OuterRef("environment"),
    )
    parked = ToolCall.objects.filter(
        ~Exists(covering),
        state__in=PARKED,
        approval__resolved_at__lte=clock.now() - LOST_AFTER,
    )
    return list(parked.order_by("id").values_list("id", flat=True)[:BATCH_SIZE])


def recover_tool_call(call_id: UUID) -> None:
    """Find out about one overdue call. Only the process whose conditional update claims it goes on."""
    claimed = _claim(call_id)
    if claimed is None:
        return
    execution, may_send = claimed
    tool = execution.granted.tool
    is_spent = execution.call.attempt_count > MAX_ATTEMPTS
    if (tool.is_read or tool.is_idempotent) and may_send and not is_spent:
        run_execution(execution)
    elif tool.lookup:
        _look_up(execution, is_spent=is_spent)
    elif not may_send and not is_spent:
        postpone(execution, _HALTED, clock.now())
    else:
        settle(execution, CallState.OUTCOME_UNKNOWN, started_at=clock.now(), error=_UNKNOWN)


_HALTED = MeshError("halted", "A halt keeps this call from being sent again.")
_UNKNOWN = MeshError("outcome_unknown", "Nobody can say whether this took effect. A person has to find out.")
_NO_EFFECT = MeshError("connector.no_effect", "The system confirms that nothing happened.")


def _claim(call_id: UUID) -> tuple[Execution, bool] | None:
    """Take the call by moving its deadline; False means that a halt forbids to send it again. Under the shared halts
    lock (I6).
    """
    with transaction.atomic():
        locks.take_shared(locks.HALTS)
        call = (
            ToolCall.objects.select_related("tool__connector", "agent", "process", "run", "request", "result")
            .filter(id=call_id, state=CallState.EXECUTING)
            .first()
        )
        if call is None:
            return None
        granted = Granted(call.tool, _endpoint(call.tool, call.environment))
        now = clock.now()
        may_send = not any(halt.mode != Mode.DRAIN for halt in halts_over(_reach(call)))
        taken = ToolCall.objects.filter(id=call_id, state=CallState.EXECUTING, deadline_at__lte=now).update(
            deadline_at=deadline_after(granted, now),
            # waiting for a halt to be lifted is no attempt
            attempt_count=F("attempt_count") + (1 if may_send else 0),
        )
    if not taken:
        return None
    call.attempt_count += 1 if may_send else 0
    return Execution(call, granted, stored_request(call).arguments, RECOVERY, is_parked=True), may_send


def _reach(call: ToolCall) -> Reach:
    return Reach(call.environment, call.process_id, call.agent_id, call.tool_id)


def _endpoint(tool: Tool, environment: str) -> ConnectorEndpoint | None:
    return ConnectorEndpoint.objects.filter(connector_id=tool.connector_id, environment=environment).first()


@dataclass(frozen=True, slots=True)
class _Lookup:
    """A tool's lookup, read from its definition."""

    tool: Tool
    arguments: dict[str, Any]
    found: str


def _look_up(execution: Execution, *, is_spent: bool) -> None:
    """Ask the system whether the effect is there."""
    started_at = clock.now()
    lookup = _lookup_of(execution)
    try:
        answer = call_connector(
            tool=lookup.tool,
            endpoint=_endpoint(lookup.tool, execution.call.environment),
            arguments=lookup.arguments,
            idempotency_key=downstream_key(execution.call) + "/lookup",
        )
    except ConnectorError as error:
        if is_spent:
            settle(execution, CallState.OUTCOME_UNKNOWN, started_at=started_at, error=_UNKNOWN, kind=SpanKind.LOOKUP)
        else:
            postpone(execution, error, started_at)
        return
    found = resolve(answer, lookup.found)
    if found is not None:
        settle(execution, CallState.SUCCEEDED, started_at=started_at, result=found, kind=SpanKind.LOOKUP)
    elif execution.call.attempt_count <= ABSENCES_NEEDED and not is_spent:
        postpone(execution, _NO_EFFECT, started_at)
    else:
        settle(execution, CallState.FAILED, started_at=started_at, error=_NO_EFFECT, kind=SpanKind.LOOKUP)


def _lookup_of(execution: Execution) -> _Lookup:
    """Pointers of a lookup lead into the call's arguments, or to `/idempotency_key`."""
    definition = execution.granted.tool.lookup or {}
    document = {
        **execution.arguments,
        "arguments": execution.arguments,
        "idempotency_key": downstream_key(execution.call),
    }
    return _Lookup(
        tool=Tool.objects.select_related("connector").get(name=definition["tool"]),
        arguments={name: resolve(document, pointer) for name, pointer in definition.get("arguments", {}).items()},
        found=definition.get("found", ""),
    )
