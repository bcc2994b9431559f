"""What agents tell of their own work: spans as they reported them, beside what the mesh enforced. Model prices, and the
tool executions nobody enforced.
"""

from django.db import models

from apps.core.generations import CONFIGURATION, begins_new
from apps.core.ids import uuid7
from apps.registry.models import Agent, Environment, Process


class ReportedKind(models.TextChoices):
    TURN = "turn", "Agent turn"
    MODEL = "model", "Model call"
    TOOL = "tool", "Tool execution"
    HANDOFF = "handoff", "Hand-off"
    RETRIEVAL = "retrieval", "Retrieval"
    OTHER = "other", "Other"


class ReportedStatus(models.TextChoices):
    UNSET = "unset", "Not said"
    OK = "ok", "Done"
    ERROR = "error", "Failed"


class Mark(models.IntegerChoices):
    """What the door did to a span, as bits of `marks`."""

    TRUNCATED = 1, "Something was cut"
    MASKED = 2, "A secret was taken out"
    CLOCK_AHEAD = 4, "Its clock was ahead"
    OWN_PARENT = 8, "It named itself as its parent"


class Trace(models.Model):
    """A trace as one process knows it. `id` was made when its first span came and says in which day's partition all of
    its spans are, whatever times they claim: so a span is there once, however often and late it is told.

    `trace_id` is the W3C id, sixteen bytes, in a column of that size.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    trace_id = models.UUIDField()
    process = models.ForeignKey(Process, on_delete=models.CASCADE, related_name="+")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    first_agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="+")
    first_seen_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["trace_id", "process", "environment"], name="trace_once_per_process")
        ]

    def __str__(self) -> str:
        return self.trace_id.hex


class ReportedSpan(models.Model):
    """One span as its agent told it. Partitioned by the day of its trace; written by COPY and never changed.

    Times are nanoseconds since 1970 as told. `attributes` are JSON text, with nothing in it that is payload; prompts,
    completions, arguments, results, events and long texts are in `payload`, which is shown to nobody by default.
    `tool_call_ref` is the model's name for a tool call, not an id of ours.
    """

    pk = models.CompositePrimaryKey("trace", "span_id")
    trace = models.UUIDField()
    span_id = models.BigIntegerField()
    parent_span_id = models.BigIntegerField(null=True)
    agent_id = models.UUIDField()
    received_at = models.DateTimeField()
    started_ns = models.BigIntegerField()
    ended_ns = models.BigIntegerField()
    kind = models.CharField(max_length=10, choices=ReportedKind.choices)
    status = models.CharField(max_length=10, choices=ReportedStatus.choices)
    marks = models.SmallIntegerField(default=0)
    name = models.CharField(max_length=200)
    service = models.CharField(max_length=120)
    agent_name = models.CharField(max_length=120)
    error_type = models.CharField(max_length=120)
    provider = models.CharField(max_length=60)
    model = models.CharField(max_length=120)
    input_tokens = models.BigIntegerField(null=True)
    output_tokens = models.BigIntegerField(null=True)
    cached_tokens = models.BigIntegerField(null=True)
    reasoning_tokens = models.BigIntegerField(null=True)
    tool_name = models.CharField(max_length=120)
    tool_call_ref = models.CharField(max_length=120)
    attributes = models.TextField()
    payload = models.TextField(blank=True)

    def __str__(self) -> str:
        return self.name


class ToolReport(models.Model):
    """A reported tool execution that has not been looked at: is there an enforced call behind it? Written with its
    span, gone when that is known.
    """

    id = models.BigAutoField(primary_key=True)
    trace = models.UUIDField()
    span_id = models.BigIntegerField()
    received_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["received_at", "id"], name="tool_report_due")]

    def __str__(self) -> str:
        return f"{self.trace} {self.span_id}"


class GovernedExecution(models.Model):
    """A reported tool execution and the enforced call behind it: because the call came from within it, or, where no
    trace context says so, because it is the same tool of the same agent at the same time.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    trace = models.UUIDField()
    span_id = models.BigIntegerField()
    tool_call_id = models.UUIDField()
    by_likeness = models.BooleanField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["trace", "span_id"], name="governed_execution_once"),
            # a likeness is no proof: one call explains one execution
            models.UniqueConstraint(
                fields=["tool_call_id"], name="one_likeness_per_call", condition=models.Q(by_likeness=True)
            ),
        ]
        indexes = [models.Index(fields=["tool_call_id"], name="governed_by_call")]

    def __str__(self) -> str:
        return f"{self.trace} {self.span_id}"


class UngovernedAction(models.Model):
    """An agent says that it executed a tool, and no enforced call is behind it. One for each agent and tool until a
    person acknowledges it; the next execution after that opens another.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    process = models.ForeignKey(Process, on_delete=models.CASCADE, related_name="ungoverned_actions")
    environment = models.CharField(max_length=20, choices=Environment.choices)
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="ungoverned_actions")
    tool_name = models.CharField(max_length=120)
    execution_count = models.PositiveIntegerField(default=0)
    first_at = models.DateTimeField()
    last_at = models.DateTimeField()
    found_at = models.DateTimeField()
    acknowledged_by = models.CharField(max_length=160, blank=True)
    acknowledged_by_name = models.CharField(max_length=160, blank=True)
    acknowledged_at = models.DateTimeField(null=True)
    reason = models.CharField(max_length=500, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["agent", "tool_name"], name="one_open_ungoverned", condition=models.Q(acknowledged_at=None)
            )
        ]
        indexes = [
            models.Index(fields=["process", "-id"], name="ungoverned_process"),
            models.Index(fields=["process", "-id"], name="ungoverned_open", condition=models.Q(acknowledged_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.agent}: {self.tool_name}"

    @property
    def is_open(self) -> bool:
        return self.acknowledged_at is None


class UngovernedExecution(models.Model):
    """One of the executions that an ungoverned action counts: the span that told of it."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    action = models.ForeignKey(UngovernedAction, on_delete=models.CASCADE, related_name="executions")
    trace = models.UUIDField()
    span_id = models.BigIntegerField()
    at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["trace", "span_id"], name="ungoverned_execution_once")]
        indexes = [models.Index(fields=["action", "-id"], name="ungoverned_of_action")]

    def __str__(self) -> str:
        return f"{self.trace} {self.span_id}"


class ModelPrice(models.Model):
    """What a million tokens of a model cost from a day on, in millionths of the currency's unit ($2.50 is 2,500,000).

    `cached_input` None: cached input costs what input costs. A price is corrected by setting it anew for its day.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    provider = models.CharField(max_length=60, blank=True, help_text="Empty: whoever provides the model")
    model = models.CharField(max_length=120)
    currency = models.CharField(max_length=3)
    input_micro = models.BigIntegerField()
    output_micro = models.BigIntegerField()
    cached_input_micro = models.BigIntegerField(null=True)
    effective_from = models.DateTimeField()
    set_by = models.CharField(max_length=160)
    set_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["provider", "model", "effective_from"], name="price_once"),
            models.CheckConstraint(
                name="price_not_negative",
                condition=models.Q(input_micro__gte=0, output_micro__gte=0)
                & (models.Q(cached_input_micro=None) | models.Q(cached_input_micro__gte=0)),
            ),
        ]
        triggers = begins_new(CONFIGURATION)

    def __str__(self) -> str:
        return f"{self.model} from {self.effective_from:%Y-%m-%d}"
