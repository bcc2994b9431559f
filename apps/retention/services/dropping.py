"""Dropping whole days of what agents reported: the one thing that goes altogether, rows and all."""

import datetime as dt
import re
from collections.abc import Sequence

import structlog
from django.db import OperationalError, connection, transaction
from django.db.models import QuerySet

from apps.audit import services as audit
from apps.core import clock, locks
from apps.retention.models import Content, PurgedTrace, RetentionRule
from apps.retention.queries import Held, all_rules, held_now
from apps.retention.services.contents import words_of
from apps.retention.services.holds import LOCK
from apps.retention.services.purging import PURGE, held_traces, runs_of, why_of
from apps.runs import erasures
from apps.telemetry.models import GovernedExecution, ToolReport, Trace
from apps.telemetry.partitions import TABLE, first_key, partition_names

log = structlog.get_logger(__name__)

DAY = dt.timedelta(days=1)
NAME = re.compile(rf"{TABLE}_(\d{{8}})")
# Readers and writers of other days are not held up for longer; the next job tries again.
LOCK_TIMEOUT = "2s"
TRACES_AT_ONCE = 1000


def drop_due_days() -> list[str]:
    """Drop the partitions of days that no rule keeps and no hold touches; returns their names."""
    rule = all_rules().rule_for(None, Content.SPANS)
    if rule is None:
        return []
    last = (clock.now() - dt.timedelta(days=rule.days)).astimezone(dt.UTC).date()
    return [name for name, day in _days() if day + DAY <= last and _drop(name, day, rule)]


def _days() -> list[tuple[str, dt.date]]:
    matched = [(name, NAME.fullmatch(name)) for name in partition_names()]
    return [(name, dt.datetime.strptime(found[1], "%Y%m%d").date()) for name, found in matched if found]  # noqa: DTZ007


def _drop(name: str, day: dt.date, rule: RetentionRule) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'")
            locks.take_shared(LOCK)
            traces = Trace.objects.filter(id__gte=first_key(day), id__lt=first_key(day + DAY)).order_by("id")
            if _is_held(traces, held_now()):
                return False
            _forget(list(traces), rule)
            cursor.execute(f"SELECT count(*) FROM {name}")  # noqa: S608  our own names
            count = cursor.fetchone()[0]
            # last, because from here on nobody reads or writes any span
            cursor.execute(f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")
            cursor.execute(f"ALTER TABLE {TABLE} DETACH PARTITION {name}")
            cursor.execute(f"DROP TABLE {name}")
            _record(name, day, rule, count)
    except OperationalError as error:
        log.warning("retention.day_not_dropped", partition=name, error=str(error).splitlines()[0])
        return False
    return True


def _is_held(traces: QuerySet[Trace], held: Held) -> bool:
    if traces.filter(process__in=held.processes).exists():
        return True
    return bool(held.runs) and traces.filter(trace_id__in=held_traces(held)).exists()


def _forget(traces: Sequence[Trace], rule: RetentionRule) -> None:
    """Tell the runs of that day, and remove what pointed at its spans. Ungoverned actions stay: they are findings."""
    now, why, told = clock.now(), why_of(rule), set()
    for start in range(0, len(traces), TRACES_AT_ONCE):
        some = traces[start : start + TRACES_AT_ONCE]
        keys = [trace.id for trace in some]
        runs = [run for run in runs_of(some) if run.id not in told]
        told |= {run.id for run in runs}
        what = "what agents reported of it"
        erasures.write(
            [erasures.erasure_span(run, what=what, by=PURGE.name, why=why, at=now, is_rule=True) for run in runs]
        )
        for model in (ToolReport, GovernedExecution, PurgedTrace):
            model._default_manager.filter(trace__in=keys).delete()
        Trace.objects.filter(id__in=keys).delete()


def _record(name: str, day: dt.date, rule: RetentionRule, count: int) -> None:
    audit.record(
        PURGE,
        "retention.day_dropped",
        subject_type="partition",
        subject_id=name,
        subject_name=f"{day}: {words_of(Content.SPANS, count)}",
        reason=why_of(rule),
        data={"day": str(day), "spans": count, "rule_id": str(rule.id), "days": rule.days},
    )
