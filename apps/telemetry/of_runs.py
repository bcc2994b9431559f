"""What this floor knows of runs, as their pages ask for it."""

from apps.runs.steps import Source
from apps.telemetry import reported_rows
from apps.telemetry.opened import opened
from apps.telemetry.told import sentences_of, usage_told

SOURCE = Source(
    rows=reported_rows.rows,
    parents=reported_rows.parents,
    count=reported_rows.count,
    opened=opened,
    sentences=sentences_of,
    usage=usage_told,
    kinds=reported_rows.kinds,
)
