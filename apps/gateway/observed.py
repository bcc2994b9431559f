"""What the steps of a call tell of themselves to whoever collects traces and metrics (`apps.core.observing`)."""

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any, Protocol, TypeVar
from uuid import UUID

from django.db.models import Count, Min

from apps.core import clock, observing
from apps.core.observing import Attributes
from apps.core.tracing import TraceContext
from apps.gateway.models import CallState, ToolCall

R = TypeVar("R")


class _OfCall(Protocol):
    """What came of taking a call in."""

    call: ToolCall


def _of(call: ToolCall) -> Attributes:
    return {
        "mesh.call.id": str(call.id),
        "mesh.run.id": str(call.run_id),
        "mesh.agent": call.agent.slug,
        "mesh.tool": call.tool.name,
        "mesh.environment": call.environment,
        "mesh.call.state": call.state,
        "mesh.attempt": call.attempt_count,
        "mesh.error.code": call.error_code,
    }


def _taken_in(intake: _OfCall) -> Attributes:
    return _of(intake.call)


INTAKE = observing.observed("tool_call.intake", after=_taken_in)
DECISION = observing.observed("tool_call.decide", after=lambda verdict: {"mesh.decision.outcome": verdict.outcome})
EGRESS = observing.observed("tool_call.send", kind=observing.CLIENT)


def of_call(name: str) -> Callable[[Callable[[UUID], R]], Callable[[UUID], R]]:
    """For what happens to a call in a worker: a step in the trace in which the call was asked for."""

    def wrap(act: Callable[[UUID], R]) -> Callable[[UUID], R]:
        @wraps(act)
        def run(call_id: UUID) -> R:
            if not observing.is_on():
                return act(call_id)
            with observing.step(name, attributes={"mesh.call.id": str(call_id)}, parent=_trace_of(call_id)):
                result = act(call_id)
                observing.note(_now(call_id))
            return result

        return run

    return wrap


def _trace_of(call_id: UUID) -> TraceContext | None:
    trace_id, span_id = ToolCall.objects.values_list("trace_id", "trace_span_id").filter(id=call_id).first() or (
        None,
        None,
    )
    return None if trace_id is None or span_id is None else TraceContext(trace_id, span_id)


def _now(call_id: UUID) -> Attributes:
    call = ToolCall.objects.select_related("agent", "tool").filter(id=call_id).first()
    return {} if call is None else _of(call)


def count_end(call: ToolCall) -> None:
    """One more call has ended, and how."""
    if observing.is_on():
        of_metric = {"mesh.tool": call.tool.name, "mesh.environment": call.environment, "mesh.call.state": call.state}
        observing.count("tool_call.ended", attributes=of_metric)


def _open_calls() -> Iterator[observing.Reading]:
    """How many wait for people, for their system, or are being sent."""
    states = (CallState.AWAITING_APPROVAL, CallState.QUEUED, CallState.EXECUTING)
    counted = ToolCall.objects.filter(state__in=states).values_list("state", "environment").annotate(Count("id"))
    for state, environment, count in counted.order_by():
        yield count, {"mesh.call.state": state, "mesh.environment": environment}


def _oldest_queued() -> Iterator[observing.Reading]:
    """Seconds for which the call that waits longest has waited for its system."""
    waiting: Any = ToolCall.objects.filter(state=CallState.QUEUED, queued_at__isnull=False)
    oldest = dict(waiting.order_by().values_list("environment").annotate(Min("queued_at")))
    for environment, since in oldest.items():
        yield (clock.now() - since).total_seconds(), {"mesh.environment": environment}


LEVELS: dict[str, observing.Levels] = {
    "tool_calls.open": _open_calls,
    "tool_calls.oldest_queued_seconds": _oldest_queued,
}
