"""What this floor knows of runs, as their pages ask for it."""

from uuid import UUID

from apps.gateway.models import ToolCall
from apps.runs.models import Run
from apps.runs.steps import Source
from apps.telemetry import reported_rows
from apps.telemetry.opened import opened
from apps.telemetry.told import sentences_of, usage_told

HEX_OF_TRACE = 32
# A trace of a program that never ends one belongs to more runs than a list can name.
MOST_RUNS = 1000


def runs_of_trace(words: str) -> list[UUID]:
    """The runs that this W3C trace id belongs to: opened in it, or with a call that was asked for in it."""
    try:
        trace_id = UUID(words) if len(words) == HEX_OF_TRACE else None
    except ValueError:
        trace_id = None
    if trace_id is None:
        return []
    calls = ToolCall.objects.filter(trace_id=trace_id).order_by("-id").values_list("run_id", flat=True)[:MOST_RUNS]
    runs = Run.objects.filter(trace_id=trace_id).order_by("-id").values_list("id", flat=True)[:MOST_RUNS]
    return [*runs, *calls]


SOURCE = Source(
    rows=reported_rows.rows,
    parents=reported_rows.parents,
    count=reported_rows.count,
    opened=opened,
    sentences=sentences_of,
    usage=usage_told,
    kinds=reported_rows.kinds,
)
