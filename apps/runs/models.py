"""Runs, and the spans that say what happened in them."""

from django.db import models
from django.db.models.functions import Now

from apps.core.ids import uuid7
from apps.registry.models import Agent, Environment, Process


class RunState(models.TextChoices):
    OPEN = "open", "Running"
    SUCCEEDED = "succeeded", "Succeeded"
    FAILED = "failed", "Failed"
    CANCELLED = "cancelled", "Cancelled"
    HALTED = "halted", "Halted"
    TIMED_OUT = "timed_out", "Out of time"


class Run(models.Model):
    """One piece of work by agents toward one outcome. `is_implicit` runs were opened by a single call and end with
    it.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    process = models.ForeignKey(Process, on_delete=models.PROTECT, related_name="runs")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    opened_by = models.ForeignKey(Agent, on_delete=models.PROTECT, related_name="runs")
    title = models.CharField(max_length=200)
    business_key = models.CharField(max_length=120, blank=True)
    state = models.CharField(max_length=20, choices=RunState.choices, default=RunState.OPEN)
    is_implicit = models.BooleanField(default=False)
    call_count = models.PositiveIntegerField(default=0)
    idempotency_key = models.CharField(max_length=200, blank=True)
    trace_id = models.UUIDField(null=True, help_text="The agent's own trace in which it was opened")
    # by the clock that halts are placed by: a drain compares the two
    started_at = models.DateTimeField(db_default=Now())
    ended_at = models.DateTimeField(null=True)
    deadline_at = models.DateTimeField(null=True, help_text="Until when it may take; null: as long as it likes")

    class Meta:
        indexes = [
            models.Index(
                fields=["deadline_at"],
                name="run_deadline",
                condition=models.Q(state="open", is_implicit=False, deadline_at__isnull=False),
            ),
            models.Index(fields=["process", "-id"], name="run_process"),
            models.Index(fields=["trace_id"], name="run_trace", condition=models.Q(trace_id__isnull=False)),
            models.Index(fields=["business_key", "-id"], name="run_business_key"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["opened_by", "idempotency_key"],
                name="one_run_per_key",
                condition=~models.Q(idempotency_key=""),
            ),
        ]

    def __str__(self) -> str:
        return self.title

    @property
    def may_be_extended(self) -> bool:
        """Whether it has a time that somebody could make longer."""
        has_one = self.deadline_at is not None and not self.is_implicit
        return has_one and self.state in (RunState.OPEN, RunState.TIMED_OUT)

    @property
    def is_open(self) -> bool:
        return self.state == RunState.OPEN


class SpanKind(models.TextChoices):
    DECISION = "decision", "Policy decision"
    HUMAN_WAIT = "human_wait", "Waiting for a person"
    VOTE = "vote", "Vote"
    TOOL = "tool", "Tool call"
    LOOKUP = "lookup", "Lookup"
    RESOLUTION = "resolution", "Resolution"
    COMPENSATION = "compensation", "Compensation"
    HALT = "halt", "Halt"
    ERASURE = "erasure", "Erasure"


class SpanOrigin(models.TextChoices):
    ENFORCED = "enforced", "Enforced by the mesh"
    REPORTED = "reported", "Reported by an agent"


class SpanStatus(models.TextChoices):
    OPEN = "open", "Under way"
    OK = "ok", "Done"
    REFUSED = "refused", "Refused"
    ERROR = "error", "Failed"
    UNKNOWN = "unknown", "Outcome unknown"


class Span(models.Model):
    """One step in a run. Names and attributes hold codes, ids and money, never payload."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="spans")
    tool_call_id = models.UUIDField(null=True)
    kind = models.CharField(max_length=20, choices=SpanKind.choices)
    origin = models.CharField(max_length=20, choices=SpanOrigin.choices, default=SpanOrigin.ENFORCED)
    status = models.CharField(max_length=20, choices=SpanStatus.choices)
    name = models.CharField(max_length=200)
    actor_name = models.CharField(max_length=200, blank=True)
    note = models.CharField(max_length=300, blank=True)
    money_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=3, blank=True)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    attributes = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["run", "started_at", "id"], name="span_run"),
            # what people are waited for now: a step that is over when it is written costs it nothing
            models.Index(
                fields=["run"], name="span_waiting", condition=models.Q(kind="human_wait", ended_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return self.name
