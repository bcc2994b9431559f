"""How long content is kept, what must not be erased, and which traces were gone through."""

from django.db import models

from apps.core.ids import uuid7
from apps.registry.models import Process
from apps.runs.models import Run


class Content(models.TextChoices):
    """Kinds of content. `SPANS` are what agents reported as a whole, dropped by the day for the whole mesh; all others
    lose what they say and keep their rows.
    """

    CALLS = "calls", "Arguments and results of calls"
    STATE = "state", "Workflow state"
    ARTIFACTS = "artifacts", "Artifacts"
    REPORTED = "reported", "Prompts and answers that agents reported"
    SPANS = "spans", "Whole reported spans"


# What has no class of data of its own.
WITHOUT_CLASS = (Content.REPORTED, Content.SPANS)


class RetentionRule(models.Model):
    """Content of this kind and class is kept so many days after its run has ended: in one process or, where `process`
    is empty, in all that have no rule of their own. An empty `data_class` is whatever class has no rule of its own.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    process = models.ForeignKey(Process, on_delete=models.CASCADE, null=True, related_name="retention_rules")
    content = models.CharField(max_length=20, choices=Content.choices)
    data_class = models.CharField(max_length=40, blank=True)
    days = models.PositiveIntegerField()
    set_by = models.CharField(max_length=160)
    set_by_name = models.CharField(max_length=200)
    set_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["process", "content", "data_class"], name="retention_rule_once", nulls_distinct=False
            ),
            models.CheckConstraint(name="retention_is_a_day_at_least", condition=models.Q(days__gte=1)),
            models.CheckConstraint(
                name="retention_class_fits",
                condition=~models.Q(content__in=["reported", "spans"]) | models.Q(data_class=""),
            ),
            models.CheckConstraint(
                name="retention_of_spans_is_of_all", condition=~models.Q(content="spans") | models.Q(process=None)
            ),
        ]

    def __str__(self) -> str:
        of = f"{self.data_class} in " if self.data_class else ""
        return f"{of}{self.get_content_display().lower()}: {self.days} days"

    @property
    def has_classes(self) -> bool:
        """Whether there may be one for each class of data."""
        return self.content not in WITHOUT_CLASS


class LegalHold(models.Model):
    """Nothing of this run, or of this process, is erased while it is in force: by no rule and for nobody."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    process = models.ForeignKey(Process, on_delete=models.PROTECT, related_name="legal_holds")
    run = models.ForeignKey(Run, on_delete=models.PROTECT, null=True, related_name="legal_holds")
    reason = models.CharField(max_length=500)
    placed_by = models.CharField(max_length=160)
    placed_by_name = models.CharField(max_length=200)
    placed_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, help_text="Null: until it is lifted")
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=160, blank=True)
    lifted_by_name = models.CharField(max_length=200, blank=True)
    lift_reason = models.CharField(max_length=500, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["process"], name="hold_in_force", condition=models.Q(lifted_at=None)),
        ]

    def __str__(self) -> str:
        return f"Hold of {self.run or self.process}"


class PurgedTrace(models.Model):
    """A trace whose payload was erased, so that it is not looked through again."""

    trace = models.UUIDField(primary_key=True)
    erased_at = models.DateTimeField()

    def __str__(self) -> str:
        return str(self.trace)
