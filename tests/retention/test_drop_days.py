"""Whole days of what agents reported go, unless something of them is held."""

import os
from collections.abc import Callable

import pytest
from django.db import connection

from apps.audit.models import AuditEntry
from apps.retention import services
from apps.runs.models import Run, Span
from apps.telemetry import partitions
from apps.telemetry.models import GovernedExecution, ReportedSpan, Trace
from tests.artifacts.keeping import open_run
from tests.conftest import Robot, actor
from tests.retention.building import end, make_rule
from tests.retention.test_erase_run import CALL
from tests.telemetry.exporting import tell, tool_span

pytestmark = pytest.mark.django_db

Clock = Callable[..., None]


@pytest.fixture
def run(writer: Robot) -> Run:
    """Of today, with a reported step in a trace of its own."""
    partitions.make_partitions()
    trace = os.urandom(16).hex()
    span = tool_span("erp.issue_credit_memo", trace=trace)
    tell(writer, span)
    run = open_run(writer)
    context = f"00-{trace}-{span['span']}-01"
    writer.api().post("/api/v1/tool-calls", CALL | {"run_id": run}, format="json", HTTP_TRACEPARENT=context)
    end(writer, run)
    return Run.objects.get(id=run)


def today() -> str:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT tableoid::regclass::text FROM {partitions.TABLE}")
        return str(cursor.fetchone()[0])


def test_a_day_that_no_rule_keeps_is_dropped_and_told(run: Run, time_passes: Clock) -> None:
    day = today()
    make_rule("spans", 10)
    time_passes(days=10)
    assert services.drop_due_days() == []
    time_passes(days=11, hours=1)

    assert day in services.drop_due_days()
    assert day not in partitions.partition_names()
    assert not ReportedSpan.objects.exists()
    assert not Trace.objects.exists()
    assert not GovernedExecution.objects.exists()
    entry = AuditEntry.objects.get(code="retention.day_dropped", subject_id=day)
    assert (entry.actor_key, entry.data["spans"]) == ("system:retention", 1)
    step = Span.objects.get(run=run, kind="erasure")
    assert step.name == "Erased: what agents reported of it"
    assert "spans: 10 days" in step.note
    assert services.drop_due_days() == []


@pytest.mark.parametrize("of_process", [True, False])
def test_a_day_with_something_held_stays_whole(run: Run, time_passes: Clock, of_process: bool) -> None:
    day = today()
    make_rule("spans", 1)
    held = services.place_legal_hold(
        actor=actor("chen"), process=run.process, run=None if of_process else run, reason="Case 4711"
    )
    time_passes(days=30)
    services.drop_due_days()
    assert day in partitions.partition_names()
    assert ReportedSpan.objects.count() == 1

    services.lift_legal_hold(actor=actor("chen"), hold_id=held.id, reason="Closed")
    assert day in services.drop_due_days()


def test_without_a_rule_no_day_is_dropped(run: Run, time_passes: Clock) -> None:
    time_passes(days=4000)
    assert services.drop_due_days() == []
    assert ReportedSpan.objects.count() == 1


def test_spans_that_come_after_their_day_went_are_kept_anew(run: Run, writer: Robot, time_passes: Clock) -> None:
    make_rule("spans", 1)
    time_passes(days=30)
    services.drop_due_days()
    tell_token = writer
    time_passes(days=0)
    tell(tell_token, tool_span("erp.find"))

    assert ReportedSpan.objects.count() == 1
