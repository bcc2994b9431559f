"""Asking a system once more what became of a call, because a person wants to know. A read: nothing is sent again."""

import datetime as dt
from uuid import UUID

import structlog
from django.db import transaction
from django.db.models import F

from apps.core import clock
from apps.core.errors import MeshError, NotFound
from apps.gateway.deciding import Granted, endpoint_of
from apps.gateway.models import CallState, ToolCall
from apps.gateway.services.concluding import conclude, locked_unknown
from apps.gateway.services.execution import Execution, deadline_after
from apps.gateway.services.recovery import ABSENCES_NEEDED, ABSENT, BATCH_SIZE, NO_EFFECT, RECOVERY, ask_system
from apps.gateway.stored import stored_request
from apps.gateway.telling import add_call_span
from apps.registry.models import Tool
from apps.runs.models import SpanKind, SpanStatus

log = structlog.get_logger(__name__)


def questioned_calls() -> list[UUID]:
    """Calls a person wants asked about whose question was lost, or whose asker died."""
    due = ToolCall.objects.filter(state=CallState.OUTCOME_UNKNOWN, deadline_at__lte=clock.now())
    return list(due.order_by("deadline_at").values_list("id", flat=True)[:BATCH_SIZE])


def ask_again(call_id: UUID) -> None:
    """Put the question. Whoever moves the deadline goes on; an answer that comes after a person's counts for nothing.

    What is found ends the call as succeeded. What is not there ends it as failed once that was said twice, the answers
    of the recovery included. No answer leaves it as it was.
    """
    call = _claim(call_id)
    if call is None:
        return
    started_at = clock.now()
    try:
        arguments = stored_request(call).arguments
        found = ask_system(Execution(call, _granted(call), arguments, RECOVERY))
    except (MeshError, NotFound, Tool.DoesNotExist) as error:
        sentence = error.sentence if isinstance(error, MeshError) else "The lookup tool is gone."
        _answered(call_id, started_at, SpanStatus.ERROR, sentence)
    except Exception:  # a bug of ours must not ask for ever
        log.exception("tool_call.question_failed", tool_call_id=str(call_id))
        _answered(call_id, started_at, SpanStatus.ERROR, "The answer could not be read.")
    else:
        if found in ABSENT:
            _absent(call_id, started_at)
        else:
            _found(call_id, started_at, found)


def _claim(call_id: UUID) -> ToolCall | None:
    call = (
        ToolCall.objects.select_related("tool__connector", "agent", "process", "run", "request")
        .filter(id=call_id, state=CallState.OUTCOME_UNKNOWN)
        .first()
    )
    if call is None or not call.tool.lookup:
        return None
    now = clock.now()
    claimed = ToolCall.objects.filter(id=call_id, state=CallState.OUTCOME_UNKNOWN, deadline_at__lte=now).update(
        deadline_at=deadline_after(_granted(call), now)
    )
    return call if claimed else None


def _granted(call: ToolCall) -> Granted:
    return Granted(call.tool, endpoint_of(call.tool, call.environment))


def _answered(call_id: UUID, started_at: dt.datetime, status: SpanStatus, sentence: str) -> None:
    with transaction.atomic():
        call = locked_unknown(call_id)
        if call is not None:
            ToolCall.objects.filter(id=call_id).update(deadline_at=None)
            _add_span(call, started_at, status, sentence)


def _absent(call_id: UUID, started_at: dt.datetime) -> None:
    with transaction.atomic():
        call = locked_unknown(call_id)
        if call is None:
            return
        ToolCall.objects.filter(id=call_id).update(absence_count=F("absence_count") + 1, deadline_at=None)
        if call.absence_count + 1 < ABSENCES_NEEDED:
            _add_span(call, started_at, SpanStatus.UNKNOWN, "The system does not know of it. Asked twice, that counts.")
            return
        _add_span(call, started_at, SpanStatus.ERROR, NO_EFFECT.sentence)
        conclude(call, CallState.FAILED, actor=RECOVERY, error=NO_EFFECT)


def _found(call_id: UUID, started_at: dt.datetime, found: object) -> None:
    with transaction.atomic():
        call = locked_unknown(call_id)
        if call is not None:
            _add_span(call, started_at, SpanStatus.OK, "")
            conclude(call, CallState.SUCCEEDED, actor=RECOVERY, result=found)


def _add_span(call: ToolCall, started_at: dt.datetime, status: SpanStatus, note: str) -> None:
    add_call_span(call, SpanKind.LOOKUP, status, started_at=started_at, note=note, with_money=status == SpanStatus.OK)
