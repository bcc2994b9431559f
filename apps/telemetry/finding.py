"""Runs by the trace that their agents know them by."""

from uuid import UUID

from apps.core.ids import parse_uuid
from apps.core.tracing import read_traceparent
from apps.gateway.models import ToolCall
from apps.runs.models import Run

# As many as the list looks among; a trace of more is a program that never opens another.
MOST_FOUND = 1000


def runs_of_trace(words: str) -> list[UUID]:
    """The latest runs that were opened in the trace of this id, or in which it asked for a call; by the id as people
    copy it, or the whole `traceparent`. [] for what is neither. Whoever asks sees those that they may.
    """
    context = read_traceparent(words)
    trace_id = context.trace_id if context else parse_uuid(words)
    if trace_id is None:
        return []
    called = ToolCall.objects.filter(trace_id=trace_id).order_by("-id").values_list("run_id", flat=True)[:MOST_FOUND]
    opened = Run.objects.filter(trace_id=trace_id).order_by("-id").values_list("id", flat=True)[:MOST_FOUND]
    return list({*called, *opened})
