"""Putting reported spans where they stay: COPY into the partition of their trace, each once, all of a request or none.

What is answered 200 is committed. A trace gets its key, and with it its partition, when its first span comes; so the
key of a span says nothing of when it claims to have been, and the same span sent again a week later is still the same.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction

from apps.core import clock, observing
from apps.core.ids import uuid7
from apps.registry.models import Agent
from apps.telemetry.models import ReportedKind, ReportedSpan, ToolReport, Trace
from apps.telemetry.otlp import Told
from apps.telemetry.partitions import make_partition
from apps.telemetry.rows import Row, Unusable, row_of

log = structlog.get_logger(__name__)

# Each time somebody else has stored one of these spans between our look and our COPY.
MOST_TRIES = 5
_COPY_SPANS = "COPY {} ({}) FROM STDIN".format(ReportedSpan._meta.db_table, ", ".join(["trace", *Row._fields[1:]]))
_COPY_TOOLS = f"COPY {ToolReport._meta.db_table} (trace, span_id, received_at) FROM STDIN"
_KNOWN = f"""
    SELECT span.trace, span.span_id FROM unnest(%s::uuid[], %s::bigint[]) AS asked (trace, span_id)
    JOIN {ReportedSpan._meta.db_table} span ON span.trace = asked.trace AND span.span_id = asked.span_id
"""  # noqa: S608  our own names

_KIND, _RECEIVED = Row._fields.index("kind"), Row._fields.index("received_at")

_NEW_TRACES = f"""
    INSERT INTO {Trace._meta.db_table} (process_id, environment, first_agent_id, first_seen_at, id, trace_id)
    SELECT %s, %s, %s, %s, told.* FROM unnest(%s::uuid[], %s::uuid[]) AS told (id, trace_id)
    ON CONFLICT DO NOTHING RETURNING trace_id, id
"""  # noqa: S608  our own names

Key = tuple[UUID, int]


@dataclass(frozen=True, slots=True)
class Stored:
    """How many spans are new; how many could not be kept, and why in words."""

    new_count: int
    rejected_count: int
    message: str


def store_spans(*, agent: Agent, told: Iterable[Told]) -> Stored:
    """Keep what can be kept, in one transaction. Spans that are there already are left as they are."""
    received_at = clock.now()
    rows, rejected = _rows(told, agent, received_at)
    _ensure_partition(received_at)
    stored = Stored(_store(agent, list(rows.values()), received_at), len(rejected), _words(rejected))
    observing.count("telemetry.spans", by=stored.new_count, attributes={"mesh.environment": agent.environment})
    return stored


def _rows(
    told: Iterable[Told], agent: Agent, received_at: dt.datetime
) -> tuple[dict[tuple[bytes, int], Row], list[str]]:
    """The rows by trace and span, and for each span that is none of them, why."""
    rows: dict[tuple[bytes, int], Row] = {}
    rejected = []
    agent_id, moment, received_ns = str(agent.id), received_at.isoformat(), int(received_at.timestamp() * 10**9)
    for one in told:
        try:
            row = row_of(one, agent_id=agent_id, received_at=moment, received_ns=received_ns)
        except Unusable as error:
            rejected.append(str(error))
            continue
        before = rows.setdefault((row.trace_id, row.span_id), row)
        if before is not row and before != row:
            rejected.append("a span was told twice, each time differently; the first counts")
    return rows, rejected


def _words(rejected: Sequence[str]) -> str:
    return "; ".join(sorted(set(rejected)))


def _store(agent: Agent, rows: list[Row], received_at: dt.datetime) -> int:
    if not rows:
        return 0
    for tries_left in reversed(range(MOST_TRIES)):
        try:
            with transaction.atomic():
                return _copy(agent, rows, received_at)
        except (IntegrityError, OperationalError) as error:
            # somebody else has just stored one of these spans, or each of us waits for a trace of the other
            is_race = isinstance(error, IntegrityError) or "deadlock" in str(error)
            if not is_race or not tries_left:
                raise
    raise AssertionError


def _copy(agent: Agent, rows: list[Row], received_at: dt.datetime) -> int:
    traces = {row.trace_id: UUID(bytes=row.trace_id) for row in rows}
    keys, old = _keys_of(agent, sorted(traces.values()), received_at)
    known = _known([(keys[traces[row.trace_id]], row.span_id) for row in rows if traces[row.trace_id] in old])
    told = {trace_id: str(keys[trace]) for trace_id, trace in traces.items()}
    fresh = [
        (told[row.trace_id], *row[1:])
        for row in rows
        if not known or (keys[traces[row.trace_id]], row.span_id) not in known
    ]
    tools = [(row[0], row[1], row[_RECEIVED]) for row in fresh if row[_KIND] == ReportedKind.TOOL]
    with connection.cursor() as cursor:
        for statement, lines in ((_COPY_SPANS, fresh), (_COPY_TOOLS, tools)):
            if lines:
                with cursor.copy(statement) as copy:
                    for line in lines:
                        copy.write_row(line)
    return len(fresh)


def _keys_of(agent: Agent, trace_ids: list[UUID], received_at: dt.datetime) -> tuple[dict[UUID, UUID], set[UUID]]:
    """(the key of each trace, those of them that may have spans already). In one order, so that two requests with the
    same traces do not wait for each other.
    """
    with connection.cursor() as cursor:
        keys = [uuid7() for _ in trace_ids]
        cursor.execute(_NEW_TRACES, [agent.process_id, agent.environment, agent.id, received_at, keys, trace_ids])
        new: dict[UUID, UUID] = dict(cursor.fetchall())
    old = [trace_id for trace_id in trace_ids if trace_id not in new]
    if not old:
        return new, set()
    # those that were there, or that another request has just made
    traces = Trace.objects.filter(trace_id__in=old, process_id=agent.process_id, environment=agent.environment)
    return new | dict(traces.values_list("trace_id", "id")), set(old)


def _known(keys: list[Key]) -> set[Key]:
    """Those of the spans that are there."""
    if not keys:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN, [[trace for trace, _ in keys], [span for _, span in keys]])
        return set(cursor.fetchall())


_days_made: set[dt.date] = set()


def _ensure_partition(now: dt.datetime) -> None:
    """That of today, asked for once a day and process; without it the default one takes what comes."""
    day = now.astimezone(dt.UTC).date()
    if day in _days_made:
        return
    try:
        make_partition(day)
    except DatabaseError as error:
        log.warning("telemetry.partition_failed", day=str(day), error=str(error))
        return
    _days_made.clear()
    _days_made.add(day)
